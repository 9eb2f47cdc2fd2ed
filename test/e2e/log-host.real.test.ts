// From a killed service to what real log hosts wrote, through the whole daemon and its outbox: over TCP and TLS, over
// log hosts that were away and a daemon that was killed.
import { writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { authority } from '../support/certificates.ts';
import { allWell, freePorts, liveDaemon, type LiveDaemon, served, until, whole } from '../support/live-daemon.ts';
import { lives } from '../support/pids.ts';
import { type LogHostServer, logHostServer } from '../support/rsyslogd.ts';

const test = suite('log host, whole daemon');
let daemon: LiveDaemon;
let hosts: LogHostServer[] = [];

test.before(async () => {
  daemon = liveDaemon('loghost');
  const [port = 0, tcp = 0, tls = 0] = await freePorts(3);
  writeFileSync(daemon.at('ca.pem'), authority);
  const input = (at: number): string => `input(type="imtcp" address="127.0.0.1" port="${at}")`;
  hosts = [
    logHostServer({ inputs: `module(load="imtcp")\n${input(tcp)}` }),
    logHostServer({ inputs: input(tls), tls: { driver: 'ossl', clients: 'anon' } }),
  ];
  for (const host of hosts) await host.start();
  const common = { type: 'event-log', target: 'syslog', timeout: '5s' };
  const alerts = {
    log: { type: 'event-log', target: 'file', path: daemon.at('events.log') },
    plain: { ...common, to: `tcp://127.0.0.1:${tcp}` },
    secure: { ...common, to: `tls://127.0.0.1:${tls}`, ca: daemon.at('ca.pem') },
  };
  daemon.write(whole(daemon, { mta: served(daemon, 'mta', port) }, { alerts }));
});
test.after(async () => {
  await daemon?.end();
  for (const host of hosts) await host.close();
});

/** Numbers in order, without repeats. */
const came = (host: LogHostServer): string[] => [
  ...new Set(host.entries().map(({ data }) => / alert="(\d+)"/.exec(data)?.[1] ?? '')),
];
const told = (): string[] => [...new Set(daemon.alerts().map(({ alert }) => String(alert)))];
const allCame = (): Promise<void> =>
  until('all of it', () => hosts.every((host) => String(came(host)) === String(told())), 90_000).catch(() => {
    for (const host of hosts) assert.equal(came(host), told(), host.log());
  });
/** How often a failure was told to be over: the first start of the service is one already. */
const repairs = (): number => daemon.alerts().filter(({ event }) => event === 'recovery-succeeded').length;
const clears = (): number =>
  daemon.alerts().filter(({ event, kind }) => event === 'service-failing' && kind === 'clear').length;

/** Kills the service, and waits until its whole story is told: nothing is on its way to a log host any more. */
async function killed(): Promise<void> {
  const before = repairs();
  await until('mta runs', () => daemon.pidOf('mta') > 0);
  process.kill(daemon.pidOf('mta'), 'SIGKILL');
  await until('its repair', () => repairs() > before && clears() === repairs(), 30_000);
}

test('a killed service: all of its story, by both ways, in order', async () => {
  await daemon.up();
  await allWell(daemon, ['mta']);
  await killed();
  await allWell(daemon, ['mta']);
  await allCame();
});

test('the log hosts are away and the daemon is killed: all of it comes later, in order', async () => {
  for (const host of hosts) await host.down('SIGKILL');
  const before = told().length;
  await killed();
  await allWell(daemon, ['mta']);
  const { pid } = (await daemon.status()).daemon;
  process.kill(pid, 'SIGKILL');
  await until('its end', () => !lives(pid));
  await daemon.up();
  await allWell(daemon, ['mta']);
  for (const host of hosts) await host.start();
  await allCame();
  assert.ok(told().length > before + 2);
});

test.run();
