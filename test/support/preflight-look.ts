// A machine for the criteria of preflight: everything well unless a test says otherwise.
import type { ClusterConfig, Config } from '../../src/config/types.ts';
import { criteria, judge, type Judgement } from '../../src/preflight/all.ts';
import type { ClusterLook, FileLook, Look, Ran } from '../../src/preflight/criterion.ts';
import { world } from './cluster-machines.ts';

export interface Made {
  /** Output by the first words of argv; a number: it fails with this code; null: it is not installed. */
  runs?: Readonly<Record<string, string | number | null>>;
  texts?: Readonly<Record<string, string | null>>;
  looks?: Readonly<Record<string, Partial<FileLook> | null>>;
  config?: (config: Config) => Config;
  cluster?: (cluster: ClusterLook) => ClusterLook | null;
  inventory?: Readonly<Record<string, string>>;
  refused?: readonly string[];
  lists?: Readonly<Record<string, readonly string[]>>;
  /** What steps say against it, by name. */
  unready?: Readonly<Record<string, string>>;
  node?: string;
}

const RUNS: Readonly<Record<string, string>> = {
  ...{ 'getent hosts': '10.0.0.1 n1', 'getent ahosts': '10.0.0.1 STREAM n1', 'hostname -f': 'n1.example.org\n' },
  ...{ 'systemctl is-active chrony': 'active\n', 'systemctl is-active pacemaker': 'inactive\n' },
  ...{ timedatectl: 'yes\n', 'postfix check': '', 'doveconf -n': '', 'postconf -h enable_long': 'yes\n' },
  ...{ 'ip -o addr': ADDRESSES(), ss: '', nft: '', 'openssl x509': 'x', 'openssl pkey': 'x', 'openssl verify': 'OK' },
  ...{ findmnt: 'ext4 rw,relatime\n', df: 'Avail\n9999999\n', 'systemctl is-enabled w': 'enabled\n' },
  ...{ 'systemctl is-enabled': 'disabled\n', 'systemctl list-units': '', arping: '' },
  ...{
    'systemctl is-enabled chrony': 'enabled\n',
    'postconf -h alias': 'hash:/etc/aliases\n',
    'find /etc/aliases': '',
  },
  'systemctl show': 'Restart=always\nRestartUSec=100ms\nLoadState=loaded\n',
};

function ADDRESSES(): string {
  return [
    '2: eth0    inet 10.0.0.1/24 scope global eth0\\       valid_lft forever preferred_lft forever',
    '3: eth1    inet 10.1.0.1/24 scope global eth1\\       valid_lft forever preferred_lft forever',
  ].join('\n');
}

const TEXTS: Readonly<Record<string, string>> = {
  '/proc/sys/kernel/hostname': 'n1\n',
  '/etc/machine-id': `${'a1'.repeat(16)}\n`,
  '/sys/devices/system/clocksource/clocksource0/current_clocksource': 'tsc\n',
  '/etc/resolv.conf': 'nameserver 10.0.0.53\nnameserver 10.1.0.53\n',
  '/proc/meminfo': 'MemTotal: 8000000 kB\nMemAvailable: 4000000 kB\nSwapTotal: 1000 kB\nSwapFree: 1000 kB\n',
  '/sys/class/net/eth0/operstate': 'up\n',
  '/etc/fstab': '/dev/sda1 / ext4 defaults 0 1\n',
  '/proc/sys/kernel/panic': '10\n',
  '/etc/sysctl.conf': ['arp_ignore = 1', 'arp_announce=2', 'promote_secondaries=1']
    .map((one) => `net.ipv4.conf.all.${one}\n`)
    .join(''),
  ...Object.fromEntries(
    Object.entries({ arp_ignore: '1', arp_announce: '2', drop_gratuitous_arp: '0', promote_secondaries: '1' }).map(
      ([name, value]) => [`/proc/sys/net/ipv4/conf/all/${name}`, `${value}\n`],
    ),
  ),
};

const INVENTORY = {
  ...{ os: 'Debian 12', kernel: '6.1', arch: 'x86_64', boot: 'b1', machine: 'm1', zone: 'UTC', memory: '8000 MiB' },
  ...{
    etcd: '3.4',
    openssl: '3.0',
    node: 'v20',
    nsswitch: 'x',
    resolv: 'x',
    postconf: 'x',
    master: 'x',
    doveconf: 'x',
  },
  ...{
    myhostname: 'n1.example.org',
    postfix: '3.7',
    dovecot: '2.3',
    aliases: 'x',
    users: 'vmail=1',
    groups: 'vmail=1',
  },
  configuration: 'x',
};
const OTHER = { ...INVENTORY, boot: 'b2', machine: 'm2', myhostname: 'n2.example.org' };

const MEMBER: NonNullable<ClusterConfig['member']> = {
  ...{
    name: 'n1',
    dataDir: '/var/lib/etcd',
    clientUrls: ['https://10.0.0.1:2379'],
    peerUrls: ['https://10.0.0.1:2380'],
  },
  ...{ initial: {}, token: 't', heartbeatMs: 100, electionMs: 1000, tls: null },
};

function wellConfig(): Config {
  const config = world().node('n1').config();
  const { cluster, groups = {} } = config;
  if (!cluster || !groups['mail']) throw new Error('no cluster');
  const { mail } = groups;
  const steps = [
    { name: 'fence', type: 'fence', options: {} },
    { name: 'store', type: 'mount', options: { device: '/dev/vdb', on: '/srv/mail' } },
    { name: 'zone', type: 'dns', options: { key: 'file:/etc/watchkeeper/tsig' } },
    { name: 'people', type: 'directory', options: {} },
    { name: 'mail', type: 'service', options: { services: ['imap'] } },
    { name: 'agent', type: 'ocf', options: { agent: 'ocf:heartbeat:IPaddr2' } },
    { name: 'program', type: 'command', options: { do: ['/usr/local/sbin/attach', 'it'], undo: ['/bin/true'] } },
    { name: 'old', type: 'lifekeeper', options: { folder: '/opt/LifeKeeper/app' } },
    { name: 'queue', type: 'queue', options: {} },
    { name: 'address', type: 'address', options: { ip: '10.0.0.100/24', interfaces: ['eth0'] } },
  ];
  const policySteps = mail.policy.steps
    .slice(0, 2)
    .map((one, at) => ({ ...one, type: at === 0 ? 'mount' : 'address' }));
  const [first] = policySteps;
  if (!first) throw new Error('no step');
  const service = {
    ...{ name: 'imap', kit: null, checks: [], quick: { everyMs: 1, timeoutMs: 1 }, deep: { everyMs: 1, timeoutMs: 1 } },
    ...{ logSigns: [], manager: { type: 'systemd', options: { unit: 'dovecot.service' } } },
    policy: {} as never,
  };
  return {
    ...config,
    services: { imap: service },
    ...{ stateDir: '/var/lib/watchkeeper', runDir: '/run/watchkeeper' },
    files: [{ path: '/etc/watchkeeper/watchkeeper.yaml', sha256: '' }],
    cluster: {
      ...cluster,
      policy: {
        ...cluster.policy,
        nodes: {
          n1: { site: null, capacity: null, paths: ['10.0.0.1', '10.1.0.1'] },
          n2: { site: null, capacity: null, paths: ['10.0.0.2', '10.1.0.2'] },
        },
      },
      peers: {
        ...cluster.peers,
        tls: { certificate: '/etc/wk/c.pem', key: '/etc/wk/k.pem', authority: '/etc/wk/a.pem' },
      },
      member: MEMBER,
    },
    groups: {
      mail: {
        ...mail,
        steps,
        policy: {
          ...mail.policy,
          ...{ services: ['imap'], standby: 'stopped', sources: ['copy'], objectives: { rtoMs: 60_000, rpoMs: 1000 } },
          steps: [{ ...first, name: 'fence', type: 'fence' }, ...policySteps],
        },
      },
    },
  };
}

const member = (name: string, leader: boolean): ClusterLook['members'][number] => ({
  ...{ name, ok: true, leader, ms: 5, detail: '' },
});
const copy = { state: 'healthy', queue: 0, lagMs: 0, detail: '' };

const wellCluster = (): ClusterLook => ({
  groups: [
    {
      ...{ name: 'mail', owner: 'n1' },
      nodes: [
        { node: 'n1', owner: true, ready: false, unready: [], dataEpoch: 7, replication: null },
        { node: 'n2', owner: false, ready: true, unready: [], dataEpoch: 7, replication: copy },
      ],
    },
  ],
  nodes: [
    { node: 'n1', own: true, ageMs: 0, version: '1' },
    { node: 'n2', own: false, ageMs: 900, version: '1' },
  ],
  members: [member('n1', true), member('n2', false), member('w', false)],
  others: { n2: OTHER },
  offsets: { n2: 100 },
});

/** What is said longest of the beginning of argv wins. */
function answer(runs: NonNullable<Made['runs']>, argv: readonly string[]): Ran {
  const text = argv.join(' ');
  const [found] = Object.keys(runs)
    .filter((key) => text.startsWith(key))
    .toSorted((a, b) => b.length - a.length);
  const said = found === undefined ? null : (runs[found] ?? null);
  if (said === null) return { ok: false, code: null, out: '', missing: true };
  if (typeof said === 'number') return { ok: false, code: said, out: 'it says no', missing: false };
  return { ok: true, code: 0, out: said, missing: false };
}

export function machine(made: Made = {}): Look {
  const { runs = {}, texts = {}, looks = {}, inventory = {}, refused = [], lists = {}, unready = {} } = made;
  const cluster = wellCluster();
  return {
    node: made.node ?? 'n1',
    config: made.config ? made.config(wellConfig()) : wellConfig(),
    ...{ only: null, wallMs: Date.parse('2030-01-01T00:00:00Z') },
    cluster: made.cluster ? made.cluster(cluster) : cluster,
    inventory: { ...INVENTORY, ...inventory },
    run: async (argv) => answer({ ...RUNS, ...runs }, argv),
    read: (path) => (path in texts ? (texts[path] ?? null) : (TEXTS[path] ?? null)),
    look: (path) => {
      if (looks[path] === null) return null;
      const own = /\.pem$|etcd|tsig/.test(path) ? 0o600 : 0o750;
      return { kind: 'file', mode: own, uid: 0, ...looks[path] };
    },
    list: (path) => lists[path] ?? [],
    connect: async (host) => (refused.includes(host) ? 'refused' : null),
    ready: async (_, step) => ({ ok: unready[step] === undefined, detail: unready[step] ?? '' }),
  };
}

export async function judged(id: string, made: Made): Promise<Judgement> {
  const one = criteria.find((criterion) => criterion.id === id);
  if (!one) throw new Error(`no criterion ${id}`);
  return judge(one, machine(made));
}
