import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { policy, servicePolicy } from '../support/policies.ts';
import { cannotTell, degrades, Drive, effectsOf, fails, passes, ruleOf } from '../support/drive.ts';

const test = suite('counting and confirming');

const make = (patch: Parameters<typeof servicePolicy>[0] = {}): Drive =>
  new Drive(policy({ mta: servicePolicy({ attempts: 2, then: 'switchover', ...patch }) })).well();

test('`fall` QuickChecks in a row, not one fewer, make it suspect', () => {
  const drive = make({ fall: 3 });
  drive.quick('mta', fails('hung'));
  drive.quick('mta', fails('hung'));
  assert.is(drive.phase('mta'), 'healthy');
  const step = drive.quick('mta', fails('hung'));
  assert.is(drive.phase('mta'), 'suspect');
  assert.is(ruleOf(step), 'fall-reached');
  assert.ok(
    effectsOf(step, 'check').some((e) => e.depth === 'deep'),
    'and the DeepCheck is asked at once',
  );
});

test('in a row: a pass starts the count again, an unknown does not', () => {
  const drive = make({ fall: 2 });
  drive.quick('mta', fails('hung'));
  drive.quick('mta', passes());
  drive.quick('mta', fails('hung'));
  assert.is(drive.phase('mta'), 'healthy');
  drive.quick('mta', cannotTell());
  drive.quick('mta', fails('hung'));
  assert.is(drive.phase('mta'), 'suspect');
});

test('a passing DeepCheck does not excuse failing QuickChecks', () => {
  const drive = make({ fall: 2 });
  drive.quick('mta', fails('hung'));
  drive.deep('mta', passes());
  drive.quick('mta', fails('hung'));
  assert.is(drive.phase('mta'), 'suspect');
});

test('the DeepCheck does not confirm: a false alarm, without an incident or an alarm', () => {
  const drive = make({ fall: 1 });
  drive.quick('mta', fails('hung'));
  const step = drive.deep('mta', passes());
  assert.is(ruleOf(step), 'false-alarm');
  assert.is(drive.of('mta').incidents, 0);
  assert.equal(effectsOf(step, 'notice'), []);
});

test('conclusive evidence needs no count and no second opinion', () => {
  const drive = make({ fall: 5 });
  assert.is(effectsOf(drive.quick('mta', fails('dead')), 'repair').length, 1);
});

test('two connections without an answer are conclusive only when the count is reached', () => {
  const drive = make({ fall: 2 });
  const verdict = { ...fails('hung'), conclusive: true };
  drive.quick('mta', verdict);
  assert.is(drive.phase('mta'), 'healthy');
  assert.is(effectsOf(drive.quick('mta', verdict), 'repair').length, 1);
});

test('no DeepCheck in time: could not tell, asked again, and after some times an alarm', () => {
  const drive = make({ unknowns: 2, confirmMs: 5000 });
  drive.deep('mta', fails('hung'));
  drive.wait(5000);
  assert.is(ruleOf(drive.steps.at(-1)), 'no-verdict');
  assert.equal(drive.alarms, []);
  drive.wait(5000);
  assert.equal(drive.alarms, ['service/mta/unknown']);
  drive.wait(60_000);
  assert.is(drive.of('mta').unknowns.deep, 2, 'counted no further');
  assert.is(drive.steps.flatMap((step) => effectsOf(step, 'repair')).length, 0);
  drive.deep('mta', passes());
  assert.equal(drive.alarms, []);
});

test('unknown alerts after some in a row, and never acts', () => {
  const drive = make({ unknowns: 3 });
  for (let n = 0; n < 2; n++) drive.quick('mta', cannotTell());
  assert.equal(drive.alarms, []);
  drive.quick('mta', cannotTell());
  assert.equal(drive.alarms, ['service/mta/unknown']);
  const { node } = drive;
  drive.quick('mta', cannotTell());
  assert.is(drive.node, node, 'counted no further');
  drive.quick('mta', passes());
  assert.equal(drive.alarms, []);
});

test('a blind DeepCheck is not hidden by QuickChecks that pass, nor the other way round', () => {
  for (const [blind, sees] of [
    ['deep', 'quick'],
    ['quick', 'deep'],
  ] as const) {
    const drive = make({ unknowns: 2 });
    for (let n = 0; n < 2; n++) {
      drive.checked('mta', blind, cannotTell());
      drive.checked('mta', sees, passes());
    }
    assert.equal(drive.alarms, ['service/mta/unknown'], blind);
    drive.checked('mta', blind, passes());
    assert.equal(drive.alarms, [], blind);
  }
});

test('each depth starts its own count again', () => {
  const drive = make({ unknowns: 3 });
  drive.quick('mta', cannotTell());
  drive.deep('mta', cannotTell());
  drive.quick('mta', passes());
  assert.equal(drive.of('mta').unknowns, { quick: 0, deep: 1 });
});

test('degraded: a warning by depth, gone when every depth passes', () => {
  const drive = make();
  drive.quick('mta', degrades('overloaded', '421 busy'));
  assert.is(drive.node.alarms['service/mta/degraded']?.severity, 'warning');
  assert.is(drive.node.alarms['service/mta/degraded']?.summary, 'mta: 421 busy');
  drive.deep('mta', degrades('expired', '9 days left'));
  drive.quick('mta', passes());
  assert.equal(drive.alarms, ['service/mta/degraded']);
  drive.deep('mta', passes());
  assert.equal(drive.alarms, []);
});

test.run();
