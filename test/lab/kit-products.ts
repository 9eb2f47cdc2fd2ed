// The products of the kits as Debian installs them, trimmed to loopback: what each needs in a lab node to run there.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Authority } from './authority.ts';
import { must } from './command.ts';
import type { LabNode } from './node.ts';
import { ACCOUNT, provider } from './webmail.ts';

export interface Product {
  /** The name of the service, and of its kit. */
  readonly kit: string;
  readonly unit: string;
  /** Values for the parameters of the kit, as YAML. */
  readonly set?: string;
  /** A file of its configuration, and a line that makes it bad. Without it nothing can be validated. */
  readonly spoil?: readonly [path: string, line: string];
  /** Units that it needs and that are not watched by its kit; they are started first. */
  readonly also?: readonly string[];
  /** systemd itself starts it again after a crash, mostly before the daemon would. */
  readonly revived?: boolean;
  /** Debian packages that cannot live beside Postfix or Dovecot: they go into the disk of a node of their own. */
  readonly apart?: readonly string[];
  /** Writes its configuration; the node is off. */
  prepare?(node: LabNode): Promise<void> | void;
}

/** The number of a user or group of the node, which has those of the host. */
function idOf(node: LabNode, file: 'passwd' | 'group', name: string): number {
  const line = node
    .read(`/etc/${file}`)
    .split('\n')
    .find((text) => text.startsWith(`${name}:`));
  return Number(line?.split(':')[2] ?? 0);
}

async function directory(node: LabNode): Promise<void> {
  node.remove('/etc/ldap/slapd.d');
  const text = `include /etc/ldap/schema/core.schema
pidfile /var/run/slapd/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "dc=lab,dc=test"
directory /var/lib/ldap
access to * by * read
`;
  node.put('/etc/ldap/slapd.conf', text, { mode: 0o644 });
  const services = 'SLAPD_CONF=/etc/ldap/slapd.conf\nSLAPD_USER=openldap\nSLAPD_GROUP=openldap\n';
  node.put('/etc/default/slapd', `${services}SLAPD_SERVICES="ldap://127.0.0.1:389/ ldapi:///"\n`);
  await must(['sh', '-c', 'rm -f "$1"/*', 'empty', node.path('/var/lib/ldap')]);
  const top = 'dn: dc=lab,dc=test\nobjectClass: dcObject\nobjectClass: organization\ndc: lab\no: Lab\n';
  await must(['chroot', node.root, 'slapadd', '-f', '/etc/ldap/slapd.conf'], { input: top });
  await must(['chroot', node.root, 'chown', '-R', 'openldap:openldap', '/var/lib/ldap']);
}

function resolver(node: LabNode): void {
  const text =
    'options { directory "/var/cache/bind"; listen-on { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; };\n';
  node.put('/etc/bind/named.conf.options', text);
  node.put('/etc/default/named', 'OPTIONS="-u bind -n 1"\n');
}

async function tunnel(node: LabNode): Promise<void> {
  const authority = await Authority.open(join(node.dir, 'authority'));
  const { certificate, key } = await authority.issue('tunnel', ['tunnel.lab.test']);
  node.put('/etc/ssl/lab/tunnel.pem', Buffer.concat([readFileSync(certificate), readFileSync(key)]), { mode: 0o600 });
  node.put('/etc/ssl/lab/ca.pem', readFileSync(authority.root));
  const text = 'pid = /run/stunnel-lab.pid\n[lab]\naccept = 127.0.0.1:8993\nconnect = 127.0.0.1:389\n';
  node.put('/etc/stunnel/lab.conf', `${text}cert = /etc/ssl/lab/tunnel.pem\n`);
}

const balancer = `global
  user haproxy
  group haproxy
defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s
frontend lab
  bind 127.0.0.1:8080
  monitor-uri /alive
`;

/** What it needs to be clean: the MD5 of the EICAR file, and no condition that there be a database of the real size. */
function scanner(node: LabNode): void {
  node.put('/var/lib/clamav/lab.hdb', '44d88612fea8a8f36de82e1278abb02f:68:Lab.Eicar\n', { mode: 0o644 });
  for (const kind of ['service', 'socket'])
    node.put(`/etc/systemd/system/clamav-daemon.${kind}.d/lab.conf`, '[Unit]\nConditionPathExistsGlob=\n');
}

function fetcher(node: LabNode): void {
  node.put('/etc/default/fetchmail', 'START_DAEMON=yes\n');
  const owner = idOf(node, 'passwd', 'fetchmail');
  const text = 'set daemon 300\npoll 127.0.0.1 port 9 protocol imap user probe password probe is root here\n';
  node.put('/etc/fetchmailrc', text, { mode: 0o600, owner });
}

const getmailUnit = `[Service]
User=nobody
ExecStart=/bin/sh -c 'while /usr/bin/getmail -q -g /etc/getmail --idle INBOX; sleep 5; do :; done'
`;
const getmailrc = `[retriever]
type = SimpleIMAPRetriever
server = 127.0.0.1
username = ${ACCOUNT.user}
password = ${ACCOUNT.password}
mailboxes = ("INBOX",)
timeout = 60
[destination]
type = Maildir
path = /var/mail/getmail/
[options]
read_all = false
`;

/** As its kit wants it: in a unit of one's own. */
async function idler(node: LabNode): Promise<void> {
  await provider(node);
  const owner = idOf(node, 'passwd', 'nobody');
  node.put('/etc/systemd/system/getmail.service', getmailUnit, { mode: 0o644 });
  node.put('/etc/getmail/getmailrc', getmailrc, { mode: 0o600, owner });
  for (const folder of [
    '/etc/getmail',
    '/var/mail/getmail',
    ...['new', 'cur', 'tmp'].map((one) => `/var/mail/getmail/${one}`),
  ])
    await must(['install', '-d', '-o', String(owner), node.path(folder)]);
}

const store = `START {
  recover cmd="/usr/sbin/cyrus ctl_cyrusdb -r"
}
SERVICES {
  imap cmd="imapd -U 30" listen="127.0.0.1:imap" prefork=1 maxchild=10
  lmtpunix cmd="lmtpd" listen="/run/cyrus/socket/lmtp" prefork=0 maxchild=10
}
EVENTS {
  checkpoint cmd="/usr/sbin/cyrus ctl_cyrusdb -c" period=30
}
`;

/** Installs packages into the node's own disk. It needs the host's resolver for that moment, and starts nothing. */
export async function installInto(node: LabNode, packages: readonly string[]): Promise<void> {
  const kept = ['/etc/resolv.conf', '/etc/hosts'].map((path) => [path, node.read(path)] as const);
  for (const [path] of kept) node.put(path, readFileSync(path));
  node.put('/usr/sbin/policy-rc.d', '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const mounted = ['proc', 'dev'].map((name) => join(node.root, name));
  for (const at of mounted) await must(['mount', '--bind', `/${at.split('/').pop()}`, at]);
  try {
    const apt = ['apt-get', '-q', '-y', '--no-install-recommends', 'install', ...packages];
    await must(['chroot', node.root, 'env', 'DEBIAN_FRONTEND=noninteractive', ...apt], { timeoutMs: 300_000 });
  } finally {
    for (const at of mounted) await must(['umount', at]);
    node.remove('/usr/sbin/policy-rc.d');
    for (const [path, text] of kept) node.put(path, text);
  }
}

/** In the order of what matters for mail. */
export const products: readonly Product[] = [
  { kit: 'openldap', unit: 'slapd.service', spoil: ['/etc/ldap/slapd.conf', 'nonsense here'], prepare: directory },
  {
    kit: 'bind',
    unit: 'named.service',
    spoil: ['/etc/bind/named.conf', 'nonsense { };'],
    revived: true,
    prepare: resolver,
  },
  { kit: 'rspamd', unit: 'rspamd.service', spoil: ['/etc/rspamd/rspamd.conf', 'nonsense {'], revived: true },
  { kit: 'redis', unit: 'redis-server.service', revived: true },
  {
    kit: 'mariadb',
    unit: 'mariadb.service',
    spoil: ['/etc/mysql/mariadb.conf.d/50-server.cnf', 'nonsense x'],
    revived: true,
  },
  {
    kit: 'postgresql',
    unit: 'postgresql@15-main.service',
    spoil: ['/etc/postgresql/15/main/postgresql.conf', 'nonsense x'],
  },
  {
    kit: 'apache',
    unit: 'apache2.service',
    spoil: ['/etc/apache2/apache2.conf', 'Nonsense yes'],
    revived: true,
    prepare: (node) => node.put('/etc/apache2/ports.conf', 'Listen 127.0.0.1:80\nServerName lab.test\n'),
  },
  {
    kit: 'haproxy',
    unit: 'haproxy.service',
    spoil: ['/etc/haproxy/haproxy.cfg', 'nonsense'],
    set: '{ port: 8080, page: "http://127.0.0.1:8080/alive" }',
    revived: true,
    prepare: (node) => node.put('/etc/haproxy/haproxy.cfg', balancer),
  },
  { kit: 'opendkim', unit: 'opendkim.service', spoil: ['/etc/opendkim.conf', 'Nonsense x'], revived: true },
  {
    kit: 'clamav',
    unit: 'clamav-daemon.service',
    spoil: ['/etc/clamav/clamd.conf', 'Nonsense x'],
    set: '{ own-signatures: true }',
    // Its socket unit starts it for whoever asks next.
    revived: true,
    prepare: scanner,
  },
  { kit: 'spamassassin', unit: 'spamd.service', spoil: ['/etc/spamassassin/local.cf', 'nonsense x'], revived: true },
  {
    kit: 'unbound',
    unit: 'unbound.service',
    spoil: ['/etc/unbound/unbound.conf', 'nonsense: yes'],
    set: '{ server: "127.0.0.1:5353", port: 5353 }',
    revived: true,
    prepare: (node) =>
      node.put('/etc/unbound/unbound.conf.d/lab.conf', 'server:\n  interface: 127.0.0.1\n  port: 5353\n'),
  },
  {
    kit: 'stunnel',
    unit: 'stunnel4.service',
    set: '{ port: 8993, tls-name: tunnel.lab.test, ca: /etc/ssl/lab/ca.pem }',
    prepare: tunnel,
  },
  { kit: 'php-fpm', unit: 'php8.2-fpm.service', spoil: ['/etc/php/8.2/fpm/pool.d/www.conf', 'nonsense = yes'] },
  {
    kit: 'amavis',
    unit: 'amavis.service',
    spoil: ['/etc/amavis/conf.d/50-user', 'nonsense'],
    revived: true,
    prepare: (node) => node.put('/etc/mailname', 'mail.lab.test\n'),
  },
  {
    kit: 'mailman',
    unit: 'mailman3.service',
    spoil: ['/etc/mailman3/mailman.cfg', '[nonsense'],
    // It writes tables for Postfix at its start.
    prepare: (node) => node.put('/etc/postfix/main.cf', 'compatibility_level = 3.6\n'),
  },
  { kit: 'fetchmail', unit: 'fetchmail.service', spoil: ['/etc/fetchmailrc', 'nonsense'], prepare: fetcher },
  {
    kit: 'getmail',
    unit: 'getmail.service',
    spoil: ['/etc/getmail/getmailrc', 'nonsense'],
    set: '{ validate: [/usr/bin/getmail, -g, /etc/getmail, --dump], hops: ["127.0.0.1:143"] }',
    also: ['dovecot.service'],
    prepare: idler,
  },
  {
    kit: 'exim',
    unit: 'exim4.service',
    spoil: ['/var/lib/exim4/config.autogenerated', 'nonsense = x'],
    apart: ['exim4-daemon-light'],
    prepare: (node) => node.put('/etc/mailname', 'mail.lab.test\n'),
  },
  {
    kit: 'cyrus',
    unit: 'cyrus-imapd.service',
    spoil: ['/etc/imapd.conf', 'nonsense'],
    apart: ['cyrus-imapd'],
    // Debian's own names services whose packages are not there, and then the master ends.
    prepare: (node) => node.put('/etc/cyrus.conf', store),
  },
];
