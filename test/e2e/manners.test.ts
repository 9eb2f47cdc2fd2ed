// What the service manager sees of the daemon: READY, WATCHDOG, RELOADING, STATUS, STOPPING, and its exit codes.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Datagrams, listenDatagrams } from '../support/datagrams.ts';
import { freePorts, liveDaemon, type LiveDaemon, served, until, watched, whole } from '../support/live-daemon.ts';

let daemon: LiveDaemon;
let manager: Datagrams;
const heard: { readonly text: string; readonly at: number }[] = [];
const listen = (): readonly string[] => {
  heard.push(...manager.take().map((data) => ({ text: data.toString(), at: performance.now() })));
  return heard.map(({ text }) => text);
};
const hears = (word: string | RegExp): Promise<void> =>
  until(`the manager hears ${word}`, () => listen().some((text) => text.match(word) !== null), 20_000);

const test = suite('manners');
test.before(async () => {
  daemon = liveDaemon('manners');
  manager = listenDatagrams(daemon.at('notify.sock'));
  const [port = 0] = await freePorts(1);
  daemon.write(whole(daemon, { a: served(daemon, 'a', port) }));
});
test.after(async () => {
  await daemon.end();
  manager.close();
});

test('READY, pings at half of the watchdog time, RELOADING with its time, STOPPING', async () => {
  const life = daemon.start({ NOTIFY_SOCKET: daemon.at('notify.sock'), WATCHDOG_USEC: '1000000' });
  await hears('READY=1');
  assert.ok((await daemon.status()).daemon.pid === life.child.pid, 'ready means that it answers');
  await hears(/^STATUS=watching 1 service$/);

  const first = performance.now();
  await new Promise((done) => setTimeout(done, 4000));
  listen();
  const pings = heard.filter(({ text, at }) => text === 'WATCHDOG=1' && at >= first);
  assert.ok(pings.length >= 4 && pings.length <= 9, `${pings.length} pings in 4 s, half a second apart`);

  const services = { a: watched({ type: 'command', run: ['true'] }), b: watched({ type: 'command', run: ['true'] }) };
  const before = process.hrtime.bigint() / 1000n;
  heard.length = 0;
  daemon.write(whole(daemon, services));
  life.child.kill('SIGHUP');
  await hears('RELOADING=1');
  await hears('READY=1');
  // The folder is watched too, so there may be two reloads: each has its end.
  const told = (word: string): readonly string[] => listen().filter((text) => text.startsWith(word));
  await until('READY ends each reload', () => told('RELOADING').length === told('READY').length);
  const [reloading = ''] = told('RELOADING');
  const usec = BigInt(/^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(reloading)?.[1] ?? 0);
  assert.ok(usec >= before && usec <= process.hrtime.bigint() / 1000n, reloading);
  assert.ok(listen().indexOf(reloading) < listen().indexOf('READY=1'));

  await hears(/^STATUS=watching 2 services$/);

  life.child.kill('SIGTERM');
  await hears('STOPPING=1');
  assert.equal(await life.ended, { code: 0, signal: null });
  const end = listen().indexOf('STOPPING=1');
  assert.not.ok(listen().slice(end).includes('READY=1'));
});

test('a bad configuration: RELOADING and READY all the same, and it goes on', async () => {
  heard.length = 0;
  const life = await daemon.up({ NOTIFY_SOCKET: daemon.at('notify.sock') });
  heard.length = 0;
  daemon.write({ nothing: 'good' });
  life.child.kill('SIGHUP');
  await hears('RELOADING=1');
  await hears('READY=1');
  await until('the alarm', async () =>
    (await daemon.status()).alarms.some(({ event }) => event === 'configuration-refused'),
  );
  assert.is((await daemon.stop(life)).code, 0);
  assert.ok(daemon.pidOf('a') > 0, 'the service goes on');
});

test.run();
