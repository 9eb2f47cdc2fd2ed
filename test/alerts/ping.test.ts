import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import ping from '../../src/alerts/ping.ts';
import type { Alert, AlertChannel } from '../../src/define.ts';
import { makeAlert } from '../support/alert.ts';
import { closedPort, hostile } from '../support/hostile.ts';
import { testChannel } from '../support/send-alert.ts';
import { status, webReceiver } from '../support/web-receiver.ts';

const test = suite('ping');
const channel = (options: object, secrets = {}) =>
  testChannel(ping as unknown as AlertChannel, { timeout: '1s', ...options }, { secrets });
const heartbeat = (ageMs = 0): Alert => ({
  ...makeAlert({ event: 'heartbeat', kind: 'once', severity: 'indeterminate', service: null, incident: null }),
  time: new Date(Date.now() - ageMs).toISOString(),
});

test('only a heartbeat is told, and another address while something critical is active', async () => {
  const one = await webReceiver();
  const hook = channel({ url: 'env:PING', 'fail-url': `${one.url}/up/fail` }, { PING: `${one.url}/up` });
  const critical = { active: { count: 1, highest: 'critical' as const } };
  assert.is(await hook.send(makeAlert()), 'sent');
  assert.is(one.asked.length, 0);
  assert.is(await hook.send(heartbeat()), 'sent');
  assert.is(await hook.send(heartbeat(), critical), 'sent');
  const byHand = { ...heartbeat(), notice: makeAlert({ event: 'alert-test', kind: 'once' }).notice };
  assert.is(await hook.send(byHand), 'sent', 'a test by hand calls it too');
  assert.is(await channel({ url: `${one.url}/only`, method: 'HEAD' }).send(heartbeat(), critical), 'sent');
  assert.equal(
    one.asked.map(({ method, path }) => `${method} ${path}`),
    ['GET /up', 'GET /up/fail', 'GET /up', 'HEAD /only'],
  );
  await one.stop();
});

test('what is old is not told any more, and what fails is tried again', async () => {
  const busy = await webReceiver(status(503));
  const gone = await webReceiver(status(404));
  const silent = await hostile('silent');
  const kindOf = async (url: string, ageMs = 0): Promise<string> => {
    const result = await channel({ url }).send(heartbeat(ageMs));
    return result === 'sent' ? 'sent' : (Object.keys(result)[0] ?? '');
  };
  assert.is(await kindOf(busy.url), 'retry');
  assert.is(await kindOf(busy.url, 10 * 60_000), 'drop');
  assert.is(busy.asked.length, 1);
  assert.is(await kindOf(gone.url), 'drop');
  assert.is(await kindOf(`http://127.0.0.1:${silent.port}`), 'retry');
  assert.is(await kindOf(`http://127.0.0.1:${await closedPort()}`), 'retry');
  for (const one of [busy, gone, silent]) await one.stop();
});

test.run();
