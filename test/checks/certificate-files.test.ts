import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/certificate-files.ts';
import type { Check, CheckResult } from '../../src/define.ts';
import { clock } from '../../src/ports/clock.ts';
import { fileCertificates, keyFits } from '../../src/ports/certificate.ts';
import { authority, elsewhere, expired, good } from '../support/certificates.ts';
import { type RunOptions, runCheck } from '../support/check.ts';
import { type HostileOptions, hostile } from '../support/hostile.ts';

const test = suite('certificate-files');
let folder = '';
test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'wk-certificates-'));
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
let files = 0;
function file(text: string): string {
  files += 1;
  const path = join(folder, `${files}.pem`);
  writeFileSync(path, text);
  return path;
}
const run = (options: object, how: RunOptions = {}): Promise<CheckResult> =>
  runCheck(check as unknown as Check, options, { timeoutMs: 5000, ...how });
async function expect(options: object, wanted: string, text = '', how: RunOptions = {}): Promise<void> {
  const result = await run(options, how);
  assert.is(said(result), wanted, result.detail);
  assert.match(result.detail, text);
}

test('sound files, with and without the authority, with and without the key', async () => {
  const chain = file(good.cert + authority);
  await expect({ certificate: file(good.cert) }, 'pass/-', 'sound, for mail.test, 127.0.0.1, until 2119-01-01');
  await expect({ certificate: chain, key: file(good.key) }, 'pass/-');
  await expect({ certificate: chain, key: chain }, 'degraded/misconfigured', 'holds no private key');
  const both = file(good.key + good.cert);
  await expect({ certificate: both, key: both }, 'pass/-');
});

test('the key of another, the wrong order, no certificate, no file', async () => {
  const certificate = file(good.cert);
  await expect({ certificate, key: file(elsewhere.key) }, 'degraded/misconfigured', 'does not belong');
  await expect({ certificate: file(authority + good.cert) }, 'degraded/misconfigured', 'wrong order: certificate 1');
  await expect({ certificate: file(good.cert + elsewhere.cert) }, 'degraded/misconfigured', '(mail.test)');
  await expect({ certificate: file('nothing') }, 'degraded/misconfigured', 'holds no certificate');
  const bad = good.cert.replace('MIIB', 'AAAA');
  await expect({ certificate: file(bad) }, 'degraded/misconfigured', 'holds no certificate');
  await expect({ certificate: join(folder, 'away') }, 'degraded/misconfigured', 'is not there');
  await expect({ certificate, key: join(folder, 'away') }, 'degraded/misconfigured', 'is not there');
  await expect({ certificate: folder }, 'unknown/-', 'cannot be read');
  await expect({ certificate: file('x'.repeat(300_000)) }, 'unknown/-', 'larger than');
});

test('a certificate that ended, that ends soon, that is not yet valid; an authority that ends first', async () => {
  await expect({ certificate: file(expired.cert) }, 'fail/expired', 'mail.test, on 2021-01-01');
  const at = (day: string): RunOptions => ({ ports: { clock: { ...clock, wall: () => Date.parse(day) } } });
  const certificate = file(good.cert);
  await expect({ certificate }, 'degraded/expired', 'ends soon', at('2118-12-25'));
  await expect({ certificate, warn: '1d' }, 'pass/-', '', at('2118-12-25'));
  await expect({ certificate }, 'degraded/misconfigured', 'not valid before 2020-01-01', at('2019-12-25'));
});

test('a key with a pass phrase cannot be compared, and is no fault', () => {
  assert.is(
    keyFits(good.cert, '-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA\n-----END ENCRYPTED PRIVATE KEY-----'),
    'locked',
  );
  assert.is(keyFits(good.cert, good.key), 'yes');
  assert.is(keyFits(good.cert, elsewhere.key), 'no');
  assert.is(keyFits(good.cert, 'x'), 'unreadable');
  assert.is(keyFits('x', good.key), 'unreadable');
  assert.equal(fileCertificates('x'), []);
  assert.is(fileCertificates(good.cert.repeat(100))?.length, 20);
});

/** A port that shows this certificate, at once or after STARTTLS. */
async function serving(pair: { cert: string; key: string }, work: (port: number, smtp: number) => Promise<void>) {
  const answer: HostileOptions['answer'] = (line) =>
    line.startsWith('EHLO') ? '250-lab\r\n250 STARTTLS\r\n' : line === 'STARTTLS' ? '220 go\r\n' : undefined;
  const tls = { cert: pair.cert, key: pair.key };
  const implicit = await hostile('scripted', { greeting: '', tls, implicit: true });
  const starttls = await hostile('scripted', { tls, answer });
  try {
    await work(implicit.port, starttls.port);
  } finally {
    await Promise.all([implicit.stop(), starttls.stop()]);
  }
}

test('what a port serves is what the file holds, or a reload is due', async () => {
  const certificate = file(good.cert);
  const deep: RunOptions = { depth: 'deep' };
  await serving(good, async (port, smtp) => {
    await expect({ certificate, served: [{ port }, { port: smtp, starttls: 'smtp' }] }, 'pass/-', 'served (2)', deep);
  });
  await serving(expired, async (port, smtp) => {
    for (const served of [[{ port }], [{ port: smtp, starttls: 'smtp' }]]) {
      await expect({ certificate, served }, 'degraded/expired', 'ended on 2021-01-01', deep);
      await expect({ certificate, served }, 'degraded/expired', 'reload the server', deep);
    }
    await expect({ certificate, served: [{ port }] }, 'pass/-');
  });
  await serving(elsewhere, async (port) => {
    await expect({ certificate, served: [{ port }] }, 'degraded/misconfigured', 'reload the server', deep);
  });
});

test.run();
