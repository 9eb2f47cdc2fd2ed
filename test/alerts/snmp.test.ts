// What the channel takes as options, and what it makes of an alert, without a network.
import { createModuleStore } from 'net-snmp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import snmp from '../../src/alerts/snmp.ts';
import { DEFAULT_BASE, notificationKinds, trapObjects } from '../../src/core/snmp.ts';
import type { Alert } from '../../src/define.ts';
import { stationAddress } from '../../src/dialogues/snmp-station.ts';
import { dateAndTime, trapsOf, VALUES_MAX } from '../../src/dialogues/snmp-notification.ts';
import { asV1, TYPE, type Varbind } from '../../src/dialogues/snmp.ts';
import { makeAlert } from '../support/alert.ts';

const test = suite('snmp');
const to = ['192.0.2.1'];
const v2 = { to, version: '2c', community: 'env:X' };
const v3 = { to, user: 'u', auth: 'env:A', priv: 'env:P' };

test('options that can work, and those that cannot', () => {
  const good = [
    v2,
    v3,
    { ...v3, version: '3', level: 'authNoPriv', priv: undefined },
    { to, user: 'u', level: 'noAuthNoPriv' },
    { ...v2, version: 1 },
    { ...v2, base: '1.3.6.1.4.1.32473.1' },
    { ...v2, to: ['10.0.0.1:1162', '[2001:db8::1]:162', '2001:db8::2', 'noc.example.org:162'] },
  ];
  for (const options of good) assert.is(snmp.options.safeParse(options).error?.message, undefined);
  const bad = [
    { to },
    { ...v3, user: undefined },
    { ...v3, auth: undefined },
    { ...v3, priv: undefined },
    { ...v3, version: 2 },
    { to, version: '2c' },
    { ...v2, version: 1, inform: true },
    { ...v2, community: 'public' },
    { ...v2, to: [] },
    { ...v2, to: ['a', 'a'] },
    { ...v2, to: ['a:0'] },
    { ...v2, to: ['a b'] },
    { ...v2, base: '1.3.6.1.4.1.99999999999' },
    { ...v2, base: 'enterprises.1' },
    { ...v2, base: '1.3.6.1.2.1.1' },
    { ...v2, timeout: '20s' },
    { ...v2, password: 'x' },
  ];
  for (const options of bad) assert.not.ok(snmp.options.safeParse(options).success, JSON.stringify(options));
});

test('addresses', () => {
  const table: Readonly<Record<string, [string, number] | null>> = {
    '10.0.0.20': ['10.0.0.20', 162],
    '10.0.0.20:1162': ['10.0.0.20', 1162],
    'noc.example.org': ['noc.example.org', 162],
    'noc.example.org:1': ['noc.example.org', 1],
    '2001:db8::1': ['2001:db8::1', 162],
    '[2001:db8::1]': ['2001:db8::1', 162],
    '[2001:db8::1]:1162': ['2001:db8::1', 1162],
    'fe80::1%eth0': ['fe80::1%eth0', 162],
    '::1': ['::1', 162],
    'a:65536': null,
    'a:b': null,
    '[::1': null,
    '': null,
  };
  for (const [text, expected] of Object.entries(table)) {
    const [host, port] = expected ?? [];
    assert.equal(stationAddress(text), expected && { host, port }, text);
  }
});

const told = (alert: Alert, node = 'n1') => ({ alert, node, active: null });
const plainOptions = { base: DEFAULT_BASE, lifekeeper: false };
const valuesOf = (alert: Alert, node?: string): readonly Varbind[] =>
  trapsOf(told(alert, node), plainOptions)[0]?.varbinds ?? [];
const value = (varbinds: readonly Varbind[], name: keyof typeof trapObjects): unknown =>
  varbinds[trapObjects[name].arc - 1]?.value;

test('values: key, times, numbers, text', () => {
  const values = valuesOf(makeAlert({ at: 61_000, raisedAt: 1000, summary: 'two\nlines \x1b[31m\u202e' }, 300));
  assert.is(value(values, 'wkAlarmKey'), 'n1/mta/service-failing');
  assert.is(value(values, 'wkAlarmSeverity'), 4);
  assert.equal(value(values, 'wkEventId'), Buffer.from([1, 44]));
  assert.equal(value(values, 'wkAlarmRaisedTime'), dateAndTime(Date.parse('2026-11-22T12:59:00.123Z')));
  assert.is(value(values, 'wkSummary'), 'two lines \\x1b[31m\\u{202e}');
  assert.is(value(valuesOf(makeAlert({ key: 'node/n1/observer', service: null })), 'wkAlarmKey'), 'n1/observer');
  assert.is(value(valuesOf(makeAlert({ cause: null })), 'wkProbableCause'), 1024);
  // 128 needs an octet before it: the first bit is a sign.
  for (const [id, hex] of Object.entries({ 0: '00', 127: '7f', 128: '0080', [2 ** 40]: '010000000000' }))
    assert.is((value(valuesOf(makeAlert({}, Number(id))), 'wkEventId') as Buffer).toString('hex'), hex, id);
});

test('however long the texts are, a message fits one packet, and no character is cut in two', () => {
  const long = 'grüße aus dem rechenzentrum 😀 '.repeat(300);
  const alert = makeAlert({ summary: long, action: long, runbook: long, service: long, key: long });
  const values = valuesOf(alert, 'n'.repeat(300));
  let size = 0;
  for (const { oid, value: one } of values) {
    const text = typeof one === 'string' ? one : '';
    assert.ok(Buffer.byteLength(text) <= 255, text);
    assert.not.match(text, /\ufffd/);
    // Twice the length of an identifier in numbers is more than it ever takes.
    size += oid.split('.').length * 2 + 4 + (typeof one === 'number' ? 5 : Buffer.byteLength(one as string));
  }
  assert.ok(size <= VALUES_MAX, String(size));
  assert.is((value(values, 'wkAlarmKey') as string).length > 100, true, 'the key stays');
  const usual = valuesOf(makeAlert({ summary: 's'.repeat(255), action: 'a'.repeat(255), runbook: 'r'.repeat(60) }));
  assert.is(value(usual, 'wkSummary'), 's'.repeat(255));
});

test('version 1: E.0.N is enterprise E and number N, and no Counter64', () => {
  const trap = asV1({
    oid: '1.3.6.1.4.1.5.0.7',
    varbinds: [
      { oid: '1.1', type: TYPE.counter64, value: Buffer.from('0123456789', 'hex') },
      { oid: '1.2', type: TYPE.octets, value: 'x' },
    ],
  });
  assert.is(trap.oid, '1.3.6.1.4.1.5.7');
  assert.equal(trap.varbinds[0], { oid: '1.1', type: TYPE.counter32, value: 0x23456789 });
  assert.equal(trap.varbinds[1], { oid: '1.2', type: TYPE.octets, value: 'x' });
});

test("LifeKeeper's numbers, where it has one for the event", () => {
  const options = { base: DEFAULT_BASE, lifekeeper: true };
  const numbers = (event: string): string[] =>
    trapsOf(told(makeAlert({ event, kind: 'once' })), options).map(({ oid }) => oid);
  assert.equal(numbers('recovery-started').slice(1), ['1.3.6.1.4.1.7359.1.0.130']);
  assert.equal(numbers('recovery-failed').slice(1), ['1.3.6.1.4.1.7359.1.0.131']);
  assert.equal(numbers('recovery-succeeded').slice(1), ['1.3.6.1.4.1.7359.1.0.132']);
  assert.equal(numbers('daemon-started').slice(1), ['1.3.6.1.4.1.7359.1.0.100']);
  assert.equal(numbers('daemon-stopping').slice(1), ['1.3.6.1.4.1.7359.1.0.101']);
  assert.is(numbers('heartbeat').length, 1);
  assert.equal(numbers('switchover').slice(1), ['1.3.6.1.4.1.7359.1.0.110']);
  assert.equal(numbers('path-down').slice(1), ['1.3.6.1.4.1.7359.1.0.141']);
  assert.equal(numbers('node-unreachable').slice(1), ['1.3.6.1.4.1.7359.1.0.120']);
  // In service at a first start: nothing has moved.
  assert.is(numbers('group-in-service').length, 1);
  assert.equal(trapsOf(told(makeAlert({ event: 'no-such' })), options), []);
});

test("LifeKeeper's numbers of a move, with the list of what came back or did not", () => {
  const ended = (event: string, how: 'planned' | 'failover') => {
    const notice = { event, kind: 'once', service: null, move: { group: 'mail', how } } as const;
    const [, trap] = trapsOf(told(makeAlert(notice)), { base: DEFAULT_BASE, lifekeeper: true });
    return [trap?.oid.split('.').at(-1), ...(trap?.varbinds.slice(1).map(({ oid, value: one }) => [oid, one]) ?? [])];
  };
  const base = '1.3.6.1.4.1.7359.1';
  assert.equal(ended('group-in-service', 'planned'), ['111', [`${base}.3`, 'mail']]);
  assert.equal(ended('group-in-service', 'failover'), ['121', [`${base}.3`, 'mail']]);
  assert.equal(ended('move-failed', 'planned'), ['112', [`${base}.4`, 'mail']]);
  assert.equal(ended('move-failed', 'failover'), ['122', [`${base}.4`, 'mail']]);
});

test('MIB, catalogue and wire say the same', async () => {
  const store = createModuleStore();
  store.loadFromFile(new URL('../../../config/mibs/WATCHKEEPER-MIB.txt', import.meta.url).pathname);
  const oidOf = (name: string): string => String(store.translate(`WATCHKEEPER-MIB::${name}`, 'oid' as never));
  const kinds = notificationKinds();
  assert.is(new Set(kinds.map(({ arc }) => arc)).size, kinds.length, 'no number twice');
  for (const { name, event, clears, objects } of kinds) {
    const kind = clears ? 'clear' : 'raise';
    const active = event === 'heartbeat' ? ({ count: 2, highest: 'major' } as const) : null;
    const [trap] = trapsOf({ alert: makeAlert({ event, kind }), node: 'n1', active }, plainOptions);
    assert.is(trap?.oid, oidOf(name), name);
    assert.equal(
      trap?.varbinds.map(({ oid }) => oid),
      objects.map((object) => `${oidOf(object)}.0`),
      name,
    );
  }
});

test.run();
