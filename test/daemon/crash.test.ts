import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Config } from '../../src/config/types.ts';
import { Daemon } from '../../src/daemon/daemon.ts';
import { decode, type Segment } from '../../src/daemon/journal-format.ts';
import { FakeMachine } from '../support/fake-machine.ts';
import { MemoryStore } from '../support/memory-store.ts';

const test = suite('crash');

async function boot(machine: FakeMachine, config: Config, store: MemoryStore): Promise<Daemon> {
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
}

/** A night with every kind of trouble, never stopped cleanly: what a SIGKILL leaves behind. */
async function night(): Promise<{
  readonly machine: FakeMachine;
  readonly config: Config;
  readonly store: MemoryStore;
}> {
  const machine = new FakeMachine(['a', 'b', 'c']);
  const config = machine.config({ a: {}, b: { depends: ['a'] }, c: { againMs: null } });
  const store = new MemoryStore();
  const daemon = await boot(machine, config, store);
  await machine.clock.run(5000);
  machine.thing('a').truth = 'dead';
  machine.thing('a').onLife?.({ kind: 'died', detail: 'signal 9' });
  await machine.clock.run(8000);
  machine.thing('b').truth = 'hung';
  await machine.clock.run(12_000);
  machine.thing('c').stubborn = true;
  machine.thing('c').truth = 'dead';
  await machine.clock.run(60_000);
  daemon.push({ kind: 'paused', service: 'b', until: daemon.loop.now() + 20_000, by: 'op', comment: 'work' });
  await machine.clock.run(30_000);
  machine.thing('a').truth = 'no-space';
  await machine.clock.run(10_000);
  return { machine, config, store };
}

const newest = (store: MemoryStore): string => store.list().findLast((name) => name.startsWith('journal-')) ?? '';
const segmentOf = (store: MemoryStore, name: string): Segment => {
  const read = decode(store.files.get(name) ?? '', name);
  if ('unusable' in read) throw new Error(read.unusable);
  return read;
};

/** A daemon that finds this journal on a machine where all is well again. */
async function morning(config: Config, store: MemoryStore) {
  const machine = new FakeMachine(['a', 'b', 'c']);
  machine.clock.freeze(10_000_000);
  const daemon = await boot(machine, config, store);
  return { machine, daemon };
}

test('cut at every record, whole or torn, and booted again: nothing is forgotten', async () => {
  const { config, store } = await night();
  const name = newest(store);
  const lines = (store.files.get(name) ?? '').trimEnd().split('\n');
  assert.ok(lines.length > 30, 'a night with a story');
  const whole = segmentOf(store, name);
  for (let kept = 1; kept <= lines.length; kept++) {
    const cut = store.copy();
    const torn = kept % 2 === 0 ? (lines[kept] ?? '').slice(0, 40) : '';
    cut.files.set(name, `${lines.slice(0, kept).join('\n')}\n${torn}`);
    const { machine, daemon } = await morning(config, cut);
    const entries = whole.entries.slice(0, kept - 1);
    const heard = Math.max(0, ...entries.flatMap((entry) => Object.values(entry.sent ?? {}).flat()));
    const owed = entries.flatMap((entry) => entry.alerts ?? []).filter((alert) => alert.id > heard);
    const before = daemon.loop.node;
    await machine.clock.run(150);
    for (const alert of owed)
      assert.ok(
        machine.sent.some((one) => one.id === alert.id),
        `cut at ${kept}: alert ${alert.id} is not lost`,
      );
    for (const [service, state] of Object.entries(before.services))
      assert.ok((daemon.loop.node.services[service]?.repairs.length ?? 0) >= state.repairs.length, 'budgets are kept');
    await machine.clock.run(120_000);
    assert.is(machine.things.get('a')?.starts, 0, `cut at ${kept}: what is well is not repaired`);
    for (const [service, state] of Object.entries(daemon.loop.node.services))
      assert.is(state.phase, 'healthy', `cut at ${kept}: ${service} is found well`);
    assert.equal(Object.keys(daemon.loop.node.alarms), [], `cut at ${kept}: every alarm is cleared`);
    await daemon.close();
  }
});

test('raise and clear reach the channel in order and in pairs, over a crash', async () => {
  const { machine: before, config, store } = await night();
  const { machine: after, daemon } = await morning(config, store);
  await after.clock.run(120_000);
  const told = new Map<number, (typeof after.sent)[number]>();
  for (const alert of [...before.sent, ...after.sent]) told.set(alert.id, alert);
  const open = new Set<string>();
  for (const { notice } of [...told.values()].sort((a, b) => a.id - b.id)) {
    if (notice.kind === 'raise') {
      assert.not(open.has(notice.key), `${notice.key} raised twice`);
      open.add(notice.key);
    }
    if (notice.kind === 'clear') assert.ok(open.delete(notice.key), `${notice.key} cleared unraised`);
  }
  assert.equal([...open], []);
  await daemon.close();
});

test('a changed byte in the middle: what is proved is used, the rest is set aside and told', async () => {
  const { config, store } = await night();
  const name = newest(store);
  const text = store.files.get(name) ?? '';
  const middle = Math.floor(text.length / 2);
  store.files.set(name, `${text.slice(0, middle)}#${text.slice(middle + 1)}`);
  const { machine, daemon } = await morning(config, store);
  await machine.clock.run(1000);
  assert.ok(store.list().some((file) => file.includes('.damaged-')));
  assert.ok(machine.sent.some(({ notice }) => notice.event === 'state-lost' && notice.kind === 'raise'));
  assert.ok(daemon.loop.node.strict !== null, 'budgets are stricter');
  await machine.clock.run(4_000_000);
  assert.is(daemon.loop.node.strict, null, 'until a whole window has passed');
  await daemon.close();
});

test('a journal of a newer version, an empty one, a binary one: set aside, never guessed', async () => {
  const { config, store } = await night();
  const name = newest(store);
  for (const text of ['', '\u0000\u0001\u0002'.repeat(100), '{"format":99}\n', 'x'.repeat(100_000)]) {
    const broken = new MemoryStore();
    broken.files.set(name, text);
    const { machine, daemon } = await morning(config, broken);
    await machine.clock.run(30_000);
    assert.ok(machine.sent.some(({ notice }) => notice.event === 'state-lost'));
    assert.ok(broken.list().some((file) => file.includes('.damaged-')));
    for (const state of Object.values(daemon.loop.node.services)) assert.is(state.phase, 'healthy');
    await daemon.close();
  }
});

test('the journal is bounded: segments turn over, and each tells its own story', async () => {
  const machine = new FakeMachine(['a']);
  const store = new MemoryStore();
  const { ports, plugins } = machine;
  const config = machine.config({
    a: { attempts: 1000, windowMs: 1000, flap: { changes: 100_000, windowMs: 1, calmMs: 1 } },
  });
  const limits = { segmentBytes: 20_000, segments: 3, writeMs: 3000 };
  const daemon = new Daemon(config, {
    ports,
    plugins,
    store,
    recorder: null,
    version: '0',
    configuration: 't',
    pid: 1,
    limits,
  });
  await daemon.start();
  for (let n = 0; n < 100; n++) {
    machine.thing('a').truth = 'dead';
    await machine.clock.run(7000);
  }
  const segments = store.list().filter((name) => name.startsWith('journal-'));
  assert.ok(segments.length <= 3 && segments.length > 1);
  for (const name of segments) assert.is(segmentOf(store, name).damage, null);
  const sizes = segments.map((name) => store.files.get(name)?.length ?? 0);
  assert.ok(Math.max(...sizes) < 60_000, `no segment grows without bound: ${sizes.join(', ')}`);
  await daemon.close();
});

test.run();
