// The plan of a move against the way that the saga really goes: they must never say two things.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GroupPolicy, Saga } from '../../src/core/group-types.ts';
import { planOf, planText } from '../../src/core/plan.ts';
import { acted, acting, begin, due } from '../../src/core/saga.ts';
import { groupPolicy, stepPolicy } from '../support/group-policies.ts';

const test = suite('core/plan');

const rich = (): GroupPolicy =>
  groupPolicy({
    steps: [
      stepPolicy({ name: 'queue', prepares: true }),
      stepPolicy({ name: 'store' }),
      stepPolicy({ name: 'services', prepares: true }),
      stepPolicy({ name: 'address', pivot: true }),
      stepPolicy({ name: 'zone', scope: 'shared' }),
    ],
    sources: ['mail'],
  });

/** All acts of a saga in which everything goes well. */
function acts(policy: GroupPolicy, start: Saga): string[] {
  let saga = start;
  const done: string[] = [];
  for (let turn = 0; turn < 50; turn++) {
    const next = due(policy, saga);
    if (!next) return done;
    done.push(`${next.act} ${next.step}`);
    saga = acted(policy, acting(saga, next, turn), { ok: true, detail: '' }, turn);
  }
  throw new Error('it never ends');
}

const start = { epoch: 7, from: 'n1', to: 'n2', force: false } as const;

test('a planned move is what the saga of each side does, and the right goes over between them', () => {
  const policy = rich();
  const plan = planOf(policy, { chosen: 'n2' }, 'n1', null, 'move');
  const said = (node: string): string[] =>
    plan.filter((one) => one.node === node && one.step !== 'ownership').map(({ act, step }) => `${act} ${step}`);
  assert.equal(said('n1'), acts(policy, begin(policy, { ...start, kind: 'down', planned: true }, 0)));
  assert.equal(said('n2'), acts(policy, begin(policy, { ...start, kind: 'up', planned: true }, 0)));
  assert.equal(
    plan.filter(({ pivot }) => pivot).map(({ act, step }) => `${act} ${step}`),
    ['release ownership', 'do address'],
  );
  const right = plan.findIndex(({ act }) => act === 'release');
  assert.equal([plan[right]?.node, plan[right + 1]?.node, plan[right + 1]?.act], ['n1', 'n2', 'take']);
});

test('a copy that goes one way: the plan has both flushes where the saga has them', () => {
  const { steps, ...rest } = rich();
  const open = new Set(['services', 'address']);
  const policy: GroupPolicy = {
    ...{ ...rest, flushLast: true },
    steps: steps.map((one) => (open.has(one.name) ? { ...one, takesIn: true } : one)),
  };
  const plan = planOf(policy, { chosen: 'n2' }, 'n1', null, 'move');
  const said = plan
    .filter(({ node, act }) => node === 'n1' && act !== 'release')
    .map(({ act, step }) => `${act} ${step}`);
  assert.equal(said, acts(policy, begin(policy, { ...start, kind: 'down', planned: true }, 0)));
  assert.is(said.filter((one) => one === 'flush replication').length, 2);
});

test('a failover does nothing on the node that is silent', () => {
  const policy = rich();
  const plan = planOf(policy, { chosen: 'n2' }, 'n1', null, 'failover');
  assert.ok(plan.every(({ node }) => node === 'n2'));
  assert.is(plan[0]?.act, 'take');
});

test('who was asked for is who it is for; nobody: no plan', () => {
  const policy = rich();
  assert.is(planOf(policy, { chosen: 'n2' }, 'n1', 'n3', 'failover')[0]?.node, 'n3');
  assert.equal(planOf(policy, { chosen: null }, 'n1', null, 'move'), []);
});

test('each act in words', () => {
  const plan = planOf(rich(), { chosen: 'n2' }, 'n1', null, 'move').map(planText);
  assert.is(plan[0], 'n1: prepare queue');
  assert.ok(plan.includes('n1: bring up to date replication'));
  assert.ok(plan.includes('n2: do address  (from here on only forward)'));
});

test.run();
