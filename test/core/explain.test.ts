import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { explain, type Explained, nextOf } from '../../src/core/explain.ts';
import type { ServicePolicy } from '../../src/core/types.ts';
import { policy, rung, servicePolicy } from '../support/policies.ts';
import { cannotTell, degrades, Drive, fails, passes } from '../support/drive.ts';

const test = suite('explain');

const alone = (patch: Partial<ServicePolicy> = {}): Drive => new Drive(policy({ mta: servicePolicy(patch) })).well();
const told = (drive: Drive, name = 'mta'): Explained => explain(drive.policy, drive.node, name, drive.now);
const next = (drive: Drive, name = 'mta'): string => nextOf(drive.policy, drive.node, name, drive.now).text;

test('a well service: nothing is wrong, nothing comes', () => {
  assert.equal(told(alone()), {
    seen: 'nothing is wrong with it',
    rule: 'well',
    text: 'the DeepCheck passes: ok',
    refused: [],
    next: { what: 'nothing', at: null, text: '' },
    attempts: 0,
    budget: { left: 3, of: 3, windowMs: 1_800_000 },
    blockedBy: null,
    dependsOn: [],
  });
});

test('counting: how many more it takes', () => {
  const drive = alone({ fall: 3 });
  drive.quick('mta', fails('hung', 'no banner in 2 s'));
  assert.is(told(drive).seen, 'check says fail (hung): no banner in 2 s');
  assert.is(next(drive), '2 more failing QuickChecks in a row and the DeepCheck is asked');
  drive.quick('mta', fails('hung'));
  assert.is(next(drive), '1 more failing QuickCheck in a row and the DeepCheck is asked');
});

test('suspect: the DeepCheck is awaited, and when it is asked again', () => {
  const drive = alone();
  drive.deep('mta', fails('hung'));
  drive.now += 1000;
  assert.equal(told(drive).next, {
    what: 'check',
    at: 5000,
    text: 'the DeepCheck is awaited; asked again in 4 s at the latest',
  });
});

test('a repair: which, against what, what was refused, what is left', () => {
  const drive = alone({ ladder: [rung('reload'), rung('restart')] });
  drive.quick('mta', fails('dead', 'pid 4711 is gone'));
  const answer = told(drive);
  assert.is(answer.rule, 'repair');
  assert.is(answer.text, 'check says fail (dead): pid 4711 is gone; restart, attempt 1 of 3');
  assert.equal(answer.refused, [
    { what: 'reload', rule: 'cause-not-curable', text: '"reload" does not help against "dead"' },
  ]);
  assert.equal([answer.attempts, answer.budget.left], [1, 2]);
  assert.is(answer.next.text, '"restart" is under way; it has 20 s more to end');
  drive.repaired('mta');
  assert.is(next(drive), 'the DeepCheck decides; it has 10 s more to pass');
  drive.now += 10_000;
  assert.is(next(drive), 'the last DeepCheck is awaited, for 5 s more');
});

test('the pause before the next rung', () => {
  const drive = alone({ backoff: { firstMs: 2000, factor: 2, maxMs: 9000 } });
  drive.quick('mta', fails('dead'));
  drive.repaired('mta', 'failed');
  assert.is(next(drive), 'a fresh look in 2 s, then "kill-and-start" if it still fails');
  assert.match(told(drive).text, /"restart" failed: failed it; next is "kill-and-start" in 2 s/);
});

test('well again: when attempts are forgotten', () => {
  const drive = alone();
  drive.quick('mta', fails('dead'));
  drive.repaired('mta');
  drive.deep('mta', passes());
  drive.now += 120_000;
  assert.is(next(drive), 'attempts are forgotten after 8 min more of health');
});

test('given up: one more attempt, or a person', () => {
  for (const [againMs, text] of [
    [3_600_000, 'a person is needed; one more attempt in 1 h'],
    [null, 'a person is needed; checks go on and will notice when it works; the budget has room again in 30 min'],
  ] as const) {
    const drive = alone({ attempts: 1, againMs });
    drive.quick('mta', fails('dead'));
    drive.repaired('mta', 'failed');
    assert.is(next(drive), text);
    assert.is(told(drive).refused[0]?.rule, 'ladder-end');
  }
});

test('given up, and why no person changes it by waiting', () => {
  const refused = alone();
  refused.quick('mta', fails('dead'));
  refused.repaired('mta', 'refused', { detail: 'main.cf line 7: bad' });
  assert.match(next(refused), /^a person has to mend its configuration and start it/);
  assert.is(told(refused).seen, 'manager says fail (misconfigured): main.cf line 7: bad');

  const held = alone({ byHandMs: null });
  held.quick('mta', fails('dead'));
  held.repaired('mta', 'held');
  assert.match(next(held), /^left alone until somebody starts it/);

  const observed = alone({ observe: true });
  observed.quick('mta', fails('dead'));
  assert.match(next(observed), /^nothing is done while it is only observed/);
  assert.match(told(observed).text, /would have run "restart"/);
});

test('blocked: who is at fault and what it waits for', () => {
  const drive = new Drive(policy({ mta: servicePolicy({ depends: ['store'] }), store: servicePolicy() })).well();
  drive.quick('store', fails('dead'));
  drive.quick('mta', fails('dead'));
  const answer = told(drive);
  assert.equal([answer.blockedBy, answer.dependsOn], ['store', ['store']]);
  assert.is(answer.refused[0]?.text, 'store, which it depends on, is at fault and comes first');
  assert.is(answer.next.text, 'looked at again when store works; asked again in 30 s at the latest');
});

test('every thing that can be waited for has its sentence', () => {
  const waits = {
    dependencies: 'what it depends on is asked first; asked again in 5 s at the latest',
    round: 'waits for the first round of checks; asked again in 5 s at the latest',
    tilt: 'looked at again when the observer trusts its eyes; asked again in 5 s at the latest',
  } as const;
  const drive = alone();
  drive.deep('mta', fails('hung'));
  for (const [waitsFor, text] of Object.entries(waits)) {
    const node = { ...drive.node, services: { mta: { ...drive.of('mta'), waitsFor } } } as typeof drive.node;
    assert.is(nextOf(drive.policy, node, 'mta', 0).text, text);
  }
  const pair = new Drive(policy({ mta: servicePolicy(), web: servicePolicy() })).well();
  pair.quick('web', fails('dead'));
  pair.quick('mta', fails('dead'));
  assert.is(
    next(pair),
    'a fresh look when the other repair is done, in 20 s at the latest; then "restart" if it still fails',
  );
  const hand = alone();
  hand.quick('mta', fails('dead'));
  hand.repaired('mta', 'held');
  assert.is(next(hand), 'looked at again in 1 min, if nobody started it by then');
});

test('paused, moved away, moving, frozen, just started', () => {
  const paused = alone();
  paused.pause('mta', 90_000);
  assert.equal(told(paused).next, { what: 'resume', at: 90_000, text: 'the pause ends in 1.5 min' });
  const gone = alone();
  gone.feed({ kind: 'evicted', service: 'mta', detail: 'the lease is lost' });
  assert.is(next(gone), 'another node has it');
  const moving = alone({ then: 'switchover', ladder: [] });
  moving.quick('mta', fails('dead'));
  assert.is(next(moving), 'a switchover is wanted; it has 1 min more');
  const frozen = alone({ flap: { changes: 1, windowMs: 60_000, calmMs: 300_000 } });
  frozen.deep('mta', fails('hung'));
  frozen.deep('mta', passes());
  assert.is(next(frozen), 'repairs are possible again in 5 min');
  const fresh = alone();
  fresh.started('mta');
  assert.is(next(fresh), 'it was just started: failures count in 5 s');
});

test('degraded and blind', () => {
  const drive = alone();
  drive.deep('mta', degrades('overloaded', 'answers in 9 s'));
  assert.is(told(drive).seen, 'check says degraded (overloaded): answers in 9 s');
  drive.deep('mta', cannotTell());
  assert.is(told(drive).rule, 'degraded');
  const blind = alone({ unknowns: 2 });
  for (let n = 0; n < 2; n++) blind.deep('mta', cannotTell('permission denied'));
  const text = 'check says unknown: permission denied; could not tell, 2 in a row, nothing is done about it';
  assert.equal([told(blind).rule, told(blind).seen], ['unknown', text]);
  assert.is(blind.node.alarms['service/mta/unknown']?.summary, `mta: ${text}`);
  blind.deep('mta', passes('fine'));
  assert.equal([told(blind).rule, told(blind).seen], ['well', 'nothing is wrong with it']);
});

test('stricter budgets are shown as such', () => {
  const drive = alone();
  drive.condition('journal', true, 'disk full');
  assert.equal(told(drive).budget, { left: 1, of: 1, windowMs: 1_800_000 });
});

test('a service that is not there is nobody', () => {
  const drive = alone();
  assert.throws(() => told(drive, 'gone'), /no service gone/);
  assert.is(next(drive, 'gone'), '');
});

test.run();
