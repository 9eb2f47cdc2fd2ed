import { createServer } from 'node:http';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check, { percentile } from '../../src/checks/latency.ts';
import type { CheckResult } from '../../src/define.ts';
import { clock } from '../../src/ports/clock.ts';
import { runCheck } from '../support/check.ts';
import { closedPort } from '../support/hostile.ts';

const test = suite('check latency');
const short = (got: CheckResult): string => [got.outcome, got.cause].filter(Boolean).join(' ');

/** An HTTP server that takes as long as it is told. */
async function server() {
  let delayMs = 0;
  const http = createServer((_call, answer) => void setTimeout(() => answer.end('x'), delayMs));
  await new Promise<void>((done) => http.listen(0, '127.0.0.1', done));
  const address = http.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    port,
    slow: (ms: number) => {
      delayMs = ms;
    },
    stop: () => new Promise((done) => http.close(done)),
  };
}

test('the 95th percentile', () => {
  const hundred = Array.from({ length: 100 }, (_, at) => at + 1);
  assert.is(percentile(hundred, 0.95), 95);
  assert.is(percentile([7], 0.95), 7);
  assert.is(percentile([3, 1, 2], 0.95), 3);
  assert.is(percentile([], 0.95), 0);
});

test('average and slow end, over a window', async () => {
  const one = await server();
  const memory = new Map<string, unknown>();
  let now = 0;
  const ports = { clock: { ...clock, monotonic: () => now } };
  const url = `http://127.0.0.1:${one.port}/`;
  const limits = { 'average-warn': '400ms', 'p95-warn': '900ms', least: 3, window: '1m' };
  const look = (): Promise<CheckResult> => runCheck(check, { url, ...limits }, { memory, ports, timeoutMs: 10_000 });
  assert.match((await look()).detail, 'too few samples: 1');
  await look();
  assert.is(short(await look()), 'pass');
  one.slow(1000);
  const slow = await look();
  assert.is(short(slow), 'degraded overloaded');
  assert.match(slow.detail, /at the 95th percentile of 4; more than 900 ms$/);
  await look();
  assert.match((await look()).detail, 'more than 400 ms');
  one.slow(0);
  now = 120_000;
  assert.match((await look()).detail, 'too few samples: 1', 'the others are older than the window');
  await one.stop();
});

test('a connection alone; nobody there only degrades', async () => {
  const one = await server();
  const port = one.port;
  assert.is(short(await runCheck(check, { port, least: 1 })), 'pass');
  await one.stop();
  assert.is(short(await runCheck(check, { port: await closedPort() })), 'degraded refusing');
  for (const bad of [{}, { port: 1, url: 'http://x/' }, { url: 'ftp://x/' }])
    assert.is(check.options.safeParse(bad).success, false);
});

test.run();
