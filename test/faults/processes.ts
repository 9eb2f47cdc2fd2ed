// Faults of processes: killed, stopped, robbed of their port, or given up by systemd.
import { eventually, sleep } from '../lab/command.ts';
import { DOMAIN, PASSWORD } from '../lab/mail-files.ts';
import { type MailNode, masterOf, membersOf, type Unit } from '../lab/mail-node.ts';
import { signal } from '../lab/processes.ts';
import {
  type Fault,
  notRestarting,
  onlyTell,
  partCures,
  restartCures,
  restarting,
  type ServiceName,
  startAside,
  stopAside,
  UNIT_OF,
} from './fault.ts';

const DROP = '/etc/systemd/system/dovecot.service.d/crash.conf';

function killMaster(mail: MailNode, unit: Unit): void {
  const master = masterOf(mail.node, unit);
  if (!master) throw new Error(`${unit} does not run`);
  process.kill(master.pid, 'SIGKILL');
}

const killed = (service: ServiceName, breaks: Fault['breaks']): Fault => ({
  name: `${UNIT_OF[service].replace('@-', '')}-killed`,
  about: 'the master process is killed; its children live on for a moment',
  breaks,
  expects: restartCures(service, ['dead'], /gone|dead|died|not running|failed|exit|killed|inactive|signal/i),
  units: [UNIT_OF[service]],
  inject: async (mail) => {
    await notRestarting(mail, UNIT_OF[service]);
    killMaster(mail, UNIT_OF[service]);
  },
  undo: (mail) => restarting(mail, UNIT_OF[service]),
});

const hung = (service: ServiceName, breaks: Fault['breaks']): Fault => ({
  name: `${UNIT_OF[service].replace('@-', '')}-hung`,
  about: 'every process is stopped: the kernel accepts connections, nobody answers',
  breaks,
  expects: restartCures(service, ['hung'], /hung|answer|within|stopped|greeting|timeout|time/i),
  units: [UNIT_OF[service]],
  inject: async (mail) => signal(membersOf(mail.node, UNIT_OF[service]), 'SIGSTOP'),
});

const portTaken: Fault = {
  name: 'port-taken',
  about: 'Postfix dies, and a foreign listener holds port 25 before it can come back',
  breaks: 'mail',
  expects: {
    ...onlyTell('mta', ['dead', 'refusing', 'dependency', 'misconfigured'], /socat|lab-thief|taken|in use|holds|held/i),
    // One start may be tried: only it, or a look at who holds the port, can tell.
    rungs: ['start', 'restart', 'kill-and-start'],
  },
  units: ['postfix@-'],
  inject: async (mail) => {
    const { node } = mail;
    // It asks for the port every 5 ms from before Postfix dies, so nobody's quick restart wins.
    const listen = 'TCP-LISTEN:25,reuseaddr,fork,retry=100000,interval=0.005';
    await startAside(mail, 'thief', ['socat', listen, 'SYSTEM:echo 220 thief ESMTP; cat >/dev/null']);
    await eventually('the thief', () => node.processes().some((each) => each.exe.includes('socat')), 3000, 10);
    signal(membersOf(node, 'postfix@-'), 'SIGKILL');
    const owner = ['sh', '-c', 'ss -Hltnp sport = :25 | grep -q socat'];
    await eventually('port 25 of the thief', async () => (await node.attempt(owner)).code === 0, 3000);
  },
  undo: (mail) => stopAside(mail, 'thief'),
};

const queueFrozen: Fault = {
  name: 'queue-frozen',
  about: 'qmgr is stopped: every mail is accepted and none goes on',
  breaks: 'mail',
  expects: partCures('mta', ['hung'], /qmgr .*stopped/i),
  units: ['postfix@-'],
  inject: async (mail) => {
    const found = membersOf(mail.node, 'postfix@-').filter((each) => each.exe.endsWith('/qmgr'));
    if (found.length === 0) throw new Error('no qmgr runs');
    signal(found, 'SIGSTOP');
  },
};

const authHung: Fault = {
  name: 'auth-hung',
  about: "Dovecot's auth process is stopped: greetings wait, nobody can log in",
  breaks: 'mail',
  expects: partCures('store', ['hung'], /auth .*stopped/i),
  units: ['dovecot'],
  inject: async (mail) => {
    // auth runs only after somebody asked it.
    await mail.node.exec(['doveadm', 'auth', 'test', `ann@${DOMAIN}`, PASSWORD]);
    const found = membersOf(mail.node, 'dovecot').filter((each) => each.exe.endsWith('/dovecot/auth'));
    if (found.length === 0) throw new Error('no auth runs');
    signal(found, 'SIGSTOP');
  },
};

/** Dovecot crashes as soon as it runs, and systemd starts it again until it has had enough. */
async function crashLoop(mail: MailNode): Promise<void> {
  const { node } = mail;
  node.put(DROP, '[Service]\nRestart=always\nRestartSec=20ms\n');
  await node.exec(['systemctl', 'daemon-reload']);
  const refused = async (): Promise<boolean> => {
    const master = masterOf(node, 'dovecot');
    if (master) process.kill(master.pid, 'SIGKILL');
    // Of a unit that is always restarted, only the limit makes a failed one.
    const shown = await node.attempt(['systemctl', 'is-failed', 'dovecot']);
    return shown.stdout.trim() === 'failed';
  };
  await eventually('the start limit of systemd', refused, 15_000, 100);
  node.remove(DROP);
  await node.exec(['systemctl', 'daemon-reload']);
}

const startLimit: Fault = {
  name: 'start-limit',
  about: 'Dovecot crashed so often that systemd refuses to start it again',
  breaks: 'mail',
  expects: restartCures('store', ['dead'], /start.limit|too quickly|gone|dead|failed|not running|inactive|ended/i),
  units: ['dovecot'],
  inject: crashLoop,
};

const orphan: Fault = {
  name: 'dovecot-killed-with-a-client',
  about: 'the master is killed while a client is on: an orphan keeps port 143 for a while',
  breaks: 'mail',
  expects: restartCures('store', ['dead'], /gone|dead|died|not running|failed|exit|killed|inactive|signal/i),
  units: ['dovecot'],
  inject: async (mail) => {
    await startAside(mail, 'client', ['socat', '-u', `TCP:${mail.node.address}:143`, 'OPEN:/dev/null']);
    await sleep(300);
    killMaster(mail, 'dovecot');
  },
  undo: (mail) => stopAside(mail, 'client'),
};

export const processFaults: readonly Fault[] = [
  killed('mta', 'mail'),
  killed('store', 'mail'),
  killed('web', 'page'),
  killed('resolver', 'resolver'),
  orphan,
  hung('mta', 'mail'),
  hung('store', 'mail'),
  hung('web', 'page'),
  hung('resolver', 'resolver'),
  queueFrozen,
  authHung,
  portTaken,
  startLimit,
];
