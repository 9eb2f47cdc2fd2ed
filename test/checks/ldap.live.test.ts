import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import ldap from '../../src/checks/ldap.ts';
import type { CheckResult } from '../../src/define.ts';
import { missing, parseCsn } from '../../src/dialogues/ldap.ts';
import { good } from '../support/certificates.ts';
import { runCheck } from '../support/check.ts';
import { ber, ldapScript, type LdapScript } from '../support/ldap-script.ts';

const test = suite('ldap');
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const account = { user: 'cn=probe', password: 'env:PROBE_PASSWORD', tls: 'off', suffixes: ['dc=a'] };

async function ask(script: LdapScript, options: object = account, depth: 'quick' | 'deep' = 'deep') {
  const server = await ldapScript(script);
  try {
    return await runCheck(ldap, { port: server.port, ...options }, { depth, timeoutMs: 1500 });
  } finally {
    await server.stop();
  }
}

test('each result code has its cause, wherever it is said', async () => {
  const table: [LdapScript, string][] = [
    [{}, 'pass/-'],
    [{ bind: [49, 'no'] }, 'degraded/credentials'],
    [{ bind: [48, 'no'] }, 'degraded/credentials'],
    [{ bind: [51, 'busy'] }, 'degraded/overloaded'],
    [{ bind: [52, 'shutting down'] }, 'degraded/overloaded'],
    [{ bind: [53, 'unwilling'] }, 'fail/misconfigured'],
    [{ bind: [8, 'stronger authentication required'] }, 'fail/misconfigured'],
    [{ bind: [13, 'confidentiality required'] }, 'fail/misconfigured'],
    [{ search: [11, 'admin limit'] }, 'degraded/overloaded'],
    [{ search: [3, 'time limit'] }, 'degraded/overloaded'],
    [{ search: [32, 'no such object'] }, 'fail/misconfigured'],
    [{ search: [50, 'no access'] }, 'degraded/credentials'],
    [{ search: [80, 'internal error'] }, 'fail/refusing'],
    [{ search: [80, 'entry update failed'] }, 'fail/no-space'],
    [{ search: [80, 'MDB_MAP_FULL: Environment mapsize limit reached'] }, 'fail/no-space'],
    [{ search: [1, 'No space left on device'] }, 'fail/no-space'],
    [{ entries: 0 }, 'fail/misconfigured'],
    [{ entries: 1000, name: `cn=${'x'.repeat(2000)}` }, 'fail/misconfigured'],
    [{ bind: null }, 'fail/hung'],
  ];
  for (const [script, wanted] of table) {
    const result = await ask(script);
    assert.is(said(result), wanted, `${JSON.stringify(script)}: ${result.detail}`);
  }
  assert.is(said(await ask({}, { ...account, password: 'env:AWAY' })), 'unknown/-');
});

test('quick: only users may look, and that is an answer', async () => {
  for (const code of [1, 8, 50, 53]) assert.is(said(await ask({ search: [code, 'no'] }, {}, 'quick')), 'pass/-');
  assert.is(said(await ask({ search: [51, 'busy'] }, {}, 'quick')), 'degraded/overloaded');
});

test('StartTLS: offered, refused, injected, and four bytes of length', async () => {
  const tls = { ...account, tls: 'offered' };
  assert.is(said(await ask({ startTls: [2, 'unsupported'] }, tls)), 'pass/-');
  assert.is(said(await ask({ startTls: [2, 'unsupported'] }, { ...tls, tls: 'required' })), 'fail/misconfigured');
  assert.is(said(await ask({ startTls: [52, 'not now'] }, { ...tls, tls: 'required' })), 'degraded/overloaded');
  const inside = await ask({ startTls: [0, ''], tls: good }, { ...tls, tls: 'required' });
  assert.is(said(inside), 'pass/-', inside.detail);
  const long = await ask({ startTls: [0, ''], tls: good, longForm: true }, { ...tls, tls: 'required' });
  assert.is(said(long), 'pass/-', long.detail);
  const early = await ask({ startTls: [0, ''], after: ber(0x30, Buffer.alloc(3)), tls: good }, tls);
  assert.is(said(early), 'fail/misconfigured', early.detail);
  const verified = await ask({ startTls: [0, ''], tls: good }, { ...tls, verify: true });
  assert.is(said(verified), 'fail/misconfigured', verified.detail);
});

test('bytes that no library can read end the check and nothing else', async () => {
  const table: Buffer[] = [
    Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x02]),
    Buffer.from([0x30, 0x05, 0x02, 0x01, 0x02, 0x64, 0x00]),
    Buffer.from([0x30, 0x0c, 0x02, 0x01, 0x02, 0x65, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x7f, 0x04, 0x00]),
    Buffer.alloc(2_000_000, 0x30),
  ];
  for (const raw of table) {
    const result = await ask({ raw }, {}, 'quick');
    assert.is.not(result.outcome, 'pass', `${raw.toString('hex', 0, 16)}: ${result.detail}`);
    assert.is.not(result.outcome, 'unknown', `${raw.toString('hex', 0, 16)}: ${result.detail}`);
  }
});

test('contextCSN: what is missing, server by server', () => {
  const csn = (second: number, server: string): string =>
    `202611251648${String(second)}.000000Z#000000#${server}#000000`;
  assert.is(parseCsn('never'), null);
  assert.is(parseCsn(csn(15, '001'))?.wallMs, Date.parse('2026-11-25T16:48:15Z'));
  assert.is(missing([csn(15, '001')], [csn(15, '001')]), null);
  assert.is(missing([csn(15, '001')], [csn(16, '001')]), null);
  assert.is(missing([csn(15, '001'), csn(17, '002')], [csn(15, '001')])?.text, csn(17, '002'));
  assert.is(missing([csn(15, '001'), csn(17, '002')], [])?.server, '002');
  assert.is(missing([], []), null);
});

test.run();
