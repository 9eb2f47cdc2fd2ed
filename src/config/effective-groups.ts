// The trees of the cluster and of one group with every default filled in. Part of effective.ts.
import type { z } from '../define.ts';
import type { Plugins } from '../registry.ts';
import { strictOf } from './build.ts';
import {
  cluster as clusterSchema,
  failoverWay,
  member,
  sourceKeys,
  step,
  stepKeys,
  switchbackWay,
} from './cluster-schema.ts';
import { afterStorage, SERVICE } from './groups.ts';
import { durationText, fill, reflect } from './reflect.ts';
import { derived } from './timing.ts';
import {
  entriesOf,
  get,
  itemsOf,
  type ListTree,
  type MapTree,
  type Place,
  plainOf,
  textAt,
  type Tree,
  treeOf,
  withKeys,
} from './tree.ts';

export const DEFAULT: Place = { file: '', line: 0, column: 0, from: 'default' };

const leaf = (value: string | number): Tree => ({ kind: 'leaf', place: DEFAULT, value });

export function clusterTree(tree: MapTree, plugins: Plugins): MapTree {
  const engine = get(tree, 'engine') ?? leaf('standalone');
  const plugin = plugins.cluster.get(textAt(tree, 'engine') ?? 'standalone');
  const filled = plugin ? (fill(tree, reflect(strictOf(plugin.options)), DEFAULT) as MapTree) : tree;
  const judged = clusterSchema.safeParse(plainOf(tree));
  if (!judged.success) return filled;
  const { renewMs, marginMs, failsafeMs } = derived(judged.data);
  const how = get(tree, 'run-etcd');
  return withKeys(filled, {
    engine,
    ...(how?.kind === 'map' ? { 'run-etcd': fill(how, reflect(member), DEFAULT) } : {}),
    renew: get(tree, 'renew') ?? leaf(durationText(renewMs)),
    margin: get(tree, 'margin') ?? leaf(durationText(marginMs)),
    failsafe: get(tree, 'failsafe') ?? leaf(durationText(failsafeMs)),
  });
}

const typeOf = (item: Tree, own: object): string | undefined =>
  [...entriesOf(item)].find(([key]) => !Object.hasOwn(own, key))?.[0];

type Kind = ReadonlyMap<string, { readonly options: z.ZodObject }>;

/** Each item has its type as one key; what is below it is filled by the plugin. */
function itemsTree(list: Tree | undefined, plugins: Kind, own: object): ListTree {
  const items = itemsOf(list).map((item): Tree => {
    const type = typeOf(item, own);
    const plugin = plugins.get(type ?? '');
    const value = type === undefined ? undefined : get(item, type);
    if (item.kind !== 'map' || type === undefined || !value || !plugin) return item;
    const written: Tree = value.kind === 'map' ? value : { kind: 'map', place: value.place, entries: new Map() };
    return withKeys(item, { [type]: fill(written, reflect(strictOf(plugin.options)), DEFAULT) });
  });
  return { kind: 'list', place: list?.place ?? DEFAULT, items };
}

const ways = new Map<string, z.ZodType>([
  ['failover', failoverWay],
  ['switchback', switchbackWay],
]);

/** The step that starts the services, where nobody wrote one (groups.ts). */
function withServices(group: MapTree, steps: ListTree, plugins: Plugins): Tree {
  const types = steps.items.map((item) => typeOf(item, stepKeys) ?? '');
  const plugin = plugins.switchover.get(SERVICE);
  if (!plugin || textAt(group, 'standby') !== 'stopped' || types.includes(SERVICE)) return steps;
  if (itemsOf(get(group, 'services')).length === 0) return steps;
  const more = Object.hasOwn(plugin.options.shape, 'services')
    ? { services: plainOf(get(group, 'services') as Tree) }
    : {};
  const made = fill(treeOf({ [SERVICE]: more }, DEFAULT), reflect(step), DEFAULT) as MapTree;
  const item = withKeys(made, {
    [SERVICE]: fill(get(made, SERVICE) as Tree, reflect(strictOf(plugin.options)), DEFAULT),
  });
  return { ...steps, items: steps.items.toSpliced(afterStorage(types), 0, item) };
}

export function groupTree(group: MapTree, plugins: Plugins): MapTree {
  const replication = itemsTree(get(group, 'replication'), plugins.replication, sourceKeys);
  const watched = itemsOf(replication).length > 0;
  return withKeys(group, {
    gate: get(group, 'gate') ?? leaf(watched ? 'good' : 'none'),
    replication,
    steps: withServices(group, itemsTree(get(group, 'steps'), plugins.switchover, stepKeys), plugins),
    ...Object.fromEntries(
      [...ways].flatMap(([key, schema]) => {
        const way = get(group, key);
        return way?.kind === 'map' ? [[key, fill(way, reflect(schema), DEFAULT)]] : [];
      }),
    ),
  });
}
