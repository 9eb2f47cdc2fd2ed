import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultCures } from '../../src/core/ladder.ts';
import type { Cause, ServicePolicy } from '../../src/core/types.ts';
import { policy, rung, servicePolicy } from '../support/policies.ts';
import {
  cannotTell,
  degrades,
  Drive,
  effectsOf,
  fails,
  noticesOf,
  passes,
  refusedBy,
  ruleOf,
  type Step,
} from '../support/drive.ts';

const test = suite('repair');

const alone = (patch: Partial<ServicePolicy> = {}): Drive => new Drive(policy({ mta: servicePolicy(patch) })).well();
const broken = (patch: Partial<ServicePolicy> = {}): Drive => {
  const drive = alone(patch);
  drive.quick('mta', fails('dead'));
  assert.is(drive.phase('mta'), 'restarting');
  return drive;
};

// ------------------------------------------------------------------------------------------- the cause decides

const rungs = ['reload', 'restart', 'kill-and-start'] as const;
const table: readonly (readonly [Cause, string | null])[] = [
  ['dead', 'restart'],
  ['hung', 'restart'],
  ['refusing', 'reload'],
  ['misconfigured', null],
  ['no-space', null],
  ['dependency', null],
  ['overloaded', null],
  ['credentials', null],
  ['expired', null],
];
/** The confirming DeepCheck; of a dependency's fault a second look later makes sure that it did not pass by itself. */
function sure(drive: Drive, cause: Cause): Step {
  const step = drive.deep('mta', fails(cause));
  if (cause !== 'dependency') return step;
  assert.is(drive.phase('mta'), 'waiting', 'not given up at first sight');
  drive.wait((drive.of('mta').wakeAt ?? drive.now) - drive.now);
  return drive.deep('mta', fails(cause));
}

for (const [cause, first] of table)
  test(`against ${cause} the first repair is ${first ?? 'none'}`, () => {
    const drive = alone({ ladder: rungs.map(rung) });
    drive.deep('mta', fails(cause));
    const step = cause === 'dead' ? drive.steps.at(-1) : sure(drive, cause);
    const [effect] = effectsOf(step, 'repair');
    assert.is(effect?.rung.name ?? null, first);
    assert.is(effect?.cause ?? null, first === null ? null : cause);
    assert.is(drive.phase('mta'), first === null ? 'failed' : 'restarting');
    if (first === null) assert.equal(refusedBy(step), ['cause-not-curable']);
    if (cause === 'dead') assert.equal(refusedBy(step), ['cause-not-curable'], 'the reload was refused');
  });

for (const [part, wanted] of [
  ['auth', 'part'],
  ['lmtp', 'restart'],
  [undefined, 'restart'],
] as const)
  test(`a part that is at fault is repaired alone, if its manager knows it: ${part ?? 'none is named'}`, () => {
    const drive = alone({ ladder: [{ ...rung('part'), parts: ['auth'] }, rung('restart')] });
    const verdict = { ...fails('hung'), ...(part ? { part } : {}) };
    drive.deep('mta', verdict);
    const [effect] = effectsOf(drive.deep('mta', verdict), 'repair');
    assert.is(effect?.rung.name, wanted);
    assert.is(effect?.part, wanted === 'part' ? part : undefined);
  });

test('what is cured by default stands in one table', () => {
  assert.equal(defaultCures['start'], ['dead']);
  assert.equal(defaultCures['command'], ['dead', 'hung', 'refusing']);
});

test('a failure without a cause is taken for refusing', () => {
  const drive = alone();
  drive.deep('mta', { outcome: 'fail', detail: 'no', check: 'x' });
  const [effect] = effectsOf(drive.deep('mta', { outcome: 'fail', detail: 'no', check: 'x' }), 'repair');
  assert.is(effect?.cause, 'refusing');
});

test('an own command carries its argv', () => {
  const run = ['/usr/local/sbin/mend', '-x'];
  const drive = alone({ ladder: [{ name: 'command', cures: ['dead'], run }] });
  const step = drive.quick('mta', fails('dead'));
  assert.equal(effectsOf(step, 'repair')[0]?.rung.run, run);
  assert.match(step.decision[2][0]?.text ?? '', /command \/usr\/local\/sbin\/mend -x, attempt 1 of 3/);
});

// ------------------------------------------------------------------------------------------------- verification

test('a repair is done when the DeepCheck passes, not when the command returned', () => {
  const drive = broken();
  const done = drive.repaired('mta');
  assert.is(drive.phase('mta'), 'verifying');
  assert.ok(effectsOf(done, 'check').some((e) => e.depth === 'deep'));
  drive.quick('mta', passes());
  assert.is(drive.phase('mta'), 'verifying', 'a QuickCheck does not decide');
  const well = drive.deep('mta', passes());
  assert.is(drive.phase('mta'), 'healthy');
  assert.is(ruleOf(well), 'repaired');
  assert.equal(
    noticesOf(well).map((n) => `${n.kind} ${n.event}`),
    ['once recovery-succeeded', 'clear service-failing'],
  );
});

test('coming up: asked again in growing pauses, until its time is over; then the next rung', () => {
  const drive = broken({ verifyMs: 3000, graceMs: 0 });
  drive.repaired('mta');
  const pauses: number[] = [];
  for (let n = 0; n < 20 && drive.phase('mta') === 'verifying'; n++) {
    drive.deep('mta', fails('refusing'));
    if (drive.phase('mta') !== 'verifying') break;
    pauses.push((drive.of('mta').wakeAt ?? 0) - drive.now);
    drive.wait(pauses.at(-1) ?? 0);
  }
  assert.equal(pauses, [200, 300, 450, 675, 1013, 362]);
  assert.is(drive.now, 3000);
  assert.is(drive.phase('mta'), 'waiting');
  assert.is(drive.of('mta').why.rule, 'still-failing');
});

test('a repaired service has its start grace to come up, if that is longer', () => {
  const drive = broken({ verifyMs: 1000, graceMs: 8000 });
  drive.repaired('mta');
  assert.is(drive.of('mta').graceUntil, 8000);
});

test('a DeepCheck that takes the whole time is still heard', () => {
  const drive = broken({ verifyMs: 10_000, confirmMs: 11_000 });
  drive.repaired('mta');
  drive.wait(10_000); // The DeepCheck, asked at the start, times out just now.
  assert.is(drive.phase('mta'), 'verifying');
  drive.deep('mta', fails('hung'));
  assert.is(drive.phase('mta'), 'waiting');
  assert.is(drive.of('mta').why.rule, 'still-failing');
});

test('no verdict is not a fail: a person is needed', () => {
  const drive = broken({ verifyMs: 10_000 });
  drive.repaired('mta');
  drive.wait(14_999);
  drive.deep('mta', cannotTell());
  assert.is(drive.phase('mta'), 'failed');
  assert.is(drive.of('mta').why.rule, 'cannot-verify');
  assert.is(drive.of('mta').attempts, 1);
});

test('no word at all: the same', () => {
  const drive = broken({ verifyMs: 10_000 });
  drive.repaired('mta');
  drive.wait(15_000);
  assert.is(drive.of('mta').why.rule, 'cannot-verify');
});

test('it dies again while it comes up: the next rung, without waiting for the end of its time', () => {
  const drive = broken();
  drive.repaired('mta');
  drive.died('mta');
  assert.is(drive.phase('mta'), 'waiting');
  assert.is(drive.of('mta').why.rule, 'died-again');
});

test('well but degraded: the warning says what and why', () => {
  const drive = broken();
  drive.repaired('mta');
  drive.deep('mta', degrades('overloaded', 'answers in 9 s'));
  assert.is(drive.phase('mta'), 'healthy');
  const alarm = drive.node.alarms['service/mta/degraded'];
  assert.is(alarm?.cause, 'overloaded');
  assert.is(alarm?.summary, 'mta: answers in 9 s');
  drive.deep('mta', passes());
  assert.equal(drive.alarms, []);
});

// --------------------------------------------------------------------------------------- the ladder, and its pauses

test('each failure leads to the next rung, the last is repeated, and the pauses grow up to their limit', () => {
  const ladder = rungs.map(rung);
  const drive = alone({ ladder, attempts: 5, backoff: { firstMs: 1000, factor: 2, maxMs: 5000 } });
  drive.deep('mta', fails('refusing'));
  let step = drive.deep('mta', fails('refusing'));
  const tried: string[] = [];
  const pauses: number[] = [];
  for (let n = 0; n < 9; n++) {
    const [effect] = effectsOf(step, 'repair');
    if (!effect) break;
    tried.push(`${effect.attempt} ${effect.rung.name}`);
    drive.repaired('mta', 'failed');
    if (drive.phase('mta') !== 'waiting') break;
    pauses.push((drive.of('mta').wakeAt ?? 0) - drive.now);
    drive.wait(pauses.at(-1) ?? 0);
    assert.is(drive.phase('mta'), 'suspect', 'a fresh look before each');
    step = drive.deep('mta', fails('refusing'));
  }
  assert.equal(tried, ['1 reload', '2 restart', '3 kill-and-start', '4 kill-and-start', '5 kill-and-start']);
  assert.equal(pauses, [1000, 2000, 4000, 5000]);
  assert.is(drive.of('mta').why.rule, 'ladder-end');
});

test('it works again by itself in the pause: no repair', () => {
  const drive = broken();
  drive.repaired('mta', 'failed');
  drive.quick('mta', passes());
  assert.is(drive.phase('mta'), 'waiting');
  drive.deep('mta', passes());
  assert.is(drive.phase('mta'), 'healthy');
  assert.is(drive.of('mta').why.rule, 'came-back');
});

test('in a long wait QuickChecks that pass ask for the DeepCheck: it is not called down for longer than it is', () => {
  const drive = broken({ byHandMs: 600_000, rise: 2 });
  drive.repaired('mta', 'held');
  drive.quick('mta', passes());
  drive.quick('mta', fails('refusing'));
  assert.is(effectsOf(drive.quick('mta', passes()), 'check').length, 0, 'in a row');
  assert.is(effectsOf(drive.quick('mta', passes()), 'check').length, 1);
  assert.is(drive.phase('mta'), 'waiting');
  drive.deep('mta', passes());
  assert.is(drive.phase('mta'), 'healthy');
  assert.equal(drive.alarms, []);
});

test('a repair that does not end in its time counts as failed, and its late answer for nothing', () => {
  const drive = broken({ repairMs: 20_000 });
  const { epoch } = drive.of('mta');
  drive.wait(19_999);
  assert.is(drive.phase('mta'), 'restarting');
  drive.wait(1);
  assert.is(drive.phase('mta'), 'waiting');
  assert.is(drive.of('mta').why.rule, 'repair-timeout');
  const { node } = drive;
  drive.feed({ kind: 'repaired', service: 'mta', epoch, result: { ok: true, did: 'done', detail: 'at last' } });
  assert.is(drive.node, node);
});

test('the cause changes to one that no rung cures: the ladder ends there', () => {
  const drive = broken({ verifyMs: 1000, graceMs: 0 });
  drive.repaired('mta');
  drive.wait(1000);
  const step = drive.deep('mta', fails('no-space'));
  assert.is(drive.phase('mta'), 'failed');
  assert.equal(refusedBy(step), ['cause-not-curable']);
});

test('the end of the ladder is an event for the switchover', () => {
  const drive = broken({ attempts: 1, then: 'switchover' });
  const step = drive.repaired('mta', 'failed');
  assert.is(drive.phase('mta'), 'switching');
  assert.equal(effectsOf(step, 'switchover'), [
    { kind: 'switchover', service: 'mta', epoch: drive.of('mta').epoch, incident: 'mta-1' },
  ]);
  assert.ok(noticesOf(step).some((n) => n.event === 'switchover-wanted' && n.severity === 'critical'));
  drive.wait(59_999);
  assert.is(drive.phase('mta'), 'switching');
  drive.wait(1);
  assert.is(drive.of('mta').why.rule, 'switchover-timeout');
});

test('moved away: nothing of it stays here', () => {
  const drive = broken({ attempts: 1, then: 'switchover' });
  drive.repaired('mta', 'failed');
  drive.feed({ kind: 'switched', service: 'mta', epoch: drive.of('mta').epoch, ok: true, detail: 'n2 has it' });
  assert.is(drive.phase('mta'), 'relinquished');
  assert.equal(drive.alarms, []);
  assert.is(drive.of('mta').attempts, 0);
});

test('a move would not help against what is met again over there', () => {
  for (const cause of ['misconfigured', 'expired', 'credentials', 'dependency', 'overloaded'] as const) {
    const drive = alone({ then: 'switchover' });
    drive.deep('mta', fails(cause));
    sure(drive, cause);
    assert.is(drive.phase('mta'), 'failed', cause);
  }
});

// --------------------------------------------------------------------------------------- stability and the window

test('attempts are forgotten after stable health, not before', () => {
  const drive = broken({ stableMs: 600_000 });
  drive.repaired('mta');
  drive.deep('mta', passes());
  drive.wait(599_999);
  assert.is(drive.of('mta').attempts, 1);
  drive.wait(1);
  assert.is(drive.of('mta').attempts, 0);
  assert.is(drive.steps.at(-1)?.decision[2][0]?.rule, 'stable');
  assert.is(drive.of('mta').wakeAt, null);
});

test('it fails again before it is stable: the next rung', () => {
  const drive = broken();
  drive.repaired('mta');
  drive.deep('mta', passes());
  drive.wait(599_000);
  const [effect] = effectsOf(drive.quick('mta', fails('dead')), 'repair');
  assert.is(effect?.attempt, 2);
  assert.is(effect?.rung.name, 'kill-and-start');
});

// ----------------------------------------------------------------------------------- when nothing was done after all

test('adopted: it runs again without us; nothing is charged', () => {
  const drive = broken();
  const step = drive.repaired('mta', 'adopted');
  assert.is(drive.phase('mta'), 'verifying');
  assert.equal([drive.of('mta').attempts, drive.of('mta').repairs, drive.node.repairs], [0, [], []]);
  assert.ok(noticesOf(step).some((n) => n.event === 'service-adopted'));
  const well = drive.deep('mta', passes());
  assert.not(
    noticesOf(well).some((n) => n.event === 'recovery-succeeded'),
    'it was not our repair',
  );
});

test('by hand: left alone for a while, nothing is charged, then looked at again', () => {
  const drive = broken({ byHandMs: 60_000 });
  const step = drive.repaired('mta', 'held');
  assert.is(drive.phase('mta'), 'waiting');
  assert.is(drive.of('mta').waitsFor, 'hand');
  assert.equal(refusedBy(step), ['by-hand']);
  assert.equal([drive.of('mta').attempts, drive.node.repairs], [0, []]);
  drive.quick('mta', fails('dead'));
  drive.wait(59_999);
  assert.is(drive.phase('mta'), 'waiting');
  drive.wait(1);
  assert.is(drive.phase('mta'), 'suspect');
});

test('refused: not safe to start, with its own cause', () => {
  const drive = broken();
  const step = drive.repaired('mta', 'refused', { detail: 'main.cf line 7: bad' });
  assert.is(drive.phase('mta'), 'failed');
  assert.is(drive.of('mta').verdict?.cause, 'misconfigured');
  assert.equal(refusedBy(step), ['not-safe-to-start']);
  assert.equal([drive.of('mta').attempts, drive.node.repairs], [0, []]);
});

test('of several repairs on the node, the very one that was none is taken back', () => {
  const drive = new Drive(
    policy({ a: servicePolicy(), b: servicePolicy() }, { repairs: { max: 9, windowMs: 3_600_000, parallel: 2 } }),
  ).well();
  drive.quick('a', fails('dead'));
  drive.now += 5000;
  drive.quick('b', fails('dead'));
  drive.repaired('a', 'held');
  assert.equal(drive.node.repairs, [5000]);
});

test.run();
