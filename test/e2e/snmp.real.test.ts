// From a killed service to what a real snmptrapd prints, through the whole daemon: by inform and by v3 trap, over a
// receiver that was away and a daemon that was killed.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
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
  whole,
} from '../support/live-daemon.ts';
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
  daemon.write(whole(daemon, { mta: served(daemon, 'mta', port) }, { alerts }));
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
const has = (event: string, kind: string): boolean =>
  daemon.alerts().some((one) => one.event === event && one.kind === kind);

/** Ends the service, and not before it runs: pid 0 would be ourselves. */
async function killed(): Promise<void> {
  await until('mta runs', () => daemon.pidOf('mta') > 0);
  process.kill(daemon.pidOf('mta'), 'SIGKILL');
}

test('a killed service: all of its story is told, by both ways', async () => {
  await daemon.up();
  await allWell(daemon, ['mta']);
  await killed();
  await until('its repair', () => has('recovery-succeeded', 'once') && has('service-failing', 'clear'), 30_000);
  await allWell(daemon, ['mta']);
  await allCame();
  for (const name of ['wkDaemonStarted', 'wkServiceFailing', 'wkRecoverySucceeded', 'wkServiceFailingCleared'])
    assert.ok(noc.log().includes(`WATCHKEEPER-MIB::${name}|`), name);
});

test('the receiver is away and the daemon is killed: all of it comes later, and who we are is believed', async () => {
  await noc.stop();
  const before = told().length;
  await killed();
  await until('it is told', () => told().length > before, 30_000);
  await allWell(daemon, ['mta']);
  const { pid } = (await daemon.status()).daemon;
  process.kill(pid, 'SIGKILL');
  await until(
    'its end',
    () => !existsSync(`/proc/${pid}/exe`) || readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z'),
  );
  await noc.start();
  await daemon.up();
  await allWell(daemon, ['mta']);
  await until(
    'it says that it began',
    () => daemon.alerts().filter(({ event }) => event === 'daemon-started').length > 1,
  );
  await allCame();
});

test.run();
