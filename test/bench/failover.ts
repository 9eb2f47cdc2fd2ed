// How long clients miss an address that moves from one node to another: Watchkeeper with the shortest silence that is
// allowed, beside keepalived with two of its advertisement intervals, on the same two nodes at the same moment: one
// power cut takes all of their addresses. What answers is Postfix, running on both nodes.
import { type ClusterOptions, FLOATING, LabCluster, type NodeName, NODES, otherOf } from '../lab/cluster.ts';
import { eventually, must, sleep } from '../lab/command.ts';
import { Holders, monotonicMs } from '../lab/holders.ts';
import { NETWORK } from '../lab/place.ts';
import { ask } from '../lab/watchkeeper.ts';
import { markdown, median } from './table.ts';

const CLUSTER: ClusterOptions = { silenceMs: 1500 };
const LIMIT_MS = 20_000;
const EVERY_MS = 10;

const VRRP = [
  { name: 'keepalived, 1 s', address: `${NETWORK}.51`, router: 51, interval: '1' },
  { name: 'keepalived, 0.1 s', address: `${NETWORK}.52`, router: 52, interval: '0.1' },
] as const;
const OURS = 'Watchkeeper, T = 1.5 s';
const NAMES = [OURS, ...VRRP.map(({ name }) => name)] as const;

/** The priorities are high and near each other: the backup then waits for little beyond three intervals. */
const keepalivedConf = (name: NodeName): string =>
  `global_defs {
  vrrp_version 3
  router_id ${name}
  vrrp_garp_master_repeat 3
}
${VRRP.map(
  ({ address, router, interval }) => `vrrp_instance i${router} {
  state BACKUP
  nopreempt
  interface eth0
  virtual_router_id ${router}
  priority ${name === 'n1' ? 254 : 252}
  advert_int ${interval}
  virtual_ipaddress {
    ${address}/24 dev eth0
  }
}
`,
).join('')}`;

const UNIT = '[Service]\nExecStart=/usr/sbin/keepalived -n -D -f /etc/keepalived/keepalived.conf\nRestart=always\n';

async function startKeepalived(cluster: LabCluster, name: NodeName): Promise<void> {
  const node = cluster.node(name);
  node.put('/etc/keepalived/keepalived.conf', keepalivedConf(name), { mode: 0o644 });
  node.put('/etc/systemd/system/bench-keepalived.service', `${UNIT}[Install]\nWantedBy=multi-user.target\n`);
  await node.exec(['systemctl', 'daemon-reload']);
  await node.exec(['systemctl', 'enable', '-q', '--now', 'bench-keepalived']);
}

interface Field {
  readonly cluster: LabCluster;
  readonly holders: ReadonlyMap<string, Holders>;
}

type Times = Record<string, number[]>;
const nothing = (): Times => Object.fromEntries(NAMES.map((name) => [name, []]));

/** All addresses are on the node that has the group, and the other node is ready for all of them. */
async function calm({ cluster, holders }: Field): Promise<NodeName> {
  const active = await eventually('a calm cluster', () => cluster.calmOn(), 60_000, 200);
  const others = [...holders].filter(([name]) => name !== OURS);
  const together = (): boolean => others.every(([, { now }]) => now.length === 1 && now[0] === active);
  if (!together()) {
    // Its address is elsewhere: a stop of it there brings it over.
    await cluster.node(otherOf(active)).exec(['systemctl', 'stop', 'bench-keepalived']);
    await eventually('keepalived to come over', together, 15_000, 50);
    await cluster.node(otherOf(active)).exec(['systemctl', 'start', 'bench-keepalived']);
    await sleep(4000);
  }
  for (const one of holders.values()) await one.answeredBy(active, monotonicMs(), 10_000);
  await sleep(1000 + Math.random() * 1000);
  return active;
}

/** One power cut; for each, the ms until a client was answered by the other node. */
async function cut(field: Field, leader: 'witness' | 'active', times: Times): Promise<void> {
  const { cluster, holders } = field;
  const active = await calm(field);
  await cluster.lead(leader === 'active' ? active : leader);
  await sleep(500 + Math.random() * 1000);
  const at = monotonicMs();
  await cluster.node(active).kill({ unplug: true });
  await Promise.all(
    [...holders].map(async ([name, one]) => {
      times[name]?.push((await one.answeredBy(otherOf(active), at, LIMIT_MS)) - at);
    }),
  );
  await cluster.powerOn(active);
  await sleep(3000);
}

/** One move that was asked for, of each in turn; the longest time without an answer. */
async function planned(field: Field, times: Times): Promise<void> {
  const { cluster, holders } = field;
  const active = await calm(field);
  const spare = otherOf(active);
  const gone = async (name: string, begin: () => Promise<unknown>): Promise<void> => {
    const one = holders.get(name);
    if (!one) return;
    const at = monotonicMs();
    const began = begin();
    const came = await one.answeredBy(spare, at, LIMIT_MS);
    await began;
    await sleep(200);
    times[name]?.push(one.gap(at, Math.max(came + 100, monotonicMs() - 50)));
  };
  await gone(OURS, () => ask(cluster.node(active), ['switchover', 'mail', '--to', spare, '--yes'], 30_000));
  const stop = must(cluster.node(active).inside(['systemctl', 'stop', 'bench-keepalived']));
  await Promise.all(VRRP.map(({ name }) => gone(name, () => stop)));
  await cluster.node(active).exec(['systemctl', 'start', 'bench-keepalived']);
  await sleep(4000);
}

const seconds = (ms: number): string => (ms / 1000).toFixed(2);
const figures = (ms: readonly number[]): string =>
  ms.length === 0 ? '–' : `${seconds(median(ms))} (${seconds(Math.min(...ms))}–${seconds(Math.max(...ms))})`;

function row(about: string, times: Times): readonly string[] {
  const ours = median(times[OURS] ?? []);
  const compared = VRRP.map(({ name }) => `${(median(times[name] ?? []) / ours).toFixed(1)} ×`);
  return [`${about}, n = ${times[OURS]?.length}`, ...NAMES.map((name) => figures(times[name] ?? [])), ...compared];
}

/** Prints its table; gives how often an address was on two nodes at once, by name. */
export async function failovers(runs: number, say: (text: string) => void): Promise<void> {
  const cluster = await LabCluster.up(CLUSTER);
  const holders = new Map<string, Holders>();
  try {
    for (const name of NODES) await startKeepalived(cluster, name);
    const places = [{ name: OURS, address: FLOATING }, ...VRRP];
    for (const { name, address } of places)
      holders.set(name, await Holders.watch(cluster.lab, NODES, { address, port: 25, everyMs: EVERY_MS }));
    const field = { cluster, holders };
    const [far, near, moved] = [nothing(), nothing(), nothing()];
    for (let n = 1; n <= runs; n += 1) {
      say(`failover: run ${n} of ${runs}`);
      await cut(field, 'witness', far);
      await cut(field, 'active', near);
      await planned(field, moved);
    }
    const head = ['median (min–max), s', ...NAMES, ...VRRP.map(({ name }) => `${name} / ours`)];
    const rows = [
      row('node loses power → its address answers elsewhere', far),
      row('the same, and the leader of etcd dies with it', near),
      row('planned move, longest time without an answer', moved),
    ];
    const doubles = NAMES.map((name) => `${name}: ${holders.get(name)?.doubles().length ?? 0}`).join('; ');
    console.log(`\n${markdown(head, rows)}\n\nTimes that an address was on two nodes at once: ${doubles}\n`);
  } finally {
    for (const one of holders.values()) one.close();
    cluster.close();
  }
}
