// What is known, as rows of tables.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { indexesOf, operStatus, rowsOf } from '../../src/core/mib-rows.ts';
import { scalars, standardTables, type Table, tables } from '../../src/core/mib-tables.ts';
import type { Metric } from '../../src/core/types.ts';
import { known, knownAlarm, knownCheck, knownService, NOW } from '../support/known.ts';

const test = suite('rows for managers');

const all = known({
  services: [knownService('mta', { health: 'failing', phase: 'failed', cause: 'hung', incident: 'mta-1' })],
  checks: [knownCheck('mta')],
  alarms: [knownAlarm({ ack: { by: 'ann' }, told: [{ channel: 'noc' }, { channel: 'mail' }] })],
  channels: [{ name: 'noc', waiting: 3, trouble: null }],
});

test('every column of every table is filled, and nothing else', () => {
  const rows = rowsOf(all);
  for (const [name, table] of Object.entries<Table>(tables)) {
    const columns = Object.keys(table.columns).concat(table.index);
    for (const row of rows.tables[name as keyof typeof tables])
      assert.equal(Object.keys(row).toSorted(), [...new Set(columns)].toSorted(), name);
  }
  assert.equal(Object.keys(rows.scalars).toSorted(), Object.keys(scalars).toSorted());
  const appl = Object.keys(rows.standard.appl[0] ?? {});
  assert.equal(appl.toSorted(), ['applIndex', ...Object.keys(standardTables.appl.columns)].toSorted());
});

test('a service, an alarm, a channel', () => {
  const { tables: t, scalars: s } = rowsOf(all);
  const [service] = t.services;
  assert.is(service?.['wkServicePhase'], 'failed');
  assert.is(service?.['wkServiceQuickLatency'], 12);
  assert.is(service?.['wkServiceQuickAge'], 2);
  assert.is(service?.['wkServiceDeepOutcome'], null);
  assert.equal(service?.['wkServiceSince'], { date: NOW - 60_000 });
  const [alarm] = t.alarms;
  assert.is(alarm?.['wkAlarmNotified'], 'n1/service/mta/failing');
  assert.is(alarm?.['wkAlarmNumber'], 1);
  assert.is(alarm?.['wkAlarmPerceivedSeverity'], 4);
  assert.is(alarm?.['wkAlarmProbableCause'], 164);
  assert.is(alarm?.['wkAlarmAcknowledgedBy'], 'ann');
  assert.is(alarm?.['wkAlarmTold'], 'noc,mail');
  assert.is(t.channels[0]?.['wkChannelWaiting'], 3);
  assert.is(s.wkAlarmsActive, 1);
  assert.is(s.wkAlarmsHighest, 4);
});

test("a node's own alarm has the key of its notification", () => {
  const { tables: t } = rowsOf(known({ alarms: [knownAlarm({ key: 'node/n1/journal-trouble', service: null })] }));
  assert.is(t.alarms[0]?.['wkAlarmNotified'], 'n1/journal-trouble');
});

test('without alarms the highest severity is cleared', () => {
  assert.is(rowsOf(known()).scalars.wkAlarmsHighest, 1);
});

test('the number of a service depends on nothing but its name', () => {
  const few = indexesOf(['mta', 'imap']);
  const many = indexesOf(Array.from({ length: 5000 }, (_, at) => `s${at}`).concat(['imap', 'mta']));
  assert.is(many.get('mta'), few.get('mta'));
  assert.is(new Set(many.values()).size, 5002);
  assert.ok([...many.values()].every((index) => Number.isInteger(index) && index >= 1 && index <= 2_147_483_647));
});

test('applOperStatus', () => {
  const of = (more: object): string | null => operStatus(knownService('mta', more));
  assert.is(of({}), 'up');
  assert.is(of({ health: 'degraded' }), 'up');
  assert.is(of({ health: 'degraded', cause: 'overloaded' }), 'congested');
  assert.is(of({ health: 'failing', phase: 'failed' }), 'down');
  assert.is(of({ health: 'failing', phase: 'restarting' }), 'restarting');
  assert.is(of({ health: 'failing', phase: 'switching' }), 'quiescing');
  assert.is(of({ health: 'failing', phase: 'paused' }), 'halted');
  assert.is(of({ health: 'ok', phase: 'paused' }), 'up');
  assert.is(of({ health: 'unknown', phase: 'suspect' }), null);
});

const metric = (name: string, value: number): Metric => ({ name, value });

test('the queues of Postfix: their sum, and a group each', () => {
  const metrics = [
    metric('incoming', 1),
    metric('active', 2),
    metric('deferred', 40),
    metric('deferred-oldest', 90.5),
    metric('size', 5000),
  ];
  const check = { name: 'postfix-queue', type: 'postfix-queue', depth: 'deep', metrics } as const;
  const { standard } = rowsOf(
    known({
      services: [knownService('mta'), knownService('web')],
      checks: [knownCheck('mta', check), knownCheck('web')],
    }),
  );
  const index = indexesOf(['mta', 'web']).get('mta') ?? 0;
  assert.equal(standard.mta, [{ applIndex: index, mtaStoredMessages: 43, mtaStoredVolume: 5 }]);
  assert.equal(
    standard.mtaGroup.map((row) => [
      row['mtaGroupName'],
      row['mtaGroupStoredMessages'],
      row['mtaGroupOldestMessageStored'],
    ]),
    [
      ['incoming', 1, null],
      ['active', 2, null],
      ['deferred', 40, 9050],
    ],
  );
});

test('frozen mail of Exim is part of its queue, and a DeepCheck knows more than a QuickCheck', () => {
  const of = (depth: 'quick' | 'deep', metrics: readonly Metric[]) =>
    knownCheck('mta', { name: 'exim-queue', type: 'exim-queue', depth, metrics });
  const deep = [metric('queued', 10), metric('frozen', 4), metric('oldest', 3)];
  const { standard } = rowsOf(
    known({ services: [knownService('mta')], checks: [of('quick', [metric('queued', 9)]), of('deep', deep)] }),
  );
  assert.is(standard.mta[0]?.['mtaStoredMessages'], 10);
  assert.equal(
    standard.mtaGroup.map((row) => [row['mtaGroupName'], row['mtaGroupOldestMessageStored']]),
    [
      ['queued', 300],
      ['frozen', null],
    ],
  );
});

test('a queue that could not be counted has no row', () => {
  const check = knownCheck('mta', { type: 'postfix-queue', outcome: 'unknown' });
  assert.equal(rowsOf(known({ services: [knownService('mta')], checks: [check] })).standard.mta, []);
});

test.run();
