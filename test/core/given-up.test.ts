import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { policy, rung, servicePolicy } from '../support/policies.ts';
import { cannotTell, Drive, effectsOf, fails, noticesOf, passes, ruleOf } from '../support/drive.ts';

const test = suite('given up');

const alone = (patch: Parameters<typeof servicePolicy>[0] = {}): Drive =>
  new Drive(policy({ mta: servicePolicy(patch) })).well();
const repairs = (drive: Drive): number => drive.steps.flatMap((step) => effectsOf(step, 'repair')).length;

/** Dead again and again, until the ladder is at its end. */
function toTheEnd(drive: Drive): void {
  drive.quick('mta', fails('dead'));
  for (let n = 0; n < 10 && drive.phase('mta') === 'restarting'; n++) {
    drive.repaired('mta', 'failed');
    if (drive.phase('mta') !== 'waiting') return;
    drive.wait(10_000);
    drive.deep('mta', fails('dead'));
  }
}

test('it is loud: phase failed, a critical alarm, and nothing more is tried', () => {
  const drive = alone({ againMs: null });
  toTheEnd(drive);
  assert.is(drive.phase('mta'), 'failed');
  assert.is(drive.of('mta').why.rule, 'ladder-end');
  assert.is(drive.node.alarms['service/mta/given-up']?.severity, 'critical');
  assert.is(repairs(drive), 3);
  for (let n = 0; n < 20; n++) {
    drive.wait(600_000);
    drive.quick('mta', fails('dead'));
    drive.deep('mta', fails('refusing'));
  }
  assert.is(repairs(drive), 3);
});

test('one attempt after `again`, with the last rung, and the next one only after `again` anew', () => {
  const drive = alone({ againMs: 3_600_000 });
  toTheEnd(drive);
  const { wakeAt } = drive.of('mta');
  assert.is(wakeAt, drive.now + 3_600_000);
  drive.wait(3_599_999);
  assert.is(drive.phase('mta'), 'failed');
  drive.wait(1);
  assert.is(drive.phase('mta'), 'suspect');
  assert.ok(drive.alarms.includes('service/mta/given-up'), 'one more attempt is no good news yet');
  const [effect] = effectsOf(drive.deep('mta', fails('dead')), 'repair');
  assert.is(effect?.rung.name, 'kill-and-start');
  assert.is(effect?.attempt, 3);
  drive.repaired('mta', 'failed');
  assert.is(drive.phase('mta'), 'failed');
  assert.is(drive.of('mta').wakeAt, drive.now + 3_600_000);
});

test('`again` waits until the budget has room', () => {
  const drive = alone({ againMs: 60_000, windowMs: 7_200_000 });
  toTheEnd(drive);
  const first = drive.of('mta').repairs[0] ?? 0;
  assert.is(drive.of('mta').wakeAt, first + 7_200_000);
});

test('other verdicts do not put `again` off, and do not ask for another switchover', () => {
  const drive = alone({ againMs: 600_000, attempts: 2, windowMs: 1_000_000, stableMs: 1000 });
  for (let n = 0; n < 2; n++) {
    drive.quick('mta', fails('dead'));
    drive.repaired('mta');
    drive.deep('mta', passes());
    drive.wait(1000);
    assert.is(drive.of('mta').attempts, 0, 'stable again');
  }
  drive.quick('mta', fails('dead'));
  assert.is(drive.of('mta').why.rule, 'service-budget');
  const { wakeAt, epoch } = drive.of('mta');
  for (let n = 0; n < 5; n++) {
    drive.now += 1000;
    drive.deep('mta', fails('refusing'));
    drive.quick('mta', fails('dead'));
  }
  assert.is(drive.of('mta').wakeAt, wakeAt);
  assert.is(drive.of('mta').epoch, epoch);
});

test('health is noticed: QuickChecks ask for a DeepCheck, and only that one decides', () => {
  const drive = alone({ rise: 2, againMs: null });
  toTheEnd(drive);
  assert.is(effectsOf(drive.quick('mta', passes()), 'check').length, 0);
  assert.is(effectsOf(drive.quick('mta', passes()), 'check').length, 1);
  const { node } = drive;
  assert.is(effectsOf(drive.quick('mta', passes()), 'check').length, 0, 'asked once');
  assert.is(drive.node, node, 'and counted no further');
  drive.quick('mta', fails('dead'));
  assert.is(drive.of('mta').passes, 0, 'in a row');
  assert.is(drive.phase('mta'), 'failed');
  drive.deep('mta', passes());
  assert.is(drive.phase('mta'), 'healthy');
  assert.equal(drive.alarms, []);
});

test('a refused start is not tried again and again, whatever the checks say of what is not started', () => {
  const drive = alone();
  drive.quick('mta', fails('dead'));
  drive.repaired('mta', 'refused', { cause: 'misconfigured', detail: 'main.cf line 7: bad' });
  assert.is(drive.phase('mta'), 'failed');
  for (let n = 0; n < 5; n++) {
    drive.quick('mta', fails('dead'));
    drive.deep('mta', fails('refusing'));
  }
  assert.is(repairs(drive), 1);
  assert.is(drive.of('mta').verdict?.cause, 'misconfigured', 'and why it is down stays known');
  drive.started('mta');
  drive.deep('mta', passes());
  assert.is(drive.phase('mta'), 'healthy');
});

test('left alone for ever is left alone, until it runs', () => {
  const drive = alone({ byHandMs: null });
  drive.quick('mta', fails('dead'));
  drive.repaired('mta', 'held');
  drive.deep('mta', fails('refusing'));
  drive.quick('mta', fails('dead'));
  assert.is(repairs(drive), 1);
  assert.is(drive.phase('mta'), 'failed');
  assert.is(drive.of('mta').attempts, 0);
  drive.started('mta');
  assert.is(drive.phase('mta'), 'verifying');
});

test('a cause that no rung cures becomes one that a rung cures: repaired', () => {
  const drive = alone();
  drive.deep('mta', fails('no-space'));
  const step = drive.deep('mta', fails('no-space'));
  assert.is(ruleOf(step), 'cause-not-curable');
  assert.is(drive.phase('mta'), 'failed');
  assert.is(drive.of('mta').wakeAt, null, 'no again against what no rung cures');
  assert.is(effectsOf(drive.quick('mta', fails('refusing')), 'repair').length, 0, 'a QuickCheck alone is not sure');
  assert.is(effectsOf(drive.quick('mta', fails('dead')), 'repair').length, 1);
});

test('without a verdict after a repair a person is needed; with a later one the ladder goes on', () => {
  const drive = alone();
  drive.quick('mta', fails('dead'));
  drive.repaired('mta');
  for (let n = 0; n < 30 && drive.phase('mta') === 'verifying'; n++) {
    drive.deep('mta', cannotTell());
    drive.wait(1000);
  }
  assert.is(drive.phase('mta'), 'failed');
  assert.is(drive.of('mta').why.rule, 'cannot-verify');
  assert.is(effectsOf(drive.deep('mta', fails('hung')), 'repair')[0]?.attempt, 2);
});

test('observe-only is turned off: what still fails is repaired', () => {
  const rules = policy({ mta: servicePolicy() });
  const drive = new Drive({ ...rules, observe: true }).well();
  drive.quick('mta', fails('dead'));
  assert.is(drive.phase('mta'), 'failed');
  drive.configure(rules);
  assert.is(effectsOf(drive.quick('mta', fails('dead')), 'repair').length, 1);
});

test('a ladder is given to a service that had none: it is used', () => {
  const rules = policy({ mta: servicePolicy({ ladder: [] }) });
  const drive = new Drive(rules).well();
  drive.quick('mta', fails('dead'));
  assert.match(drive.of('mta').why.text, /no ladder/);
  drive.configure(policy({ mta: servicePolicy({ ladder: [rung('restart')] }) }));
  assert.is(effectsOf(drive.quick('mta', fails('dead')), 'repair').length, 1);
});

test('a failed switchover is not repeated by verdicts; a new cause that a rung cures is repaired here', () => {
  const drive = alone({ then: 'switchover' });
  drive.deep('mta', fails('no-space'));
  drive.deep('mta', fails('no-space'));
  assert.is(drive.phase('mta'), 'switching');
  const failed = drive.feed({
    kind: 'switched',
    service: 'mta',
    epoch: drive.of('mta').epoch,
    ok: false,
    detail: 'no node',
  });
  assert.ok(noticesOf(failed).some((notice) => notice.event === 'service-given-up'));
  drive.deep('mta', fails('no-space'));
  assert.is(drive.phase('mta'), 'failed');
  assert.is(effectsOf(drive.quick('mta', fails('dead')), 'repair').length, 1);
});

test('reset: attempts, budget and flapping are forgotten, after a fresh look', () => {
  const drive = alone({ againMs: null });
  toTheEnd(drive);
  drive.feed({ kind: 'reset', service: 'mta', by: 'ops' });
  assert.is(drive.phase('mta'), 'suspect');
  assert.equal(drive.of('mta').repairs, []);
  assert.is(effectsOf(drive.deep('mta', fails('dead')), 'repair')[0]?.attempt, 1);
});

test('a start that is under way is looked at again soon, even where by hand means for ever', () => {
  for (const byHandMs of [60_000, null]) {
    const drive = new Drive(policy({ mta: servicePolicy({ byHandMs }) })).well();
    drive.quick('mta', fails('dead'));
    const { epoch } = drive.of('mta');
    const result = { ok: false, did: 'held', detail: 'it is being started', soon: true } as const;
    drive.feed({ kind: 'repaired', service: 'mta', epoch, result });
    assert.is(drive.phase('mta'), 'waiting');
    assert.is((drive.of('mta').wakeAt ?? 0) - drive.now, 5000);
    assert.is(drive.of('mta').attempts, 0, 'it was no attempt');
  }
});

test.run();
