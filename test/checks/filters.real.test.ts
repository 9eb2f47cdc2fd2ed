// The filters of mail on their real servers: clamd, rspamd, OpenDKIM; well, and broken in the ways that happen.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import clamd from '../../src/checks/clamd.ts';
import milter from '../../src/checks/milter.ts';
import rspamd from '../../src/checks/rspamd.ts';
import type { Check, CheckResult } from '../../src/define.ts';
import { secretsFrom } from '../../src/ports/secrets.ts';
import { type RunOptions, runCheck } from '../support/check.ts';
import { type Clamd, startClamd } from '../support/clamd.ts';
import { type OpenDkim, startOpenDkim } from '../support/opendkim.ts';
import { type Rspamd, startRspamd } from '../support/rspamd.ts';
import { stopped } from '../support/server.ts';

const test = suite('filters on real servers');
let scanner: Clamd;
let spam: Rspamd;
let dkim: OpenDkim;
test.before(async () => {
  [scanner, dkim, spam] = await Promise.all([startClamd(), startOpenDkim(), startRspamd()]);
});
test.after(async () => {
  await Promise.all([scanner?.stop(), dkim?.stop(), spam?.stop()]);
});

const secrets = secretsFrom({ SPAM: 'pw-of-the-lab', WRONG: 'wrong' });
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const run = (check: unknown, options: unknown, how: RunOptions = {}): Promise<CheckResult> =>
  runCheck(check as Check, options, { timeoutMs: 15_000, ...how, ports: { secrets, ...how.ports } });
const deep = { depth: 'deep' } as const;

async function expect(check: unknown, options: unknown, how: RunOptions, wanted: string, text = ''): Promise<void> {
  const result = await run(check, options, how);
  assert.is(said(result), wanted, result.detail);
  assert.match(result.detail, text);
}

test('clamd: well, over TCP and the socket; and without signatures of the makers', async () => {
  await expect(clamd, { port: scanner.port }, {}, 'pass/-');
  await expect(clamd, { path: scanner.socket }, {}, 'pass/-', 'answers');
  const own = { path: scanner.socket, 'own-signatures': true };
  await expect(clamd, own, deep, 'pass/-', 'finds the test virus');
  await expect(clamd, { path: scanner.socket }, deep, 'degraded/expired', 'no signatures but');
  assert.match(scanner.log(), 'FOUND');
});

test('clamd: a scanner that finds nothing fails, one that hangs hangs, one that is away refuses', async () => {
  const blind = await startClamd(false);
  try {
    const options = { path: blind.socket, 'own-signatures': true };
    await expect(clamd, options, deep, 'fail/misconfigured', 'does not find');
    await expect(clamd, { ...options, 'test-virus': false }, deep, 'pass/-', 'answers');
    await stopped(blind.pid(), async () => {
      await expect(clamd, options, { timeoutMs: 1000 }, 'fail/hung');
    });
    rmSync(blind.socket);
    await expect(clamd, options, {}, 'fail/refusing');
  } finally {
    await blind.stop();
  }
});

test('rspamd: ping, test spam, counters that move, a wrong password', async () => {
  const url = `http://127.0.0.1:${spam.port}`;
  const controller = `http://127.0.0.1:${spam.controller}`;
  await expect(rspamd, { url }, {}, 'pass/-', 'answers');
  const memory = new Map<string, unknown>();
  const all = { url, controller, password: 'env:SPAM' };
  await expect(rspamd, all, { ...deep, memory }, 'pass/-', 'scans');
  const second = await run(rspamd, all, { ...deep, memory });
  assert.is(said(second), 'pass/-', second.detail);
  assert.ok((second.metrics?.find((one) => one.name === 'scanned')?.value ?? 0) >= 1, 'the counter moved');
  await expect(rspamd, { ...all, password: 'env:WRONG' }, deep, 'degraded/credentials');
  await expect(rspamd, { url, controller }, deep, 'degraded/credentials');
  // The controller is no worker of the kind that scans for everybody.
  await expect(rspamd, { url: controller }, deep, 'degraded/credentials');
  await expect(rspamd, { url, action: 'greylist' }, deep, 'fail/misconfigured', 'would get "reject"');
  await stopped(spam.pid(), async () => {
    await expect(rspamd, { url }, { timeoutMs: 1000 }, 'fail/hung');
  });
});

test('milter: OpenDKIM and the proxy of rspamd negotiate, and take a client', async () => {
  await expect(milter, { path: dkim.socket }, {}, 'pass/-', 'milter version 6');
  await expect(milter, { path: dkim.socket }, deep, 'pass/-');
  await expect(milter, { port: spam.milter }, deep, 'pass/-');
  await expect(milter, { path: dkim.socket, client: '2001:db8::1', 'client-name': 'far.test' }, deep, 'pass/-');
  await stopped(dkim.pid(), async () => {
    await expect(milter, { path: dkim.socket }, { timeoutMs: 1000 }, 'fail/hung');
  });
  await expect(milter, { path: join(dkim.folder, 'away') }, {}, 'fail/refusing');
});

test.run();
