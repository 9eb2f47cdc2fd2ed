import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Event, Phase } from '../../src/core/types.ts';
import { policy, servicePolicy } from '../support/policies.ts';
import { cannotTell, degrades, Drive, effectsOf, fails, passes, ruleOf } from '../support/drive.ts';

const test = suite('escalate');

const make = (patch: Parameters<typeof servicePolicy>[0] = {}): Drive =>
  new Drive(policy({ mta: servicePolicy({ attempts: 2, then: 'switchover', ...patch }) })).well();

/** One way into each phase. */
const into: Readonly<Record<Phase, () => Drive>> = {
  healthy: () => make(),
  suspect() {
    const drive = make();
    drive.deep('mta', fails('hung'));
    return drive;
  },
  restarting() {
    const drive = make();
    drive.died('mta');
    return drive;
  },
  verifying() {
    const drive = into.restarting();
    drive.repaired('mta');
    return drive;
  },
  waiting() {
    const drive = into.restarting();
    drive.repaired('mta', 'failed');
    return drive;
  },
  switching() {
    const drive = into.waiting();
    drive.wait(1000);
    drive.deep('mta', fails('dead'));
    drive.repaired('mta', 'failed');
    return drive;
  },
  relinquished() {
    const drive = make();
    drive.feed({ kind: 'evicted', service: 'mta', detail: 'the lease is lost' });
    return drive;
  },
  failed() {
    const drive = into.switching();
    drive.feed({ kind: 'switched', service: 'mta', epoch: drive.of('mta').epoch, ok: false, detail: 'nobody' });
    return drive;
  },
  paused() {
    const drive = make();
    drive.pause('mta', 60_000);
    return drive;
  },
};

type Make = (drive: Drive) => unknown;
const reply =
  (kind: 'switched' | 'woke'): Make =>
  (drive) =>
    drive.feed({ kind, service: 'mta', epoch: drive.of('mta').epoch, ok: true, detail: 'done' } as Omit<
      Event,
      'at'
    > as never);
const own =
  (kind: 'resumed' | 'reset' | 'acquired' | 'evicted'): Make =>
  (drive) =>
    drive.feed({ kind, service: 'mta', by: 'ops', detail: 'lease' } as never);

const events: Readonly<Record<string, Make>> = {
  'quick pass': (d) => d.quick('mta', passes()),
  'quick fail': (d) => d.quick('mta', fails('hung')),
  'quick dead': (d) => d.quick('mta', fails('dead')),
  'quick unknown': (d) => d.quick('mta', cannotTell()),
  'quick degraded': (d) => d.quick('mta', degrades('overloaded')),
  'deep pass': (d) => d.deep('mta', passes()),
  'deep fail': (d) => d.deep('mta', fails('hung')),
  'deep unknown': (d) => d.deep('mta', cannotTell()),
  'deep degraded': (d) => d.deep('mta', degrades('overloaded')),
  'repaired done': (d) => d.repaired('mta'),
  'repaired failed': (d) => d.repaired('mta', 'failed'),
  'repaired held': (d) => d.repaired('mta', 'held'),
  'repaired adopted': (d) => d.repaired('mta', 'adopted'),
  'repaired refused': (d) => d.repaired('mta', 'refused'),
  'switched ok': reply('switched'),
  woke(d) {
    d.now = Math.max(d.now, d.of('mta').wakeAt ?? 0);
    return reply('woke')(d);
  },
  died: (d) => d.died('mta'),
  started: (d) => d.started('mta'),
  paused: (d) => d.pause('mta', 60_000),
  resumed: own('resumed'),
  reset: own('reset'),
  acquired: own('acquired'),
  evicted: own('evicted'),
  stalled: (d) => d.feed({ kind: 'stalled', ms: 5000 }),
  stepped: (d) => d.feed({ kind: 'stepped', ms: 3_600_000 }),
  tick: (d) => d.feed({ kind: 'tick' }),
  booted: (d) => d.feed({ kind: 'booted', fresh: false }),
};

/** Where each event leads from each phase; what is not written stays there. `suspect*`: asked anew, a new epoch. */
const leads: Readonly<Record<Phase, Readonly<Record<string, string>>>> = {
  healthy: {
    'quick dead': 'restarting',
    'deep fail': 'suspect',
    died: 'restarting',
    paused: 'paused',
    evicted: 'relinquished',
    booted: 'suspect',
  },
  suspect: {
    'quick dead': 'restarting',
    'deep pass': 'healthy',
    'deep degraded': 'healthy',
    'deep fail': 'restarting',
    woke: 'suspect*',
    died: 'restarting',
    started: 'verifying',
    paused: 'paused',
    evicted: 'relinquished',
    stalled: 'suspect*',
    booted: 'suspect*',
  },
  restarting: {
    'repaired done': 'verifying',
    'repaired failed': 'waiting',
    'repaired held': 'waiting',
    'repaired adopted': 'verifying',
    'repaired refused': 'failed',
    woke: 'waiting',
    paused: 'paused',
    evicted: 'relinquished',
    booted: 'suspect',
  },
  verifying: {
    'deep pass': 'healthy',
    'deep degraded': 'healthy',
    'deep fail': 'verifying*',
    'deep unknown': 'verifying*',
    woke: 'failed',
    died: 'waiting',
    paused: 'paused',
    evicted: 'relinquished',
    stalled: 'verifying*',
    booted: 'suspect',
  },
  waiting: {
    'deep pass': 'healthy',
    'deep degraded': 'healthy',
    woke: 'suspect',
    started: 'verifying',
    paused: 'paused',
    evicted: 'relinquished',
    booted: 'suspect',
  },
  switching: { 'switched ok': 'relinquished', woke: 'failed', evicted: 'relinquished', booted: 'switching*' },
  relinquished: { acquired: 'verifying' },
  failed: {
    'deep pass': 'healthy',
    'deep degraded': 'healthy',
    started: 'verifying',
    paused: 'paused',
    reset: 'suspect',
    evicted: 'relinquished',
  },
  paused: { woke: 'suspect', resumed: 'suspect', paused: 'paused*', evicted: 'relinquished' },
};

for (const phase of Object.keys(into) as Phase[])
  test(`every event in ${phase}`, () => {
    for (const [name, feed] of Object.entries(events)) {
      const drive = into[phase]();
      assert.is(drive.phase('mta'), phase);
      const before = drive.of('mta');
      feed(drive);
      const after = drive.of('mta');
      const expected = leads[phase][name] ?? phase;
      const moved = expected.endsWith('*') || expected !== phase;
      assert.is(after.phase, expected.replace('*', ''), `${phase}, ${name}`);
      assert.is(after.epoch, before.epoch + (moved ? 1 : 0), `epoch of ${phase}, ${name}`);
    }
  });

test('an answer to an older question moves nothing, in any phase', () => {
  for (const phase of Object.keys(into) as Phase[]) {
    const drive = into[phase]();
    const { node } = drive;
    const epoch = drive.of('mta').epoch - 1;
    const late = { service: 'mta', epoch } as const;
    drive.feed({ kind: 'woke', ...late });
    drive.feed({ kind: 'switched', ...late, ok: true, detail: '' });
    drive.feed({ kind: 'repaired', ...late, result: { ok: true, did: 'done', detail: '' } });
    for (const depth of ['quick', 'deep'] as const)
      for (const verdict of [passes(), fails('dead'), cannotTell(), degrades('overloaded')])
        drive.feed({ kind: 'checked', ...late, depth, verdict });
    assert.is(drive.node, node, phase);
    assert.is(ruleOf(drive.steps.at(-1)), 'stale');
  }
});

test('an answer for a service that is gone is nothing', () => {
  const drive = make();
  const { node } = drive;
  const step = drive.feed({ kind: 'checked', service: 'gone', depth: 'deep', epoch: 1, verdict: fails('dead') });
  assert.is(drive.node, node);
  assert.equal(step.decision[1], []);
});

// ------------------------------------------------------------------------------------------------ somebody starts it

test('somebody restarted a healthy service: recognised, and failures do not count while it comes up', () => {
  const drive = make({ fall: 1, graceMs: 5000 });
  const step = drive.started('mta');
  assert.is(ruleOf(step), 'adopted');
  drive.now += 4999;
  assert.is(ruleOf(drive.quick('mta', fails('refusing'))), 'start-grace');
  assert.is(ruleOf(drive.deep('mta', fails('refusing'))), 'start-grace');
  assert.is(drive.phase('mta'), 'healthy');
  drive.now += 1;
  drive.quick('mta', fails('refusing'));
  assert.is(drive.phase('mta'), 'suspect');
});

test('what is seen on the service itself counts also while it comes up', () => {
  const drive = make({ fall: 1, graceMs: 60_000 });
  drive.started('mta');
  drive.quick('mta', { ...fails('hung'), direct: true });
  assert.is(drive.phase('mta'), 'suspect');
  drive.deep('mta', { ...fails('hung'), direct: true, ageMs: 1000 });
  assert.is(drive.phase('mta'), 'restarting');
});

test('a death counts also while it comes up', () => {
  const drive = make();
  drive.started('mta');
  drive.died('mta');
  assert.is(drive.phase('mta'), 'restarting');
});

test('a service that somebody started while it failed is verified, not repaired', () => {
  const drive = into.waiting();
  const step = drive.started('mta');
  assert.is(drive.phase('mta'), 'verifying');
  assert.equal(drive.of('mta').rung, null);
  drive.deep('mta', passes());
  assert.is(drive.of('mta').why.rule, 'confirmed');
  assert.is(step.decision[1].filter((e) => e.kind === 'repair').length, 0);
});

test('started by somebody, failing while it comes up, then no word: a fresh look before a repair', () => {
  const drive = make({ verifyMs: 10_000 });
  drive.deep('mta', fails('hung'));
  drive.started('mta');
  drive.deep('mta', fails('refusing'));
  drive.wait(10_000);
  assert.is(drive.phase('mta'), 'suspect');
  assert.is(drive.steps.flatMap((step) => effectsOf(step, 'repair')).length, 0);
  assert.is(effectsOf(drive.deep('mta', fails('refusing')), 'repair').length, 1);
});

test('an alarm clock that rings before its time ends nothing and is set again', () => {
  const drive = into.restarting();
  const { wakeAt, epoch } = drive.of('mta');
  drive.now += 100;
  const step = drive.feed({ kind: 'woke', service: 'mta', epoch });
  assert.is(drive.phase('mta'), 'restarting');
  assert.equal(effectsOf(step, 'wake'), [{ kind: 'wake', service: 'mta', at: wakeAt, epoch }]);
});

test('after a stall a running repair has as much time as before', () => {
  const drive = into.restarting();
  const wakeAt = drive.of('mta').wakeAt ?? 0;
  drive.now += 5000;
  drive.feed({ kind: 'stalled', ms: 5000 });
  assert.is(drive.of('mta').wakeAt, wakeAt + 5000);
  drive.now = wakeAt;
  drive.feed({ kind: 'woke', service: 'mta', epoch: drive.of('mta').epoch });
  assert.is(drive.phase('mta'), 'restarting', 'the alarm clock from before the stall is void');
});

test('after a stall evidence from before it is dropped', () => {
  const drive = make({ fall: 2 });
  drive.quick('mta', fails('hung'));
  drive.feed({ kind: 'stalled', ms: 30_000 });
  drive.quick('mta', fails('hung'));
  assert.is(drive.phase('mta'), 'healthy');
});

test.run();
