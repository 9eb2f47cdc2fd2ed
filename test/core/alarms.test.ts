import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { catalogue } from '../../src/core/catalogue.ts';
import type { ConditionName } from '../../src/core/types.ts';
import { policy, servicePolicy } from '../support/policies.ts';
import { Drive, effectsOf, fails, noticesOf, passes } from '../support/drive.ts';

const test = suite('alarms');

const make = (): Drive => new Drive(policy({ mta: servicePolicy({ runbook: 'https://wiki/mta' }) })).well();

const conditions: readonly (readonly [ConditionName, string, string, boolean])[] = [
  ['configuration', 'configuration-refused', 'warning', false],
  ['journal', 'journal-trouble', 'major', true],
  ['state-lost', 'state-lost', 'major', true],
  ['history', 'history-trouble', 'warning', false],
  ['secrets', 'secret-unreadable', 'warning', false],
  ['plugin', 'plugin-trouble', 'warning', false],
  ['outbox', 'outbox-trouble', 'major', false],
  ['agent', 'agent-trouble', 'warning', false],
];
for (const [name, event, severity, strict] of conditions)
  test(`condition ${name}: raised once, cleared once, budgets ${strict ? 'stricter' : 'as before'}`, () => {
    const drive = make();
    const raised = noticesOf(drive.condition(name, true, 'because'));
    assert.equal(
      raised.map((n) => [n.kind, n.event, n.severity, n.key, n.summary]),
      [['raise', event, severity, `node/n1/${event}`, 'because']],
    );
    assert.is(drive.node.strict, strict ? 'because' : null);
    assert.equal(noticesOf(drive.condition(name, true, 'because')), []);
    drive.quick('mta', fails('dead'));
    drive.repaired('mta');
    drive.deep('mta', passes());
    assert.equal(drive.alarms, [`node/n1/${event}`], 'services come and go beside it');
    const cleared = noticesOf(drive.condition(name, false, 'over'));
    assert.equal(
      cleared.map((n) => [n.kind, n.severity, n.key]),
      [['clear', 'cleared', `node/n1/${event}`]],
    );
    assert.equal(noticesOf(drive.condition(name, false, 'over')), []);
    assert.is(drive.node.strict, null);
  });

test('two reasons for stricter budgets: strict until both are over', () => {
  const drive = make();
  drive.condition('journal', true, 'one');
  drive.condition('state-lost', true, 'two');
  drive.condition('state-lost', false);
  assert.ok(drive.node.strict !== null);
  drive.condition('journal', false);
  assert.is(drive.node.strict, null);
});

test('severities: failing major, given up critical, blocked minor, and one clear for each raise', () => {
  assert.equal(
    (['service-failing', 'service-given-up', 'service-blocked', 'service-degraded', 'service-unknown'] as const).map(
      (name) => catalogue[name].severity,
    ),
    ['major', 'critical', 'minor', 'warning', 'minor'],
  );
});

test('a notice carries what an administrator needs: key, incident, cause, runbook, the time it began', () => {
  const drive = make();
  drive.now = 7000;
  const raise = noticesOf(drive.quick('mta', fails('dead', 'pid 4711 is gone'))).find((n) => n.kind === 'raise');
  assert.equal(raise, {
    event: 'service-failing',
    kind: 'raise',
    key: 'service/mta/failing',
    severity: 'major',
    service: 'mta',
    incident: 'mta-1',
    at: 7000,
    raisedAt: 7000,
    summary: 'mta: pid 4711 is gone',
    action: '',
    cause: 'dead',
    count: 1,
    runbook: 'https://wiki/mta',
  });
  drive.repaired('mta');
  drive.now = 9000;
  const clear = noticesOf(drive.deep('mta', passes())).find((n) => n.kind === 'clear');
  assert.equal([clear?.key, clear?.incident, clear?.raisedAt, clear?.at], ['service/mta/failing', 'mta-1', 7000, 9000]);
});

test('each incident has its own number', () => {
  const drive = make();
  for (let n = 1; n <= 3; n++) {
    drive.quick('mta', fails('dead'));
    assert.is(drive.of('mta').incident, `mta-${n}`);
    drive.repaired('mta');
    drive.deep('mta', passes());
    assert.is(drive.of('mta').incident, null);
  }
});

test('the everyday event leaves the very same state and says nothing', () => {
  const drive = make();
  const { node } = drive;
  const step = drive.quick('mta', passes());
  assert.is(drive.node, node);
  assert.equal(step.decision[1], []);
  drive.deep('mta', passes());
  drive.feed({ kind: 'tick' });
  assert.is(drive.node, node);
});

test('steps of the wall clock are told and decide nothing', () => {
  for (const ms of [3_600_000, -3_600_000, 315_360_000_000, -315_360_000_000]) {
    const drive = make();
    const { node } = drive;
    const step = drive.feed({ kind: 'stepped', ms });
    assert.is(drive.node, node);
    assert.equal(
      step.decision[1].map((e) => (e.kind === 'notice' ? e.notice.event : e.kind)),
      ['clock-stepped'],
    );
  }
});

test('numbers and message ids of the catalogue are unique', () => {
  const kinds = Object.values(catalogue);
  assert.is(new Set(kinds.map((kind) => kind.number)).size, kinds.length);
  assert.is(new Set(kinds.map((kind) => kind.messageId)).size, kinds.length);
  for (const kind of kinds) assert.match(kind.messageId, /^[0-9a-f]{32}$/);
});

test('only a repair, a switchover or an eviction does anything to a service', () => {
  const drive = make();
  drive.quick('mta', fails('dead'));
  const kinds = new Set(drive.steps.flatMap((s) => s.decision[1].map((e) => e.kind)));
  assert.equal([...kinds].sort(), ['notice', 'repair', 'wake']);
  assert.is(effectsOf(drive.steps.at(-1), 'wake').length, 1);
});

test.run();
