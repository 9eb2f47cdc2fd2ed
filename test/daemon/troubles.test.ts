// Alarms about the daemon itself: each ends, by whatever way its reason goes away.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Config } from '../../src/config/types.ts';
import { Daemon } from '../../src/daemon/daemon.ts';
import { watchSecrets } from '../../src/daemon/secrets.ts';
import { FakeMachine } from '../support/fake-machine.ts';
import { MemoryStore } from '../support/memory-store.ts';

const test = suite('troubles');

const boot = async (machine: FakeMachine, config: Config, store = new MemoryStore()): Promise<Daemon> => {
  const { ports, plugins } = machine;
  const doors = { ports, plugins, store, recorder: null, version: '0', configuration: 'test', pid: 1 };
  const daemon = new Daemon(config, doors);
  await daemon.start();
  return daemon;
};
const alarms = (daemon: Daemon): string[] => Object.values(daemon.loop.node.alarms).map(({ event }) => event);

test('a check that breaks is forgotten with its service', async () => {
  const machine = new FakeMachine(['a', 'b']);
  const daemon = await boot(machine, machine.config({ a: {}, b: {} }));
  await machine.clock.run(5000);
  machine.thing('a').truth = 'throws';
  await machine.clock.run(20_000);
  assert.ok(alarms(daemon).includes('plugin-trouble'));
  daemon.reload(machine.config({ b: {} }));
  await machine.clock.run(1000);
  assert.equal(alarms(daemon), []);
  await daemon.close();
});

test('a channel in trouble that is taken out, or mended by a reload, is in trouble no more', async () => {
  for (const how of ['out', 'mended'] as const) {
    const machine = new FakeMachine(['a']);
    const config = machine.config({ a: {} });
    const daemon = await boot(machine, config);
    await machine.clock.run(5000);
    machine.channelBroken = true;
    machine.thing('a').truth = 'dead';
    await machine.clock.run(60_000);
    assert.ok(alarms(daemon).includes('outbox-trouble'), how);
    if (how === 'mended') machine.channelBroken = false;
    daemon.reload(how === 'out' ? { ...config, alerts: {} } : config);
    await machine.clock.run(5000);
    assert.equal(alarms(daemon), [], how);
    await daemon.close();
  }
});

test('what the daemon before had trouble with ends with it, and comes again if it goes on', async () => {
  const machine = new FakeMachine(['a']);
  const store = new MemoryStore();
  const first = await boot(machine, machine.config({ a: {} }), store);
  await machine.clock.run(5000);
  for (const name of ['history', 'secrets', 'plugin', 'outbox', 'configuration', 'journal'] as const)
    first.push({ kind: 'condition', name, bad: true, detail: name });
  await machine.clock.run(100);
  assert.is(alarms(first).length, 6);
  const copy = store.copy();
  await first.close();
  machine.sent.length = 0;
  const second = await boot(machine, machine.config({ a: {} }), copy);
  await machine.clock.run(5000);
  assert.equal(alarms(second), []);
  assert.is(machine.sent.filter(({ notice }) => notice.kind === 'clear').length, 6);
  assert.is(second.loop.node.strict, null);
  await second.close();
});

test('the end is told before the channels close', async () => {
  const machine = new FakeMachine(['a']);
  const daemon = await boot(machine, machine.config({ a: {} }));
  await machine.clock.run(5000);
  const closing = daemon.close();
  await machine.clock.run(5000);
  await closing;
  assert.is(machine.sent.at(-1)?.notice.event, 'daemon-stopping');
});

test('secrets: one alarm for all of them, with names; over when all can be read or none is named', () => {
  const broken = new Set(['file:/a', 'file:/b']);
  const told: string[] = [];
  const secrets = watchSecrets(
    {
      read(reference) {
        if (broken.has(reference)) throw new Error(`secret ${reference} cannot be read: ENOENT`);
        return 'value';
      },
    },
    (bad, detail) => void told.push(`${bad} ${detail}`),
  );
  const read = (name: string): void => {
    try {
      assert.is(secrets.read(name), 'value');
    } catch (error) {
      assert.match((error as Error).message, 'cannot be read');
    }
  };
  for (const name of ['file:/c', 'file:/a', 'file:/b', 'file:/a']) read(name);
  assert.equal(told, ['true secret file:/a cannot be read: ENOENT']);
  broken.delete('file:/a');
  read('file:/a');
  assert.is(told.length, 1);
  broken.delete('file:/b');
  read('file:/b');
  assert.is(told[1], 'false every secret can be read again');
  broken.add('file:/a');
  read('file:/a');
  secrets.forget();
  secrets.forget();
  assert.equal(
    told.slice(2).map((line) => line.split(' ')[0]),
    ['true', 'false'],
  );
});

test.run();
