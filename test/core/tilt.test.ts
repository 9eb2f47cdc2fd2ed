import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Policy } from '../../src/core/types.ts';
import { policy, servicePolicy } from '../support/policies.ts';
import { Drive, effectsOf, fails, passes, refusedBy, ruleOf } from '../support/drive.ts';

const test = suite('tilt');

const one = servicePolicy({ fall: 1 });
const four = (patch: Partial<Policy> = {}): Policy => policy({ a: one, b: one, c: one, d: one }, patch);
const stall = (drive: Drive): unknown => drive.feed({ kind: 'stalled', ms: 30_000 });
const acted = (drive: Drive): number =>
  drive.steps.reduce(
    (n, s) => n + s.decision[1].filter((e) => e.kind === 'repair' || e.kind === 'switchover').length,
    0,
  );

test('after a stall a failure is looked at and not repaired, until the doubt is over', () => {
  const drive = new Drive(four()).well();
  stall(drive);
  assert.equal(drive.alarms, ['node/n1/observer']);
  const step = drive.quick('a', fails('dead'));
  assert.equal(refusedBy(step), ['tilt']);
  assert.is(drive.of('a').waitsFor, 'tilt');
  assert.equal(drive.alarms, ['node/n1/observer', 'service/a/failing']);
  drive.now += 10_000;
  const over = drive.feed({ kind: 'tick' });
  assert.is(ruleOf(over), 'tilt-over');
  assert.ok(
    effectsOf(over, 'check').some((e) => e.service === 'a' && e.depth === 'deep'),
    'asked at once',
  );
  drive.deep('a', fails('dead'));
  assert.is(drive.phase('a'), 'restarting');
  assert.equal(drive.alarms, ['service/a/failing']);
});

test('nothing is moved away and nothing is given up in the doubt', () => {
  for (const cause of ['no-space', 'misconfigured'] as const) {
    const drive = new Drive(policy({ a: servicePolicy({ fall: 1, then: 'switchover' }) })).well();
    stall(drive);
    drive.quick('a', fails(cause));
    drive.deep('a', fails(cause));
    assert.is(drive.phase('a'), 'suspect', cause);
    assert.is(acted(drive), 0, cause);
  }
});

test('a repair that fails in the doubt does not end the ladder: a fresh look after it does', () => {
  const drive = new Drive(policy({ a: servicePolicy({ attempts: 1, then: 'switchover' }) })).well();
  drive.quick('a', fails('dead'));
  assert.is(drive.phase('a'), 'restarting');
  stall(drive);
  drive.repaired('a', 'failed');
  assert.is(drive.phase('a'), 'waiting');
  assert.is(drive.of('a').waitsFor, 'tilt');
  drive.wait(10_000);
  assert.is(drive.phase('a'), 'suspect');
  drive.deep('a', fails('dead'));
  assert.is(drive.phase('a'), 'switching');
});

test('a longer doubt is not made shorter by the next stall', () => {
  const drive = new Drive(
    four({ tilt: { stallMs: 10_000, share: 0.6, least: 3, windowMs: 10_000, limitMs: 60_000 } }),
  ).well();
  for (const name of ['a', 'b', 'c']) drive.quick(name, fails('hung'));
  const until = drive.node.tilt?.until;
  drive.now += 1000;
  stall(drive);
  assert.is(drive.node.tilt?.until, until);
});

test('most services fail at once for one outside reason: the observer is suspect, nothing is repaired', () => {
  const drive = new Drive(four()).well();
  for (const name of ['a', 'b', 'c']) drive.quick(name, fails('hung'));
  assert.is(drive.node.tilt?.reason, 'majority');
  assert.equal(drive.alarms, ['node/n1/observer']);
  for (const name of ['a', 'b', 'c']) drive.deep(name, fails('hung'));
  assert.is(acted(drive), 0);
  drive.now += 60_000;
  drive.feed({ kind: 'tick' });
  assert.is(drive.node.tilt, null, 'the doubt has an end even if they go on failing');
  drive.deep('a', fails('hung'));
  assert.is(acted(drive), 1);
});

test('it ends early when most answer again', () => {
  const drive = new Drive(four()).well();
  for (const name of ['a', 'b', 'c']) drive.quick(name, fails('hung'));
  drive.deep('a', passes());
  assert.is(drive.node.tilt?.reason, 'majority');
  drive.feed({ kind: 'tick' });
  assert.is(drive.node.tilt, null);
  assert.ok(drive.phase('b') === 'suspect');
});

test('dead processes, different causes and a slow series are no reason to doubt', () => {
  const dead = new Drive(four()).well();
  for (const name of ['a', 'b', 'c', 'd']) dead.quick(name, fails('dead'));
  assert.is(dead.node.tilt, null);
  assert.is(acted(dead), 1);

  const mixed = new Drive(four()).well();
  mixed.quick('a', fails('hung'));
  mixed.quick('b', fails('refusing'));
  mixed.quick('c', fails('no-space'));
  mixed.quick('d', fails('misconfigured'));
  assert.is(mixed.node.tilt, null);

  const slow = new Drive(four()).well();
  for (const name of ['a', 'b', 'c', 'd']) {
    slow.quick(name, fails('hung'));
    slow.now += 10_000;
  }
  assert.is(slow.node.tilt, null);
});

test('fewer than `least` are never most', () => {
  const drive = new Drive(policy({ a: one, b: one })).well();
  drive.quick('a', fails('hung'));
  drive.quick('b', fails('hung'));
  assert.is(drive.node.tilt, null);
});

test('most fail right after a stall: still doubted when the stall is over', () => {
  const drive = new Drive(four()).well();
  stall(drive);
  for (const name of ['a', 'b', 'c']) drive.quick(name, fails('hung'));
  drive.now += 10_000;
  drive.feed({ kind: 'tick' });
  assert.is(drive.node.tilt?.reason, 'majority');
});

test('what is paused, or at home on another node, is no reason to doubt', () => {
  const drive = new Drive(four()).well();
  drive.pause('a', 60_000);
  drive.feed({ kind: 'evicted', service: 'b', detail: 'moved' });
  drive.quick('a', fails('hung'));
  drive.quick('b', fails('hung'));
  drive.quick('c', fails('hung'));
  assert.is(drive.node.tilt, null);
  assert.equal(Object.keys(drive.node.doubts), ['c']);
});

test('a late answer is no reason to doubt', () => {
  const drive = new Drive(four()).well();
  for (const name of ['a', 'b', 'c']) drive.checked(name, 'quick', fails('hung'), drive.of(name).epoch - 1);
  assert.equal(drive.node.doubts, {});
});

test('a start of the daemon begins without doubt', () => {
  const drive = new Drive(four()).well();
  stall(drive);
  drive.reboot();
  assert.is(drive.node.tilt, null);
  assert.equal(drive.alarms, []);
});

test.run();
