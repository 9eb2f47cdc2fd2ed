// The cluster from its tree to what the daemon runs: its coordinator, the times of the right to be active, its nodes,
// and the member of etcd that this node runs.
import { type Building, judgeOptions } from './build.ts';
import { type ClusterInput, cluster as clusterSchema, clusterKeys, type MemberInput } from './cluster-schema.ts';
import { explain } from './issues.ts';
import { derived } from './timing.ts';
import { at, get, placeAt, plainOf, type Tree } from './tree.ts';
import type { ClusterConfig, MemberConfig } from './types.ts';

export interface BuiltCluster {
  readonly input: ClusterInput;
  /** Null: its coordinator is not good. The rest can be judged all the same. */
  readonly config: ClusterConfig | null;
}

interface Here {
  readonly node: string;
  readonly stateDir: string;
  /** Groups are configured: they need a cluster, if only one of one node. */
  readonly groups: boolean;
}

const PATH = ['cluster'];
const ALONE = 'standalone';

/** Null: this node stands alone. Undefined: problems were noted. */
export function buildCluster(building: Building, here: Here): BuiltCluster | null | undefined {
  const tree = at(building.tree, PATH);
  if (!tree && !here.groups) return null;
  const judged = clusterSchema.safeParse(tree ? plainOf(tree) : { nodes: { [here.node]: { paths: ['127.0.0.1'] } } });
  const fallback = placeAt(building.tree, PATH).key;
  if (!judged.success) {
    const about = { tree: building.tree, base: PATH, schema: clusterSchema, fallback };
    building.problems.push(...explain(judged.error.issues, about));
  }
  const engine = engineOf(building, tree);
  if (!judged.success) return undefined;
  const input = judged.data;
  return { input, config: engine ? configOf(input, engine, here) : null };
}

function configOf(input: ClusterInput, engine: NonNullable<ReturnType<typeof engineOf>>, here: Here): ClusterConfig {
  const { renewMs, marginMs, failsafeMs } = derived(input);
  const nodes = Object.entries(input.nodes);
  const { certificate, key, authority } = input.peers;
  return {
    name: input.name,
    engine: engine.type,
    options: engine.options,
    policy: {
      timing: { silenceMs: input.silence, renewMs, marginMs, failsafeMs },
      nodes: Object.fromEntries(
        nodes.map(([name, { site = null, capacity = null, paths }]) => [name, { site, capacity, paths }]),
      ),
    },
    words: Object.fromEntries(nodes.map(([name, node]) => [name, node.words])),
    peers: {
      port: input.peers.port,
      everyMs: input.peers.every,
      timeoutMs: input.peers.timeout,
      tls: certificate && key && authority ? { certificate, key, authority } : null,
    },
    member: memberOf(input, here),
  };
}

/** The coordinator and its options. With members of our own, their addresses need not be written again. */
function engineOf(building: Building, tree: Tree | undefined) {
  const written = get(tree, 'engine');
  const type = written?.kind === 'leaf' && typeof written.value === 'string' ? written.value : ALONE;
  const place = written?.place ?? placeAt(building.tree, PATH).key;
  const plain = tree?.kind === 'map' ? (plainOf(tree) as Record<string, unknown>) : {};
  const more = type === 'etcd' ? ownMembers(plain) : {};
  const own = Object.keys(clusterKeys);
  return judgeOptions(building, { kind: 'cluster', type, place, path: PATH, own, more });
}

/** How the members are reached that the nodes run themselves; nothing when they run none. */
function ownMembers(plain: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const judged = clusterSchema.safeParse(plain);
  const member = judged.success ? howOf(judged.data) : null;
  if (!judged.success || !member) return {};
  const tls = tlsOf(judged.data, member);
  const addresses = [...membersOf(judged.data, member).values()];
  const endpoints = addresses.map((address) => url(tls ? 'https' : 'http', address, member['client-port']));
  return { endpoints, ...tls };
}

const PLAIN: MemberInput = {
  ...{ 'client-port': 2379, 'peer-port': 2380, heartbeat: 100, election: 1000, members: {} },
};

/** How members are run; null: somebody else does. */
export function howOf(input: ClusterInput): MemberInput | null {
  const how = input['run-etcd'];
  return how === true ? PLAIN : how === false ? null : how;
}

/** All first members with their addresses: nodes by their first path, and witnesses. */
export const membersOf = (input: ClusterInput, member: MemberInput): ReadonlyMap<string, string> =>
  new Map([
    ...Object.entries(input.nodes).map(([name, { paths }]) => [name, paths[0] as string] as const),
    ...Object.entries(member.members),
  ]);

function tlsOf({ peers }: ClusterInput, member: MemberInput): MemberConfig['tls'] {
  const { certificate, key, authority } = member.certificate ? member : peers;
  return certificate && key && authority ? { certificate, key, authority } : null;
}

const url = (scheme: string, address: string, port: number): string =>
  `${scheme}://${address.includes(':') ? `[${address}]` : address}:${port}`;

function memberOf(input: ClusterInput, { node, stateDir }: Here): MemberConfig | null {
  const member = howOf(input);
  if (!member) return null;
  const members = membersOf(input, member);
  const own = members.get(node);
  if (own === undefined) return null; // a rule says so
  const tls = tlsOf(input, member);
  const scheme = tls ? 'https' : 'http';
  const peer = (address: string): readonly string[] => [url(scheme, address, member['peer-port'])];
  return {
    name: node,
    dataDir: member['data-dir'] ?? `${stateDir}/etcd`,
    clientUrls: [url(scheme, own, member['client-port'])],
    peerUrls: peer(own),
    initial: Object.fromEntries([...members].map(([name, address]) => [name, peer(address)])),
    token: input.name,
    heartbeatMs: member.heartbeat,
    electionMs: member.election,
    tls,
  };
}
