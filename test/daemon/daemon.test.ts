import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Config } from '../../src/config/types.ts';
import { Daemon } from '../../src/daemon/daemon.ts';
import { FakeMachine } from '../support/fake-machine.ts';
import { MemoryStore } from '../support/memory-store.ts';

const test = suite('daemon');

const boot = async (machine: FakeMachine, config: Config, store: MemoryStore): Promise<Daemon> => {
  const { ports, plugins } = machine;
  const daemon = new Daemon(config, {
    ports,
    plugins,
    store,
    recorder: null,
    version: '0',
    configuration: 'test',
    pid: 1,
  });
  await daemon.start();
  return daemon;
};

const phase = (daemon: Daemon, name: string): string => daemon.loop.node.services[name]?.phase ?? 'none';
const kinds = (machine: FakeMachine): string[] => machine.sent.map(({ notice }) => `${notice.kind} ${notice.event}`);

test('finds everything well, and says nothing more', async () => {
  const machine = new FakeMachine(['a', 'b']);
  const daemon = await boot(machine, machine.config({ a: {}, b: { depends: ['a'] } }), new MemoryStore());
  await machine.clock.run(60_000);
  assert.is(phase(daemon, 'a'), 'healthy');
  assert.is(phase(daemon, 'b'), 'healthy');
  assert.equal(kinds(machine), ['once configuration-loaded', 'once daemon-started']);
  await daemon.close();
});

test('a death that is watched is repaired without waiting for a check', async () => {
  const machine = new FakeMachine(['a']);
  const daemon = await boot(machine, machine.config({ a: {} }), new MemoryStore());
  await machine.clock.run(5000);
  machine.thing('a').truth = 'dead';
  machine.thing('a').onLife?.({ kind: 'died', detail: 'killed by signal 9' });
  await machine.clock.run(5);
  assert.is(machine.thing('a').starts, 1);
  await machine.clock.run(3000);
  assert.is(phase(daemon, 'a'), 'healthy');
  assert.equal(kinds(machine).slice(2), [
    'once recovery-started',
    'raise service-failing',
    'once recovery-succeeded',
    'clear service-failing',
  ]);
  await daemon.close();
});

test('a hang is confirmed, then cured; passing checks write nothing', async () => {
  const machine = new FakeMachine(['a']);
  const store = new MemoryStore();
  const daemon = await boot(machine, machine.config({ a: {} }), store);
  await machine.clock.run(5000);
  const writes = store.writes;
  await machine.clock.run(30_000);
  assert.is(store.writes, writes, 'nothing is written while all is well');
  machine.thing('a').truth = 'hung';
  await machine.clock.run(10_000);
  assert.is(machine.thing('a').starts, 1);
  assert.is(phase(daemon, 'a'), 'healthy');
  await daemon.close();
});

test('a plugin that throws or hangs costs one unknown, and never a repair', async () => {
  const machine = new FakeMachine(['a', 'b']);
  const daemon = await boot(machine, machine.config({ a: {}, b: {} }), new MemoryStore());
  await machine.clock.run(5000);
  machine.thing('a').truth = 'throws';
  machine.thing('b').truth = 'hangs';
  await machine.clock.run(120_000);
  assert.is(machine.thing('a').starts + machine.thing('b').starts, 0);
  assert.ok(kinds(machine).includes('raise service-unknown'));
  assert.ok(kinds(machine).includes('raise plugin-trouble'));
  assert.ok(
    machine.sent.every(({ notice }) => !notice.summary.includes('\u001b')),
    'text of a plugin is printable',
  );
  machine.thing('a').truth = 'fine';
  machine.thing('b').truth = 'fine';
  await machine.clock.run(120_000);
  assert.is(Object.keys(daemon.loop.node.alarms).length, 0);
  await daemon.close();
});

test('standing still for a minute changes no decision', async () => {
  const machine = new FakeMachine(['a']);
  const daemon = await boot(machine, machine.config({ a: {} }), new MemoryStore());
  await machine.clock.run(5005);
  machine.thing('a').truth = 'hung';
  await machine.clock.run(5);
  machine.clock.freeze(60_000);
  machine.thing('a').truth = 'fine';
  await machine.clock.run(30_000);
  assert.is(machine.thing('a').starts, 0);
  assert.is(phase(daemon, 'a'), 'healthy');
  assert.ok(kinds(machine).includes('raise observer-suspect'));
  assert.ok(kinds(machine).includes('clear observer-suspect'));
  await daemon.close();
});

test('the wall clock may jump by an hour or ten years', async () => {
  for (const jump of [3_600_000, -3_600_000, 315_360_000_000, -315_360_000_000]) {
    const machine = new FakeMachine(['a']);
    const daemon = await boot(machine, machine.config({ a: {} }), new MemoryStore());
    await machine.clock.run(5000);
    machine.thing('a').truth = 'hung';
    await machine.clock.run(1000);
    machine.clock.wallAhead += jump;
    await machine.clock.run(9000);
    assert.is(machine.thing('a').starts, 1, `jump of ${jump}`);
    assert.is(phase(daemon, 'a'), 'healthy');
    assert.ok(kinds(machine).includes('once clock-stepped'));
    await daemon.close();
  }
});

test('a disk that is full, or does not answer, stops nothing; budgets are stricter', async () => {
  for (const trouble of ['full', 'hang'] as const) {
    const machine = new FakeMachine(['a']);
    const store = new MemoryStore();
    const daemon = await boot(machine, machine.config({ a: {} }), store);
    await machine.clock.run(5000);
    store.trouble = trouble;
    machine.thing('a').stubborn = true;
    machine.thing('a').truth = 'dead';
    await machine.clock.run(60_000);
    assert.is(machine.thing('a').starts, 1, 'one repair, not three');
    assert.ok(kinds(machine).includes('raise journal-trouble'), trouble);
    store.trouble = 'none';
    machine.thing('a').truth = 'fine';
    await machine.clock.run(60_000);
    assert.is(daemon.status().daemon.durable, true);
    assert.ok(kinds(machine).includes('clear journal-trouble'), trouble);
    await daemon.close();
  }
});

test('a channel that is away gets everything when it is back, in order', async () => {
  const machine = new FakeMachine(['a']);
  const daemon = await boot(machine, machine.config({ a: {} }), new MemoryStore());
  await machine.clock.run(5000);
  machine.channelBroken = true;
  machine.thing('a').truth = 'dead';
  await machine.clock.run(120_000);
  machine.channelBroken = false;
  await machine.clock.run(120_000);
  const ids = machine.sent.map((alert) => alert.id);
  assert.equal(
    ids,
    [...new Set(ids)].sort((a, b) => a - b),
  );
  assert.ok(kinds(machine).includes('raise service-failing'));
  assert.ok(kinds(machine).includes('clear service-failing'));
  await daemon.close();
});

test('a bad configuration is never started, and by hand is left alone', async () => {
  const machine = new FakeMachine(['a', 'b']);
  const daemon = await boot(machine, machine.config({ a: {}, b: {} }), new MemoryStore());
  await machine.clock.run(5000);
  machine.thing('a').badConfig = true;
  machine.thing('a').truth = 'dead';
  machine.thing('b').byHand = true;
  machine.thing('b').truth = 'dead';
  await machine.clock.run(30_000);
  assert.is(machine.thing('a').starts, 0);
  assert.is(machine.thing('b').starts, 0);
  assert.is(phase(daemon, 'a'), 'failed');
  assert.is(phase(daemon, 'b'), 'waiting');
  assert.is(daemon.loop.node.services['a']?.verdict?.cause, 'misconfigured');
  await daemon.close();
});

test('a port that refuses is a death when the manager says that nothing runs', async () => {
  const machine = new FakeMachine(['a']);
  const daemon = await boot(machine, machine.config({ a: { fall: 5 } }), new MemoryStore());
  await machine.clock.run(5000);
  machine.thing('a').stopped = true;
  machine.thing('a').truth = 'refusing';
  await machine.clock.run(1500);
  assert.is(machine.thing('a').starts, 1, 'not counted up to five first');
  await daemon.close();
});

test('a reload keeps counters, incidents and budgets', async () => {
  const machine = new FakeMachine(['a', 'b']);
  const daemon = await boot(machine, machine.config({ a: {} }), new MemoryStore());
  await machine.clock.run(5000);
  machine.thing('a').truth = 'dead';
  await machine.clock.run(5000);
  const before = daemon.loop.node.services['a'];
  daemon.reload(machine.config({ a: {}, b: {} }));
  await machine.clock.run(5000);
  assert.equal(daemon.loop.node.services['a']?.repairs, before?.repairs);
  assert.is(phase(daemon, 'b'), 'healthy');
  daemon.refuse('x.yaml:1:1: error: bad [rule]');
  await machine.clock.run(100);
  assert.ok(kinds(machine).includes('raise configuration-refused'));
  daemon.reload(machine.config({ b: {} }));
  await machine.clock.run(100);
  assert.is(phase(daemon, 'a'), 'none');
  assert.ok(kinds(machine).includes('clear configuration-refused'));
  await daemon.close();
});

test.run();
