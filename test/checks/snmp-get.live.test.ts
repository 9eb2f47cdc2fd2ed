import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/snmp-get.ts';
import type { CheckResult } from '../../src/define.ts';
import { runCheck } from '../support/check.ts';
import { GARBAGE } from '../support/hostile.ts';
import { closedUdpPort, udpServer } from '../support/udp-server.ts';

const test = suite('check snmp-get');
const TIMEOUT_MS = 1500;
const OID = '1.3.6.1.2.1.1.3.0';
const short = (got: CheckResult): string => [got.outcome, got.cause].filter(Boolean).join(' ');
const login = { 2: { community: 'env:LAB_PASSWORD' }, 3: { version: '3', user: 'u', 'auth-key': 'env:LAB_PASSWORD' } };
const ask = (port: number, more: object = login[2]): Promise<CheckResult> =>
  runCheck(check, { port, oid: OID, ...more }, { timeoutMs: TIMEOUT_MS });

/** Agents that are none: by what they send for a question. */
const bad: Readonly<Record<string, (question: Buffer) => readonly Buffer[]>> = {
  silent: () => [],
  garbage: () => [Buffer.from(GARBAGE)],
  huge: () => [Buffer.alloc(60_000, 0x30)],
  nested: () => [Buffer.from('3084ffffffff3084ffffffff3084ffffffff', 'hex')],
  empty: () => [Buffer.alloc(0)],
  echo: (question) => [question],
  // The question as if it were an answer, with every byte of its end changed in turn.
  bent: (question) =>
    Array.from({ length: 40 }, (_, at) => {
      const copy = Buffer.from(question);
      const kind = copy.indexOf(0xa0);
      if (kind >= 0) copy[kind] = 0xa2;
      const place = copy.length - 1 - (at % copy.length);
      copy[place] = ((copy[place] ?? 0) + 0x81) & 0xff;
      return copy;
    }),
};
// The library is loaded at the first question, which may take longer than these questions may.
test.before(
  async () => void (await runCheck(check, { port: 1, oid: OID, ...login[2] }, { timeoutMs: 10_000, abortMs: 5000 })),
);

for (const [name, answers] of Object.entries(bad))
  for (const [version, more] of Object.entries(login))
    test(`${name}, version ${version}: a verdict in time, on one line`, async () => {
      const server = await udpServer(answers);
      const started = performance.now();
      const got = await ask(server.port, more);
      const ms = performance.now() - started;
      await server.stop();
      assert.ok(ms < TIMEOUT_MS, `${ms} ms`);
      assert.is.not(got.outcome, 'pass', got.detail);
      assert.not.match(got.detail, /[\p{Cc}\p{Cf}]/u);
      assert.ok(got.detail.length < 400);
    });

test('nobody there, a name that is none, a secret that cannot be read', async () => {
  assert.is((await ask(await closedUdpPort())).outcome, 'fail');
  assert.is(short(await ask(1, { ...login[2], host: 'no.such.host.invalid' })), 'fail dependency');
  assert.is(short(await ask(1, { community: 'env:NO_SUCH' })), 'unknown');
});

test('options that cannot work are refused', () => {
  for (const more of [{}, { version: '3' }, { community: 'public' }, { ...login[2], oid: 'sysUpTime.0' }])
    assert.is(check.options.safeParse({ oid: OID, ...more }).success, false, JSON.stringify(more));
});

test.run();
