import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GroupPolicy, Saga } from '../../src/core/group-types.ts';
import { acted, acting, begin, due, troubleOf } from '../../src/core/saga.ts';
import { groupPolicy, stepPolicy } from '../support/groups.ts';

const test = suite('saga');

const policy = groupPolicy({ sources: ['copy'] });
const up = { kind: 'up', epoch: 9, from: 'n1', to: 'n2', planned: false, force: false } as const;
const down = { ...up, kind: 'down', planned: true } as const;

/** Goes its way; `fails` says which acts do. What was done, in order; at most 40. */
function way(
  rules: GroupPolicy,
  first: Saga,
  fails: (act: string, n: number) => boolean = () => false,
): [string[], Saga] {
  const done: string[] = [];
  let saga = first;
  for (let n = 0; n < 40; n++) {
    const next = due(rules, saga);
    if (!next) break;
    const name = `${next.act} ${next.step}${next.force ? '!' : ''}`;
    saga = acting(saga, next, n);
    const ok = !fails(name, n);
    done.push(ok ? name : `(${name})`);
    saga = acted(rules, saga, { ok, detail: ok ? 'done' : 'why' }, n);
  }
  return [done, saga];
}

for (const [what, start, fails, expected, direction] of [
  ['it comes in its order', up, () => false, ['do service', 'do address', 'do dns'], 'forward'],
  [
    'it leaves in the reverse, prepared and flushed, and what is shared stays as it is',
    down,
    () => false,
    ['prepare service', 'flush replication', 'undo address', 'undo service'],
    'forward',
  ],
  [
    'without a right nothing is prepared',
    { ...down, force: true },
    () => false,
    ['undo address!', 'undo service!'],
    'forward',
  ],
  [
    'what fails before the pivot is taken back in the reverse',
    up,
    (act: string) => act === 'do address',
    ['do service', '(do address)', '(do address)', 'undo address!', 'undo service!'],
    'back',
  ],
  [
    'what does not go gently is killed',
    down,
    (act: string) => act === 'undo service',
    ['prepare service', 'flush replication', 'undo address', '(undo service)', 'undo service!'],
    'forward',
  ],
  [
    'what cannot be flushed ends the move, and what was prepared is taken back',
    down,
    (act: string) => act === 'flush replication',
    ['prepare service', '(flush replication)', 'unprepare service'],
    'back',
  ],
  [
    'what cannot be stopped on a move is started again',
    down,
    (act: string) => act.startsWith('undo service'),
    [
      ...['prepare service', 'flush replication', 'undo address', '(undo service)', '(undo service!)'],
      ...['do service', 'do address', 'unprepare service'],
    ],
    'back',
  ],
] as const)
  test(what, () => {
    const [done, saga] = way(policy, begin(policy, start, 0), fails);
    assert.equal(done, expected);
    assert.is(saga.direction, direction);
  });

const oneWay = groupPolicy({
  ...{ sources: ['copy'], flushLast: true },
  steps: [
    stepPolicy('store'),
    stepPolicy('service', { takesIn: true }),
    stepPolicy('address', { pivot: true, takesIn: true }),
    stepPolicy('dns', { scope: 'shared', takesIn: true }),
  ],
});
const lastly = ['flush replication', 'undo address', 'undo service', 'flush replication', 'undo store'];

test('a copy that goes one way is flushed once more when nothing is taken in any more', () => {
  assert.equal(way(oneWay, begin(oneWay, down, 0))[0], lastly);
});

test('if that fails, all of it comes up again where it was', () => {
  let flushes = 0;
  const [done, saga] = way(oneWay, begin(oneWay, down, 0), (act) => act === 'flush replication' && ++flushes === 2);
  assert.equal(done, [
    ...['flush replication', 'undo address', 'undo service', '(flush replication)'],
    ...['do service', 'do address'],
  ]);
  assert.match(saga.fault ?? '', 'could not be flushed');
});

test('where it is not known what takes something in, once is all', () => {
  const bare = groupPolicy({ sources: ['copy'], flushLast: true, steps: [stepPolicy('store')] });
  assert.equal(way(bare, begin(bare, down, 0))[0], ['flush replication', 'undo store']);
});

test('without a right nothing is flushed', () => {
  assert.equal(way(oneWay, begin(oneWay, { ...down, force: true }, 0))[0], [
    'undo address!',
    'undo service!',
    'undo store!',
  ]);
});

test('after the pivot it is tried for ever, and nothing is taken back', () => {
  const [done, saga] = way(policy, begin(policy, up, 0), (act) => act === 'do dns');
  assert.is(done.length, 40);
  assert.equal([saga.direction, saga.passedPivot, troubleOf(saga)?.name], ['forward', true, 'dns']);
});

test('taking back without a right is tried for ever', () => {
  const [done, saga] = way(policy, begin(policy, { ...down, force: true }, 0), (act) => act === 'undo service!');
  assert.is(done.filter((act) => act === '(undo service!)').length, 39);
  assert.is(saga.direction, 'forward');
});

test('the pauses grow, up to half a minute', () => {
  let saga = begin(policy, { ...down, force: true }, 0);
  const pauses: number[] = [];
  for (let n = 0; n < 8; n++) {
    const next = due(policy, saga);
    if (!next) break;
    saga = acted(policy, acting(saga, next, 0), { ok: false, detail: '' }, 0);
    pauses.push(saga.retryAt ?? 0);
  }
  assert.equal(pauses, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test('what is taken back is tried for ever too, with pauses', () => {
  const [, back] = way(policy, begin(policy, up, 0), (act) => act === 'do address' || act.startsWith('undo'));
  assert.is(back.direction, 'back');
  assert.ok(back.retryAt !== null && back.retryAt >= 1000);
});

test('what was begun is in doubt until it is proved, and the pivot is what clients reach', () => {
  const saga = begin(policy, up, 0);
  const next = due(policy, saga);
  assert.ok(next);
  const begun = acting(saga, next, 5);
  assert.is(begun.steps[0]?.place, 'doubt');
  assert.is(acted(policy, begun, { ok: false, detail: '' }, 9).steps[0]?.place, 'doubt');
  assert.equal(acted(policy, begun, { ok: true, detail: '' }, 9).steps[0], {
    ...{ name: 'service', place: 'in', prepared: false, tries: 0, ms: 4, detail: '' },
  });
  const plain = groupPolicy({ steps: [stepPolicy('a'), stepPolicy('b')] });
  const half = way(plain, begin(plain, up, 0), (_act, n) => n > 0)[1];
  assert.is(half.passedPivot, false, 'without a pivot it is all of them');
});

test.run();
