// Faults of what mail stands on (directory, filter, certificates, pages, transports), and of who takes its place.
import { eventually } from '../lab/command.ts';
import { type MailNode, masterOf, membersOf, showCertificate } from '../lab/mail-node.ts';
import { signal } from '../lab/processes.ts';
import { type Fault, notRestarting, onlyTell, restartCures, restarting, startAside, stopAside } from './fault.ts';

const directoryKilled: Fault = {
  name: 'slapd-killed',
  about: 'the directory is killed: Postfix answers 451 to every recipient',
  breaks: 'mail',
  expects: restartCures('directory', ['dead'], /gone|dead|ended|not running|no process|failed|signal/i),
  units: ['slapd'],
  inject: async (mail) => {
    const master = masterOf(mail.node, 'slapd');
    if (master) process.kill(master.pid, 'SIGKILL');
  },
};

const directoryHung: Fault = {
  name: 'slapd-hung',
  about: 'the directory is stopped: it accepts and does not answer, and recipients wait',
  breaks: 'mail',
  expects: restartCures('directory', ['hung'], /stopped|answer|time/i),
  units: ['slapd', 'postfix@-'],
  inject: async (mail) => signal(membersOf(mail.node, 'slapd'), 'SIGSTOP'),
};

const filterHung: Fault = {
  name: 'milter-hung',
  about: 'the mail filter is stopped: Postfix waits for it, then answers 451',
  breaks: 'mail',
  expects: restartCures('filter', ['hung'], /stopped|answer|time/i),
  units: ['opendkim', 'postfix@-'],
  inject: async (mail) => signal(membersOf(mail.node, 'opendkim'), 'SIGSTOP'),
};

const filterStopped: Fault = {
  name: 'milter-dead',
  about: 'the mail filter crashed for good: systemd does not bring it back',
  breaks: 'mail',
  expects: restartCures('filter', ['dead'], /gone|dead|ended|not running|no process|failed|signal|start.limit/i),
  units: ['opendkim'],
  inject: async (mail) => {
    await notRestarting(mail, 'opendkim');
    signal(membersOf(mail.node, 'opendkim'), 'SIGKILL');
  },
  undo: (mail) => restarting(mail, 'opendkim'),
};

const certificateOther: Fault = {
  name: 'certificate-other-name',
  about: 'Postfix and Dovecot show a valid certificate for another name',
  breaks: 'certificate',
  expects: onlyTell('store', ['misconfigured'], /other\.example|name/i),
  units: [],
  inject: (mail) => show(mail, 'other'),
  undo: (mail) => show(mail, 'good'),
};

async function show(mail: MailNode, which: 'good' | 'other'): Promise<void> {
  showCertificate(mail, mail.certificates[which]);
  for (const unit of ['dovecot', 'postfix@-']) await mail.node.exec(['systemctl', 'reload', unit]);
}

const errorPage: Fault = {
  name: 'nginx-error-page',
  about: 'nginx serves an error page of the application with status 200',
  breaks: 'page',
  expects: onlyTell('web', ['misconfigured', 'dependency'], /without .*it begins with/i),
  units: [],
  inject: async ({ node }) => {
    await node.exec(['cp', '-p', '/srv/www/index.html', '/srv/www/kept']);
    node.put('/srv/www/index.html', '<html><title>Error</title><body>no database connection</body></html>\n');
  },
  undo: async ({ node }) => {
    await node.exec(['mv', '/srv/www/kept', '/srv/www/index.html']);
  },
};

const deferred: Fault = {
  name: 'transports-deferred',
  about: 'somebody left defer_transports in main.cf: mail is accepted and waits by order',
  breaks: 'mail',
  expects: onlyTell('mta', ['misconfigured'], /defer/i),
  units: [],
  inject: async ({ node }) => {
    await node.exec(['postconf', '-e', 'defer_transports = lmtp']);
    await node.exec(['systemctl', 'reload', 'postfix@-']);
  },
  undo: async ({ node }) => {
    await node.exec(['postconf', '-X', 'defer_transports']);
    await node.exec(['systemctl', 'reload', 'postfix@-']);
  },
};

const imapTaken: Fault = {
  name: 'port-143-taken',
  about: 'Dovecot dies, and a foreign listener that greets like it holds port 143',
  breaks: 'mail',
  expects: {
    ...onlyTell('store', ['dead', 'misconfigured'], /socat|held|foreign/i),
    rungs: ['start', 'restart', 'kill-and-start'],
  },
  units: ['dovecot'],
  inject: async (mail) => {
    const { node } = mail;
    const listen = 'TCP-LISTEN:143,reuseaddr,fork,retry=100000,interval=0.005';
    await startAside(mail, 'thief', ['socat', listen, 'SYSTEM:echo "* OK IMAP4rev1 ready"; cat >/dev/null']);
    await eventually('the thief', () => node.processes().some((each) => each.exe.includes('socat')), 3000, 10);
    signal(membersOf(node, 'dovecot'), 'SIGKILL');
    const owner = ['sh', '-c', 'ss -Hltnp sport = :143 | grep -q socat'];
    await eventually('port 143 of the thief', async () => (await node.attempt(owner)).code === 0, 3000);
  },
  undo: (mail) => stopAside(mail, 'thief'),
};

const zoneBroken: Fault = {
  name: 'zone-broken',
  about: 'the zone of the resolver has an error since its last reload: it answers SERVFAIL',
  breaks: 'resolver',
  expects: onlyTell(
    'resolver',
    ['misconfigured', 'refusing', 'dependency'],
    /SERVFAIL|server.failure|could not find|zone/i,
  ),
  units: ['named'],
  inject: async ({ node }) => {
    await node.exec(['cp', '-p', '/etc/bind/lab.zone', '/etc/bind/kept.zone']);
    node.put('/etc/bind/lab.zone', 'this is no zone\n');
    await node.exec(['systemctl', 'restart', 'named'], { timeoutMs: 20_000 });
  },
  undo: async ({ node }) => {
    await node.exec(['mv', '/etc/bind/kept.zone', '/etc/bind/lab.zone']);
  },
};

export const neighbourFaults: readonly Fault[] = [
  directoryKilled,
  directoryHung,
  filterHung,
  filterStopped,
  certificateOther,
  errorPage,
  deferred,
  imapTaken,
  zoneBroken,
];
