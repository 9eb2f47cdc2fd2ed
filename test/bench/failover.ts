// How long clients miss an address that moves from one node to another: Watchkeeper with the shortest silence that is
// allowed, beside keepalived and Pacemaker on the same two nodes at the same moment: one power cut takes all of their
// addresses. What answers is Postfix, running on both nodes. And how long both nodes have the address when nothing but
// the way between them is cut, which is what the fast ones pay. Whatever does not come within its limit is a figure
// too: the rounds go on, and end in time.
import { type ClusterOptions, FLOATING, LabCluster, type NodeName, NODES, otherOf } from '../lab/cluster.ts';
import { attempt, eventually, must, sleep } from '../lab/command.ts';
import { Holders, monotonicMs } from '../lab/holders.ts';
import { ask } from '../lab/watchkeeper.ts';
import { KEEPALIVED, startKeepalived, VRRP } from './keepalived.ts';
import { choose, order, PACEMAKER, rest, startPacemaker, type Way, WAYS } from './pacemaker.ts';
import { markdown, range, ratio } from './table.ts';

const CLUSTER: ClusterOptions = { silenceMs: 1500 };
/** Of one address that is waited for. */
const LIMIT_S = 30;
const LIMIT_MS = LIMIT_S * 1000;
const EVERY_MS = 10;
const APART_S = 15;
/** No round begins later; one that has begun is ended. */
const BUDGET_MS = 25 * 60_000;
/** So many rounds in a row may break before there is no sense in more. */
const BROKEN_MAX = 2;

const OURS = 'Watchkeeper, T = 1.5 s';
const LEADER = 'the same, and the leader of etcd dies with it';

/** The addresses, by the name of what holds them. */
const PLACES = [
  { name: OURS, address: FLOATING },
  ...VRRP,
  { name: 'Pacemaker', address: PACEMAKER },
] as const satisfies readonly { name: string; address: string }[];
type Holder = (typeof PLACES)[number]['name'];

/** Milliseconds by row; null: not within the limit. */
type Times = Map<string, (number | null)[]>;

interface Field {
  readonly cluster: LabCluster;
  readonly holders: ReadonlyMap<Holder, Holders>;
  readonly cuts: Times;
  readonly moves: Times;
  readonly aparts: Times;
  /** How often an address was on both nodes while they were apart, by its holder. */
  readonly excused: Map<Holder, number>;
  /** How Pacemaker works now. */
  way: Way;
}

const enter = (times: Times, row: string, ms: number | null): void =>
  void times.set(row, [...(times.get(row) ?? []), ms]);

const isOn = ({ holders }: Field, name: Holder, node: NodeName): boolean => {
  const now = holders.get(name)?.now ?? [];
  return now.length === 1 && now[0] === node;
};

/** All addresses are on the node that has the group, and the other node is ready for all of them. */
async function calm(field: Field): Promise<NodeName> {
  const { cluster, holders } = field;
  const active = await eventually('a calm cluster', () => cluster.calmOn(), 90_000, 200);
  const together = (): boolean => VRRP.every(({ name }) => isOn(field, name, active));
  if (!together()) {
    // Its address is elsewhere: a stop of it there brings it over.
    await cluster.node(otherOf(active)).exec(['systemctl', 'stop', KEEPALIVED]);
    await eventually('keepalived to come over', together, 15_000, 50);
    await cluster.node(otherOf(active)).exec(['systemctl', 'start', KEEPALIVED]);
    await sleep(4000);
  }
  await rest(cluster);
  if (!isOn(field, 'Pacemaker', active)) {
    await order(cluster, active);
    await eventually('Pacemaker to come over', () => isOn(field, 'Pacemaker', active), LIMIT_MS, 50);
    await rest(cluster);
  }
  for (const [name, one] of holders) {
    // A neighbour that missed where it went asks again only after up to a minute.
    await one.answeredBy(active, monotonicMs(), 90_000).catch((error: Error) => {
      throw new Error(`${name}: ${error.message}`);
    });
  }
  await sleep(1000 + Math.random() * 1000);
  return active;
}

/** When this node first answered at its address; null: not within the limit. */
const answered = (field: Field, name: Holder, node: NodeName, from: number): Promise<number | null> =>
  field.holders
    .get(name)
    ?.answeredBy(node, from, LIMIT_MS)
    .catch(() => null) ?? Promise.resolve(null);

/** Calm, and etcd led by who is to lead it. On a busy machine something may have moved meanwhile: then once more. */
async function led(field: Field, leader: 'witness' | 'active'): Promise<NodeName> {
  const { cluster } = field;
  for (let tries = 0; tries < 5; tries += 1) {
    const active = await calm(field);
    await cluster.lead(leader === 'active' ? active : leader);
    await sleep(500 + Math.random() * 1000);
    if (PLACES.every(({ name }) => isOn(field, name, active))) return active;
  }
  throw new Error('the addresses do not stay together');
}

/** One power cut; for each, the ms until a client was answered by the other node. */
async function cut(field: Field, leader: 'witness' | 'active'): Promise<void> {
  const { cluster, way, cuts } = field;
  const active = await led(field, leader);
  const row: Readonly<Record<string, string>> = { [OURS]: leader === 'active' ? LEADER : OURS, Pacemaker: way.name };
  const at = monotonicMs();
  await cluster.node(active).kill({ unplug: true });
  // A machine without power has no address; the network of this one outlives it, and Pacemaker's would stay.
  await attempt(['ip', '-n', `${cluster.lab.prefix}-${active}`, 'addr', 'del', `${PACEMAKER}/24`, 'dev', 'eth0']);
  await Promise.all(
    PLACES.map(async ({ name }) => {
      const came = await answered(field, name, otherOf(active), at);
      enter(cuts, row[name] ?? name, came === null ? null : came - at);
    }),
  );
  await cluster.powerOn(active);
  await sleep(3000);
}

/** One move that was asked for, of each in turn; the longest time without an answer. */
async function planned(field: Field): Promise<void> {
  const { cluster, holders, moves, way } = field;
  const active = await calm(field);
  const spare = otherOf(active);
  const gone = async (name: Holder, row: string, begin: () => Promise<unknown>): Promise<void> => {
    const at = monotonicMs();
    const began = begin();
    const came = await answered(field, name, spare, at);
    await began;
    await sleep(300);
    const missed = holders.get(name)?.gap(at, Math.max((came ?? 0) + 100, monotonicMs() - 50)) ?? null;
    enter(moves, row, came === null ? null : missed);
  };
  await gone(OURS, OURS, () => ask(cluster.node(active), ['switchover', 'mail', '--to', spare, '--yes'], 30_000));
  const stop = must(cluster.node(active).inside(['systemctl', 'stop', KEEPALIVED]));
  await Promise.all(VRRP.map(({ name }) => gone(name, name, () => stop)));
  await cluster.node(active).exec(['systemctl', 'start', KEEPALIVED]);
  await gone('Pacemaker', way.name, () => order(cluster, spare));
  await sleep(4000);
}

/** The nodes cannot reach each other, while clients and the witness reach both; how long both have each address. */
async function apart(field: Field): Promise<void> {
  const { cluster, holders, aparts, excused, way } = field;
  await calm(field);
  const from = monotonicMs();
  await cluster.drop([
    ['n1', 'n2'],
    ['n2', 'n1'],
  ]);
  await sleep(APART_S * 1000);
  const to = monotonicMs();
  await cluster.heal();
  for (const [name, one] of holders) enter(aparts, name === 'Pacemaker' ? way.name : name, one.doubledMs(from, to));
  try {
    await calm(field);
  } finally {
    for (const [name, one] of holders) excused.set(name, (excused.get(name) ?? 0) + one.doubles(from).length);
  }
}

/** Two power cuts and two planned moves, of Pacemaker in one of its ways. */
async function round(field: Field, number: number): Promise<void> {
  field.way = WAYS[number % WAYS.length] ?? field.way;
  await choose(field.cluster, field.way);
  await cut(field, 'witness');
  await cut(field, 'active');
  await planned(field);
  await planned(field);
  // The switch of this bench only says that it has cut the power: what it does not do is not shown.
  if (!field.way.fencing) await apart(field);
}

function print({ cuts, moves, aparts, excused, holders }: Field): void {
  const head = [
    ...['median (min–max), s', 'power cut → its address answers elsewhere', '/ ours'],
    ...['planned move, longest time without an answer', '/ ours', `nodes apart for ${APART_S} s: both have it for`],
  ];
  const names = [OURS, LEADER, ...VRRP.map(({ name }) => name), ...WAYS.map(({ name }) => name)];
  const rows = names.map((name) => [
    name,
    ...[cuts, moves].flatMap((times) => {
      const [own, ours] = [times.get(name) ?? [], times.get(OURS) ?? []];
      return [range(own, LIMIT_S), name === OURS ? '' : ratio(own, ours)];
    }),
    range(aparts.get(name) ?? [], APART_S),
  ]);
  const otherwise = PLACES.map(({ name }) => {
    const times = (holders.get(name)?.doubles().length ?? 0) - (excused.get(name) ?? 0);
    return `${name}: ${times}`;
  });
  console.log(`\n${markdown(head, rows)}\n\nTimes that both nodes had it otherwise: ${otherwise.join('; ')}\n`);
}

async function rounds(field: Field, runs: number, say: (text: string) => void): Promise<void> {
  const end = performance.now() + BUDGET_MS;
  let broken = 0;
  for (let number = 0; number < runs && broken < BROKEN_MAX; number += 1) {
    if (performance.now() > end) return say(`failover: the time is over after ${number} of ${runs} rounds`);
    say(`failover: round ${number + 1} of ${runs}, ${WAYS[number % WAYS.length]?.name}`);
    try {
      await round(field, number);
      broken = 0;
    } catch (error) {
      broken += 1;
      say(`failover: this round broke: ${(error as Error).message.slice(0, 500)}`);
      await field.cluster.restore();
    }
  }
}

/** Prints its table, also when some of the rounds broke. */
export async function failovers(runs: number, say: (text: string) => void): Promise<void> {
  say('failover: two nodes and a witness');
  const cluster = await LabCluster.up(CLUSTER);
  const holders = new Map<Holder, Holders>();
  try {
    for (const name of NODES) await startKeepalived(cluster, name);
    await startPacemaker(cluster);
    for (const { name, address } of PLACES)
      holders.set(name, await Holders.watch(cluster.lab, NODES, { address, port: 25, everyMs: EVERY_MS }));
    const [way] = WAYS;
    const times = { cuts: new Map(), moves: new Map(), aparts: new Map(), excused: new Map() };
    const field: Field = { cluster, holders, ...times, way: way as Way };
    await rounds(field, runs, say);
    print(field);
  } finally {
    for (const one of holders.values()) one.close();
    cluster.close();
  }
}
