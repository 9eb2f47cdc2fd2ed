import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import eventLog from '../../src/alerts/event-log.ts';
import { bareContext } from '../../src/contract/trial.ts';
import { catalogue } from '../../src/core/catalogue.ts';
import type { Alert, Ports, SendResult } from '../../src/define.ts';
import { openSystemLog, type SystemLog } from '../../src/ports/syslog.ts';
import type { WindowsEvent } from '../../src/ports/windows-log.ts';
import { makeAlert } from '../support/alert.ts';
import { listenDatagrams } from '../support/datagrams.ts';

const test = suite('event-log');

/** Sends as the outbox does, with the event logs of the machine replaced by what the test gives. */
function send(options: object, systemLog: Partial<SystemLog>, alert: Alert = makeAlert()): Promise<SendResult> {
  return eventLog.send(alert, {
    options: eventLog.options.parse(options) as never,
    ports: { systemLog } as Ports,
    signal: new AbortController().signal,
    ...bareContext(),
  });
}

function journalOf(alert: Alert): Promise<Readonly<Record<string, string>>> {
  return new Promise((resolve, reject) => {
    const journal = (fields: Readonly<Record<string, string>>): 'sent' => {
      resolve(fields);
      return 'sent';
    };
    send({ target: 'journald', facility: 'mail' }, { journal }, alert).catch(reject);
  });
}

test('journald gets native fields', async () => {
  assert.equal(await journalOf(makeAlert({ runbook: 'https://wiki.example.org/mta' })), {
    MESSAGE: 'major: mta: no banner within 2 s (a restart is tried)',
    PRIORITY: '2',
    SYSLOG_FACILITY: '2',
    MESSAGE_ID: catalogue['service-failing'].messageId,
    DOCUMENTATION: 'https://wiki.example.org/mta',
    WATCHKEEPER_EVENT: 'service-failing',
    WATCHKEEPER_EVENT_ID: '1',
    WATCHKEEPER_KIND: 'raise',
    WATCHKEEPER_KEY: 'mta/service-failing',
    WATCHKEEPER_SEVERITY: 'major',
    WATCHKEEPER_SERVICE: 'mta',
    WATCHKEEPER_INCIDENT: 'mta-1',
    WATCHKEEPER_CAUSE: 'hung',
    WATCHKEEPER_COUNT: '1',
    WATCHKEEPER_RUNBOOK: 'https://wiki.example.org/mta',
    WATCHKEEPER_ALERT: '7',
    WATCHKEEPER_TIME: '2026-11-22T13:00:00.123Z',
    WATCHKEEPER_NODE: 'n1',
  });
});

test('what is not known is left out, and hostile text stays text', async () => {
  const fields = await journalOf(
    makeAlert({ service: null, incident: null, cause: null, action: '', summary: 'a\n<0>b\x1b[31m\u202e' }),
  );
  assert.is(fields['MESSAGE'], 'major: a\\n<0>b\\x1b[31m\\u{202e}');
  for (const name of ['SERVICE', 'INCIDENT', 'CAUSE', 'RUNBOOK']) assert.not.ok(`WATCHKEEPER_${name}` in fields, name);
});

test('severities are those of RFC 5674', async () => {
  const table = { critical: '1', major: '2', minor: '3', warning: '4', indeterminate: '5', cleared: '5' } as const;
  for (const [severity, priority] of Object.entries(table) as [keyof typeof table, string][])
    assert.is((await journalOf(makeAlert({ severity })))['PRIORITY'], priority, severity);
  assert.match(
    (await journalOf(makeAlert({ kind: 'clear', severity: 'cleared' })))['MESSAGE'] ?? '',
    /^cleared: mta: /,
  );
  assert.match(
    (await journalOf(makeAlert({ kind: 'once', event: 'recovery-started' })))['MESSAGE'] ?? '',
    /^recovery-/,
  );
});

test('syslog gets one RFC 5424 datagram with the alarm parameters of RFC 5674', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'wk-event-'));
  const socket = join(dir, 'log');
  const systemLog = openSystemLog({ pid: 42, underSystemd: false, out: new PassThrough() });
  const options = { target: 'syslog', socket };
  assert.equal(await send(options, systemLog), { retry: `${socket}: there is no such socket` });
  const reader = listenDatagrams(socket);
  assert.is(await send(options, systemLog), 'sent');
  assert.is(
    await send(options, systemLog, makeAlert({ kind: 'once', event: 'recovery-started', severity: 'warning' })),
    'sent',
  );
  const [alarm = '', once = ''] = reader.take().map(String);
  assert.is(
    alarm,
    '<26>1 2026-11-22T13:00:00.123Z n1 watchkeeper 42 service-failing [alarm resource="mta" ' +
      'probableCause="timeoutExpired" perceivedSeverity="major" eventType="processingErrorAlarm" ' +
      'trendIndication="moreSevere"][watchkeeper@32473 event="service-failing" eventId="1" kind="raise" ' +
      'key="mta/service-failing" severity="major" service="mta" incident="mta-1" cause="hung" count="1" alert="7"] ' +
      'major: mta: no banner within 2 s (a restart is tried)',
  );
  assert.match(
    once,
    /^<28>1 \S+ n1 watchkeeper 42 recovery-started \[watchkeeper@32473 /,
    'no alarm, no alarm element',
  );
  reader.close();
  rmSync(dir, { recursive: true });
});

test('a file gets one JSON object a line', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'wk-event-'));
  const path = join(dir, 'events.log');
  const systemLog = openSystemLog({ pid: 42, underSystemd: false, out: new PassThrough() });
  await send({ target: 'file', path }, systemLog, makeAlert({ summary: 'line\nbreak' }));
  await send({ target: 'file', path }, systemLog, makeAlert({ kind: 'clear', severity: 'cleared' }, 8));
  const [first, second] = readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(first, {
    time: '2026-11-22T13:00:00.123Z',
    node: 'n1',
    level: 'crit',
    text: 'major: mta: line\\nbreak (a restart is tried)',
    event: 'service-failing',
    eventId: '1',
    kind: 'raise',
    key: 'mta/service-failing',
    severity: 'major',
    service: 'mta',
    incident: 'mta-1',
    cause: 'hung',
    count: '1',
    alert: '7',
  });
  assert.is(second.kind, 'clear');
  assert.equal(await send({ target: 'file', path: '/dev/full' }, systemLog), { retry: '/dev/full: ENOSPC' });
  rmSync(dir, { recursive: true });
});

test('standard output gets a line', async () => {
  const out = new PassThrough();
  const systemLog = openSystemLog({ pid: 42, underSystemd: true, out });
  assert.is(await send({ target: 'stdout' }, systemLog), 'sent');
  assert.is(String(out.read()), '<2>major: mta: no banner within 2 s (a restart is tried)\n');
});

test('auto takes journald, else that of Windows, else syslog, else standard output', async () => {
  const took: string[] = [];
  const fake = (journal: boolean, syslog: boolean, windows = false): Partial<SystemLog> => ({
    hasJournal: () => journal,
    hasSyslog: () => syslog,
    hasWindows: () => windows,
    windows: async () => (took.push('windows'), 'sent'),
    journal: () => (took.push('journald'), 'sent'),
    syslog: () => (took.push('syslog'), 'sent'),
    print: () => (took.push('stdout'), 'sent'),
  });
  await send({}, fake(true, true));
  await send({}, fake(false, true));
  await send({}, fake(false, false));
  await send({}, fake(false, false, true));
  assert.equal(took, ['journald', 'syslog', 'stdout', 'windows']);
});

test('Windows gets the number of the catalogue, a type by severity, and first a text that is all', async () => {
  const told: WindowsEvent[] = [];
  const windows = async (event: WindowsEvent): Promise<'sent'> => (told.push(event), 'sent');
  const kinds = ['critical', 'major', 'minor', 'warning', 'indeterminate', 'cleared'] as const;
  for (const severity of kinds) await send({ target: 'windows' }, { windows }, makeAlert({ severity }));
  assert.equal(
    told.map(({ type }) => type),
    [1, 1, 2, 2, 4, 4],
  );
  const [, event] = told;
  assert.equal([event?.source, event?.id], ['Watchkeeper', catalogue['service-failing'].number]);
  assert.match(event?.texts[0] ?? '', /^major: mta: no banner .*\r\n\r\nnode: n1\r\n.*\r\nevent: service-failing\r\n/s);
  assert.ok(event?.texts.includes('cause=hung'));
  const ids = Object.values(catalogue).map(({ number }) => number);
  assert.ok(
    ids.every((id) => id >= 1 && id < 1000),
    'EventCreate.exe has texts for these only',
  );
  const refusal = { retry: 'ReportEventW: error 5' };
  assert.equal(await send({ target: 'windows', source: 'Ours' }, { windows: async () => refusal }), refusal);
});

test('options that do not go together are refused, each with what it needs', () => {
  const faults = (given: object): string[] =>
    (eventLog.options.safeParse(given).error?.issues ?? []).map(({ path, message }) => `${path.join('.')} ${message}`);
  const tls = { target: 'syslog', to: 'tls://loghost.example.org' };
  const well: object[] = [
    ...[{}, { socket: '/dev/log' }, { source: 'Ours' }, { target: 'file', path: '/x', maxsize: '1M', maxfiles: 1 }],
    ...[tls, { ...tls, ca: '/ca.pem', servername: 'a.example', certificate: '/c.pem', key: 'file:/k.pem' }],
    ...['udp://192.0.2.1', 'udp://[2001:db8::1]:1514', 'udp://[fe80::1%eth0]', 'tcp://n1.example'].map((to) => ({
      ...{ target: 'syslog', to },
    })),
    { target: 'syslog', to: 'tcp://n1.example:601', framing: 'newline', 'message-size': 480 },
  ];
  for (const given of well) assert.equal(faults(given), [], JSON.stringify(given));
  const bad: [object, RegExp][] = [
    [{ to: 'udp://n1' }, /^to needs target: syslog$/],
    [{ target: 'syslog', to: 'udp://n1', socket: '/dev/log' }, /^socket needs .* without to$/],
    [{ target: 'syslog', to: 'udp://n1', format: 'local' }, /^format needs/],
    [{ target: 'syslog', to: 'udp://n1', framing: 'newline' }, /^framing needs to: tcp/],
    [{ ...tls, framing: 'newline' }, /^framing needs to: tcp/],
    [{ target: 'syslog', to: 'tcp://n1', ca: '/ca.pem' }, /^ca needs to: tls/],
    [{ ...tls, certificate: '/c.pem' }, /^certificate needs key$/],
    [{ ...tls, key: 'file:/k.pem' }, /^key needs certificate$/],
    [{ ...tls, certificate: '/c.pem', key: 'secret words' }, /^key expected file:/],
    [{ target: 'syslog', 'message-size': 1024 }, /^message-size needs a log host/],
    [{ target: 'file', source: 'x' }, /^source needs target: windows$/],
    [{ target: 'stdout', path: '/x' }, /^path needs target: file$/],
    [{ target: 'syslog', too: 1 }, /[Uu]nrecognized/],
    ...['http://n1', 'udp://', 'udp://n1:0', 'udp://n1:65536', 'tls://2001:db8::1', 'tls://a b', 'tls://u@h'].map(
      (to): [object, RegExp] => [{ target: 'syslog', to }, /expected udp:/],
    ),
  ];
  for (const [given, text] of bad) {
    const said = faults(given);
    assert.is(said.length, 1, `${JSON.stringify(given)}: ${said.join('; ')}`);
    assert.match(said[0] ?? '', text);
  }
});

test('one answer for each alert, also many at once and after a target that throws', async () => {
  const journal = (fields: Readonly<Record<string, string>>): 'sent' | { retry: string } => {
    const number = Number(fields['WATCHKEEPER_ALERT']);
    if (number % 3 === 0) throw new Error(`no ${number}`);
    return number % 3 === 1 ? 'sent' : { retry: String(number) };
  };
  const answers = await Promise.allSettled(
    Array.from({ length: 300 }, (_, n) => send({ target: 'journald' }, { journal }, makeAlert({}, n))),
  );
  answers.forEach((answer, n) => {
    if (n % 3 === 0) assert.is(answer.status, 'rejected');
    else assert.equal(answer.status === 'fulfilled' && answer.value, n % 3 === 1 ? 'sent' : { retry: String(n) });
  });
});

test.run();
