// What a new configuration changes: which services, checks and channels start, stop, change or stay. A reload swaps by
// it; `config diff` prints it.
import { leaves, valueText } from './show.ts';
import type { Tree } from './tree.ts';
import type { ChannelConfig, CheckConfig, ClusterConfig, Config, GroupConfig, ServiceConfig } from './types.ts';

export interface Parts {
  readonly starts: readonly string[];
  readonly stops: readonly string[];
  readonly changes: readonly string[];
  readonly stays: readonly string[];
}

export interface ServiceChange {
  readonly name: string;
  readonly checks: Parts;
  /** Which of the rest changed. Only `beats` concerns the timers; `policy` only the decisions. */
  readonly beats: boolean;
  readonly manager: boolean;
  readonly policy: boolean;
}

export interface Changes {
  readonly services: Parts;
  readonly serviceChanges: readonly ServiceChange[];
  readonly channels: Parts;
  readonly groups: Parts;
  /** Nodes and paths of the cluster. What a running daemon cannot change of it is in `restart`. */
  readonly cluster: boolean;
  /** Rules of the whole node: observe, repairs, tilt. */
  readonly node: boolean;
  /** What a running daemon cannot change: it needs a restart. */
  readonly restart: readonly ('node' | 'state-dir' | 'run-dir' | 'sandbox' | 'cluster')[];
  readonly none: boolean;
}

/** Plain data, made in one fixed order by the loader: equal text is equal meaning. */
const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

function compare<T>(old: ReadonlyMap<string, T>, next: ReadonlyMap<string, T>): Parts {
  const common = [...next.keys()].filter((name) => old.has(name));
  return {
    starts: [...next.keys()].filter((name) => !old.has(name)),
    stops: [...old.keys()].filter((name) => !next.has(name)),
    changes: common.filter((name) => !same(old.get(name), next.get(name))),
    stays: common.filter((name) => same(old.get(name), next.get(name))),
  };
}

const mapOf = <T>(record: Readonly<Record<string, T>>): ReadonlyMap<string, T> => new Map(Object.entries(record));
const checksOf = (service: ServiceConfig): ReadonlyMap<string, CheckConfig> =>
  new Map(service.checks.map((check) => [check.name, check]));

/** What the right to be active hangs on, and what is open for as long as the daemon runs: the coordinator, the name
 *  below which all records are, where this daemon listens. */
const anchorOf = (cluster: ClusterConfig | undefined) =>
  cluster
    ? [cluster.name, cluster.engine, cluster.options, cluster.peers, cluster.member, cluster.policy.timing]
    : null;

export function diff(old: Config, next: Config): Changes {
  const services = compare(mapOf(old.services), mapOf(next.services));
  const channels = compare<ChannelConfig>(mapOf(old.alerts), mapOf(next.alerts));
  const groups = compare<GroupConfig>(mapOf(old.groups ?? {}), mapOf(next.groups ?? {}));
  const serviceChanges = services.changes.map((name): ServiceChange => {
    const before = old.services[name] as ServiceConfig;
    const after = next.services[name] as ServiceConfig;
    return {
      name,
      checks: compare(checksOf(before), checksOf(after)),
      beats: !same([before.quick, before.deep], [after.quick, after.deep]),
      manager: !same(before.manager, after.manager),
      policy: !same(before.policy, after.policy),
    };
  });
  const rules = ({ policy }: Config) => [policy.observe, policy.repairs, policy.tilt];
  const rest = ({ historyMs, purgeAt, agent }: Config) => [historyMs, purgeAt, agent];
  const node = !same(rules(old), rules(next)) || !same(rest(old), rest(next));
  const restart = (
    [
      ['node', old.node, next.node],
      ['state-dir', old.stateDir, next.stateDir],
      ['run-dir', old.runDir, next.runDir],
      ['sandbox', old.sandbox, next.sandbox],
      ['cluster', JSON.stringify(anchorOf(old.cluster)), JSON.stringify(anchorOf(next.cluster))],
    ] as const
  ).flatMap(([key, before, after]) => (before === after ? [] : [key]));
  const cluster = !same(old.cluster, next.cluster);
  const moved = (parts: Parts): number => parts.starts.length + parts.stops.length + parts.changes.length;
  const none = moved(services) + moved(channels) + moved(groups) + restart.length === 0 && !node && !cluster;
  return { services, serviceChanges, channels, groups, cluster, node, restart, none };
}

/** One line for each value that differs, then what that means for the running daemon. */
export function diffText(changes: Changes, old: Tree, next: Tree): string {
  if (changes.none) return 'nothing changes\n';
  const lines = [...valueLines(old, next), ''];
  const { services, channels } = changes;
  for (const name of services.starts) lines.push(`service ${name}: is watched from now on`);
  for (const name of services.stops) lines.push(`service ${name}: is watched no more, and runs on`);
  for (const change of changes.serviceChanges) lines.push(`service ${change.name}: ${changeText(change)}`);
  for (const name of channels.starts) lines.push(`channel ${name}: is new`);
  for (const name of channels.stops) lines.push(`channel ${name}: is dropped`);
  for (const name of channels.changes) lines.push(`channel ${name}: changes`);
  for (const name of changes.groups.starts) lines.push(`group ${name}: is new`);
  for (const name of changes.groups.stops) lines.push(`group ${name}: is moved no more; what is in place stays`);
  for (const name of changes.groups.changes) lines.push(`group ${name}: changes`);
  if (changes.cluster && !changes.restart.includes('cluster')) lines.push('cluster: its nodes change');
  if (changes.node) lines.push('node: its rules change');
  for (const key of changes.restart) lines.push(`${key}: cannot change while the daemon runs; restart it`);
  const stay = services.stays.length;
  lines.push(`${stay} ${stay === 1 ? 'service stays' : 'services stay'} as ${stay === 1 ? 'it is' : 'they are'}`);
  return `${lines.join('\n')}\n`;
}

function changeText({ checks, beats, manager, policy }: ServiceChange): string {
  const words = [
    ...checks.starts.map((name) => `check ${name} starts`),
    ...checks.stops.map((name) => `check ${name} stops`),
    ...checks.changes.map((name) => `check ${name} changes`),
    ...(beats ? ['beats change'] : []),
    ...(manager ? ['manager changes'] : []),
    ...(policy ? ['rules change'] : []),
  ];
  return words.length > 0 ? words.join(', ') : 'changes in name only';
}

/** `- path: value`, `+ path: value` and `~ path: old -> new`. A default that comes or goes with its part is no line. */
function valueLines(old: Tree, next: Tree): readonly string[] {
  const [before, after] = [new Map(leaves(old)), new Map(leaves(next))];
  const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
  return paths.flatMap((path) => {
    const [was, is] = [before.get(path), after.get(path)];
    if (was && is) {
      const [from, to] = [valueText(was), valueText(is)];
      return from === to ? [] : [`~ ${path}: ${from} -> ${to}`];
    }
    const only = was ?? is;
    if (!only || only.place.from === 'default') return [];
    return [`${was ? '-' : '+'} ${path}: ${valueText(only)}`];
  });
}
