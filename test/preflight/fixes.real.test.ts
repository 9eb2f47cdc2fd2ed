// A node with systemd in which everything is wrong that can be mended here: --fix mends it for real, each thing that
// was wrong is right afterwards, and nothing that ran was stopped by it.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { criteria } from '../../src/preflight/all.ts';
import { Lab } from '../lab/lab.ts';
import type { LabNode } from '../lab/node.ts';

const test = suite('preflight --fix on a real node');
const CONFIG = `node: n1
services:
  one:
    checks: [{ type: systemd, unit: lab-a.service }]
    manager: { type: systemd, unit: lab-a.service }
  two:
    checks: [{ type: systemd, unit: lab-b.service }]
    manager: { type: systemd, unit: lab-b.service }
cluster:
  name: mail
  engine: etcd
  endpoints: ['https://10.79.0.11:2379']
  certificate: /etc/wk/node.pem
  key: /etc/wk/node.key
  authority: /etc/wk/authority.pem
  nodes:
    n1: { paths: [10.79.0.11, 10.80.0.11] }
    n2: { paths: [10.79.0.12, 10.80.0.12] }
  peers: { certificate: /etc/wk/node.pem, key: /etc/wk/node.key, authority: /etc/wk/authority.pem }
  run-etcd: { members: { witness: 10.79.0.19 }, data-dir: /var/lib/lab-etcd }
groups:
  mail:
    services: [one, two]
    nodes: [n1, n2]
    steps:
      - mount: { device: /dev/zero, on: /srv/mail.d, type: ext4 }
      - command: { do: [/usr/local/sbin/attach, it], undo: [/usr/local/sbin/attach, away] }
      - lifekeeper: { folder: /opt/LifeKeeper/app, tag: mail }
      - address: { ip: 10.79.0.50/24, interfaces: [eth0, eth1] }
alerts:
  hook: { type: webhook, url: 'https://noc.example.org/', token: 'file:/etc/wk/hook' }
`;
const unit = (more = ''): string =>
  `[Service]\nType=exec\nExecStart=/bin/sleep infinity\n${more}[Install]\nWantedBy=multi-user.target\n`;

/** Wrong at the same time, and what makes it so. A line is one command of the node's shell. */
const FIRST: Readonly<Record<string, string>> = {
  'names.hostname': `printf '127.0.0.1 localhost\\n' >/etc/hosts`,
  'names.nodes': ':',
  'clocks.service': ':',
  'mail.queue-ids': 'postconf -e enable_long_queue_ids=no',
  'mail.aliases-built': 'rm -f /etc/aliases.db; echo "root: postmaster" >>/etc/aliases',
  'quorum.data': 'mkdir -p -m 755 /var/lib/lab-etcd',
  'addresses.interface': 'ip link add eth1 type veth peer name eth2; ip link set eth2 up',
  'addresses.static': `mkdir -p /etc/systemd/network; printf '[Network]\\nAddress=10.79.0.11/24\\nAddress=10.79.0.50/24\\n' >/etc/systemd/network/10-lan.network`,
  'sysctl.arp-ignore': 'sysctl -qw net.ipv4.conf.all.arp_ignore=0',
  'sysctl.arp-announce': 'sysctl -qw net.ipv4.conf.all.arp_announce=0',
  'sysctl.arp-accept': 'sysctl -qw net.ipv4.conf.all.drop_gratuitous_arp=1',
  'sysctl.promote': 'sysctl -qw net.ipv4.conf.all.promote_secondaries=0',
  // The kernel is the host's: a file lies over it.
  'sysctl.panic': 'echo 0 >/run/panic; mount --bind /run/panic /proc/sys/kernel/panic',
  'ports.firewall':
    "nft 'add table inet lab; add chain inet lab in { type filter hook input priority 0; policy drop; }; add rule inet lab in iif lo accept'",
  'certificates.key-mode': 'chmod 644 /etc/wk/node.key',
  'certificates.folder': 'chmod 775 /etc/wk',
  'secrets.mode': 'chmod 640 /etc/wk/hook',
  'steps.mount': 'rm -rf /srv/mail.d',
  'steps.command': 'chmod 644 /usr/local/sbin/attach',
  'steps.lifekeeper': 'chmod 664 /opt/LifeKeeper/app/restore',
  // The modules of a node are the host's: this one says what the real one does.
  'fencing.watchdog': `printf '#!/bin/sh\\ntouch /dev/watchdog\\n' >/usr/local/sbin/modprobe; chmod 755 /usr/local/sbin/modprobe`,
  'folders.state': 'rm -rf /var/lib/watchkeeper',
  'folders.configuration': 'chmod 775 /etc/watchkeeper',
  'logs.journal': 'rm -rf /var/log/journal',
  'boot.standby': 'systemctl -q enable lab-a.service',
  'boot.wakers': 'systemctl -q enable lab-a.timer',
  'boot.units': 'systemctl -q mask lab-b.service',
  'boot.etcd': 'systemctl -q enable etcd.service',
  'boot.mounts': `printf '# /dev/x /srv/mail.d ext4 defaults 0 2\\n/dev/zero  /srv/mail.d\\text4  rw,noatime 0 2\\n/dev/y /srv/mail ext4 rw 0 2\\n' >/etc/fstab`,
  'boot.restart': "sed -i 's/^RestartSec=.*/RestartSec=1min 30s/' /usr/lib/systemd/system/watchkeeper.service",
  'boot.watchkeeper': 'systemctl -q disable watchkeeper.service',
};
/** These would hide some of the first, or need what those have mended. */
const SECOND: Readonly<Record<string, string>> = {
  'names.loopback': `printf '127.0.0.1 localhost\\n127.0.1.1 n1\\n10.79.0.12 n2\\n' >/etc/hosts`,
  'names.fqdn': 'postconf -e myhostname=n1.example.org',
  'clocks.boot': 'systemctl -q disable chrony.service',
  'sysctl.kept': 'rm /etc/sysctl.d/60-watchkeeper.conf',
  'folders.owner': 'chown 1000 /var/lib/watchkeeper',
  'folders.run': 'mkdir -p /run/watchkeeper; chmod 777 /run/watchkeeper',
  'boot.restart': `printf '[Service]\\nRestart=no\\n' >/etc/systemd/system/watchkeeper.service.d/60-preflight.conf; systemctl daemon-reload`,
};
/** The machine of the lab has no such thing: a bus for timedatectl, an empty id under systemd, files of the
 *  configuration that others may write (they are not even read). */
const ELSEWHERE = ['clocks.synchronised', 'names.machine-id', 'folders.files'];

let lab: Lab;
let node: LabNode;
test.before(async () => {
  lab = await Lab.up({ nodes: ['n1'] });
  node = lab.node('n1');
  await node.boot();
  node.put('/etc/watchkeeper/watchkeeper.yaml', CONFIG, { mode: 0o640 });
  for (const name of ['node.pem', 'node.key', 'authority.pem', 'hook'])
    node.put(`/etc/wk/${name}`, 'x', { mode: 0o600 });
  for (const name of ['lab-a', 'lab-b', 'chrony', 'etcd', 'other']) {
    await node.exec(['rm', '-f', `/usr/lib/systemd/system/${name}.service`, `/etc/init.d/${name}`]);
    node.put(`/usr/lib/systemd/system/${name}.service`, unit());
  }
  node.put('/usr/lib/systemd/system/lab-a.timer', '[Timer]\nOnBootSec=1h\n[Install]\nWantedBy=timers.target\n');
  await node.exec(['cp', '/opt/watchkeeper/config/systemd/watchkeeper.service', '/usr/lib/systemd/system/']);
  for (const path of ['/usr/local/sbin/attach', '/opt/LifeKeeper/app/restore', '/opt/LifeKeeper/app/remove'])
    node.put(path, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  node.put('/etc/postfix/main.cf', 'compatibility_level = 3.6\nalias_database = hash:/etc/aliases\n');
  await node.exec(['systemctl', 'daemon-reload']);
  await node.exec(['systemctl', 'start', 'other.service', 'lab-a.service']);
});
test.after(() => lab?.close());

interface Judged {
  readonly id: string;
  readonly outcome: string;
  readonly findings: readonly { readonly text: string; readonly fix?: unknown }[];
}
async function preflight(...words: string[]): Promise<readonly Judged[]> {
  const { stdout, stderr } = await node.attempt(['watchkeeper', 'preflight', ...words, '-o', 'json'], {
    timeoutMs: 180_000,
  });
  assert.match(stdout, /^\{/, stderr);
  return (JSON.parse(stdout) as { criteria: Judged[] }).criteria;
}
const active = async (): Promise<readonly string[]> =>
  (await node.exec(['systemctl', 'list-units', '--state=active', '--plain', '--no-legend', '--type=service']))
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((name) => /^(other|lab-a)/.test(name));

async function mended(wrong: Readonly<Record<string, string>>): Promise<void> {
  for (const [id, command] of Object.entries(wrong)) {
    const made = await node.attempt(['sh', '-c', command]);
    assert.is(made.code, 0, `${id}: ${made.stderr}`);
  }
  await node.exec(['systemctl', 'daemon-reload']);
  const but = (all: readonly Judged[], wanted: 'ok' | 'fixable'): readonly string[] =>
    Object.keys(wrong).flatMap((id) => {
      const one = all.find((judged) => judged.id === id);
      const fixes = (one?.findings ?? []).some(({ fix }) => fix !== undefined);
      const is = one?.outcome === 'ok' ? 'ok' : fixes ? 'fixable' : one?.outcome;
      return is === wanted ? [] : [`${id}: ${is}: ${JSON.stringify(one)}`];
    });
  assert.equal(but(await preflight(), 'fixable'), []);
  const before = await active();
  assert.equal(but(await preflight('--fix', '--yes'), 'ok'), []);
  assert.equal(await active(), before, 'nothing is stopped, nothing of ours is started');
}

test('what is wrong is found and mended: files, folders, units, the kernel, the firewall', async () => {
  await mended(FIRST);
  assert.is(
    node.read('/etc/fstab'),
    '# /dev/x /srv/mail.d ext4 defaults 0 2\n/dev/zero  /srv/mail.d\text4  rw,noatime,noauto 0 2\n/dev/y /srv/mail ext4 rw 0 2\n',
  );
  assert.match(node.read('/etc/fstab.before-watchkeeper'), /noatime 0 2/);
  assert.is(
    node.read('/etc/systemd/network/10-lan.network'),
    '[Network]\nAddress=10.79.0.11/24\n#Address=10.79.0.50/24\n',
  );
  assert.match(
    await node.exec(['nft', 'list', 'ruleset']),
    /ip saddr \{ 10\.79\.0\.12, 10\.80\.0\.12 \} tcp dport 9468 accept/,
  );
});

test('and the rest: names, what the kernel forgets at a boot, owners', async () => {
  await mended(SECOND);
  assert.is(
    node.read('/etc/hosts'),
    '10.79.0.11 n1.example.org n1\n127.0.0.1 localhost\n10.79.0.11 n1\n10.79.0.12 n2\n',
  );
});

test('each fix was done for real', () => {
  const done = new Set([...Object.keys(FIRST), ...Object.keys(SECOND), ...ELSEWHERE]);
  assert.equal(
    criteria.filter(({ id, fixable }) => fixable && !done.has(id)).map(({ id }) => id),
    [],
  );
});

test.run();
