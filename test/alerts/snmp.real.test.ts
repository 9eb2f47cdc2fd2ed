// Real snmptrapd of Debian on loopback ports: what we send, by the names of our MIB, and what becomes of it when
// receivers die, forget, refuse or come back. The identity of v3 traps: snmp-identity.real.test.ts.
import { createSocket } from 'node:dgram';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import snmp from '../../src/alerts/snmp.ts';
import type { SendResult } from '../../src/define.ts';
import { stores } from '../../src/ports/store.ts';
import { secretsFrom } from '../../src/ports/secrets.ts';
import { makeAlert } from '../support/alert.ts';
import { type Channel, channelOf } from '../support/channel.ts';
import { checkPorts } from '../support/check.ts';
import { newFolder, stopped, until } from '../support/server.ts';
import { freeUdpPort, SNMP_SECRETS, type TrapReceiver, trapReceiver, USER } from '../support/snmptrapd.ts';

const test = suite('snmp, real snmptrapd');
const stateDir = newFolder('snmp-state');
const ports = checkPorts({ secrets: secretsFrom(SNMP_SECRETS), stores });
const open: { close(): Promise<void> }[] = [];
const channel = (options: object, name = 'noc'): Channel => {
  const made = channelOf(snmp, options, ports, { stateDir, node: 'n1', channel: name });
  open.push(made);
  return made;
};
async function receiver(address?: string): Promise<TrapReceiver> {
  const made = await trapReceiver([`createUser noc ${USER}`, 'authUser log noc priv'], address);
  open.push({ close: () => made.remove() });
  return made;
}
const at = (...all: readonly TrapReceiver[]): { to: string[] } => ({ to: all.map(({ port }) => `127.0.0.1:${port}`) });
const v1 = { version: 1, community: 'env:SNMP_COMMUNITY' };
const v2 = { version: '2c', community: 'env:SNMP_COMMUNITY' };
const v3 = { version: 3, user: 'noc', auth: 'env:SNMP_AUTH', priv: 'env:SNMP_PRIV' };

const retryOf = (result: SendResult): string => (typeof result === 'object' && 'retry' in result ? result.retry : '');
/** Ids of the events that a receiver took, in order. */
const ids = ({ taken }: TrapReceiver): number[] =>
  taken().map((text) => Number(/wkEventId\.0 = .*Counter(?:64|32): (\d+)/.exec(text)?.[1]));
const took = (one: TrapReceiver, wanted: readonly number[]): Promise<void> =>
  until(`${String(wanted)} at ${one.port}`, () => String(ids(one)) === String(wanted), 60_000).catch(() =>
    assert.equal(ids(one), wanted, one.log()),
  );

test.after.each(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});
test.after(() => rmSync(stateDir, { recursive: true, force: true }));

const BODY = [
  'WATCHKEEPER-MIB::wkAlarmKey.0 = STRING: n1/mta/service-failing',
  'WATCHKEEPER-MIB::wkAlarmSeverity.0 = INTEGER: major(4)',
  'WATCHKEEPER-MIB::wkAlarmSeverityText.0 = STRING: major',
  'WATCHKEEPER-MIB::wkService.0 = STRING: mta',
  'WATCHKEEPER-MIB::wkNode.0 = STRING: n1',
  'WATCHKEEPER-MIB::wkEventId.0 = Counter64: 5000000000',
  'WATCHKEEPER-MIB::wkAlarmRaisedTime.0 = STRING: 2026-11-22,12:59:57.1,+0:0',
  'WATCHKEEPER-MIB::wkProbableCause.0 = INTEGER: timeoutExpired(164)',
  'WATCHKEEPER-MIB::wkSummary.0 = STRING: grüße',
  'WATCHKEEPER-MIB::wkAction.0 = STRING: a restart is tried',
  'WATCHKEEPER-MIB::wkRunbook.0 = STRING: https://wiki.example.org/mta',
  'WATCHKEEPER-MIB::wkRepeatCount.0 = Gauge32: 2',
];
const alert = makeAlert(
  { summary: 'grüße', runbook: 'https://wiki.example.org/mta', count: 2, at: 4000 },
  5_000_000_000,
);

for (const [name, options, first] of [
  ['v2c trap', { ...v2, inform: false }, 'TRAP2, SNMP v2c'],
  ['v2c inform', v2, 'INFORM, SNMP v2c'],
  ['v3 inform', v3, 'INFORM, SNMP v3, user noc'],
] as const)
  test(`${name}: every value by its name, in the fixed order`, async () => {
    const noc = await receiver();
    assert.is(await channel({ ...at(noc), ...options }).send(alert), 'sent');
    await until('the trap', () => noc.taken().length > 0);
    const [head = '', upTime = '', trapOid, ...values] = (noc.taken()[0] ?? '').split(/\|?\n/);
    assert.ok(head.startsWith(first), head);
    assert.match(upTime, /^SNMPv2-MIB::sysUpTime\.0 = Timeticks: \(\d+\)/);
    assert.is(trapOid, 'SNMPv2-MIB::snmpTrapOID.0 = OID: WATCHKEEPER-MIB::wkServiceFailing');
    assert.equal(values, BODY);
  });

test('other protocols and levels, for receivers that know no better', async () => {
  const { SNMP_AUTH, SNMP_PRIV } = SNMP_SECRETS;
  const noc = await trapReceiver([
    `createUser strong SHA-512 ${SNMP_AUTH} AES-256 ${SNMP_PRIV}`,
    `createUser old MD5 ${SNMP_AUTH}`,
    'createUser open',
    'authUser log strong priv',
    'authUser log old auth',
    'authUser log open noauth',
  ]);
  open.push({ close: () => noc.remove() });
  const strong = { ...v3, user: 'strong', 'auth-protocol': 'sha512', 'priv-protocol': 'aes-256-blumenthal' };
  const old = { user: 'old', level: 'authNoPriv', auth: 'env:SNMP_AUTH', 'auth-protocol': 'md5' };
  assert.is(await channel({ ...at(noc), ...strong }).send(makeAlert({}, 1)), 'sent');
  assert.is(await channel({ ...at(noc), ...old }).send(makeAlert({}, 2)), 'sent');
  assert.is(await channel({ ...at(noc), user: 'open', level: 'noAuthNoPriv' }).send(makeAlert({}, 3)), 'sent');
  await took(noc, [1, 2, 3]);
});

test('v1 trap: enterprise and number, and LifeKeeper as well', async () => {
  const noc = await receiver();
  const talk = channel({ ...at(noc), ...v1, lifekeeper: true });
  assert.is(await talk.send(makeAlert({ event: 'recovery-failed', kind: 'once' }, 2 ** 33 + 9)), 'sent');
  await until('both', () => noc.taken().length > 1);
  const [own = '', other = ''] = noc.taken();
  assert.match(own, /^v1 WATCHKEEPER-MIB::watchkeeper 6 WATCHKEEPER-MIB::wkRecoveryFailed\n/);
  assert.match(own, /wkEventId\.0 = .*Counter32: 9\t.*wkSummary\.0 = STRING: no banner/);
  assert.match(other, /^v1 SNMPv2-SMI::enterprises\.7359\.1 6 \.131\n/);
  assert.match(other, /7359\.1\.1 = STRING: "n1: no banner within 2 s"\t.*7359\.1\.2 = STRING: "mta"$/);
});

test("LifeKeeper's end of a move, as a receiver sees it", async () => {
  const noc = await receiver();
  const talk = channel({ ...at(noc), ...v2, lifekeeper: true });
  const move = { group: 'mail', how: 'failover' } as const;
  assert.is(await talk.send(makeAlert({ event: 'group-in-service', kind: 'once', service: null, move }, 7)), 'sent');
  await until('both', () => noc.taken().length > 1);
  assert.match(noc.taken()[1] ?? '', /7359\.1\.0\.121\|[^]*7359\.1\.3 = STRING: "mail"/);
});

test('a clear, and a heartbeat with what is active', async () => {
  const noc = await receiver();
  const talk = channel({ ...at(noc), ...v2 });
  await talk.send(makeAlert({ kind: 'clear', severity: 'cleared' }, 1));
  await talk.send(makeAlert({ event: 'heartbeat', kind: 'once', service: null, key: 'node/n1/heartbeat' }, 2));
  const [clear = '', beat = ''] = noc.taken();
  assert.match(clear, /snmpTrapOID\.0 = OID: WATCHKEEPER-MIB::wkServiceFailingCleared\|/);
  assert.match(clear, /wkAlarmKey\.0 = STRING: n1\/mta\/service-failing\|\n.* cleared\(1\)/);
  assert.match(beat, /wkHeartbeat\|[^]*wkAlarmKey\.0 = STRING: n1\/heartbeat\|/);
  assert.match(beat, /wkActiveAlarms\.0 = Gauge32: 1\|\n.*wkHighestSeverity\.0 = INTEGER: major\(4\)$/);
});

test('IPv6: trap and inform to ::1', async () => {
  const noc = await receiver('::1');
  const to = [`[::1]:${noc.port}`];
  assert.is(await channel({ to, ...v2, inform: false }).send(makeAlert({}, 1)), 'sent');
  assert.is(await channel({ to, ...v3 }).send(makeAlert({}, 2)), 'sent');
  assert.is(await channel({ to, ...v1 }).send(makeAlert({}, 3)), 'sent');
  await took(noc, [1, 2, 3]);
});

test('a fixed source address; one that is not here is said', async () => {
  const noc = await receiver();
  const peer = createSocket('udp4');
  await new Promise<void>((done) => peer.bind(0, '127.0.0.1', done));
  const from = new Promise<string>((done) => peer.once('message', (_bytes, { address }) => done(address)));
  const where = { to: [`127.0.0.1:${peer.address().port}`], ...v2, inform: false };
  assert.is(await channel({ ...where, source: '127.0.0.77' }).send(makeAlert({}, 1)), 'sent');
  assert.is(await from, '127.0.0.77');
  peer.close();
  const away = channel({ ...at(noc), ...v2, source: '192.0.2.77' });
  assert.match(retryOf(await away.send(makeAlert({}, 1))), /the source address 192\.0\.2\.77 is not on this machine$/);
});

test('who is refused is told in words, soon, and without a secret', async () => {
  const noc = await receiver();
  const table: [object, RegExp][] = [
    [{ ...v3, auth: 'env:SNMP_WRONG' }, /it refuses the authentication pass phrase of the user noc$/],
    [{ ...v3, user: 'nobody' }, /it does not know the user nobody$/],
    [{ ...v3, priv: 'env:SNMP_WRONG' }, /a receiver with another privacy pass phrase is silent too|cannot decrypt/],
    [{ ...v3, level: 'authNoPriv' }, /level of security|no answer came in time/],
    [{ ...v2, community: 'env:SNMP_WRONG' }, /no answer came in time$/],
    [{ ...v3, auth: 'env:NO_SUCH' }, /secret env:NO_SUCH cannot be read/],
  ];
  for (const [options, expected] of table) {
    const started = performance.now();
    const why = retryOf(await channel({ ...at(noc), ...options, timeout: '300ms' }).send(makeAlert()));
    assert.match(why, expected);
    assert.ok(performance.now() - started < 10_000, why);
    for (const word of Object.values(SNMP_SECRETS)) assert.not.ok(why.includes(word), why);
  }
  assert.equal(ids(noc), []);
});

test('down, and back: an inform and a trap are tried again', async () => {
  const noc = await receiver();
  const ask = channel({ ...at(noc), ...v3 });
  const tell = channel({ ...at(noc), ...v2, inform: false });
  assert.is(await ask.send(makeAlert({}, 1)), 'sent');
  assert.is(await tell.send(makeAlert({}, 2)), 'sent');
  await took(noc, [1, 2]);
  await noc.stop();
  assert.match(retryOf(await ask.send(makeAlert({}, 3))), /nobody listens on that port$/);
  assert.match(retryOf(await tell.send(makeAlert({}, 4))), /nobody listens on that port$/);
  await noc.start();
  assert.is(await ask.send(makeAlert({}, 3)), 'sent');
  assert.is(await tell.send(makeAlert({}, 4)), 'sent');
  await took(noc, [1, 2, 3, 4]);
});

for (const [name, lines] of Object.entries({
  'that keeps its engine id, as a container does': ['engineID lab-noc'],
  'that is somebody else each time': [],
}))
  test(`a receiver that restarts, with its memory and without, ${name}: the session is made anew`, async () => {
    const noc = await trapReceiver([...lines, `createUser noc ${USER}`, 'authUser log noc priv']);
    open.push({ close: () => noc.remove() });
    const talk = channel({ ...at(noc), ...v3 });
    assert.is(await talk.send(makeAlert({}, 1)), 'sent');
    // Its boots: 2, 3, and then 1 again.
    for (const [id, forget] of Object.entries({ 2: false, 3: false, 4: true, 5: true })) {
      await noc.stop();
      await noc.start({ forget });
      assert.is(await talk.send(makeAlert({}, Number(id))), 'sent', forget ? 'without memory' : 'with memory');
    }
    await took(noc, [1, 2, 3, 4, 5]);
  });

test('two receivers, one stands still: the other gets all at once and once, the first catches up in order', async () => {
  const [alive, slow] = [await receiver(), await receiver()];
  const talk = channel({ ...at(alive, slow), ...v2, timeout: '300ms' });
  assert.is(await talk.send(makeAlert({}, 1)), 'sent');
  await stopped(slow.pid(), async () => {
    const started = performance.now();
    for (const id of [2, 3, 4, 5, 6]) assert.is(await talk.send(makeAlert({}, id)), 'sent');
    // Once the grace, and then never.
    assert.ok(performance.now() - started < 10_000, String(performance.now() - started));
    assert.equal(ids(alive), [1, 2, 3, 4, 5, 6]);
    await until('it is told', () => talk.trouble() !== null, 30_000);
    assert.match(
      talk.trouble() ?? '',
      new RegExp(`:${slow.port}: no answer came in time \\(5 alerts wait for it; others`),
    );
    assert.match(readFileSync(join(stateDir, 'snmp-behind-noc.json'), 'utf8'), /"id":6/);
  });
  await until('all is told', () => talk.trouble() === null, 60_000);
  assert.is(await talk.send(makeAlert({}, 7)), 'sent');
  assert.equal(ids(alive), [1, 2, 3, 4, 5, 6, 7]);
  // What it had not read while it stood still is the same alert again: the ids say so.
  await until('the last', () => ids(slow).includes(7));
  assert.equal([...new Set(ids(slow))], [1, 2, 3, 4, 5, 6, 7]);
});

test('two receivers, one dead, and the daemon restarts: the list is still there', async () => {
  const [alive, dead] = [await receiver(), await receiver()];
  await dead.stop();
  const before = channel({ ...at(dead, alive), ...v2 }, 'list');
  for (const id of [1, 2]) assert.is(await before.send(makeAlert({}, id)), 'sent');
  await before.close();
  await dead.start();
  const after = channel({ ...at(dead, alive), ...v2 }, 'list');
  assert.is(await after.send(makeAlert({}, 3)), 'sent');
  await took(dead, [1, 2, 3]);
  await took(alive, [1, 2, 3]);
});

test('both dead: it is not sent, and then each gets it once', async () => {
  const [one, other] = [await receiver(), await receiver()];
  await one.stop();
  await other.stop();
  const talk = channel({ ...at(one, other), ...v2 }, 'both');
  assert.match(retryOf(await talk.send(makeAlert({}, 1))), /nobody listens.*; .*nobody listens/);
  await one.start();
  assert.is(await talk.send(makeAlert({}, 1)), 'sent');
  await other.start();
  await took(one, [1]);
  await took(other, [1]);
});

test('a test by hand names the manager that does not take it, and waits for none', async () => {
  const [alive, dead] = [await receiver(), await receiver()];
  await dead.stop();
  const talk = channel({ ...at(alive, dead), ...v2 }, 'test');
  const asked = makeAlert({ event: 'alert-test', kind: 'once' }, 1);
  assert.is(retryOf(await talk.send(asked)), `127.0.0.1:${dead.port}: nobody listens on that port`);
  assert.is(talk.trouble(), null);
  await took(alive, [1]);
});

test('a name is resolved, also one that only the hosts file has; one that is none is said', async () => {
  const noc = await receiver();
  assert.is(await channel({ to: [`localhost:${noc.port}`], ...v2, inform: false }).send(makeAlert({}, 1)), 'sent');
  const talk = channel({ to: [`no.such.host.invalid:${await freeUdpPort()}`], ...v2 });
  assert.match(retryOf(await talk.send(makeAlert())), /the name no\.such\.host\.invalid has no address$/);
});

test.run();
