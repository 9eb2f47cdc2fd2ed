// From a killed service to what a real snmptrapd prints, through the whole daemon: by inform and by v3 trap, over a
// receiver that was away and a daemon that was killed.
import { rmSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  allWell,
  freePorts,
  liveDaemon,
  type LiveDaemon,
  program,
  runProgram,
  served,
  until,
  watched,
  whole,
} from '../support/live-daemon.ts';
import { lives } from '../support/pids.ts';
import { SNMP_SECRETS, type TrapReceiver, trapReceiver, USER } from '../support/snmptrapd.ts';

const test = suite('snmp, whole daemon');
let daemon: LiveDaemon;
let noc: TrapReceiver;

test.before(async () => {
  daemon = liveDaemon('snmp');
  const asked = await runProgram([program, 'snmp', 'engine-id', daemon.at('state')]);
  assert.match(asked.out, /^0x80001f8805[0-9a-f]{24}\n$/, asked.err);
  noc = await trapReceiver([
    `createUser -e ${asked.out.trim()} noc ${USER}`,
    `createUser noc ${USER}`,
    'authUser log noc priv',
  ]);
  const [port = 0] = await freePorts(1);
  const { SNMP_AUTH, SNMP_PRIV } = SNMP_SECRETS;
  for (const [name, value] of Object.entries({ auth: SNMP_AUTH, priv: SNMP_PRIV }))
    writeFileSync(daemon.at(`etc/${name}`), value, { mode: 0o600 });
  const channel = {
    type: 'snmp',
    to: [`127.0.0.1:${noc.port}`],
    user: 'noc',
    auth: 'file:./auth',
    priv: 'file:./priv',
  };
  const log = { type: 'event-log', target: 'file', path: daemon.at('events.log') };
  const alerts = { log, asks: channel, tells: { ...channel, inform: false } };
  const calm = { observe: true, flapping: { changes: 1000, window: '10m', calm: '10s' } };
  const seen = { type: 'command', run: ['/usr/bin/test', '!', '-e', daemon.at('seen.broken')] };
  const services = { mta: served(daemon, 'mta', port), seen: watched(seen, { recover: calm }) };
  daemon.write(whole(daemon, services, { alerts }));
});
test.after(async () => {
  await daemon?.end();
  await noc?.remove();
});

/** What is severe goes first: the order is not that of what happened. */
const inOrder = (ids: readonly string[]): string[] => [...new Set(ids)].sort((a, b) => Number(a) - Number(b));
/** Event ids without repeats, by how they came. */
const came = (how: 'INFORM' | 'TRAP2'): string[] => {
  const ids = noc.taken().flatMap((text) => {
    const id = /wkEventId\.0 = Counter64: (\d+)/.exec(text)?.[1];
    return id !== undefined && text.startsWith(`${how}, SNMP v3, user noc`) ? [id] : [];
  });
  return inOrder(ids);
};
/** What the event log has is what there was to tell. */
const told = (): string[] => inOrder(daemon.alerts().map(({ alert }) => alert));
const allCame = (): Promise<void> =>
  until(
    'all of it',
    () => [came('INFORM'), came('TRAP2')].every((ids) => String(ids) === String(told())),
    60_000,
  ).catch(() => {
    assert.equal(came('INFORM'), told(), noc.log());
    assert.equal(came('TRAP2'), told(), noc.log());
  });
/** How often a failure of the service was told to be over: its first start is one already. */
const repairs = (): number => daemon.alerts().filter(({ event }) => event === 'recovery-succeeded').length;
const clears = (): number =>
  daemon
    .alerts()
    .filter(({ event, kind, service }) => event === 'service-failing' && kind === 'clear' && service === 'mta').length;

/** Kills the service, and waits until its whole story is told. */
async function killed(): Promise<void> {
  const before = repairs();
  // Not before it runs: pid 0 would be ourselves.
  await until('mta runs', () => daemon.pidOf('mta') > 0);
  process.kill(daemon.pidOf('mta'), 'SIGKILL');
  await until('its repair', () => repairs() > before && clears() >= repairs(), 30_000);
}

test('a killed service: all of its story is told, by both ways', async () => {
  await daemon.up();
  await allWell(daemon, ['mta']);
  await killed();
  await allWell(daemon, ['mta']);
  await allCame();
  for (const name of ['wkDaemonStarted', 'wkServiceFailing', 'wkRecoverySucceeded', 'wkServiceFailingCleared'])
    assert.ok(noc.log().includes(`WATCHKEEPER-MIB::${name}|`), name);
});

test('the receiver is away and the daemon is killed: all of it comes later, and who we are is believed', async () => {
  await noc.stop();
  await killed();
  await allWell(daemon, ['mta']);
  const { pid } = (await daemon.status()).daemon;
  process.kill(pid, 'SIGKILL');
  await until('its end', () => !lives(pid));
  await noc.start();
  await daemon.up();
  await allWell(daemon, ['mta']);
  await until(
    'it says that it began',
    () => daemon.alerts().filter(({ event }) => event === 'daemon-started').length > 1,
  );
  await allCame();
});

/** The newest word of each alarm, by its own time: `raise` or `clear`, as a receiver that sorts by event id has it. */
function picture(how: 'INFORM' | 'TRAP2'): ReadonlyMap<string, string> {
  const all = noc.taken().flatMap((text) => {
    const [, id = ''] = /wkEventId\.0 = Counter64: (\d+)/.exec(text) ?? [];
    const [, key = ''] = /wkAlarmKey\.0 = STRING: "?([^"|]+)/.exec(text) ?? [];
    const cleared = /wkAlarmSeverity\.0 = INTEGER: cleared/.test(text);
    const ours = text.startsWith(`${how}, SNMP v3, user noc`) && key.includes('service/seen/');
    return ours ? [{ id: Number(id), key: key.trim(), word: cleared ? 'clear' : 'raise' }] : [];
  });
  return new Map(all.sort((a, b) => a.id - b.id).map(({ key, word }) => [key, word]));
}

test('killed again and again while alarms come and go: every raise and every clear arrives, and the end is right', async () => {
  for (let round = 0; round < 8; round++) {
    const broken = round % 2 === 0;
    if (broken) writeFileSync(daemon.at('seen.broken'), '');
    else rmSync(daemon.at('seen.broken'), { force: true });
    // Each time at another moment of the telling.
    const told = async (): Promise<boolean> =>
      (await daemon.status()).alarms.some((alarm) => alarm.service === 'seen') === broken;
    await until('it is told', told, 20_000);
    await new Promise((resolve) => setTimeout(resolve, round * 9));
    const { pid } = (await daemon.status()).daemon;
    process.kill(pid, 'SIGKILL');
    await until('its end', () => !lives(pid));
    await daemon.up();
  }
  await allWell(daemon, ['mta', 'seen']);
  const missing = (): readonly string[] => {
    const [informs, traps] = [new Set(came('INFORM')), new Set(came('TRAP2'))];
    return told().filter((id) => !informs.has(id) || !traps.has(id));
  };
  await until('all of it', () => missing().length === 0, 60_000).catch(() => assert.equal(missing(), [], noc.log()));
  const raises = daemon.alerts().filter(({ service, kind }) => service === 'seen' && kind === 'raise');
  assert.ok(raises.length >= 4, 'there was something to tell');
  for (const how of ['INFORM', 'TRAP2'] as const) {
    const words = [...picture(how)];
    assert.ok(words.length > 0, how);
    for (const [key, word] of words) assert.is(word, 'clear', `${how}: ${key}`);
  }
});

test.run();
