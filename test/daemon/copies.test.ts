// The copies of a group: asked on their own beat, told when they get worse or better, believed only when proved.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ReplicationFacts } from '../../src/core/group-types.ts';
import { CopyWatch, type Proof } from '../../src/daemon/groups/copies.ts';
import type { Incoming } from '../../src/daemon/loop.ts';
import { defineReplication, z } from '../../src/define.ts';
import { Node } from '../support/cluster-machines.ts';
import { groupPolicy } from '../support/cluster-machines.ts';
import { SharedStore } from '../support/shared-store.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const test = suite('daemon/copies');

function makeState(begins: boolean) {
  return {
    facts: { state: 'healthy', queue: 0, lagMs: 0, detail: 'well' } as ReplicationFacts,
    proof: null as Proof | null,
    arrives: true,
    flushed: 0,
    epoch: 9,
    owner: begins ? 'n1' : 'n2',
    reseeds: 0,
    turns: [] as string[],
    turnable: true,
    oneWay: false,
    leaving: null as string | null,
    still: null as string | null,
    published: 0,
    /** Looks that were begun, and that were ended before their time. */
    looks: 0,
    ended: 0,
    lookMs: 0,
  };
}

/** A source that says, and does, what it is told to. */
const makePlugin = (state: ReturnType<typeof makeState>, clock: VirtualClock) =>
  defineReplication({
    ...{ about: 'Says what it is told to.', options: z.strictObject({}), example: {} },
    oneWay: () => state.oneWay,
    look: async ({ signal }) => {
      state.looks++;
      if (state.lookMs > 0) await clock.sleep(state.lookMs, signal).catch(() => void state.ended++);
      return state.facts;
    },
    prove: async () => ({ ok: state.arrives, detail: state.arrives ? 'it arrived' : 'it did not arrive' }),
    flush: async () => {
      state.flushed++;
      return { ok: state.arrives, detail: 'flush' };
    },
    direct: async ({ owner }) => {
      state.turns.push(owner ?? '');
      return { ok: state.turnable, detail: 'turned' };
    },
    reseed: ({ signal }) => {
      state.reseeds++;
      return new Promise((done) => {
        const over = (): void => done({ ok: false, detail: (signal.reason as Error).message });
        signal.addEventListener('abort', over, { once: true });
      });
    },
  });

function watch(begins: boolean, proveMs: number | null = null, second: ReplicationFacts | null = null) {
  const clock = new VirtualClock();
  const policy = groupPolicy({ sources: ['data'] });
  const node = new Node('n1', clock, new SharedStore(clock), policy);
  const state = makeState(begins);
  const plugin = makePlugin(state, clock);
  const config = node.config();
  const source = {
    name: 'data',
    type: 'told',
    options: {},
    everyMs: 1000,
    timeoutMs: 500,
    warnUnits: 3,
    failUnits: 6,
    proveMs,
  };
  const mail = config.groups?.['mail'];
  if (!mail) throw new Error('no group');
  const other = { ...plugin, look: async () => second ?? state.facts };
  const replication = new Map([
    ['told', plugin],
    ['second', other],
  ]);
  const plugins = { ...node.machine.plugins, replication };
  const events: Incoming[] = [];
  const sources = second ? [source, { ...source, name: 'more', type: 'second' }] : [source];
  const copies = new CopyWatch({ ...config, groups: { mail: { ...mail, sources } } }, plugins, {
    ...{ ports: node.machine.ports, stateDir: '/nonexistent', push: (event) => void events.push(event) },
    owner: () => ({ node: state.owner, epoch: state.epoch }),
    proofOf: (_, name) => (name === 'data' ? state.proof : null),
    leaving: () => state.leaving,
    stillOf: () => state.still,
    others: () => ['n2', 'n3'],
    soon: () => void state.published++,
  });
  const told = (kind: string): Incoming[] => events.filter((event) => event.kind === kind);
  return { clock, state, copies, told };
}

test('a copy that is well has what was made under this epoch; a queue is told when it grows and when it is over', async () => {
  const { clock, state, copies, told } = watch(false);
  await clock.run(1500);
  assert.equal(told('group-copied').at(-1), { kind: 'group-copied', group: 'mail', epoch: 9 });
  state.facts = { ...state.facts, queue: 4 };
  await clock.run(1000);
  state.facts = { ...state.facts, queue: 9 };
  await clock.run(1000);
  state.facts = { ...state.facts, queue: 0 };
  await clock.run(1000);
  const levels = told('copy').map((event) => (event.kind === 'copy' ? event.level : ''));
  assert.equal(levels, ['warn', 'fail', 'ok']);
  copies.close();
});

test('a copy has what was made under an epoch only when every source says so', async () => {
  const well: ReplicationFacts = { state: 'healthy', queue: 0, lagMs: 0, detail: 'well' };
  for (const [facts, copied] of [
    [{ ...well, state: 'initializing' }, 0],
    [{ ...well, queue: null, lagMs: null }, 0],
    [well, 1],
  ] as const) {
    const { clock, copies, told } = watch(false, null, facts);
    await clock.run(1500);
    assert.is(Math.min(1, told('group-copied').length), copied, JSON.stringify(facts));
    copies.close();
  }
});

test('what is not known is not known of all', async () => {
  const { clock, state, copies } = watch(false);
  state.facts = { state: 'healthy', queue: null, lagMs: 5, detail: 'no queue' };
  await clock.run(1500);
  const { lagMs, ...rest } = copies.worst('mail') ?? { lagMs: null };
  assert.equal(rest, { state: 'healthy', detail: 'data: no queue', queue: null });
  assert.is(lagMs, 505, 'what it said is half a second old');
  assert.is(copies.worst('other'), null);
  copies.close();
});

test('the active node proves by a write, and the others believe it only then', async () => {
  const active = watch(true, 5000);
  await active.clock.run(1500);
  assert.equal(active.copies.proofs('mail')['data'], { n: 1, ok: true, detail: 'it arrived' });
  assert.equal(active.told('group-copied'), [], 'the active node has no copy of itself');
  active.copies.close();
  const standby = watch(false, 5000);
  await standby.clock.run(1500);
  assert.is(standby.copies.worst('mail')?.lagMs, null, 'nothing was proved yet');
  standby.state.proof = { n: 1, ok: true, detail: 'it arrived' };
  await standby.clock.run(1000);
  assert.is(standby.copies.worst('mail')?.lagMs, 500);
  standby.state.proof = { n: 2, ok: false, detail: 'it did not arrive' };
  await standby.clock.run(1000);
  assert.is(standby.copies.worst('mail')?.state, 'failed');
  standby.copies.close();
});

test('under a new epoch it is proved at once, and what did not arrive is tried again soon', async () => {
  const { clock, state, copies } = watch(true, 300_000);
  await clock.run(1500);
  assert.is(copies.proofs('mail')['data']?.n, 1);
  await clock.run(60_000);
  assert.is(copies.proofs('mail')['data']?.n, 1, 'it arrived: not before its time');
  state.epoch = 10;
  state.arrives = false;
  await clock.run(1500);
  assert.equal([copies.proofs('mail')['data']?.n, copies.proofs('mail')['data']?.ok], [2, false]);
  state.arrives = true;
  await clock.run(16_000);
  assert.equal([copies.proofs('mail')['data']?.n, copies.proofs('mail')['data']?.ok], [3, true]);
  await clock.run(60_000);
  assert.is(copies.proofs('mail')['data']?.n, 3);
  copies.close();
});

test('a node that gives the group away begins anew with its copy, and its old proof is none when it has it again', async () => {
  const { clock, state, copies } = watch(true, 300_000);
  await clock.run(1500);
  for (const word of ['failed', 'synchronizing', 'failed', 'healthy', 'failed', 'healthy'] as const) {
    state.facts = { ...state.facts, state: word };
    await clock.run(1000);
  }
  assert.match(copies.worst('mail')?.detail ?? '', /keeps changing its state/);
  Object.assign(state, { owner: 'n2', epoch: 10 });
  await clock.run(1000);
  assert.match(copies.worst('mail')?.detail ?? '', /no test write has arrived yet/);
  state.proof = { n: 1, ok: true, detail: 'it arrived' };
  await clock.run(1000);
  assert.equal([copies.worst('mail')?.state, copies.worst('mail')?.lagMs], ['healthy', 500]);
  assert.equal(copies.proofs('mail'), {}, 'of what it proved when it had it nothing is said any more');
  Object.assign(state, { owner: 'n1', epoch: 11, arrives: false });
  await clock.run(1000);
  assert.equal([copies.proofs('mail')['data']?.n, copies.proofs('mail')['data']?.ok], [2, false]);
  copies.close();
});

test('the direction follows the active node, and what could not be turned is turned at the next look', async () => {
  const { clock, state, copies } = watch(false);
  await clock.run(5000);
  assert.equal(state.turns, ['n2']);
  Object.assign(state, { owner: 'n1', epoch: 10, turnable: false });
  await clock.run(2000);
  assert.equal(state.turns.slice(0, 3), ['n2', 'n1', 'n1']);
  state.turnable = true;
  await clock.run(5000);
  const turned = state.turns.length;
  await clock.run(5000);
  assert.is(state.turns.length, turned);
  copies.close();
});

test('a copy that is made anew ends when its group moves, wherever it goes', async () => {
  const { clock, state, copies } = watch(false);
  await clock.run(1500);
  const work = copies.act('mail', null, 'reseed');
  await clock.run(5000);
  assert.is(state.reseeds, 1);
  state.owner = 'n1';
  await clock.run(200);
  assert.equal(await work, [{ ok: false, detail: 'the group has moved', name: 'data' }]);
  copies.close();
});

test('a flush that fails ends the move; an operator is told what a source does not know', async () => {
  const { clock, state, copies } = watch(true);
  await clock.run(1500);
  assert.equal(await copies.flush('mail', null, new AbortController().signal), {
    ok: true,
    detail: 'the copies are up to date',
  });
  state.arrives = false;
  const failed = await copies.flush('mail', null, new AbortController().signal);
  assert.equal(failed, { ok: false, detail: 'data: flush' });
  assert.is(state.flushed, 2);
  assert.equal(await copies.act('mail', null, 'suspend'), [
    { ok: false, detail: 'told knows no suspend', name: 'data' },
  ]);
  copies.close();
});

test('a copy that goes one way ends before the group moves, and none begins', async () => {
  const { clock, state, copies } = watch(false);
  Object.assign(state, { oneWay: true, lookMs: 400 });
  await clock.run(1200);
  assert.equal([state.looks, state.ended], [1, 0], 'the second one has begun after a second, or will');
  await clock.run(300);
  state.leaving = '9.1';
  copies.heed();
  await clock.run(10);
  assert.equal([state.ended, copies.pulls.still('mail'), state.published], [1, '9.1', 1]);
  const { looks } = state;
  await clock.run(5000);
  assert.is(state.looks, looks, 'none while it leaves');
  assert.match((await copies.act('mail', null, 'reseed'))[0]?.detail ?? '', /about to move/);
  state.leaving = null;
  copies.heed();
  await clock.run(2000);
  assert.is(copies.pulls.still('mail'), null, 'it stayed');
  assert.ok(state.looks > looks);
  copies.close();
});

test('whoever gives it up brings the last of it over when the others are still, and says who is not', async () => {
  const { clock, state, copies } = watch(true);
  Object.assign(state, { oneWay: true, leaving: '9.1' });
  await clock.run(100);
  const done = copies.flush('mail', 'n2', new AbortController().signal);
  await clock.run(500);
  assert.is(state.flushed, 0, 'not while n2 still copies');
  state.still = '8.7';
  await clock.run(500);
  assert.is(state.flushed, 0, 'nor for the sake of another try');
  state.still = '9.1';
  await clock.run(100);
  assert.equal([(await done).ok, state.flushed], [true, 1]);
  state.still = null;
  const never = copies.flush('mail', null, new AbortController().signal);
  await clock.run(11_000);
  assert.equal(await never, { ok: false, detail: 'n2 does not say that it copies nothing from here now' });
  state.oneWay = false;
  assert.is((await copies.flush('mail', 'n2', new AbortController().signal)).ok, true, 'others do not mind');
  copies.close();
});

test('a copy that goes one way is ended, however long it would have taken', async () => {
  const { clock, state, copies } = watch(false);
  Object.assign(state, { oneWay: true, lookMs: 10_000 });
  await clock.run(200);
  let over = false;
  // It began before that was so.
  await clock.run(1000);
  state.owner = 'n1';
  void copies.pulls.stop('mail', 'the group is here now').then(() => {
    over = true;
  });
  await clock.run(10);
  assert.equal([over, state.looks, state.ended], [true, 1, 1]);
  copies.close();
});

test('what was asked for under one epoch says nothing of the next', async () => {
  const { clock, state, copies, told } = watch(false);
  state.lookMs = 300;
  await clock.run(200);
  state.epoch = 10;
  await clock.run(500);
  assert.equal(told('group-copied'), [], 'it began before somebody else had it');
  await clock.run(1500);
  assert.equal(told('group-copied').at(-1), { kind: 'group-copied', group: 'mail', epoch: 10 });
  copies.close();
});

test.run();
