import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { OwnerRecord, Timing } from '../../src/core/group-types.ts';
import {
  newOwnership,
  nextAt,
  own,
  type OwnEffect,
  type OwnEvent,
  type Ownership,
  untilOf,
} from '../../src/core/ownership.ts';

const test = suite('ownership');

const timing: Timing = { silenceMs: 3000, renewMs: 200, marginMs: 300, failsafeMs: 1000 };

const record = (patch: Partial<OwnerRecord> = {}): OwnerRecord => ({
  ...{ schema: 1, node: 'n2', epoch: 5, instance: 'b', boot: 'boot-b', taken: 'first', write: 1, state: 'held' },
  ...{ to: null, failed: [], data: null },
  ...patch,
});

/** One node, by hand. */
class Node {
  o: Ownership;
  constructor(name = 'n1', at = 0) {
    this.o = newOwnership(name, 'a', 'boot-a', at);
  }
  tell(event: OwnEvent): readonly OwnEffect[] {
    const [next, effects] = own(timing, this.o, event);
    this.o = next;
    return effects;
  }
  kinds(event: OwnEvent): string[] {
    return this.tell(event).map(({ kind }) => kind);
  }
  written(effects: readonly OwnEffect[]): OwnerRecord {
    const effect = effects.find((one) => one.kind === 'write');
    if (!effect) throw new Error('nothing is written');
    return effect.record;
  }
}

/** Owns it under epoch 7 since 3000. */
function owner(): Node {
  const node = new Node();
  node.tell({ kind: 'seen', at: 0, order: 3, record: null });
  node.tell({ kind: 'tick', at: 3000 });
  node.tell({ kind: 'take', at: 3000, failed: [] });
  assert.equal(node.kinds({ kind: 'written', at: 3010, write: 1, revision: 7 }), ['took', 'owner', 'renewed']);
  return node;
}

test('nobody is believed to be silent before T: counted from the newest write, from the start, from a promise', () => {
  const seen = (at: number, order = 4): OwnEvent => ({ kind: 'seen', at, order, record: record({ write: order }) });
  const node = new Node('n1', 1000);
  node.tell(seen(1000));
  assert.is(nextAt(timing, node.o), 4000);
  assert.equal(node.kinds({ kind: 'tick', at: 3999 }), []);
  node.tell(seen(3999, 5));
  assert.is(nextAt(timing, node.o), 6999);
  assert.equal(node.kinds({ kind: 'promise-asked', at: 6000, from: 'n2', epoch: 5 }), ['answer']);
  assert.is(nextAt(timing, node.o), 9000);
  assert.equal(node.kinds({ kind: 'tick', at: 8999 }), []);
  assert.equal(node.tell({ kind: 'tick', at: 9000 }), [{ kind: 'vacant', silentMs: 5001 }]);
  assert.equal(node.kinds({ kind: 'tick', at: 9500 }), [], 'said once');
  assert.equal(node.kinds(seen(9600, 6)), ['owner'], 'it lives again, and that is said');
});

test('of two nodes that are configured differently, the longer silence counts', () => {
  const node = new Node('n1', 0);
  node.tell({ kind: 'seen', at: 1000, order: 4, record: record({ silenceMs: 5000 }) });
  assert.is(nextAt(timing, node.o), 6000, 'the owner trusts in five seconds');
  assert.equal(node.kinds({ kind: 'promise-asked', at: 2000, from: 'n2', epoch: 5 }), ['answer']);
  assert.is(nextAt(timing, node.o), 7000, 'and so it does after a promise');
  const other = new Node('n1', 0);
  other.tell({ kind: 'seen', at: 1000, order: 4, record: record({ silenceMs: 1500 }) });
  assert.is(nextAt(timing, other.o), 4000, 'who is more patient stays so');
  assert.is(node.written(owner().tell({ kind: 'tick', at: 3210 })).silenceMs, 3000);
});

test('a record that is gone is waited for like one that is silent', () => {
  const node = new Node();
  node.tell({ kind: 'seen', at: 0, order: 4, record: record() });
  node.tell({ kind: 'seen', at: 5000, order: 9, record: null });
  assert.is(nextAt(timing, node.o), 8000, 'whoever had it may not know yet');
  node.tell({ kind: 'seen', at: 6000, order: 12, record: null });
  assert.is(nextAt(timing, node.o), 8000, 'looked at again and still not there');
});

for (const [what, patch, at] of [
  ['released to anybody', { state: 'released' }, 100],
  ['released to this node', { state: 'released', to: 'n1' }, 100],
  ['released to another', { state: 'released', to: 'n3' }, 3100],
  ['stuck', { state: 'stuck' }, 3100],
  ['held by a life before under this kernel', { node: 'n1', boot: 'boot-a' }, 100],
  [
    'taken over by a life before, and never used',
    { node: 'n1', boot: 'boot-a', taken: 'failover', data: { epoch: 2, node: 'n2' } },
    3100,
  ],
  ['held by this node before it was started anew', { node: 'n1', boot: 'boot-z' }, 3100],
  ['held by another', {}, 3100],
] as const)
  test(`what is ${what} may be taken at ${at}`, () => {
    const node = new Node();
    node.tell({ kind: 'seen', at: 100, order: 4, record: record(patch) });
    const early = node.kinds({ kind: 'take', at: at - 1, failed: [] });
    assert.equal(early.includes('write'), false);
    assert.ok(node.kinds({ kind: 'take', at, failed: [] }).includes('write'));
  });

for (const [what, patch, taken] of [
  ['was handed over', { state: 'released', reason: 'planned' }, 'planned'],
  ['was given up', { state: 'released', reason: 'failover' }, 'failover'],
  ['was in service here', { node: 'n1', data: { epoch: 5, node: 'n1' } }, 'resumed'],
  [
    'was taken over here and never came into service',
    { node: 'n1', taken: 'failover', data: { epoch: 2, node: 'n2' } },
    'failover',
  ],
  ['fell silent', {}, 'failover'],
] as const)
  test(`what ${what} is taken as ${taken}`, () => {
    const node = new Node();
    node.tell({ kind: 'seen', at: 0, order: 4, record: record(patch) });
    assert.is(node.written(node.tell({ kind: 'take', at: 5000, failed: [] })).taken, taken);
  });

test('the right counts from the sending of the last good write, and ends its margin before T', () => {
  const node = owner();
  assert.is(untilOf(timing, node.o), 6000);
  const renewal = node.written(node.tell({ kind: 'tick', at: 3200 }));
  assert.is(renewal.epoch, 7);
  node.tell({ kind: 'written', at: 4100, write: renewal.write, revision: 9 });
  assert.is(untilOf(timing, node.o), 6200, 'sent at 3200');
  assert.equal(node.kinds({ kind: 'tick', at: 5899 }).includes('lost'), false);
  const end = node.tell({ kind: 'tick', at: 5900 });
  assert.equal(
    end.filter(({ kind }) => kind === 'lost'),
    [{ kind: 'lost', epoch: 7, reason: 'silence' }],
  );
  assert.is(untilOf(timing, node.o), Number.NEGATIVE_INFINITY);
});

test('an earlier try that was written counts from its own sending, and every try has its own number', () => {
  const node = owner();
  const first = node.written(node.tell({ kind: 'tick', at: 3200 }));
  const second = node.written(node.tell({ kind: 'unanswered', at: 4200, write: first.write }));
  assert.is.not(second.write, first.write);
  const third = node.written(
    node.tell({ kind: 'refused', at: 4300, write: second.write, current: { revision: 9, record: first } }),
  );
  assert.is(untilOf(timing, node.o), 6200, 'the first was sent at 3200');
  assert.is.not(third.write, second.write);
});

test('a write is found on record before its answer, or in its place', () => {
  const node = new Node();
  node.tell({ kind: 'seen', at: 0, order: 3, record: null });
  const take = node.written(node.tell({ kind: 'take', at: 3000, failed: [] }));
  assert.is(nextAt(timing, node.o), Number.POSITIVE_INFINITY, 'nothing is due while it is being written');
  assert.equal(node.kinds({ kind: 'seen', at: 3005, order: 7, record: take }), ['took', 'owner', 'renewed']);
  assert.equal(node.kinds({ kind: 'written', at: 3010, write: 1, revision: 7 }), []);
});

test('a take that comes too late is not used; taken again, it is still what it was', () => {
  const node = new Node();
  node.tell({ kind: 'seen', at: 0, order: 4, record: record() });
  node.tell({ kind: 'take', at: 3000, failed: [] });
  assert.equal(node.kinds({ kind: 'written', at: 5700, write: 1, revision: 8 }), ['owner', 'beaten', 'vacant']);
  node.tell({ kind: 'take', at: 5800, failed: [] });
  const took = node.tell({ kind: 'written', at: 5810, write: 2, revision: 9 }).find(({ kind }) => kind === 'took');
  assert.is(took?.kind === 'took' && took.taken, 'failover');
  assert.is(took?.kind === 'took' && took.before?.node, 'n2', 'whose right it was has not changed');
});

test('a promise stands even when a take that was given up is written late', () => {
  const node = new Node();
  node.tell({ kind: 'seen', at: 0, order: 4, record: record() });
  const take = node.written(node.tell({ kind: 'take', at: 3000, failed: [] }));
  const refusal = node.tell({ kind: 'promise-asked', at: 3500, from: 'n2', epoch: 5 })[0];
  assert.is(refusal?.kind === 'answer' && refusal.agreed, false, 'it is being taken');
  assert.equal(node.kinds({ kind: 'unanswered', at: 4000, write: 1 }).at(0), 'beaten');
  const promise = node.tell({ kind: 'promise-asked', at: 4100, from: 'n2', epoch: 5 })[0];
  assert.is(promise?.kind === 'answer' && promise.agreed, true);
  node.tell({ kind: 'seen', at: 4200, order: 8, record: take });
  assert.is(nextAt(timing, node.o), 7100, 'T after the promise');
  assert.equal(node.kinds({ kind: 'take', at: 7099, failed: [] }), ['beaten']);
});

for (const [what, from, epoch] of [
  ['who does not own it', 'n3', 5],
  ['an epoch that is over', 'n2', 4],
] as const)
  test(`nothing is promised to ${what}`, () => {
    const node = new Node();
    node.tell({ kind: 'seen', at: 0, order: 4, record: record() });
    const said = node.tell({ kind: 'promise-asked', at: 1000, from, epoch })[0];
    assert.is(said?.kind === 'answer' && said.agreed, false);
  });

test('an owner that cannot write stays as long as all others promise, counted from the asking', () => {
  const node = owner();
  assert.equal(node.kinds({ kind: 'tick', at: 4000 }), ['write', 'ask']);
  assert.equal(node.kinds({ kind: 'promised', at: 4300, sentAt: 4000 }), ['renewed']);
  assert.is(untilOf(timing, node.o), 7000);
  node.tell({ kind: 'tick', at: 4500 });
  assert.equal(node.kinds({ kind: 'promised', at: 4900, sentAt: null }), [], 'half of a promise is none');
  assert.is(untilOf(timing, node.o), 7000);
});

test('a release drops the renewal under way, and is tried until it is known to be written', () => {
  const node = owner();
  const renewal = node.written(node.tell({ kind: 'tick', at: 3200 }));
  const giving = { state: 'released', to: 'n2', failed: [], reason: 'planned' } as const;
  const effects = node.tell({ kind: 'release', at: 3300, ...giving });
  assert.equal(
    effects.map(({ kind }) => kind),
    ['abandon', 'write'],
  );
  const first = node.written(effects);
  const again = node.tell({ kind: 'refused', at: 3310, write: first.write, current: { revision: 9, record: renewal } });
  const second = node.written(again);
  assert.is(second.state, 'released');
  const third = node.written(node.tell({ kind: 'unanswered', at: 3900, write: second.write }));
  const end = node.tell({ kind: 'refused', at: 4000, write: third.write, current: { revision: 11, record: second } });
  assert.equal(end[0], { kind: 'released', epoch: 7 });
});

test('who takes it after a release whose answer was lost took what was given', () => {
  const node = owner();
  node.tell({ kind: 'release', at: 3050, state: 'released', to: 'n2', failed: [], reason: 'planned' });
  const effects = node.tell({ kind: 'seen', at: 3200, order: 12, record: record({ epoch: 12 }) });
  assert.equal(
    effects.map(({ kind }) => kind),
    ['abandon', 'released', 'owner'],
  );
});

test('somebody else on record is the end of the right; old news is not', () => {
  const node = owner();
  assert.equal(node.kinds({ kind: 'seen', at: 3100, order: 6, record: record() }), []);
  const effects = node.tell({ kind: 'seen', at: 3150, order: 12, record: record({ epoch: 12 }) });
  assert.equal(effects[0], { kind: 'lost', epoch: 7, reason: 'taken' });
});

test('another life of this node is another owner', () => {
  const node = owner();
  const other = record({ node: 'n1', instance: 'z', boot: 'boot-a', epoch: 12 });
  assert.ok(node.kinds({ kind: 'seen', at: 3150, order: 12, record: other }).includes('lost'));
});

test('what was really in service is on record with the next renewal', () => {
  const node = owner();
  node.tell({ kind: 'active', at: 3050 });
  assert.equal(node.written(node.tell({ kind: 'tick', at: 3200 })).data, { epoch: 7, node: 'n1' });
});

test.run();
