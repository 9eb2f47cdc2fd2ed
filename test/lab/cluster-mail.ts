// What a cluster of the lab has besides for its mail: a second network between the nodes, certificates for the comm
// paths, copies of the mailboxes by dsync, and on the witness a BIND and a slapd that say which node is active.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  addressOf,
  type ClusterOptions,
  type LabCluster,
  type NodeName,
  NODES,
  otherOf,
  startsAtBoot,
} from './cluster.ts';
import { must } from './command.ts';
import { DOMAIN, dovecotConf } from './mail-files.ts';
import { repository } from './repository.ts';

const SECOND: Readonly<Record<NodeName, string>> = { n1: '10.79.1.11', n2: '10.79.1.12' };
const SUFFIX = 'dc=lab,dc=test';
const ADMIN = `cn=admin,${SUFFIX}`;
const SERVERS = addressOf('witness');
const DSYNC_PORT = 12_345;
const PEERS_PORT = 9468;
export const PEOPLE = 150;

const tls = (file: string): string => `/etc/watchkeeper/tls/${file}`;

export interface MailOptions {
  readonly gate: string;
}

const replication = ({ gate }: MailOptions): string => `    gate: ${gate}
    replication:
      - dovecot:
          to: { ${NODES.map((name) => `${name}: 'tcp:${addressOf(name)}:${DSYNC_PORT}'`).join(', ')} }
          probe: { user: probe@${DOMAIN} }
          every: 1s
        every: 4s
        timeout: 4s
        prove: 10s
`;

/** Mail that waits is handed over before the address goes; zone and directory follow it. */
export const mailOptions = (options: MailOptions): ClusterOptions => ({
  silenceMs: 3000,
  second: SECOND,
  cluster: `  peers:
    port: ${PEERS_PORT}
    every: 300ms
    timeout: 300ms
    certificate: ${tls('node.pem')}
    key: ${tls('node.key')}
    authority: ${tls('authority.pem')}
`,
  group: replication(options),
  before: `      - queue: { drain: 5s, leave: hand-over, to: $to.address }
`,
  after: `      - dns:
          server: ${SERVERS}
          zone: ${DOMAIN}
          key: file:/etc/watchkeeper/tsig
          records:
            - { name: mail, type: A, value: { n1: ${addressOf('n1')}, n2: ${addressOf('n2')} } }
            - { name: '@', type: MX, value: 10 $to.host }
      - directory:
          url: ldaps://${SERVERS}
          ca: ${tls('authority.pem')}
          bind: ${ADMIN}
          password: file:/etc/watchkeeper/directory
          base: ${SUFFIX}
          filter: (mailHost=$from.host)
          set: { mailHost: $to.host }
`,
});

// ---------------------------------------------------------------------------------------------------- the nodes' disks

/** Before anything boots. */
export async function prepareMail(cluster: LabCluster): Promise<void> {
  await secondNetwork(cluster);
  const secret = (await must(['openssl', 'rand', '-base64', '32'])).trim();
  const folder = join(cluster.lab.dir, 'certificates');
  const nodes = [...NODES.map((name) => `${name}=${addressOf(name)}+${SECOND[name]}`), `witness=${SERVERS}`].join(',');
  const command = [process.execPath, join(repository, 'bin/watchkeeper.js'), 'cluster', 'certificates'];
  await must([...command, '--nodes', nodes, '--out', folder]);
  await sharedServers(cluster, secret, folder);
  for (const name of NODES) {
    const node = cluster.node(name);
    const shown = { 'node.pem': `${name}.pem`, 'node.key': `${name}.key`, 'authority.pem': 'authority.pem' };
    for (const [as, file] of Object.entries(shown))
      node.put(tls(as), readFileSync(join(folder, file)), { mode: 0o600 });
    node.put('/etc/watchkeeper/tsig', `mover:hmac-sha256:${secret}\n`, { mode: 0o600 });
    node.put('/etc/watchkeeper/directory', 'lab\n', { mode: 0o600 });
    node.put('/etc/dovecot/dovecot.conf', copiedDovecot());
  }
}

/** Its users can be listed, and dsync reaches it. */
function copiedDovecot(): string {
  const listed = dovecotConf().replace(
    /driver = static\n {2}args = (uid=.*)\n/,
    'driver = passwd-file\n  args = username_format=%u /etc/dovecot/users\n  default_fields = $1\n',
  );
  return `${listed}service doveadm {
  inet_listener {
    port = ${DSYNC_PORT}
  }
}
doveadm_password = lab
`;
}

/** A network of its own between the nodes: eth1 of each. */
async function secondNetwork({ lab }: LabCluster): Promise<void> {
  const hub = `${lab.prefix}-sw`;
  await must(['ip', '-n', hub, 'link', 'add', 'br1', 'type', 'bridge', 'forward_delay', '0', 'stp_state', '0']);
  await must(['ip', '-n', hub, 'link', 'set', 'br1', 'up']);
  for (const name of NODES) {
    const space = `${lab.prefix}-${name}`;
    const pair = ['type', 'veth', 'peer', 'name', `q-${name}`, 'netns', hub];
    await must(['ip', '-n', space, 'link', 'add', 'eth1', ...pair]);
    await must(['ip', '-n', hub, 'link', 'set', `q-${name}`, 'master', 'br1', 'up']);
    await must(['ip', '-n', space, 'addr', 'add', `${SECOND[name]}/24`, 'dev', 'eth1']);
    await must(['ip', '-n', space, 'link', 'set', 'eth1', 'up']);
  }
}

async function sharedServers(cluster: LabCluster, secret: string, certificates: string): Promise<void> {
  const node = cluster.node('witness');
  node.put('/srv/dns/zone', zone);
  node.put('/srv/dns/named.conf', namedConf(secret));
  await startsAtBoot(node, 'dns-lab', unitOf('', '/usr/sbin/named -f -n 1 -c /srv/dns/named.conf'));
  node.put('/srv/directory/slapd.conf', slapdConf);
  for (const end of ['pem', 'key'])
    node.put(`/srv/directory/own.${end}`, readFileSync(join(certificates, `witness.${end}`)));
  node.put('/srv/directory/entries.ldif', entries);
  const fill = 'mkdir /srv/directory/db && slapadd -q -f /srv/directory/slapd.conf -l /srv/directory/entries.ldif';
  const before = `ExecStartPre=/bin/sh -c 'test -d /srv/directory/db || { ${fill}; }'\n`;
  const slapd = `/usr/sbin/slapd -d 0 -h "ldap://${SERVERS} ldaps://${SERVERS}" -f /srv/directory/slapd.conf`;
  await startsAtBoot(node, 'directory-lab', unitOf(before, slapd));
}

const unitOf = (before: string, command: string): string => `[Unit]
After=network.target
[Service]
${before}ExecStart=${command}
Restart=always
[Install]
WantedBy=multi-user.target
`;

const namedConf = (secret: string): string => `key "mover" { algorithm hmac-sha256; secret "${secret}"; };
options {
  directory "/srv/dns";
  pid-file none;
  session-keyfile "/srv/dns/session.key";
  listen-on { any; };
  listen-on-v6 { none; };
  recursion no;
  dnssec-validation no;
};
controls {};
zone "${DOMAIN}" { type primary; file "/srv/dns/zone"; allow-update { key "mover"; }; };
`;

const zone = `$TTL 30
@ SOA ns.${DOMAIN}. root.${DOMAIN}. 1 60 60 3600 30
@ NS ns.${DOMAIN}.
@ MX 10 n1.${DOMAIN}.
ns A ${SERVERS}
n1 A ${addressOf('n1')}
n2 A ${addressOf('n2')}
mail A ${addressOf('n1')}
`;

const slapdConf = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/misc.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile /srv/directory/own.pem
TLSCertificateKeyFile /srv/directory/own.key
database mdb
suffix ${SUFFIX}
rootdn ${ADMIN}
rootpw lab
directory /srv/directory/db
maxsize 20971520
index mailHost eq
`;

const person = (_: unknown, n: number): string => `
dn: cn=p${n},${SUFFIX}
objectClass: organizationalRole
objectClass: inetLocalMailRecipient
cn: p${n}
mailHost: n1.${DOMAIN}
`;

const entries = `dn: ${SUFFIX}
objectClass: dcObject
objectClass: organization
dc: lab
o: lab
${Array.from({ length: PEOPLE }, person).join('')}`;

// --------------------------------------------------------------------------------------------------------- what stands

/** Whom zone and directory name, each as it says: `n1 n1 n1=150 n2=0` when all of them say n1. */
export async function named(cluster: LabCluster): Promise<string> {
  const dig = async (name: string, type: string): Promise<string> =>
    (await cluster.lab.client(['dig', '+short', '+time=2', `@${SERVERS}`, name, type])).stdout.trim();
  const a = await dig(`mail.${DOMAIN}`, 'A');
  const mx = await dig(DOMAIN, 'MX');
  const holds = async (name: NodeName): Promise<string> => {
    const words = ['-b', SUFFIX, `(mailHost=${name}.${DOMAIN})`, '1.1'];
    const got = await cluster.lab.client(['ldapsearch', '-x', '-LLL', '-H', `ldap://${SERVERS}`, ...words]);
    return `${name}=${got.stdout.split('\n').filter((line) => line.startsWith('dn:')).length}`;
  };
  const by = NODES.find((name) => addressOf(name) === a) ?? (a || 'nobody');
  const mxBy = NODES.find((name) => mx === `10 ${name}.${DOMAIN}.`) ?? (mx || 'nobody');
  return [by, mxBy, await holds('n1'), await holds('n2')].join(' ');
}

/** What `named` says when all of it is as it is with this node active. */
export const names = (name: NodeName): string =>
  [name, name, ...NODES.map((one) => `${one}=${one === name ? PEOPLE : 0}`)].join(' ');

// --------------------------------------------------------------------------------------------------------------- paths

export type Network = 'first' | 'second';

export const endOf = (network: Network, name: NodeName): string =>
  network === 'first' ? addressOf(name) : SECOND[name];

/** What the daemons say to each other is dropped on these networks, and on no others. */
export async function cutPaths(cluster: LabCluster, networks: readonly Network[]): Promise<void> {
  const rules = networks.flatMap((network) =>
    NODES.flatMap((name) => {
      const pair = `ip saddr ${endOf(network, name)} ip daddr ${endOf(network, otherOf(name))}`;
      return [`${pair} tcp dport ${PEERS_PORT} drop`, `${pair} tcp sport ${PEERS_PORT} drop`];
    }),
  );
  await cluster.filter(rules);
}

/** Power cut, with both of its network ports. */
export async function powerCut(cluster: LabCluster, name: NodeName): Promise<void> {
  await secondPort(cluster, name, 'down');
  await cluster.node(name).kill({ unplug: true });
}

export async function powerOn(cluster: LabCluster, name: NodeName): Promise<void> {
  await secondPort(cluster, name, 'up');
  await cluster.powerOn(name);
}

const secondPort = ({ lab }: LabCluster, name: NodeName, state: 'up' | 'down'): Promise<string> =>
  must(['ip', '-n', `${lab.prefix}-sw`, 'link', 'set', `q-${name}`, state]);
