// No faults at all, though they look like some: work by hand and a busy machine. Whoever acts on them does harm.
import { availableParallelism } from 'node:os';
import { eventually, sleep } from '../lab/command.ts';
import { type MailNode, membersOf, type Unit } from '../lab/mail-node.ts';
import { elders, signal } from '../lab/processes.ts';
import { type Fault, QUIET, startAside, stopAside } from './fault.ts';

/** Workers of a service that have served somebody. One that ends before it ever did is another fault: master(8) takes
 *  it for a bad command, and starts no other on that port for a minute. */
const workersOf = (mail: MailNode, unit: Unit, names: readonly string[]): ReturnType<typeof membersOf> =>
  elders(membersOf(mail.node, unit), 2000).filter((each) => names.some((name) => each.exe.endsWith(`/${name}`)));

const restartedByHand: Fault = {
  name: 'restarted-by-hand',
  about: 'an administrator restarts Postfix and Dovecot three times',
  breaks: null,
  expects: { ...QUIET, starts: { dovecot: 3, 'postfix@-': 3 } },
  units: [],
  inject: async ({ node }) => {
    for (let time = 0; time < 3; time += 1) {
      await node.exec(['systemctl', 'restart', 'postfix@-']);
      await node.exec(['systemctl', 'restart', 'dovecot']);
      await sleep(2500);
    }
  },
};

const stoppedByHand: Fault = {
  name: 'stopped-by-hand',
  about: 'an administrator stops Dovecot, works for a while, and starts it again; port 587 hangs for a minute more',
  breaks: null,
  expects: { ...QUIET, starts: { dovecot: 1, 'postfix@-': 0 } },
  units: [],
  inject: async (mail) => {
    const { node } = mail;
    await node.exec(['systemctl', 'stop', 'dovecot']);
    // The next smtpd finds no SASL server and fails, and for 60 s master(8) starts none on port 587.
    signal(workersOf(mail, 'postfix@-', ['smtpd']), 'SIGTERM');
    await sleep(5000);
    const shown = await node.attempt(['systemctl', 'is-active', 'dovecot']);
    if (shown.stdout.trim() === 'active') throw new Error('somebody started Dovecot while it was being worked on');
    await node.exec(['systemctl', 'start', 'dovecot']);
  },
};

const hogs: Fault = {
  name: 'cpu-hogs',
  about: 'four busy loops for each core take turns with the services',
  breaks: null,
  expects: { ...QUIET, starts: { dovecot: 0, 'postfix@-': 0, nginx: 0, named: 0 } },
  units: [],
  inject: async (mail) => {
    const loops = availableParallelism() * 4;
    const script = `for i in $(seq ${loops}); do while :; do :; done & done; sleep 60; kill 0`;
    await startAside(mail, 'hogs', ['--property=RuntimeMaxSec=60', 'sh', '-c', script]);
    await sleep(8000);
  },
  undo: (mail) => stopAside(mail, 'hogs'),
};

const childKilled: Fault = {
  name: 'children-killed',
  about: 'workers of Postfix and Dovecot die, as they do now and then; their masters start others',
  breaks: null,
  expects: { ...QUIET, starts: { dovecot: 0, 'postfix@-': 0 } },
  units: [],
  inject: async (mail) => {
    for (let time = 0; time < 3; time += 1) {
      signal(workersOf(mail, 'postfix@-', ['smtpd', 'pickup', 'anvil']), 'SIGTERM');
      // Not its anvil: without that nobody logs in for a while.
      signal(workersOf(mail, 'dovecot', ['imap-login', 'imap']), 'SIGTERM');
      await sleep(3000);
    }
  },
};

const reloads: Fault = {
  name: 'reloads',
  about: 'a package script or the rotation of logs reloads every service, five times',
  breaks: null,
  expects: { ...QUIET, starts: { dovecot: 0, 'postfix@-': 0, nginx: 0 } },
  units: [],
  inject: async ({ node }) => {
    for (let time = 0; time < 5; time += 1) {
      for (const unit of ['dovecot', 'postfix@-', 'nginx', 'named']) await node.exec(['systemctl', 'reload', unit]);
      await sleep(1000);
    }
  },
};

const remoteAway: Fault = {
  name: 'remote-unreachable',
  about: 'mail for a domain that nobody serves piles up: the trouble is elsewhere',
  breaks: null,
  expects: { ...QUIET, starts: { dovecot: 0, 'postfix@-': 0 } },
  units: [],
  inject: async ({ node }) => {
    const argv = ['smtp-source', '-s', '5', '-m', '60', '-f', 'ann@lab.test', '-t', 'x@[10.79.0.98]', '127.0.0.1:25'];
    await node.exec(argv, { timeoutMs: 30_000 });
    await sleep(5000);
  },
  undo: async ({ node }) => {
    await node.attempt(['postsuper', '-d', 'ALL']);
  },
};

/** Ports that the daemon asks over the network, and Postfix its directory. */
const LATE = [25, 80, 143, 389, 587, 993];

const late: Fault = {
  name: 'answers-300-ms-late',
  about: 'every answer over the network comes 300 ms later, as over a bad line or on a busy machine',
  breaks: null,
  expects: { ...QUIET, starts: { dovecot: 0, 'postfix@-': 0, nginx: 0, named: 0, slapd: 0 } },
  units: [],
  inject: async (mail) => {
    const program = ['/usr/local/bin/node', '/opt/watchkeeper/dist/test/faults/late.js', mail.node.address, '300'];
    await startAside(mail, 'late', [...program, ...LATE.map(String)]);
    const rules = LATE.map((port) => `tcp dport ${port} redirect to :${port + 20_000}`);
    const nat = 'type nat hook output priority -100;';
    const table = `table ip late {\nchain out {\n${nat}\n${rules.map((rule) => `ip daddr 127.0.0.1 ${rule}`).join('\n')}\n}\n}\n`;
    await eventually(
      'the late line',
      async () => (await mail.node.attempt(['bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/20993'])).code === 0,
      10_000,
    );
    await mail.node.exec(['nft', '-f', '-'], { input: table });
    await sleep(20_000);
  },
  undo: async (mail) => {
    await mail.node.attempt(['nft', 'delete', 'table', 'ip', 'late']);
    await stopAside(mail, 'late');
  },
};

export const noise: readonly Fault[] = [restartedByHand, stoppedByHand, hogs, childKilled, reloads, remoteAway, late];
