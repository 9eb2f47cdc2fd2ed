// The agent under Net-SNMP's snmpd, asked with a manager's own tools by the names of the MIB: many rows, many at once,
// rows that come and go, a master that begins anew, reads its configuration again, hangs.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Known, rowsOf } from '../../src/core/mib-rows.ts';
import { scalars, type Table, tables } from '../../src/core/mib-tables.ts';
import { DEFAULT_BASE } from '../../src/core/snmp.ts';
import { SubAgent } from '../../src/daemon/agent.ts';
import { clock } from '../../src/ports/clock.ts';
import { net } from '../../src/ports/net.ts';
import { known, knownAlarm, knownCheck, knownService, NOW } from '../support/known.ts';
import { until } from '../support/server.ts';
import { type Snmpd, snmpd } from '../support/snmpd.ts';

const test = suite('agent under snmpd');
const NAMES = Array.from({ length: 60 }, (_, at) => `service-${at}`).concat('mta', 'a@b.c', 'n'.repeat(64));
const deferred = [
  { name: 'incoming', value: 0 },
  { name: 'deferred', value: 41 },
  { name: 'deferred-oldest', value: 7200 },
];

const many = known({
  services: NAMES.map((name) => knownService(name, { deep: { outcome: 'pass', ms: 80, at: NOW - 60_000 } })),
  checks: [
    ...NAMES.flatMap((name) => [knownCheck(name), knownCheck(name, { depth: 'deep', name: 'c'.repeat(64) })]),
    knownCheck('mta', { name: 'postfix-queue', type: 'postfix-queue', depth: 'deep', metrics: deferred }),
  ],
  alarms: NAMES.map((name) => knownAlarm({ key: `service/${name}/failing`, service: name, summary: 'hängt – „so“' })),
  channels: [
    { name: 'noc', waiting: 2, trouble: 'no answer' },
    { name: 'mail', waiting: 0, trouble: null },
  ],
});

interface Running {
  readonly master: Snmpd;
  readonly told: readonly boolean[];
  now: Known;
}

let running: Running | null = null;
let again = 0;
let agent: SubAgent | null = null;
const it = (): Running => running as Running;

test.before(async () => {
  const master = await snmpd();
  await master.start();
  const told: boolean[] = [];
  const one: Running = { master, told, now: many };
  running = one;
  agent = new SubAgent({
    ports: { clock, net, log: { info: () => undefined, warn: () => undefined } as never },
    ...{ version: '1.2.3', known: () => one.now, onTrouble: (bad: boolean) => told.push(bad), patienceMs: 2000 },
    onAgain: () => void (again += 1),
  });
  agent.configure({ master: { path: master.socket }, base: DEFAULT_BASE, reconnectMs: 1000 });
  await until('connected', () => told.length === 1);
});

test.after(async () => {
  await agent?.close();
  await running?.master.remove();
});

/** Instances of a table that should be there. */
function expected(rows: readonly object[], { columns }: Pick<Table, 'columns'>): number {
  const shown = Object.entries(columns).filter(([, { index }]) => index === undefined);
  return rows.reduce((sum: number, row) => {
    const values = row as Readonly<Record<string, unknown>>;
    return sum + shown.filter(([name]) => values[name] !== null && values[name] !== undefined).length;
  }, 0);
}

const NAMED = /^WATCHKEEPER-MIB::wk[A-Z][A-Za-z]+\.\S+ = /;

test('every table by name, complete', async () => {
  const rows = rowsOf(many);
  for (const [name, table] of Object.entries<Table>(tables)) {
    const wanted = expected(rows.tables[name as keyof typeof tables], table);
    for (const tool of ['snmpwalk', 'snmpbulkwalk']) {
      const lines = await it().master.ask(tool, [`WATCHKEEPER-MIB::${table.stem}Table`]);
      if (wanted === 0) assert.match(lines.join(), /No Such/);
      else assert.is(lines.filter((line) => NAMED.test(line)).length, wanted, `${tool} ${table.stem}`);
    }
  }
  const single = await it().master.ask('snmpwalk', ['WATCHKEEPER-MIB::wkDaemon']);
  assert.is(single.length, Object.keys(scalars).length);
  assert.match(single.join('\n'), /wkAlarmsHighest\.0 = INTEGER: major\(4\)/);
});

test('one value by the name of its service, and several at once', async () => {
  const names = ["wkServiceHealth.'mta'", "wkServiceSince.'mta'", "wkAlarmSummary.'service/mta/failing'"];
  const lines = await it().master.ask(
    'snmpget',
    [...names, "wkChannelWaiting.'noc'"].map((name) => `WATCHKEEPER-MIB::${name}`),
  );
  assert.match(lines[0] ?? '', /INTEGER: ok\(1\)$/);
  assert.match(lines[1] ?? '', /STRING: 2026-11-25,11:59:0\.0,\+0:0$/);
  assert.match(lines[2] ?? '', /STRING: hängt – „so“$/);
  assert.match(lines[3] ?? '', /Gauge32: 2$/);
  const table = await it().master.ask('snmptable', ['WATCHKEEPER-MIB::wkChannelTable'], ['-Cf', '|']);
  assert.ok(
    table.some((line) => line.includes('2|no answer')),
    table.join('\n'),
  );
});

test('the standard tables: services, mail and queues, in place of what snmpd itself says there', async () => {
  const { master } = it();
  const appl = await master.ask('snmpbulkwalk', ['.1.3.6.1.2.1.27'], ['-On']);
  const index = /^\.1\.3\.6\.1\.2\.1\.27\.1\.1\.2\.(\d+) = STRING: "?mta"?$/m.exec(appl.join('\n'))?.[1] ?? '';
  assert.not.equal(index, '');
  const of = (oid: string) => master.ask('snmpget', [`.1.3.6.1.2.1.${oid}`], ['-Onq', '-Ot']);
  assert.match((await of(`27.1.1.6.${index}`)).join(), / 1$/);
  assert.match((await of(`28.1.1.2.${index}`)).join(), / 41$/);
  assert.match((await of(`28.2.1.25.${index}.2`)).join(), / "?deferred"?$/);
  assert.match((await of(`28.2.1.12.${index}.2`)).join(), / 720000$/);
  const stored = await master.ask('snmpwalk', ['.1.3.6.1.2.1.28.1.1.2'], ['-On']);
  assert.is(stored.length, 1, stored.join('\n'));
  const [upTime = '', changed = ''] = await master.ask(
    'snmpget',
    ['sysUpTime.0', `.1.3.6.1.2.1.27.1.1.7.${index}`],
    ['-Ovt'],
  );
  assert.is(changed, '0', `changed a minute ago, before the snmpd began (${upTime})`);
});

test('eight bulk walks and forty questions at once', async () => {
  const { master } = it();
  const whole = await master.ask('snmpbulkwalk', ['WATCHKEEPER-MIB::wkTables']);
  const steady = (lines: readonly string[]): string => lines.filter((line) => !/UpTime|Age/.test(line)).join('\n');
  const walks = Promise.all(
    Array.from({ length: 8 }, () => master.ask('snmpbulkwalk', ['WATCHKEEPER-MIB::wkTables'], ['-t', '20'])),
  );
  const questions = Promise.all(
    Array.from({ length: 40 }, (_, at) =>
      master.ask('snmpget', [`WATCHKEEPER-MIB::wkServiceHealth.'service-${at}'`], ['-t', '20']),
    ),
  );
  for (const one of await walks) assert.is(steady(one), steady(whole));
  for (const [line] of await questions) assert.match(line ?? '', /ok\(1\)$/);
});

test('nothing can be set', async () => {
  const lines = await it().master.ask('snmpset', ['WATCHKEEPER-MIB::wkObserveOnly.0', 'i', '1']);
  assert.match(lines.join(), /notWritable|not writable|noAccess/i);
  assert.match((await it().master.ask('snmpget', ['WATCHKEEPER-MIB::wkObserveOnly.0'])).join(), /false/);
});

test('rows come and go under a walk: it stays in order, and ends', async () => {
  const one = it();
  let round = 0;
  const churn = setInterval(() => {
    round += 1;
    one.now = { ...many, services: many.services.filter((_, at) => (at + round) % 3 !== 0), alarms: [] };
  }, 100);
  try {
    for (let walk = 0; walk < 4; walk++) {
      const lines = await one.master.ask('snmpwalk', ['WATCHKEEPER-MIB::wkTables']);
      assert.ok(lines.length > 500, String(lines.length));
      assert.not.match(lines.join('\n'), /not increasing|Error|Timeout/);
      await new Promise((done) => setTimeout(done, 600));
    }
  } finally {
    clearInterval(churn);
    one.now = many;
  }
});

const healthy = async (): Promise<boolean> =>
  /ok\(1\)/.test((await it().master.ask('snmpget', ["WATCHKEEPER-MIB::wkServiceHealth.'mta'"])).join());

test('snmpd reads its configuration again', async () => {
  it().master.signal('SIGHUP');
  await until('it answers again', healthy, 20_000);
  await until('and goes on', healthy);
});

test('snmpd away for a while, and back: an alarm that ends', async () => {
  const { master, told } = it();
  const before = again;
  await master.stop();
  await until('it is told', () => told.at(-1) === true, 20_000);
  await master.start();
  await until('it is over', () => told.at(-1) === false, 20_000);
  await until('it answers again', healthy, 20_000);
  assert.is(again, before + 1, 'who heard of the alarms hears of them again');
});

test('snmpd hangs and goes on', async () => {
  const { master, told } = it();
  const before = told.length;
  master.signal('SIGSTOP');
  await until('it is told', () => told.at(-1) === true, 60_000);
  master.signal('SIGCONT');
  await until('it is over', () => told.length > before + 1 && told.at(-1) === false, 60_000);
  await until('it answers again', healthy, 20_000);
});

test.run();
