// Pacemaker on the two nodes of the lab's cluster, with one floating address of its own, as its own pages have it for
// two nodes: `two_node`, which lets the one that is left go on. How fast it is lies in the token, how safe in the
// fencing; so it is measured in three ways, of which one is in force at a time.
import { type LabCluster, type NodeName, NODES, otherOf } from '../lab/cluster.ts';
import { eventually } from '../lab/command.ts';
import type { LabNode } from '../lab/node.ts';
import { NETWORK } from '../lab/place.ts';

export interface Way {
  readonly name: string;
  readonly tokenMs: number;
  /** Asks a power switch before it takes over; this one answers at once, which no real one does. */
  readonly fencing: boolean;
}

export const WAYS: readonly Way[] = [
  { name: 'Pacemaker, token 3 s (default), no fencing', tokenMs: 3000, fencing: false },
  { name: 'Pacemaker, token 1 s, no fencing', tokenMs: 1000, fencing: false },
  { name: 'Pacemaker, token 1 s, fencing', tokenMs: 1000, fencing: true },
];
export const PACEMAKER = `${NETWORK}.53`;

const CONF = '/etc/corosync/corosync.conf';
const SWITCH = '/var/lib/bench-switch';
const LIMIT_MS = 90_000;

const corosync = (cluster: LabCluster, tokenMs: number): string => `totem {
  version: 2
  cluster_name: bench
  transport: knet
  crypto_cipher: none
  crypto_hash: none
  token: ${tokenMs}
}
logging {
  to_syslog: yes
}
quorum {
  provider: corosync_votequorum
  two_node: 1
}
nodelist {
${NODES.map(
  (name, index) => `  node {
    ring0_addr: ${cluster.node(name).address}
    name: ${name}
    nodeid: ${index + 1}
  }
`,
).join('')}}
`;

/** The switch has no host list of its own: it is told which nodes it feeds. */
const RESOURCES = `property stonith-enabled=false
rsc_defaults resource-stickiness=100
primitive address ocf:heartbeat:IPaddr2 params ip=${PACEMAKER} cidr_netmask=24 nic=eth0 \\
  op monitor interval=1s timeout=20s
primitive switch stonith:fence_dummy params pcmk_host_list="n1 n2" status_file=${SWITCH}
commit
`;

export async function startPacemaker(cluster: LabCluster): Promise<void> {
  for (const name of NODES) {
    const node = cluster.node(name);
    node.put(CONF, corosync(cluster, WAYS[0]?.tokenMs ?? 3000), { mode: 0o644 });
    node.put(SWITCH, 'on');
    await node.exec(['systemctl', 'enable', '-q', 'corosync', 'pacemaker']);
  }
  // Each waits for the other one.
  await Promise.all(
    NODES.map((name) => cluster.node(name).exec(['systemctl', 'start', 'pacemaker'], { timeoutMs: 60_000 })),
  );
  await together(cluster);
  await cluster.node('n1').exec(['crm', '-F', 'configure'], { input: RESOURCES, timeoutMs: 60_000 });
}

/** Both say so. */
async function everywhere(cluster: LabCluster, argv: readonly string[], wanted: string): Promise<boolean> {
  const said = await Promise.all(NODES.map((name) => cluster.node(name).attempt(argv)));
  return said.every(({ stdout }) => stdout.includes(wanted));
}

async function together(cluster: LabCluster): Promise<void> {
  const online = (): Promise<boolean> => everywhere(cluster, ['crm_mon', '-1'], 'Online: [ n1 n2 ]');
  await eventually('both nodes in Pacemaker', online, LIMIT_MS, 500);
}

const settled = (node: LabNode): Promise<string> =>
  node.exec(['crm_resource', '--wait', '-T', '60'], { timeoutMs: 65_000 });

/** Changes how it works while it runs, and proves that it does. */
export async function choose(cluster: LabCluster, { tokenMs, fencing }: Way): Promise<void> {
  await together(cluster);
  const node = cluster.node('n1');
  for (const name of NODES) cluster.node(name).put(CONF, corosync(cluster, tokenMs));
  await node.exec(['corosync-cfgtool', '-R']);
  await node.exec(['crm_attribute', '-n', 'stonith-enabled', '-v', String(fencing)]);
  await settled(node);
  const token = ['corosync-cmapctl', '-g', 'runtime.config.totem.token'];
  await eventually('the token', () => everywhere(cluster, token, `= ${tokenMs}\n`), 20_000, 200);
  if (fencing)
    await eventually('the switch', () => everywhere(cluster, ['stonith_admin', '-L'], 'switch'), 20_000, 200);
}

/** Moves its address, as an administrator does it; ends when Pacemaker has taken the order. */
export const order = (cluster: LabCluster, to: NodeName): Promise<string> =>
  cluster.node(otherOf(to)).exec(['crm_resource', '--move', '-r', 'address', '-N', to]);

/** Nothing is under way, and no order of before is left. */
export async function rest(cluster: LabCluster): Promise<void> {
  await together(cluster);
  await settled(cluster.node('n1'));
  await cluster.node('n1').exec(['crm_resource', '--clear', '-r', 'address']);
  await settled(cluster.node('n1'));
}
