import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/tls.ts';
import type { CheckResult } from '../../src/define.ts';
import { clock } from '../../src/ports/clock.ts';
import { authority, elsewhere, expired, good } from '../support/certificates.ts';
import { type RunOptions, runCheck } from '../support/check.ts';
import { type HostileOptions, hostile } from '../support/hostile.ts';

const test = suite('tls');
let folder = '';
let ca = '';

test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'wk-tls-'));
  ca = join(folder, 'ca.pem');
  writeFileSync(ca, authority);
});
test.after(() => rmSync(folder, { recursive: true }));

const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
async function ask(server: HostileOptions, options: object, how: RunOptions = {}): Promise<CheckResult> {
  const fake = await hostile('scripted', { implicit: true, ...server });
  try {
    return await runCheck(check, { port: fake.port, servername: 'mail.test', ca, ...options }, how);
  } finally {
    await fake.stop();
  }
}
const at = (day: string): RunOptions => ({ ports: { clock: { ...clock, wall: () => Date.parse(day) } } });

test('good, soon over, over, not yet, for another name, not trusted', async () => {
  const right = await ask({ tls: good }, {});
  assert.is(said(right), 'pass/-', right.detail);
  assert.ok((right.metrics?.find((metric) => metric.name === 'days')?.value ?? 0) > 30_000);
  const table: [HostileOptions['tls'], object, string, string, RegExp][] = [
    [good, {}, '2118-12-20', 'degraded/expired', /ends soon: .* \(12 days left\)/],
    [good, { warn: '5d' }, '2118-12-20', 'pass/-', /12 days left/],
    [good, {}, '2119-01-02', 'fail/expired', /expired: .*ended 1 days ago/],
    [good, {}, '2019-01-01', 'fail/misconfigured', /not valid before 2020-01-01/],
    [expired, {}, '2026-11-22', 'fail/expired', /until 2021-01-01 \(ended 2151 days ago\)/],
    [elsewhere, {}, '2026-11-22', 'fail/misconfigured', /not for mail\.test: certificate for elsewhere\.test/],
    [good, { ca: undefined }, '2026-11-22', 'fail/misconfigured', /not trusted \(UNABLE_TO_VERIFY/],
  ];
  for (const [certificate, options, day, wanted, detail] of table) {
    const result = await ask({ tls: certificate ?? good }, options, at(day));
    assert.is(said(result), wanted, result.detail);
    assert.match(result.detail, detail);
  }
});

test('a server that will not start TLS says so in its protocol', async () => {
  const words = (answer: string, greeting?: string): HostileOptions => ({
    implicit: false,
    ...(greeting ? { greeting } : {}),
    answer: (line) => (line.startsWith('EHLO') ? '250 x\r\n' : answer.replace('TAG', line.split(' ')[0] ?? '')),
  });
  const table: [HostileOptions, string, string][] = [
    [words('454 4.7.0 TLS not available due to local problem\r\n'), 'smtp', 'degraded/dependency'],
    [words('502 5.5.1 no\r\n'), 'smtp', 'fail/misconfigured'],
    [words('TAG BAD no\r\n', '* OK hi\r\n'), 'imap', 'fail/misconfigured'],
    [words('-ERR no\r\n', '+OK hi\r\n'), 'pop3', 'fail/misconfigured'],
    [words('', '421 busy\r\n'), 'smtp', 'degraded/overloaded'],
    [words('', '220 x\r\n'), 'pop3', 'fail/misconfigured'],
    [words('', '* OK Waiting for authentication process to respond..\r\n'), 'imap', 'fail/hung'],
  ];
  for (const [server, starttls, wanted] of table) {
    const result = await ask(server, { starttls }, { timeoutMs: 800 });
    assert.is(said(result), wanted, result.detail);
  }
});

test('a file of authorities that is not there or holds none is the probe’s own trouble', async () => {
  assert.is(said(await ask({ tls: good }, { ca: join(folder, 'away') })), 'unknown/-');
  writeFileSync(join(folder, 'empty'), 'nothing');
  assert.is(said(await ask({ tls: good }, { ca: join(folder, 'empty') })), 'unknown/-');
});

test.run();
