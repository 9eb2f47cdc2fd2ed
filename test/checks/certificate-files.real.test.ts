// A certificate that is renewed on the disk and not yet read by the server: Dovecot, before and after its reload.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/certificate-files.ts';
import type { Check, CheckResult } from '../../src/define.ts';
import { elsewhere } from '../support/certificates.ts';
import { runCheck } from '../support/check.ts';
import { type Dovecot, startDovecot, until } from '../support/servers.ts';

const test = suite('certificate files of a real server');
let dovecot: Dovecot;
test.before(async () => {
  dovecot = await startDovecot();
});
test.after(() => dovecot?.stop());

test('renewed on the disk, served after a reload', async () => {
  const [certificate, key] = [join(dovecot.folder, 'cert.pem'), join(dovecot.folder, 'key.pem')];
  const served = [
    { port: dovecot.imaps },
    { port: dovecot.imap, starttls: 'imap' },
    { port: dovecot.pop3, starttls: 'pop3' },
  ];
  const look = (): Promise<CheckResult> =>
    runCheck(check as unknown as Check, { certificate, key, served }, { depth: 'deep', timeoutMs: 20_000 });
  const well = await look();
  assert.is(well.outcome, 'pass', well.detail);
  assert.match(well.detail, 'served (3)');
  writeFileSync(certificate, elsewhere.cert);
  const half = await look();
  assert.is(`${half.outcome}/${half.cause}`, 'degraded/misconfigured');
  assert.match(half.detail, 'the key does not belong');
  writeFileSync(key, elsewhere.key);
  const stale = await look();
  assert.is(`${stale.outcome}/${stale.cause}`, 'degraded/misconfigured', stale.detail);
  assert.match(stale.detail, `127.0.0.1:${dovecot.imaps} serves another certificate`);
  execFileSync('doveadm', ['-c', join(dovecot.folder, 'dovecot.conf'), 'reload'], { timeout: 30_000 });
  await until('the new one', async () => (await look()).outcome === 'pass', 60_000);
});

test.run();
