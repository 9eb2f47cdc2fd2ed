// The tree of all values that are in force: what was written and brought by kits, with every default filled in and
// marked as one. Only `config show` and `config diff` look at it; nothing runs by it.
import type { Plugins } from '../registry.ts';
import { strictOf } from './build.ts';
import { DEFAULT, clusterTree, groupTree } from './effective-groups.ts';
import { durationText, fill, reflect } from './reflect.ts';
import { root as rootSchema } from './schema.ts';
import { durationMs } from '../define.ts';
import { entriesOf, get, itemsOf, type MapTree, mapOf, textAt, type Tree, withKeys } from './tree.ts';

export { DEFAULT };

interface Sources {
  readonly plugins: Plugins;
  readonly hostname: string;
}

export function effectiveTree(tree: Tree, { plugins, hostname }: Sources): Tree {
  const named = get(tree, 'node') || tree.kind !== 'map' ? tree : withKeys(tree, { node: leaf(hostname) });
  const filled = fill(named, reflect(rootSchema), DEFAULT) as MapTree;
  const services = [...entriesOf(get(filled, 'services'))].map(
    ([name, entry]) => [name, { key: entry.key, value: serviceTree(entry.value as MapTree, plugins) }] as const,
  );
  const alerts = [...entriesOf(get(filled, 'alerts'))].map(([name, entry]) => {
    const plugin = plugins.alerts.get(textAt(entry.value, 'type') ?? '');
    return [name, { key: entry.key, value: pluginTree(entry.value, plugin?.options) }] as const;
  });
  const groups = [...entriesOf(get(filled, 'groups'))].map(
    ([name, entry]) => [name, { key: entry.key, value: groupTree(entry.value as MapTree, plugins) }] as const,
  );
  const cluster = get(filled, 'cluster');
  return withKeys(filled, {
    ...(cluster?.kind === 'map' ? { cluster: clusterTree(cluster, plugins) } : {}),
    groups: mapOf(get(filled, 'groups')?.place ?? DEFAULT, groups),
    services: mapOf(get(filled, 'services')?.place ?? DEFAULT, services),
    alerts: mapOf(get(filled, 'alerts')?.place ?? DEFAULT, alerts),
  });
}

const leaf = (value: string): Tree => ({ kind: 'leaf', place: DEFAULT, value });

const pluginTree = (tree: Tree, options: Parameters<typeof strictOf>[0] | undefined): Tree =>
  options ? fill(tree, reflect(strictOf(options)), DEFAULT) : tree;

function serviceTree(service: MapTree, plugins: Plugins): Tree {
  const checks = itemsOf(get(service, 'checks')).map((check) => {
    const plugin = plugins.checks.get(textAt(check, 'type') ?? '');
    if (!plugin || get(check, 'off') || check.kind !== 'map') return check;
    const filled = pluginTree(check, plugin.options) as MapTree;
    return withKeys(filled, { depth: get(check, 'depth') ?? leaf(plugin.depth) });
  });
  const manager = get(service, 'manager');
  const recovery = plugins.recovery.get(textAt(manager, 'type') ?? '');
  const recover = get(service, 'recover') as MapTree;
  const timeoutMs = durationMs(textAt(get(service, 'deep'), 'timeout') ?? '') ?? 0;
  const confirm = get(recover, 'confirm') ?? leaf(durationText(timeoutMs + 1000));
  // Without a manager nothing is repaired, unless somebody wrote a ladder of own commands.
  const watched = !manager && get(recover, 'ladder')?.place === DEFAULT;
  const none: Tree = { kind: 'list', place: DEFAULT, items: [] };
  return withKeys(service, {
    checks: { kind: 'list', place: get(service, 'checks')?.place ?? DEFAULT, items: checks },
    manager: manager && pluginTree(manager, recovery?.options),
    recover: withKeys(recover, watched ? { confirm, ladder: none } : { confirm }),
  });
}
