// Every criterion on a machine that is well, and on one where just its own matter is wrong.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Config } from '../../src/config/types.ts';
import type { GroupPolicy, Timing } from '../../src/core/group-types.ts';
import { criteria, judge } from '../../src/preflight/all.ts';
import type { ClusterLook } from '../../src/preflight/criterion.ts';
import { judged, machine, type Made } from '../support/preflight-look.ts';

const test = suite('preflight/criteria');

const policy =
  (patch: Partial<GroupPolicy>) =>
  (config: Config): Config => {
    const mail = config.groups?.['mail'];
    return mail ? { ...config, groups: { mail: { ...mail, policy: { ...mail.policy, ...patch } } } } : config;
  };
const clustered =
  (patch: Partial<NonNullable<Config['cluster']>>) =>
  (config: Config): Config =>
    config.cluster ? { ...config, cluster: { ...config.cluster, ...patch } } : config;
const timed =
  (patch: Partial<Timing>) =>
  (config: Config): Config => {
    const { cluster } = config;
    if (!cluster) return config;
    const timing = { ...cluster.policy.timing, ...patch };
    return { ...config, cluster: { ...cluster, policy: { ...cluster.policy, timing } } };
  };
const noded =
  (n1: readonly string[], n2: readonly string[] = ['10.0.0.2', '10.1.0.2']) =>
  (config: Config): Config => {
    const { cluster } = config;
    if (!cluster) return config;
    const rest = { site: null, capacity: null };
    const nodes = { n1: { ...rest, paths: n1 }, n2: { ...rest, paths: n2 } };
    return { ...config, cluster: { ...cluster, policy: { ...cluster.policy, nodes } } };
  };
const other =
  (key: string, value: string) =>
  (cluster: ClusterLook): ClusterLook => ({ ...cluster, others: { n2: { ...cluster.others['n2'], [key]: value } } });
const members =
  (change: (all: ClusterLook['members']) => ClusterLook['members']) =>
  (cluster: ClusterLook): ClusterLook => ({ ...cluster, members: change(cluster.members) });
const standby =
  (patch: Partial<ClusterLook['groups'][number]['nodes'][number]>) =>
  (cluster: ClusterLook): ClusterLook => ({
    ...cluster,
    groups: cluster.groups.map((one) => ({
      ...one,
      nodes: one.nodes.map((row) => (row.owner ? row : { ...row, ...patch })),
    })),
  });
const copy = { state: 'healthy', queue: 0, lagMs: 0, detail: '' };
const away = (cluster: ClusterLook): ClusterLook => ({
  ...cluster,
  groups: cluster.groups.map((one) => ({ ...one, owner: 'n2' })),
});
const held = (extra: string): string =>
  `2: eth0    inet 10.0.0.1/24 scope global eth0 valid_lft forever\n3: eth1 inet 10.1.0.1/24 valid_lft forever\n${extra}`;

const optioned =
  (type: string, more: object) =>
  (config: Config): Config => {
    const mail = config.groups?.['mail'];
    const steps = mail?.steps.map((one) =>
      one.type === type ? { ...one, options: { ...(one.options as object), ...more } } : one,
    );
    return mail && steps ? { ...config, groups: { mail: { ...mail, steps } } } : config;
  };
function unfenced(config: Config): Config {
  const steps = config.groups?.['mail']?.policy.steps.filter(({ type }) => type !== 'fence') ?? [];
  return policy({ steps })(config);
}

/** One way to be wrong a criterion. */
const WRONG: Readonly<Record<string, Made>> = {
  'names.node': { node: 'n7' },
  'names.groups': { config: policy({ nodes: ['n1', 'n9'] }) },
  'names.hostname': { runs: { 'getent hosts': 2 } },
  'names.loopback': {
    runs: { 'getent ahosts': '127.0.1.1 STREAM n1' },
    texts: { '/etc/hosts': '127.0.0.1 localhost\n127.0.1.1 n1.lab n1\n' },
  },
  'names.fqdn': { runs: { 'hostname -f': 'n1\n' } },
  'names.nodes': { runs: { 'getent hosts n2': 2 } },
  'names.machine-id': { texts: { '/etc/machine-id': '' } },
  'names.machine-differs': { inventory: { machine: 'm2' } },
  'names.boot-differs': { inventory: { boot: 'b2' } },
  'names.mail-name': { inventory: { myhostname: 'n2.example.org' } },
  'clocks.service': {
    runs: {
      'systemctl is-active chrony': 'inactive\ninactive\n',
      'systemctl list-unit-files': 'chrony.service masked enabled\nsystemd-timesyncd.service disabled enabled\n',
    },
  },
  'clocks.synchronised': { runs: { timedatectl: 'no\n' } },
  'clocks.apart': { cluster: (cluster) => ({ ...cluster, offsets: { n2: -5000 } }) },
  'clocks.zone': { cluster: other('zone', 'CET') },
  'clocks.source': { texts: { '/sys/devices/system/clocksource/clocksource0/current_clocksource': 'jiffies\n' } },
  'versions.watchkeeper': {
    cluster: (cluster) => ({
      ...cluster,
      nodes: cluster.nodes.map((one) => (one.own ? one : { ...one, version: '2' })),
    }),
  },
  'mail.postfix-valid': { runs: { 'postfix check': 1 } },
  'mail.dovecot-valid': { runs: { 'doveconf -n': 89 } },
  'mail.queue-ids': { runs: { 'postconf -h enable_long': 'no\n' } },
  ...Object.fromEntries(
    Object.entries({
      ...{ 'versions.configuration': 'configuration', 'versions.os': 'os', 'versions.kernel': 'kernel' },
      ...{ 'versions.arch': 'arch', 'versions.postfix': 'postfix', 'versions.dovecot': 'dovecot' },
      ...{ 'versions.etcd': 'etcd', 'versions.openssl': 'openssl', 'versions.node': 'node' },
      ...{ 'versions.memory': 'memory', 'mail.postconf': 'postconf', 'mail.master': 'master' },
      ...{ 'mail.doveconf': 'doveconf', 'mail.aliases': 'aliases', 'users.uids': 'users', 'users.gids': 'groups' },
      ...{ 'users.nsswitch': 'nsswitch', 'dns.resolvers': 'resolv' },
    }).map(([id, key]): [string, Made] => [id, { cluster: other(key, 'another') }]),
  ),
  'quorum.engine': { config: clustered({ engine: 'standalone' }) },
  'quorum.members': { cluster: members((all) => all.slice(0, 2)) },
  'quorum.answer': { cluster: members((all) => all.map((one) => (one.name === 'w' ? { ...one, ok: false } : one))) },
  'quorum.spare': { cluster: members((all) => all.map((one) => (one.name === 'w' ? { ...one, ok: false } : one))) },
  'quorum.leader': { cluster: members((all) => all.map((one) => ({ ...one, leader: false }))) },
  'quorum.data': { looks: { '/var/lib/etcd': { mode: 0o755 } } },
  'timing.silence': { config: timed({ renewMs: 1000 }) },
  'timing.least': { config: timed({ silenceMs: 1000 }) },
  'timing.failsafe': { config: timed({ failsafeMs: 2900 }) },
  'timing.round-trip': { cluster: members((all) => all.map((one) => ({ ...one, ms: 150 }))) },
  'timing.objective': { config: policy({ objectives: { rtoMs: 1000, rpoMs: null } }) },
  'paths.two': { config: noded(['10.0.0.1'], ['10.0.0.2']) },
  'paths.distinct': { config: noded(['10.0.0.1', '10.0.0.2']) },
  'paths.own': { config: noded(['10.0.0.7', '10.1.0.1']) },
  'paths.interfaces': { runs: { 'ip -o addr': '2: eth0 inet 10.0.0.1/24\n2: eth0 inet 10.1.0.1/24\n' } },
  'paths.answer': { refused: ['10.1.0.2'] },
  'paths.heard': {
    cluster: (cluster) => ({
      ...cluster,
      nodes: cluster.nodes.map((one) => (one.own ? one : { ...one, ageMs: null })),
    }),
  },
  'addresses.interface': { texts: { '/sys/class/net/eth0/operstate': 'down\n' } },
  'addresses.stray': { cluster: away, runs: { 'ip -o addr': held('2: eth0 inet 10.0.0.100/24 valid_lft 2sec') } },
  'addresses.static': {
    lists: { '/etc/systemd/network': ['10-lan.network'] },
    texts: { '/etc/systemd/network/10-lan.network': '[Network]\nAddress=10.0.0.100/24\n' },
  },
  'addresses.for-ever': { config: optioned('address', { lifetime: 'off' }) },
  'sysctl.kept': { texts: { '/etc/sysctl.conf': '# net.ipv4.conf.all.arp_ignore=1\n' } },
  'sysctl.panic': { texts: { '/proc/sys/kernel/panic': '0\n' } },
  'clocks.boot': { runs: { 'systemctl is-enabled chrony': 'disabled\n' } },
  'mail.aliases-built': { runs: { 'find /etc/aliases': '/etc/aliases\n' } },
  'certificates.folder': { looks: { '/etc/wk': { mode: 0o775 } } },
  'secrets.there': { looks: { '/etc/watchkeeper/tsig': null } },
  'secrets.mode': { looks: { '/etc/watchkeeper/tsig': { mode: 0o640 } } },
  'nodes.unready': { cluster: standby({ unready: ['storage: there is no /dev/vdb'] }) },
  'steps.address': { unready: { address: 'none of eth0 has carrier' } },
  'steps.dns': { unready: { zone: 'NOTAUTH' } },
  'steps.directory': { unready: { people: 'code 49' } },
  'steps.service': { unready: { mail: 'imap: there is no unit' } },
  'steps.mount': { unready: { store: '/srv/mail is no folder' }, looks: { '/srv/mail': null } },
  'steps.ocf': { unready: { agent: 'there is no agent' } },
  'steps.command': {
    unready: { program: 'it may not be run' },
    looks: { '/usr/local/sbin/attach': { mode: 0o664 } },
  },
  'steps.lifekeeper': {
    unready: { old: 'it may not be run' },
    looks: { '/opt/LifeKeeper/app/restore': { mode: 0o644 } },
  },
  'steps.queue': { unready: { queue: 'postconf is not there' } },
  'steps.fence': { unready: { fence: 'fence_ipmilan: exit code 1' } },
  'fencing.storage': { config: unfenced },
  'logs.journal': { looks: { '/var/log/journal': null } },
  'boot.wakers': { runs: { 'systemctl is-enabled dovecot.socket': 'enabled\n' } },
  'boot.etcd': { runs: { 'systemctl is-enabled etcd': 'enabled\n' } },
  'boot.units': { runs: { 'systemctl is-enabled dovecot.service': 'masked\n' } },
  'boot.restart': { runs: { 'systemctl show': 'Restart=always\nRestartUSec=1min 30s\nLoadState=loaded\n' } },
  'addresses.lifetime': { runs: { 'ip -o addr': held('2: eth0 inet 10.0.0.100/24 valid_lft forever') } },
  'addresses.filter': { runs: { 'nft --check': 1 } },
  'addresses.duplicate': { runs: { arping: 1 } },
  'sysctl.arp-ignore': { texts: { '/proc/sys/net/ipv4/conf/all/arp_ignore': '0\n' } },
  'sysctl.arp-announce': { texts: { '/proc/sys/net/ipv4/conf/all/arp_announce': '0\n' } },
  'sysctl.arp-accept': { texts: { '/proc/sys/net/ipv4/conf/all/drop_gratuitous_arp': '1\n' } },
  'sysctl.promote': { texts: { '/proc/sys/net/ipv4/conf/all/promote_secondaries': '0\n' } },
  'dns.two': { texts: { '/etc/resolv.conf': 'nameserver 10.0.0.53\n' } },
  'dns.moving': { texts: { '/etc/resolv.conf': 'nameserver 10.0.0.100\nnameserver 10.0.0.53\n' } },
  'ports.peers': { runs: { ss: 'LISTEN 0 9 *:9468 *:* users:(("nginx",pid=1,fd=2))\n' } },
  'ports.distinct': { config: clustered({ peers: { port: 2379, everyMs: 1000, timeoutMs: 1000, tls: null } }) },
  'ports.firewall': {
    runs: {
      nft: 'table inet filter {\n\tchain input {\n\t\ttype filter hook input priority 0; policy drop;\n\t\ttcp dport 22 accept\n\t}\n}\n',
    },
  },
  'certificates.there': { looks: { '/etc/wk/c.pem': null } },
  'certificates.key-mode': { looks: { '/etc/wk/k.pem': { mode: 0o644 } } },
  'certificates.month': { runs: { 'openssl x509 -in /etc/wk/c.pem -noout -checkend': 1 } },
  'certificates.chain': { runs: { 'openssl verify': 2 } },
  'certificates.pair': { runs: { 'openssl pkey': 'another' } },
  'replication.source': { config: policy({ gate: { kind: 'lossless' }, sources: [] }) },
  'replication.state': { cluster: standby({ replication: { ...copy, state: 'failed', detail: 'broken' } }) },
  'replication.lag': { cluster: standby({ replication: { ...copy, lagMs: 5000 } }) },
  'replication.epoch': { cluster: standby({ dataEpoch: 3 }) },
  'replication.ready': { cluster: standby({ ready: false }) },
  'fencing.watchdog': { looks: { '/dev/watchdog': null, '/dev/watchdog0': null } },
  'folders.state': { looks: { '/var/lib/watchkeeper': null } },
  'folders.run': { looks: { '/run/watchkeeper': { mode: 0o777 } } },
  'folders.configuration': { looks: { '/etc/watchkeeper': { mode: 0o777 } } },
  'folders.files': { looks: { '/etc/watchkeeper/watchkeeper.yaml': { mode: 0o666 } } },
  'folders.owner': { looks: { '/var/lib/watchkeeper': { uid: 1000 } } },
  'folders.durable': { runs: { findmnt: 'tmpfs rw\n' } },
  'space.state': { runs: { 'df -P --output=avail /var/lib/watchkeeper': 'Avail\n1000\n' } },
  'space.inodes': { runs: { 'df -P --output=iavail': 'IFree\n10\n' } },
  'space.member': { runs: { 'df -P --output=avail /var/lib/etcd': 'Avail\n1000\n' } },
  'space.memory': { texts: { '/proc/meminfo': 'MemTotal: 8000000 kB\nMemAvailable: 100 kB\n' } },
  'space.swap': {
    texts: { '/proc/meminfo': 'MemTotal: 1 kB\nMemAvailable: 1 kB\nSwapTotal: 10 kB\nSwapFree: 1 kB\n' },
  },
  'boot.standby': { runs: { 'systemctl is-enabled dovecot.service': 'enabled\n' } },
  'boot.watchkeeper': { runs: { 'systemctl is-enabled w': 'disabled\n' } },
  'boot.failed': { runs: { 'systemctl list-units': 'dovecot.service loaded failed failed IMAP\n' } },
  'boot.mounts': { texts: { '/etc/fstab': '/dev/vdb /srv/mail ext4 defaults 0 2\n' } },
  'boot.rivals': { runs: { 'systemctl is-active pacemaker': 'active\ninactive\n' } },
  'fencing.step': { config: unfenced },
  'fencing.order': {
    config: (config) => policy({ steps: config.groups?.['mail']?.policy.steps.toReversed() ?? [] })(config),
  },
  'fencing.pivot': {
    config: (config) =>
      policy({ steps: config.groups?.['mail']?.policy.steps.map((one) => ({ ...one, pivot: false })) ?? [] })(config),
  },
};

test('there are sixty at the least, each named once, with an area and a sentence', () => {
  assert.ok(criteria.length >= 60, `${criteria.length}`);
  assert.is(new Set(criteria.map(({ id }) => id)).size, criteria.length);
  for (const { id, about } of criteria) {
    assert.match(id, /^[a-z]+\.[a-z-]+$/);
    assert.match(about, /^\S.{10,119}$/);
  }
});

/** What a node can be wrong in by itself, and a person mends: it takes a choice, a purchase, a secret, or would stop
 *  something. The rest that is not mended is of the configuration of Watchkeeper, or of other nodes. */
const BY_HAND = [
  ...['names.machine-differs', 'names.mail-name', 'clocks.sane', 'clocks.source', 'mail.postfix-valid'],
  ...['mail.dovecot-valid', 'paths.own', 'paths.interfaces', 'addresses.stray', 'addresses.lifetime', 'dns.two'],
  ...['addresses.filter'],
  ...['ports.peers', 'certificates.there', 'certificates.month', 'certificates.chain', 'certificates.pair'],
  ...['secrets.there', 'steps.address', 'steps.dns', 'steps.directory', 'steps.service', 'steps.ocf', 'steps.queue'],
  ...['steps.fence', 'folders.durable', 'space.state', 'space.inodes', 'space.member', 'space.memory', 'space.swap'],
  ...['boot.failed', 'boot.rivals'],
];
/** Nodes that differ, and the configuration of Watchkeeper: nothing here could say which one is right. */
const BETWEEN =
  /^(names\.(node|groups|boot-differs)|clocks\.(apart|zone)|versions\.|users\.|timing\.|paths\.|replication\.|nodes\.|quorum\.|mail\.|dns\.|ports\.distinct|addresses\.(for-ever|duplicate)|fencing\.)/;

test('most of what a node can be wrong in by itself is mended on request', () => {
  const open = criteria.filter(({ fixable }) => !fixable).map(({ id }) => id);
  assert.equal(
    open.filter((id) => !BY_HAND.includes(id) && !BETWEEN.test(id)),
    [],
  );
  assert.equal(
    BY_HAND.filter((id) => !open.includes(id)),
    [],
  );
  const mended = criteria.length - open.length;
  assert.ok(mended > BY_HAND.length, `${mended} are mended, ${BY_HAND.length} are not`);
});

test('on a machine that is well none finds anything, and each could be asked', async () => {
  for (const one of criteria) {
    const { outcome, skipped, findings } = await judge(one, machine());
    assert.equal([one.id, outcome, skipped, findings], [one.id, 'ok', null, []]);
  }
});

for (const { id, fixable } of criteria)
  if (id !== 'clocks.sane')
    test(`${id}: found when wrong, with what to do`, async () => {
      const made = WRONG[id];
      assert.ok(made, `no test is about ${id}`);
      const { outcome, findings, skipped } = await judged(id, made ?? {});
      assert.ok(outcome === 'error' || outcome === 'warning', `${outcome}: ${skipped}`);
      for (const { suggestion, text, fix } of findings) {
        assert.ok(suggestion.length > 5 && text.length > 1, id);
        assert.is(fix !== undefined, fixable, `${id}: fix`);
      }
    });

test('clocks.sane: a clock of long ago', async () => {
  const one = criteria.find(({ id }) => id === 'clocks.sane');
  const found = one && (await judge(one, { ...machine(), wallMs: 0 }));
  assert.is(found?.outcome, 'error');
});

test('without programs, files or a daemon nothing breaks, and nothing is found by it', async () => {
  const bare = machine({ cluster: () => null });
  const nothing = { ok: false, code: null, out: '', missing: true };
  for (const one of criteria) {
    const { outcome, skipped } = await judge(one, { ...bare, run: async () => nothing });
    assert.not.match(skipped ?? '', /it broke/, one.id);
    assert.ok(['ok', 'skipped', 'warning', 'error'].includes(outcome));
  }
});

test.run();
