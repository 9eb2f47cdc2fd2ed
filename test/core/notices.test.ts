// Who is told of what, and what holds it back: by hand, one rule at a time. properties.ts tries them together.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Match, Route } from '../../src/core/telling.ts';
import type { Decision, ServicePolicy } from '../../src/core/types.ts';
import { Drive, fails, passes } from '../support/drive.ts';
import { policy, servicePolicy } from '../support/policies.ts';

const test = suite('notices');

const ANY: Match = { severity: null, services: null, events: null, causes: null, keys: null };
const route = (patch: Partial<Route> = {}): Route => ({
  ...{ match: ANY, to: ['noc'], goOn: false, waitMs: 0, remindMs: null, escalate: [] },
  ...{ quiet: null, group: 'none', record: false },
  ...patch,
});

type Services = Readonly<Record<string, Partial<ServicePolicy>>>;
const driveWith = (routes: readonly Route[], services: Services = { mta: {} }): Drive => {
  const rules = Object.fromEntries(Object.entries(services).map(([name, one]) => [name, servicePolicy(one)]));
  const drive = new Drive(policy(rules, { routing: { routes, heartbeat: { everyMs: 60_000, to: ['noc'] } } }));
  drive.start();
  for (const name of Object.keys(services)) drive.feed({ kind: 'checked', ...now(drive, name), verdict: passes() });
  return drive;
};

const now = (drive: Drive, service: string) =>
  ({ service, depth: 'deep', epoch: drive.node.services[service]?.epoch ?? 0 }) as const;

/** `raise service-given-up noc,boss (reminder)` for each alert of the decisions since `from`. */
function told(drive: Drive, from = 0): readonly string[] {
  const lines = (decision: Decision): readonly string[] =>
    decision[1].flatMap((effect) => {
      if (effect.kind !== 'notice') return [];
      const { notice, to = ['everybody'], again } = effect;
      return [`${notice.kind} ${notice.event} ${to.join(',')}${again ? ` (${again})` : ''}`];
    });
  return drive.steps.slice(from).flatMap((step) => lines(step.decision));
}

const alarms = (drive: Drive, from = 0): readonly string[] =>
  told(drive, from).filter((line) => !line.startsWith('once'));

/** A cause that no rung cures: the alarm stays until the service is well. */
function breaks(drive: Drive, service = 'mta'): void {
  drive.feed({ kind: 'checked', ...now(drive, service), verdict: fails('misconfigured') });
  drive.feed({ kind: 'checked', ...now(drive, service), verdict: fails('misconfigured') });
}
const heals = (drive: Drive, service = 'mta'): void =>
  void drive.feed({ kind: 'checked', ...now(drive, service), verdict: passes() });

const GIVEN_UP = ['raise service-failing', 'raise service-given-up'];
const all = (lines: readonly string[], end: string): readonly string[] => lines.map((line) => `${line} ${end}`);

test('the first route that fits, and those after one that goes on', () => {
  const drive = driveWith([
    route({ match: { ...ANY, events: ['*-given-up'] }, to: ['boss'], goOn: true }),
    route({ match: { ...ANY, services: ['st*'] }, to: ['storage'] }),
    route({ to: ['noc'] }),
    route({ to: ['never'] }),
  ]);
  const from = drive.steps.length;
  breaks(drive);
  assert.equal(alarms(drive, from), ['raise service-failing noc', 'raise service-given-up boss,noc']);
});

test('an end goes to those who heard of the beginning', () => {
  const drive = driveWith([route({ match: { ...ANY, severity: 'critical' }, to: ['boss'], goOn: true }), route({})]);
  breaks(drive);
  const from = drive.steps.length;
  heals(drive);
  assert.equal(alarms(drive, from).toSorted(), ['clear service-failing noc', 'clear service-given-up boss,noc']);
});

const silence = (drive: Drive, match: Partial<Match> = {}, ms = 60_000): void =>
  void drive.feed({
    ...{ kind: 'silenced', id: 's1', match: { ...ANY, ...match } },
    ...{ until: drive.now + ms, by: 'ann', comment: 'known' },
  });

test('a silence stops what is new, never an end, and what is still active is told when it is over', () => {
  const drive = driveWith([route({ to: ['log'], record: true, goOn: true }), route({})]);
  breaks(drive);
  silence(drive, { services: ['mta'] });
  const from = drive.steps.length;
  heals(drive);
  assert.ok(
    alarms(drive, from).every((line) => line.endsWith('log,noc')),
    'the end is heard by both',
  );
  const broken = drive.steps.length;
  breaks(drive);
  assert.equal(alarms(drive, broken), all(GIVEN_UP, 'log'));
  const later = drive.steps.length;
  drive.wait(60_000);
  assert.equal(alarms(drive, later), ['raise service-failing noc (held)', 'raise service-given-up noc (held)']);
});

test('what came and went during a silence is told to nobody, not even its end', () => {
  const drive = driveWith([route({})]);
  silence(drive);
  const from = drive.steps.length;
  breaks(drive);
  heals(drive);
  drive.wait(70_000);
  assert.equal(
    alarms(drive, from).filter((line) => line.endsWith('noc') || line.includes('(held)')),
    [],
  );
});

test('a silence that is ended by hand, or that is none', () => {
  const drive = driveWith([route({})]);
  silence(drive);
  breaks(drive);
  const from = drive.steps.length;
  drive.feed({ kind: 'unsilenced', id: 's1', by: 'ann' });
  assert.equal(alarms(drive, from), ['raise service-failing noc (held)', 'raise service-given-up noc (held)']);
  assert.is(drive.feed({ kind: 'unsilenced', id: 's1', by: 'ann' }).decision[2][0]?.rule, 'refused');
  silence(drive, {}, 0);
  assert.equal(drive.node.notify.silences, {}, 'a silence has an end in the future');
});

test('reminders, until somebody takes it on', () => {
  const drive = driveWith([route({ match: { ...ANY, severity: 'critical' }, remindMs: 3_600_000 })]);
  breaks(drive);
  const from = drive.steps.length;
  drive.wait(3_600_000);
  assert.ok(alarms(drive, from).includes('raise service-given-up noc (reminder)'));
  const alarm = 'service/mta/given-up';
  drive.feed({ kind: 'acked', key: alarm, by: 'ann', comment: 'at it' });
  assert.is(drive.node.notify.told[alarm]?.ack?.by, 'ann');
  const acked = drive.steps.length;
  drive.wait(3 * 3_600_000);
  assert.equal(
    alarms(drive, acked).filter((line) => line.includes('reminder')),
    [],
  );
  assert.is(drive.feed({ kind: 'acked', key: alarm, by: 'bob', comment: '' }).decision[2][0]?.rule, 'refused');
  assert.is(drive.feed({ kind: 'acked', key: 'none', by: 'bob', comment: '' }).decision[2][0]?.rule, 'refused');
});

test('escalation, step by step, unless somebody takes it on', () => {
  const escalate = [
    { afterMs: 60_000, to: ['boss'] },
    { afterMs: 120_000, to: ['noc', 'owner'] },
  ];
  const drive = driveWith([route({ match: { ...ANY, severity: 'critical' }, escalate })]);
  breaks(drive);
  const from = drive.steps.length;
  drive.wait(200_000);
  assert.equal(
    alarms(drive, from).filter((line) => line.includes('escalation')),
    ['raise service-given-up boss (escalation)', 'raise service-given-up owner (escalation)'],
  );
  const healed = drive.steps.length;
  heals(drive);
  assert.ok(
    alarms(drive, healed).includes('clear service-given-up noc,boss,owner'),
    'all that heard of it hear its end',
  );
});

test('nobody else is called about what somebody took on', () => {
  const drive = driveWith([route({ escalate: [{ afterMs: 60_000, to: ['boss'] }] })]);
  breaks(drive);
  for (const key of Object.keys(drive.node.alarms)) drive.feed({ kind: 'acked', key, by: 'ann', comment: '' });
  const from = drive.steps.length;
  drive.wait(200_000);
  assert.equal(alarms(drive, from), []);
});

test('of what comes and goes that is told, and not each time that it came', () => {
  const flap = { changes: 3, windowMs: 600_000, calmMs: 60_000 };
  const drive = driveWith([route({})], { mta: { flap, ladder: [], fall: 1 } });
  const from = drive.steps.length;
  for (let turn = 0; turn < 5; turn++) {
    breaks(drive);
    heals(drive);
  }
  const lines = alarms(drive, from).filter((line) => line.endsWith('noc'));
  assert.is(lines.filter((line) => line === 'raise service-flapping noc').length, 1);
  assert.is(lines.filter((line) => line === 'raise service-failing noc').length, 2, lines.join('\n'));
});

test('quiet hours hold what is not severe, and tell it in the morning', () => {
  const drive = driveWith([route({ quiet: { during: 'night', below: 'critical' } })]);
  drive.feed({ kind: 'quiet', name: 'night', until: drive.now + 600_000 });
  const from = drive.steps.length;
  breaks(drive);
  assert.equal(alarms(drive, from), ['raise service-failing ', 'raise service-given-up noc']);
  const morning = drive.steps.length;
  drive.wait(600_000);
  assert.equal(alarms(drive, morning), ['raise service-failing noc (held)']);
});

test('what ends within the wait is not told', () => {
  const drive = driveWith([route({ waitMs: 30_000 })]);
  const from = drive.steps.length;
  breaks(drive);
  heals(drive);
  drive.wait(60_000);
  assert.equal(
    alarms(drive, from).filter((line) => !line.endsWith(' ')),
    [],
  );
  breaks(drive);
  const later = drive.steps.length;
  drive.wait(30_000);
  assert.equal(alarms(drive, later), ['raise service-failing noc (held)', 'raise service-given-up noc (held)']);
});

test('one cause, one alert: who is blocked is told with the one that is at fault', () => {
  const drive = driveWith([route({ group: 'children' })], { store: {}, mta: { depends: ['store'] } });
  breaks(drive, 'store');
  const from = drive.steps.length;
  breaks(drive, 'mta');
  assert.ok(drive.node.services['mta']?.blockedBy === 'store');
  assert.equal(alarms(drive, from), ['raise service-blocked ']);
  assert.match(drive.node.notify.told['service/mta/blocked']?.held['noc'] ?? '', /told with store/);
});

test('the steps of a repair are told with their alarm, if so wished', () => {
  for (const [group, wanted] of [
    ['all', 'once recovery-started '],
    ['children', 'once recovery-started noc'],
  ] as const) {
    const drive = driveWith([route({ group })]);
    const from = drive.steps.length;
    drive.feed({ kind: 'checked', ...now(drive, 'mta'), verdict: fails('dead') });
    assert.ok(told(drive, from).includes(wanted), told(drive, from).join('\n'));
  }
});

test('a maintenance: its services are paused, and looked at anew at its end', () => {
  const drive = driveWith([route({})], { mta: {}, web: {} });
  const from = drive.steps.length;
  const work = { kind: 'maintained', name: 'patches', services: ['mta', 'gone'], by: 'ann', comment: '' } as const;
  drive.feed({ ...work, until: drive.now + 600_000 });
  assert.equal(told(drive, from), ['once maintenance-started noc'], 'one word, however many services');
  assert.is(drive.node.services['mta']?.phase, 'paused');
  assert.is(drive.node.services['web']?.phase, 'healthy');
  const end = drive.steps.length;
  drive.wait(600_000);
  assert.equal(told(drive, end), ['once maintenance-ended noc']);
  assert.is(drive.node.services['mta']?.phase, 'suspect');
});

test('what comes back to this node during a maintenance is not repaired, until it is over', () => {
  const drive = driveWith([route({})]);
  drive.feed({ kind: 'evicted', service: 'mta', detail: 'moved away' });
  const work = { kind: 'maintained', name: 'patches', services: ['mta'], by: 'ann', comment: '' } as const;
  drive.feed({ ...work, until: drive.now + 600_000 });
  drive.feed({ kind: 'acquired', service: 'mta' });
  heals(drive);
  const from = drive.steps.length;
  for (let turn = 0; turn < 3; turn++) {
    drive.feed({ kind: 'checked', ...now(drive, 'mta'), verdict: fails('dead') });
    drive.wait(10_000);
  }
  const repairs = (): number =>
    drive.steps
      .slice(from)
      .flatMap((step) => step.decision[1])
      .filter(({ kind }) => kind === 'repair').length;
  assert.is(repairs(), 0);
  assert.is(drive.node.services['mta']?.why.rule, 'maintenance');
  drive.feed({ kind: 'maintenance-over', name: 'patches', by: 'ann' });
  drive.feed({ kind: 'checked', ...now(drive, 'mta'), verdict: fails('dead') });
  assert.is(repairs(), 1);
});

test('the first round does not wait for what is in maintenance', () => {
  const drive = new Drive(
    policy({ mta: servicePolicy({}), web: servicePolicy({}) }, { routing: { routes: [], heartbeat: null } }),
  );
  drive.start();
  const work = { kind: 'maintained', name: 'patches', services: ['mta'], by: 'ann', comment: '' } as const;
  drive.feed({ ...work, until: drive.now + 600_000 });
  assert.equal(drive.node.round, ['web']);
});

test('a maintenance that is ended by hand stays ended, though the calendar says it again', () => {
  const drive = driveWith([route({})]);
  const until = drive.now + 600_000;
  const work = { kind: 'maintained', name: 'patches', services: ['mta'], by: 'the calendar', comment: '' } as const;
  drive.feed({ ...work, until });
  drive.feed({ kind: 'maintenance-over', name: 'patches', by: 'ann' });
  assert.is(drive.node.services['mta']?.phase, 'suspect');
  drive.feed({ ...work, until: until + 40 });
  assert.is(drive.node.services['mta']?.phase, 'suspect');
  assert.is(drive.feed({ kind: 'maintenance-over', name: 'patches', by: 'ann' }).decision[2][0]?.rule, 'refused');
});

test('an alarm of before is not told again while the work lasts, and a resume by hand leaves it', () => {
  const drive = driveWith([route({ remindMs: 60_000 })]);
  breaks(drive);
  const work = { kind: 'maintained', name: 'patches', services: ['mta'], by: 'ann', comment: '' } as const;
  drive.feed({ ...work, until: drive.now + 600_000 });
  const from = drive.steps.length;
  drive.wait(300_000);
  assert.equal(
    told(drive, from).filter((line) => line.includes('reminder')),
    [],
  );
  drive.feed({ kind: 'resumed', service: 'mta', by: 'ann' });
  assert.equal(drive.node.notify.maintenance['patches']?.services, []);
  assert.is(drive.node.services['mta']?.phase, 'suspect');
});

test('after a start active alarms are told again, and a channel that is new hears of them', () => {
  const drive = driveWith([route({})]);
  breaks(drive);
  const from = drive.steps.length;
  drive.feed({ kind: 'booted', fresh: false });
  assert.equal(alarms(drive, from), ['raise service-failing noc (restart)', 'raise service-given-up noc (restart)']);
  const next = drive.steps.length;
  const routing = { routes: [route({ to: ['noc', 'new'] })], heartbeat: null };
  drive.feed({ kind: 'configured', policy: { ...drive.policy, routing } });
  assert.equal(alarms(drive, next), ['raise service-failing new (held)', 'raise service-given-up new (held)']);
});

test('told again to those that may have forgotten, and to nobody else', () => {
  const drive = driveWith([route({ to: ['noc', 'mail'] })]);
  breaks(drive);
  const from = drive.steps.length;
  drive.feed({ kind: 'retell', channels: ['noc', 'gone'], reason: 'the SNMP daemon was started anew' });
  assert.equal(alarms(drive, from), ['raise service-failing noc (restart)', 'raise service-given-up noc (restart)']);
});

test('the heartbeat counts', () => {
  const drive = driveWith([route({ to: ['log'] })]);
  const from = drive.steps.length;
  drive.feed({ kind: 'heartbeat' });
  breaks(drive);
  drive.feed({ kind: 'heartbeat' });
  assert.equal(
    told(drive, from).filter((line) => line.includes('heartbeat')),
    ['once heartbeat noc', 'once heartbeat noc'],
  );
  const notices = drive.steps.at(-1)?.decision[1].find((effect) => effect.kind === 'notice');
  assert.match(notices?.kind === 'notice' ? notices.notice.summary : '', /active alarms: 2, the highest is critical/);
});

test.run();
