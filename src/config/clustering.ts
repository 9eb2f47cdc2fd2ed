// The cluster and all groups of a configuration: built one by one, judged by the rules, and handed to the daemon and to
// the core. Neither is there when this node stands alone.
import type { Policy } from '../core/types.ts';
import type { Building } from './build.ts';
import { type BuiltCluster, buildCluster } from './cluster.ts';
import { type BuiltGroup, buildGroup, hoursOf } from './groups.ts';
import type { RootInput } from './schema.ts';
import { entriesOf, get } from './tree.ts';
import type { Config } from './types.ts';

export interface Clustering {
  readonly config: Pick<Config, 'cluster' | 'groups'>;
  readonly policy: Pick<Policy, 'cluster' | 'groups'>;
}

/** What of the root is looked at; null: it is no good itself. */
type Root = Pick<RootInput, 'node' | 'state-dir' | 'quiet-hours'>;

/** What could be built. Undefined: the cluster is no good, and problems were noted. */
export interface Clustered {
  readonly node: string;
  readonly cluster: BuiltCluster | null | undefined;
  readonly groups: readonly BuiltGroup[];
  readonly quiet: readonly string[];
}

export function buildClustering(building: Building, root: Root | null, hostname: string): Clustered {
  const names = [...entriesOf(get(building.tree, 'groups'))].map(([name]) => name);
  const node = root?.node ?? hostname;
  const here = { node, stateDir: root?.['state-dir'] ?? '/', groups: names.length > 0 };
  const cluster = buildCluster(building, here);
  const quiet = Object.fromEntries(
    Object.entries(root?.['quiet-hours'] ?? {}).map(([name, hours]) => [name, hoursOf(hours)]),
  );
  const groups = names.flatMap((name) => buildGroup(building, name, quiet) ?? []);
  return { node, cluster, groups, quiet: Object.keys(quiet) };
}

/** Of a configuration without errors. */
export function clusteringOf({ cluster, groups }: Clustered): Clustering {
  if (!cluster?.config) return { config: {}, policy: {} };
  const good = groups.flatMap(({ config }) => config ?? []);
  return {
    config: { cluster: cluster.config, groups: Object.fromEntries(good.map((group) => [group.name, group])) },
    policy: {
      cluster: cluster.config.policy,
      groups: Object.fromEntries(good.map(({ name, policy }) => [name, policy])),
    },
  };
}
