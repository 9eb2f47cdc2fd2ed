import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Policy } from '../../src/core/types.ts';
import { policy, servicePolicy } from '../support/policies.ts';
import { Drive, effectsOf, fails, refusedBy, ruleOf } from '../support/drive.ts';

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

test.run();
