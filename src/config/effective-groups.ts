// The trees of the cluster and of one group with every default filled in. Part of effective.ts.
import type { z } from '../define.ts';
import type { Plugins } from '../registry.ts';
import { strictOf } from './build.ts';
import { cluster as clusterSchema, stepKeys, sourceKeys } from './cluster-schema.ts';
import { durationText, fill, reflect } from './reflect.ts';
import { derived } from './timing.ts';
import { get, itemsOf, type MapTree, type Place, plainOf, textAt, type Tree, withKeys } from './tree.ts';

export const DEFAULT: Place = { file: '', line: 0, column: 0, from: 'default' };

const leaf = (value: string | number): Tree => ({ kind: 'leaf', place: DEFAULT, value });

export function clusterTree(tree: MapTree, plugins: Plugins): MapTree {
  const engine = get(tree, 'engine') ?? leaf('standalone');
  const plugin = plugins.cluster.get(textAt(tree, 'engine') ?? 'standalone');
  const filled = plugin ? (fill(tree, reflect(strictOf(plugin.options)), DEFAULT) as MapTree) : tree;
  const judged = clusterSchema.safeParse(plainOf(tree));
  if (!judged.success) return filled;
  const { renewMs, marginMs, failsafeMs } = derived(judged.data);
  return withKeys(filled, {
    engine,
    renew: get(tree, 'renew') ?? leaf(durationText(renewMs)),
    margin: get(tree, 'margin') ?? leaf(durationText(marginMs)),
    failsafe: get(tree, 'failsafe') ?? leaf(durationText(failsafeMs)),
  });
}

type Kind = ReadonlyMap<string, { readonly options: z.ZodObject }>;

/** Each item has its type as one key; what is below it is filled by the plugin. */
function itemsTree(list: Tree | undefined, plugins: Kind, own: object): Tree {
  const items = itemsOf(list).map((item): Tree => {
    if (item.kind !== 'map') return item;
    const [type, entry] = [...item.entries].find(([key]) => !Object.hasOwn(own, key)) ?? [];
    const plugin = plugins.get(type ?? '');
    if (type === undefined || !entry || !plugin) return item;
    const { value } = entry;
    const written: Tree = value.kind === 'map' ? value : { kind: 'map', place: value.place, entries: new Map() };
    return withKeys(item, { [type]: fill(written, reflect(strictOf(plugin.options)), DEFAULT) });
  });
  return { kind: 'list', place: list?.place ?? DEFAULT, items };
}

export function groupTree(group: MapTree, plugins: Plugins): MapTree {
  const replication = itemsTree(get(group, 'replication'), plugins.replication, sourceKeys);
  const watched = itemsOf(replication).length > 0;
  return withKeys(group, {
    gate: get(group, 'gate') ?? leaf(watched ? 'good' : 'none'),
    replication,
    steps: itemsTree(get(group, 'steps'), plugins.switchover, stepKeys),
  });
}
