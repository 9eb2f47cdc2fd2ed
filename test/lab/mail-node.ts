// Makes a lab node a mail server: Postfix, Dovecot, nginx, bind, the store on an ext4 of its own, a small spool.
// The store and the spool are mounted in the host below the lab's directory and bound into the node: so they outlive a
// power cut, and a frozen store can be thawed from outside.
import { appendFileSync, chownSync, copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Authority, type Certificate } from './authority.ts';
import { eventually, must } from './command.ts';
import * as files from './mail-files.ts';
import { FILTER_PORT, startDirectory, writeDirectory } from './directory-node.ts';
import type { LabNode } from './node.ts';

export const UNITS = ['named', 'nginx', 'dovecot', 'postfix@-'] as const;
/** What a full node has besides, see directory-node.ts. */
const MORE = ['slapd', 'opendkim'] as const;
export type Unit = (typeof UNITS)[number] | (typeof MORE)[number];

/** Binaries of the master process of each unit. */
export const MASTER: Readonly<Record<Unit, string>> = {
  named: '/usr/sbin/named',
  nginx: '/usr/sbin/nginx',
  dovecot: '/usr/sbin/dovecot',
  'postfix@-': '/usr/lib/postfix/sbin/master',
  slapd: '/usr/sbin/slapd',
  opendkim: '/usr/sbin/opendkim',
};

export interface MailNode {
  readonly node: LabNode;
  /** Its services, in the order in which they are started. */
  readonly units: readonly Unit[];
  /** The store and the spool as the host sees them. */
  readonly store: string;
  readonly spool: string;
  /** Root certificate that clients trust. */
  readonly authority: string;
  readonly certificates: { readonly good: Certificate; readonly expired: Certificate; readonly other: Certificate };
}

export interface MailNodeOptions {
  readonly storeSize?: string;
  readonly spoolSize?: string;
  /** Also a directory and a mail filter, and Postfix needs both. */
  readonly full?: boolean;
}

/** Writes everything before the node boots; its units start at boot. */
export async function makeMailNode(node: LabNode, options: MailNodeOptions = {}): Promise<MailNode> {
  const authority = await Authority.open(join(node.dir, 'authority'));
  const names = [`mail.${files.DOMAIN}`, `${node.name}.${files.DOMAIN}`];
  const good = await authority.issue('good', names);
  const expired = await authority.issue('expired', names, '40 days ago');
  const other = await authority.issue('other', ['other.example']);
  const store = await makeStore(node, options.storeSize ?? '48M');
  const spool = await makeSpool(node, options.spoolSize ?? '40M');
  const units = options.full ? ([...MORE, ...UNITS] as const) : UNITS;
  const mail = { node, units, store, spool, authority: authority.root, certificates: { good, expired, other } };
  showCertificate(mail, good);
  node.put('/etc/ssl/lab/ca.pem', readFileSync(authority.root));
  appendFileSync(node.path('/etc/ssl/certs/ca-certificates.crt'), readFileSync(authority.root));
  node.put('/etc/hosts', `127.0.0.1 localhost\n${node.address} mail.${files.DOMAIN} mail ${names[1]} ${node.name}\n`);
  await writePostfix(node);
  if (options.full) writeDirectory(node);
  writeDovecot(node);
  writeRest(node);
  const wants = join(node.root, 'etc/systemd/system/multi-user.target.wants');
  mkdirSync(wants, { recursive: true });
  for (const unit of [...UNITS, 'postfix']) {
    const file = unit.replace('@-', '@');
    await must(['ln', '-sf', `/lib/systemd/system/${file}.service`, join(wants, `${unit}.service`)]);
  }
  return mail;
}

async function makeStore(node: LabNode, size: string): Promise<string> {
  const [image, at] = [join(node.dir, 'store.img'), join(node.dir, 'store')];
  await must(['truncate', '-s', size, image]);
  await must(['mkfs.ext4', '-q', '-F', '-m', '0', '-N', '8000', image]);
  mkdirSync(at);
  // Without times of access, so that reading a frozen store does not hang what only looks at it.
  await must(['mount', '-o', 'loop,noatime', image, at]);
  await must(['rmdir', join(at, 'lost+found')]);
  chownSync(at, files.MAIL_UID, files.MAIL_UID);
  node.bind(at, files.STORE);
  return at;
}

async function makeSpool(node: LabNode, size: string): Promise<string> {
  const at = join(node.dir, 'spool');
  mkdirSync(at);
  await must(['mount', '-t', 'tmpfs', '-o', `size=${size},nr_inodes=4000,mode=755`, 'spool', at]);
  // `/.` copies what is in it, with its owners and modes, and not the directory.
  await must(['cp', '-a', `${node.root}${files.SPOOL}/.`, at]);
  node.bind(at, files.SPOOL);
  return at;
}

/** Puts a certificate where Postfix and Dovecot look; they read it when they start or reload. */
export function showCertificate(mail: Pick<MailNode, 'node'>, shown: Certificate): void {
  mail.node.put(`${files.TLS}/live.pem`, readFileSync(shown.certificate));
  mail.node.put(`${files.TLS}/live.key`, readFileSync(shown.key), { mode: 0o600 });
}

async function writePostfix(node: LabNode): Promise<void> {
  node.put('/etc/postfix/main.cf', files.mainCf(node.name));
  copyFileSync('/usr/share/postfix/master.cf.dist', node.path('/etc/postfix/master.cf'));
  appendFileSync(node.path('/etc/postfix/master.cf'), files.SUBMISSION);
  node.put('/etc/postfix/users', files.USERS.map((user) => `${user}@${files.DOMAIN} ${user}\n`).join(''));
  // -c: the host itself need not have a configuration of Postfix.
  await must(['postmap', '-c', node.path('/etc/postfix'), `hash:${node.path('/etc/postfix/users')}`]);
}

function writeDovecot(node: LabNode): void {
  node.remove('/etc/dovecot');
  node.put('/etc/dovecot/dovecot.conf', files.dovecotConf());
  const users = files.USERS.map((user) => `${user}@${files.DOMAIN}:{PLAIN}${files.PASSWORD}::::::\n`).join('');
  node.put('/etc/dovecot/users', users);
}

function writeRest(node: LabNode): void {
  node.put('/srv/www/index.html', `<html><title>${files.PAGE}</title><body>${files.PAGE}</body></html>\n`);
  node.put('/etc/nginx/nginx.conf', files.nginxConf());
  node.put('/etc/bind/named.conf', files.namedConf());
  node.put('/etc/bind/lab.zone', files.zone(node.address));
  node.put('/etc/bind/reverse.zone', files.reverseZone(node.address));
  node.put('/etc/default/named', 'OPTIONS="-u bind -n 1"\n');
}

/** The master process of a unit, or null while there is none. */
export function masterOf(node: LabNode, unit: Unit): { readonly pid: number; readonly startTicks: number } | null {
  const all = node.processes().filter((each) => each.exe === MASTER[unit]);
  // The workers of nginx have the same binary: the master is the one whose parent is none of them.
  return all.find((each) => !all.some((other) => other.pid === each.parent)) ?? null;
}

/** Every process that belongs to a unit, by its control group as systemd keeps it. */
export function membersOf(node: LabNode, unit: Unit): ReturnType<LabNode['processes']> {
  const slice = unit.includes('@') ? `system.slice/system-${unit.split('@')[0]}.slice` : 'system.slice';
  const group = join(node.group, slice, `${unit}.service`, 'cgroup.procs');
  if (!existsSync(group)) return []; // It does not run: systemd removes the group with its last process.
  const pids = readFileSync(group, 'utf8').split('\n').map(Number);
  return node.processes().filter((each) => pids.includes(each.pid));
}

const PORT: Readonly<Record<Unit, readonly [port: number, greeting: string]>> = {
  named: [53, ''],
  nginx: [80, ''],
  dovecot: [143, '* OK'],
  'postfix@-': [25, '220'],
  slapd: [389, ''],
  opendkim: [FILTER_PORT, ''],
};

/** Boots a mail node, and waits until every service answers. */
export async function bootMail(mail: MailNode): Promise<void> {
  await mail.node.boot();
  if (mail.units.includes('slapd')) await startDirectory(mail.node);
  await awaitServices(mail.node, mail.units);
}

/** Waits until every service has a master and says its greeting. */
export async function awaitServices(node: LabNode, units: readonly Unit[] = UNITS, limitMs = 20_000): Promise<void> {
  for (const unit of units) {
    const [port, greeting] = PORT[unit];
    const script = `exec 3<>/dev/tcp/${unit === 'opendkim' ? '127.0.0.1' : node.address}/${port} || exit 1; [ -z "$1" ] && exit 0
      read -r -t 3 -u 3 line; [[ $line = "$1"* ]]`;
    await eventually(
      `${unit} on ${node.name}`,
      async () => (await node.attempt(['bash', '-c', script, 'ask', greeting], { timeoutMs: 4000 })).code === 0,
      limitMs,
    );
  }
}
