// What no schema sees of clusters and groups: names that are none, who shares what, and whether the times leave room
// for safe ownership. Called by load.ts beside rules.ts.
import { isIP } from 'node:net';
import type { Built } from './build.ts';
import { howOf, membersOf } from './cluster.ts';
import type { BuiltCluster } from './cluster.ts';
import type { Clustered } from './clustering.ts';
import type { BuiltGroup } from './groups.ts';
import { problemAt } from './issues.ts';
import { quote, suggest } from './problems.ts';
import { durationText } from './reflect.ts';
import type { Ruling } from './rules.ts';
import {
  derived,
  LATE_MANY_MS,
  LATE_ONE_MS,
  leastSilenceMs,
  LIFETIME_MS,
  NODES_MAX,
  PUBLISH_MS,
  ROOM_MS,
} from './timing.ts';
import { at, get, type Path, placeAt, textAt } from './tree.ts';
import type { GroupConfig, Problem } from './types.ts';

type Say = (path: Path, text: string, rule: string, hint?: string) => void;

const sayAt =
  ({ tree, problems }: Ruling, base: Path, level: Problem['level']): Say =>
  (path, text, rule, hint) => {
    const place = placeAt(tree, [...base, ...path]);
    const spot = place.found ? place.value : place.key;
    problems.push({ ...problemAt(spot, `${base.join('.')}: ${text}`, rule, hint), level });
  };

/** How many addresses with a lifetime a node may hold at once: more than one makes the kernel late. */
const addressesOf = (groups: readonly BuiltGroup[]): number =>
  groups.flatMap(({ input }) => input.steps.filter((step) => Object.hasOwn(step, 'address'))).length;

export function checkClustering(ruling: Ruling, clustered: Clustered, services: readonly (Built | undefined)[]): void {
  const { cluster, groups } = clustered;
  checkSwitchover(ruling, groups, services);
  if (!cluster) return;
  checkNodes(ruling, clustered, cluster);
  checkTimes(ruling, cluster, addressesOf(groups));
  checkEngine(ruling, cluster);
  const taken = new Map<string, string>();
  for (const group of groups) {
    checkGroupNames(ruling, group, clustered, services);
    checkServices(ruling, group, taken);
    if (group.config) checkGroup(ruling, group, group.config, cluster);
  }
  checkBetween(ruling, taken, services);
}

// --------------------------------------------------------------------------------------------------------- the nodes

function checkNodes(ruling: Ruling, { node }: Clustered, { input }: BuiltCluster): void {
  const say = sayAt(ruling, ['cluster'], 'error');
  const warn = sayAt(ruling, ['cluster'], 'warning');
  if (!get(ruling.tree, 'cluster')) return;
  const nodes = Object.entries(input.nodes);
  const names = nodes.map(([name]) => name);
  const members = Object.keys(howOf(input)?.members ?? {});
  if (!names.includes(node) && !members.includes(node))
    say(['nodes'], `this node ${quote(node)} is not among the nodes`, 'unknown-node', suggest(node, names));
  if (names.length > NODES_MAX) say(['nodes'], `${names.length} nodes; at most ${NODES_MAX}`, 'too-big');
  const owner = new Map<string, string>();
  for (const [name, { paths }] of nodes) {
    if (nodes.length > 1 && paths.length < 2)
      warn(
        ['nodes', name, 'paths'],
        `nodes.${name} has one path: a second network tells a dead node from a dead cable`,
        'one-path',
      );
    for (const [index, path] of paths.entries()) {
      const other = owner.get(path);
      if (other !== undefined)
        say(
          ['nodes', name, 'paths', index],
          `the address ${path} stands twice: ${other} and ${name}`,
          'duplicate-path',
        );
      owner.set(path, name);
    }
  }
  const { certificate, key, authority } = input.peers;
  const given = [certificate, key, authority].filter((one) => one !== undefined).length;
  if (given > 0 && given < 3) say(['peers'], 'peers: certificate, key and authority go together', 'missing');
  if (nodes.length > 1 && given === 0)
    warn(['peers'], 'peers: without certificate, key and authority no paths are watched', 'no-peers');
}

// --------------------------------------------------------------------------------------------------------- the times

function checkTimes(ruling: Ruling, { input }: BuiltCluster, addresses: number): void {
  const say = sayAt(ruling, ['cluster'], 'error');
  const silenceMs = input.silence;
  const { renewMs, marginMs, failsafeMs } = derived(input);
  const told = (key: string, ms: number): string =>
    `${key} ${durationText(ms)}${at(ruling.tree, ['cluster', key]) ? '' : ' (default)'}`;
  const silence = told('silence', silenceMs);
  const least = leastSilenceMs(addresses);
  const late = addresses > 1 ? LATE_MANY_MS : LATE_ONE_MS;
  if (silenceMs < least) {
    const why =
      `${durationText(LIFETIME_MS)} of life for an address, ${durationText(late)} that the kernel may be late` +
      `${addresses > 1 ? ' with several addresses' : ''}, ${durationText(ROOM_MS)} of room`;
    say(['silence'], `${silence} is shorter than ${durationText(least)}: ${why}`, 'timing');
  }
  const left = silenceMs - marginMs;
  const rest = `${silence} less ${told('margin', marginMs)}`;
  if (renewMs * 3 > left)
    say(
      ['renew'],
      `three times ${told('renew', renewMs)} is longer than ${rest}: a lost write or two would end it`,
      'timing',
    );
  if (failsafeMs >= left)
    say(['failsafe'], `${told('failsafe', failsafeMs)} is not shorter than ${rest}: it would ask too late`, 'timing');
  const { every, timeout } = input.peers;
  if (timeout > every)
    say(
      ['peers', 'timeout'],
      `peers.timeout ${durationText(timeout)} is longer than peers.every ${durationText(every)}: ` +
        'the answer must come before the next question',
      'timing',
    );
  const member = howOf(input);
  if (!member) return;
  if (member.election < member.heartbeat * 5)
    say(
      ['run-etcd', 'election'],
      `run-etcd.election ${durationText(member.election)} is shorter than five heartbeats ` +
        `of ${durationText(member.heartbeat)}`,
      'timing',
    );
  if (silenceMs <= 2 * member.election + renewMs) {
    const text =
      `${silence} is not longer than two elections of ${durationText(member.election)} and ${told('renew', renewMs)}: ` +
      'a member that dies may cost the active node its right';
    sayAt(ruling, ['cluster'], 'warning')(
      ['silence'],
      text,
      'timing',
      'a longer silence or a shorter run-etcd.election',
    );
  }
}

// -------------------------------------------------------------------------------------------------------- the engine

function checkEngine(ruling: Ruling, { input, config }: BuiltCluster): void {
  if (!config) return;
  const say = sayAt(ruling, ['cluster'], 'error');
  const warn = sayAt(ruling, ['cluster'], 'warning');
  const count = Object.keys(input.nodes).length;
  if (config.engine === 'standalone' && count > 1)
    say(['engine'], `${count} nodes need a coordinator; standalone is for one`, 'no-coordinator', 'engine: etcd');
  const member = howOf(input);
  if (member && config.engine !== 'etcd')
    say(['run-etcd'], `run-etcd is for the engine etcd, and this is ${config.engine}`, 'no-coordinator');
  if (member) checkMember(ruling, input, member);
  if (config.engine !== 'etcd') return;
  const written = (config.options as { readonly endpoints?: unknown } | null)?.endpoints;
  const size = member ? membersOf(input, member).size : Array.isArray(written) ? written.length : 0;
  if (size === 0 || (size >= 3 && size % 2 === 1)) return;
  const text =
    size < 3
      ? `${size} ${size === 1 ? 'member' : 'members'} of etcd: none may fail; three are the least`
      : `${size} members of etcd: no more of them may fail than of ${size - 1}`;
  warn([member ? 'run-etcd' : 'endpoints'], text, 'quorum', size < 3 ? 'a witness is enough for the third' : undefined);
}

function checkMember(
  ruling: Ruling,
  input: BuiltCluster['input'],
  member: NonNullable<ReturnType<typeof howOf>>,
): void {
  const say = sayAt(ruling, ['cluster'], 'error');
  const given = [member.certificate, member.key, member.authority].filter((one) => one !== undefined).length;
  if (given > 0 && given < 3) say(['run-etcd'], 'run-etcd: certificate, key and authority go together', 'missing');
  if (member['client-port'] === member['peer-port'])
    say(['run-etcd', 'peer-port'], 'run-etcd: client-port and peer-port are the same', 'bad-value');
  for (const [name, { paths }] of Object.entries(input.nodes))
    if (isIP(paths[0] ?? '') === 0)
      say(['nodes', name, 'paths', 0], 'run-etcd listens on an address: a name cannot stand here', 'bad-value');
  for (const name of Object.keys(member.members))
    if (Object.hasOwn(input.nodes, name))
      say(['run-etcd', 'members', name], `${quote(name)} is a node already`, 'duplicate-name');
}

// --------------------------------------------------------------------------------------------------------- one group

function checkGroupNames(
  ruling: Ruling,
  { name, input }: BuiltGroup,
  { cluster, quiet }: Clustered,
  services: readonly (Built | undefined)[],
): void {
  const say = sayAt(ruling, ['groups', name], 'error');
  const nodes = Object.keys(cluster?.input.nodes ?? {});
  for (const [index, node] of input.nodes.entries()) {
    if (!nodes.includes(node))
      say(['nodes', index], `there is no node ${quote(node)} in cluster.nodes`, 'unknown-node', suggest(node, nodes));
    const capacity = cluster?.input.nodes[node]?.capacity;
    if (capacity !== undefined && capacity < input.weight)
      say(['nodes', index], `weight ${input.weight} is more than the capacity ${capacity} of ${node}`, 'capacity');
    if (input.nodes.indexOf(node) < index)
      say(['nodes', index], `the node ${quote(node)} stands here twice`, 'duplicate-name');
  }
  const known = servicesOf(ruling, services);
  for (const [index, service] of input.services.entries())
    if (!known.includes(service))
      say(['services', index], `there is no service ${quote(service)}`, 'unknown-service', suggest(service, known));
  const hours = textAt(get(at(ruling.tree, ['groups', name]), 'switchback'), 'hours');
  if (hours !== undefined && !quiet.includes(hours))
    say(['switchback', 'hours'], `there are no quiet hours ${quote(hours)}`, 'unknown-hours', suggest(hours, quiet));
}

/** All that are written, whether they are good or not. */
function servicesOf({ tree }: Ruling, services: readonly (Built | undefined)[]): readonly string[] {
  const written = get(tree, 'services');
  return written?.kind === 'map'
    ? [...written.entries.keys()]
    : services.flatMap((one) => (one ? [one.config.name] : []));
}

function checkServices(ruling: Ruling, { name, input }: BuiltGroup, taken: Map<string, string>): void {
  const say = sayAt(ruling, ['groups', name], 'error');
  for (const [index, service] of input.services.entries()) {
    const other = taken.get(service);
    if (other !== undefined) {
      const where = other === name ? 'stands here twice' : `is in the group ${other} already`;
      say(['services', index], `the service ${quote(service)} ${where}`, 'two-groups');
    } else taken.set(service, name);
  }
}

const MOVING: ReadonlySet<string> = new Set(['address', 'dns', 'directory', 'command', 'lifekeeper', 'ocf']);

/** A gate of units that a source can never open: said now, and not in the night in which it stays shut. */
function checkGate(ruling: Ruling, { name, policy, sources }: GroupConfig): void {
  const blind = sources.find(({ type }) => ruling.plugins.replication.get(type)?.ageOnly === true);
  const { gate } = policy;
  if (!blind || gate.kind === 'none' || gate.kind === 'rpo' || policy.failover.mode === 'manual') return;
  const word = gate.kind === 'lossless' ? 'lossless' : `of ${gate.units} units`;
  sayAt(ruling, ['groups', name], 'warning')(
    ['gate'],
    `gate ${word}: ${blind.type} knows how old its copy is and not what it lacks, so that every failover is refused`,
    'no-units',
    'gate: { rpo: 30s }, and prove of the source shorter than that',
  );
}

function checkGroup(
  ruling: Ruling,
  { input }: BuiltGroup,
  config: GroupConfig,
  { input: cluster }: BuiltCluster,
): void {
  const say = sayAt(ruling, ['groups', config.name], 'error');
  const warn = sayAt(ruling, ['groups', config.name], 'warning');
  const { policy } = config;
  if (policy.factsMs <= PUBLISH_MS)
    say(
      ['facts'],
      `facts ${durationText(policy.factsMs)} is not longer than ${durationText(PUBLISH_MS)}: nodes say ` +
        'something of themselves no oftener',
      'timing',
    );
  if (policy.standby === 'running' && policy.nodes.length > 1 && !config.steps.some(({ type }) => MOVING.has(type)))
    warn(['standby'], 'standby: running without an address or dns step: nothing would move', 'nothing-moves');
  if (policy.services.length === 0 && config.steps.length === 0)
    say(['steps'], 'has neither services nor steps: nothing would move', 'nothing-moves');
  if (policy.failover.mode === 'automatic' && policy.gate.kind === 'none' && policy.sources.length > 0)
    warn(['gate'], 'gate: none with failover: automatic: replication is watched, and any loss is accepted', 'no-gate');
  if (policy.gate.kind !== 'none' && policy.sources.length === 0)
    warn(['gate'], 'gate: nothing says how far the copy is behind; name a source in replication', 'no-source');
  checkGate(ruling, config);
  for (const [index, source] of config.sources.entries()) {
    const path = ['replication', index] as const;
    if (source.timeoutMs > source.everyMs)
      say(
        [...path, 'timeout'],
        `replication.${source.name}: timeout ${durationText(source.timeoutMs)} is longer than ` +
          `every ${durationText(source.everyMs)}`,
        'timing',
      );
    if (source.warnUnits > source.failUnits)
      say(
        [...path, 'warn'],
        `replication.${source.name}: warn ${source.warnUnits} is more than fail ${source.failUnits}`,
        'bad-value',
      );
  }
  const { failover } = input;
  if (
    policy.objectives.rtoMs !== null &&
    policy.failover.mode !== 'manual' &&
    policy.objectives.rtoMs < cluster.silence + failover.after
  )
    warn(
      ['objectives', 'rto'],
      `objectives.rto ${durationText(policy.objectives.rtoMs)} is shorter than the silence ` +
        'that comes before a failover',
      'timing',
    );
}

// -------------------------------------------------------------------------------------------------- between services

/** A service of a group may need another one of its group, or one that runs on every node. */
function checkBetween(
  ruling: Ruling,
  taken: ReadonlyMap<string, string>,
  services: readonly (Built | undefined)[],
): void {
  for (const built of services) {
    if (!built) continue;
    const own = taken.get(built.config.name);
    for (const [index, needed] of built.config.policy.depends.entries()) {
      const other = taken.get(needed);
      if (other === undefined || own === other) continue;
      if (own === undefined) continue;
      const say = sayAt(ruling, ['services', built.config.name], 'error');
      const text = `depends: ${quote(needed)} is in the group ${other} and this one in ${own}: they may be on two nodes`;
      say(['depends', index], text, 'two-groups', 'put both into one group');
    }
  }
}

function checkSwitchover(
  ruling: Ruling,
  groups: readonly BuiltGroup[],
  services: readonly (Built | undefined)[],
): void {
  const grouped = new Set(groups.flatMap(({ input }) => input.services));
  for (const built of services) {
    if (!built || built.input.recover.then !== 'switchover' || grouped.has(built.config.name)) continue;
    const warn = sayAt(ruling, ['services', built.config.name], 'warning');
    warn(
      ['recover', 'then'],
      'recover.then: switchover, and the service is in no group: it gives up instead',
      'no-group',
    );
  }
}
