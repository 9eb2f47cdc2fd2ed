import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { backoffMs, nodeBudget, roomAt, serviceBudget } from '../../src/core/ladder.ts';
import type { Policy } from '../../src/core/types.ts';
import { policy, servicePolicy } from '../support/policies.ts';
import { Drive, effectsOf, fails, passes, refusedBy } from '../support/drive.ts';

const test = suite('budgets');

const one = servicePolicy();
const pair = (repairs: Partial<Policy['repairs']> = {}): Drive =>
  new Drive(
    policy({ a: one, b: one, c: one }, { repairs: { max: 20, windowMs: 3_600_000, parallel: 1, ...repairs } }),
  ).well();
const cure = (drive: Drive, name: string): void => {
  drive.repaired(name);
  drive.deep(name, passes());
};

test('one thing at a time; then the next gets its turn, after a fresh look', () => {
  const drive = pair();
  drive.quick('a', fails('dead'));
  const step = drive.quick('b', fails('dead'));
  assert.equal(refusedBy(step), ['one-at-a-time']);
  assert.equal([drive.phase('b'), drive.of('b').waitsFor], ['waiting', 'turn']);
  drive.repaired('a');
  assert.is(drive.phase('b'), 'suspect');
  drive.deep('b', fails('dead'));
  assert.is(drive.phase('b'), 'restarting');
});

test('who was asked to take the turn and is well hands it on', () => {
  const drive = pair();
  for (const name of ['a', 'b', 'c']) drive.quick(name, fails('dead'));
  drive.repaired('a');
  assert.equal([drive.phase('b'), drive.phase('c')], ['suspect', 'waiting']);
  drive.deep('b', passes());
  assert.is(drive.phase('c'), 'suspect');
});

test('as many at once as the policy says', () => {
  const drive = pair({ parallel: 2 });
  for (const name of ['a', 'b', 'c']) drive.quick(name, fails('dead'));
  assert.equal([drive.phase('a'), drive.phase('b'), drive.phase('c')], ['restarting', 'restarting', 'waiting']);
});

test('the budget of the node: the next repair waits until the window has room', () => {
  const drive = pair({ max: 2, windowMs: 600_000 });
  drive.quick('a', fails('dead'));
  cure(drive, 'a');
  drive.now += 1000;
  drive.quick('b', fails('dead'));
  cure(drive, 'b');
  drive.now += 1000;
  const step = drive.quick('c', fails('dead'));
  assert.equal(refusedBy(step), ['node-budget']);
  assert.equal([drive.of('c').waitsFor, drive.of('c').wakeAt], ['budget', 600_000]);
  drive.wait(597_999);
  assert.is(drive.phase('c'), 'waiting');
  drive.wait(1);
  drive.deep('c', fails('dead'));
  assert.is(drive.phase('c'), 'restarting');
});

test('the budget of a service outlives stability: a slow loop ends too', () => {
  const rules = servicePolicy({ attempts: 2, stableMs: 1000, windowMs: 600_000, againMs: null });
  const drive = new Drive(policy({ a: rules })).well();
  for (let n = 0; n < 2; n++) {
    drive.quick('a', fails('dead'));
    cure(drive, 'a');
    drive.wait(2000);
    assert.is(drive.of('a').attempts, 0);
  }
  const step = drive.quick('a', fails('dead'));
  assert.equal(refusedBy(step), ['service-budget']);
  assert.match(step.decision[2][0]?.text ?? '', /repairs within 10 min: 2/);
  assert.is(drive.phase('a'), 'failed');
});

test('repairs that left the window count no more', () => {
  const rules = servicePolicy({ attempts: 1, stableMs: 1000, windowMs: 10_000 });
  const drive = new Drive(policy({ a: rules })).well();
  drive.quick('a', fails('dead'));
  cure(drive, 'a');
  drive.wait(9999);
  assert.is(serviceBudget(rules, drive.of('a'), false, drive.now), 0);
  drive.wait(1);
  assert.is(serviceBudget(rules, drive.of('a'), false, drive.now), 1);
  drive.quick('a', fails('dead'));
  assert.equal(drive.of('a').repairs, [10_000]);
});

test('while the journal is in doubt: one repair a service, and a quarter of the node', () => {
  const drive = pair({ max: 8 });
  drive.condition('journal', true, 'no space left on device');
  assert.is(nodeBudget(drive.policy, drive.node, 0), 2);
  drive.quick('a', fails('dead'));
  drive.repaired('a', 'failed');
  drive.wait(1000);
  const step = drive.deep('a', fails('dead'));
  assert.equal(refusedBy(step), ['service-budget']);
  assert.match(step.decision[2][0]?.text ?? '', /stricter: no space left on device/);
});

test('pauses: first · factor^(n-1), at most max, and no overflow', () => {
  const rules = servicePolicy({ backoff: { firstMs: 500, factor: 3, maxMs: 60_000 } });
  assert.equal(
    [0, 1, 2, 3, 4, 5, 6, 10_000].map((n) => backoffMs(rules, n)),
    [500, 500, 1500, 4500, 13_500, 40_500, 60_000, 60_000],
  );
});

test('room in a window that is empty is never a time that is no number', () => {
  assert.is(roomAt([], 1000, 5), 1005);
  assert.is(roomAt([1, 4], 1000, 5), 1001);
  assert.is(roomAt([1], 3, 5), 8);
});

test('a repair asks nobody twice: its effect is one', () => {
  const drive = pair();
  const step = drive.quick('a', fails('dead'));
  assert.is(effectsOf(step, 'repair').length, 1);
});

test.run();
