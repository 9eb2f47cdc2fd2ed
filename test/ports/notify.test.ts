import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openNotify } from '../../src/ports/notify.ts';
import { type Datagrams, listenDatagrams } from '../support/datagrams.ts';

const test = suite('notify');
const texts = (manager: Datagrams): string[] => manager.take().map(String);
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

test('tells a manager at a path what the daemon does', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wk-notify-'));
  const manager = listenDatagrams(join(dir, 'notify'));
  const notify = openNotify({ NOTIFY_SOCKET: join(dir, 'notify'), WATCHDOG_USEC: '20000000' }, 100);
  assert.is(notify.active, true);
  assert.is(notify.watchdogMs, 10_000);
  notify.ready();
  notify.status('20 services,\n1 failing');
  notify.watchdog();
  const before = process.hrtime.bigint() / 1000n;
  notify.reloading();
  notify.stopping();
  const [ready, status, ping, reloading, stopping, ...more] = texts(manager);
  assert.equal(
    [ready, status, ping, stopping, more],
    ['READY=1', 'STATUS=20 services, 1 failing', 'WATCHDOG=1', 'STOPPING=1', []],
  );
  const usec = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(reloading ?? '')?.[1];
  assert.ok(usec && BigInt(usec) >= before && BigInt(usec) < before + 1_000_000n, reloading);
  notify.close();
  manager.close();
  rmSync(dir, { recursive: true });
});

test('an abstract socket is the same', () => {
  const name = `@wk-notify-${process.pid}`;
  const manager = listenDatagrams(name);
  openNotify({ NOTIFY_SOCKET: name }, 1).ready();
  assert.equal(texts(manager), ['READY=1']);
  manager.close();
});

test('without a manager every call does nothing, and there is no watchdog', () => {
  const notify = openNotify({ WATCHDOG_USEC: '1000000' }, 1);
  assert.is(notify.active, false);
  assert.is(notify.watchdogMs, null);
  notify.ready();
  notify.status('x');
  notify.watchdog();
  notify.close();
});

test('a watchdog that is meant for another process, or is no number, is none', () => {
  const NOTIFY_SOCKET = '@nobody';
  assert.is(openNotify({ NOTIFY_SOCKET, WATCHDOG_USEC: '1000000', WATCHDOG_PID: '7' }, 8).watchdogMs, null);
  assert.is(openNotify({ NOTIFY_SOCKET, WATCHDOG_USEC: '1000000', WATCHDOG_PID: '8' }, 8).watchdogMs, 500);
  assert.is(openNotify({ NOTIFY_SOCKET, WATCHDOG_USEC: 'soon' }, 8).watchdogMs, null);
});

test('a manager that is behind still gets READY and STOPPING, in order; pings are not kept', async () => {
  const name = `@wk-notify-slow-${process.pid}`;
  const manager = listenDatagrams(name);
  const notify = openNotify({ NOTIFY_SOCKET: name }, 1);
  for (let count = 0; count < 2000; count++) notify.watchdog();
  notify.ready();
  notify.watchdog();
  notify.stopping();
  const full = texts(manager);
  assert.ok(full.length < 2000, 'the queue of the socket was full');
  assert.ok(full.every((text) => text === 'WATCHDOG=1'));
  await pause(120);
  assert.equal(texts(manager), ['READY=1', 'STOPPING=1']);
  notify.close();
  manager.close();
});

test.run();
