// The key `plugins` of a configuration: which own plugins are wanted, and where in the files it is said that one cannot
// be used: where it is named first, else at the key, else at the head of the file.
import { dirname, join } from 'node:path';
import { beside, loadOwn, type Own, type OwnFault } from '../contract/own.ts';
import type { Files } from '../ports/files.ts';
import type { PluginKind, Plugins } from '../registry.ts';
import { problemAt } from './issues.ts';
import { PACKAGE } from './schema.ts';
import { at, entriesOf, get, itemsOf, type Path, pathText, type Place, textAt, type Tree } from './tree.ts';
import type { Problem } from './types.ts';

/** Beside the main file, unless the configuration says otherwise. */
export const FOLDER = 'plugins';

/** Own plugins as the configuration wants them, with the shipped ones. */
export interface WithOwn {
  readonly plugins: Plugins;
  readonly own: Own;
}

interface Options {
  readonly files: Files;
  readonly plugins: Plugins;
  readonly uid: number | null;
  readonly modes?: boolean;
}

/** `main` is the main file: plugins are in the folder beside it unless the configuration says otherwise. */
export async function withOwnPlugins(tree: Tree, main: string, options: Options): Promise<WithOwn> {
  const key = get(tree, 'plugins');
  const folder = textAt(key, 'folder');
  const packages = itemsOf(get(key, 'packages')).flatMap((item) =>
    // What is no name of a package, the schema says.
    item.kind === 'leaf' && typeof item.value === 'string' && PACKAGE.test(item.value) ? [item.value] : [],
  );
  const wanted = {
    ...{ packages, named: folder !== undefined },
    folder: folder?.startsWith('/') ? folder : join(dirname(main), FOLDER),
  };
  const own = await loadOwn(wanted, { files: options.files, uid: options.uid, modes: options.modes ?? true });
  return { plugins: beside(options.plugins, own.plugins), own };
}

interface Use {
  readonly path: Path;
  /** Where its type stands: a text, or a key. */
  readonly type: string | undefined;
  readonly place: Place;
}

/** By the key `type` (of a cluster: `engine`). */
function* byKey(tree: Tree, path: Path, key = 'type'): Generator<Use> {
  const found = get(at(tree, path), key);
  if (found?.kind === 'leaf' && typeof found.value === 'string') yield { path, type: found.value, place: found.place };
}

/** Where plugins of a kind are named. */
function* named(tree: Tree, kind: PluginKind): Generator<Use> {
  if (kind === 'alerts') for (const [name] of entriesOf(get(tree, 'alerts'))) yield* byKey(tree, ['alerts', name]);
  else if (kind === 'cluster') yield* byKey(tree, ['cluster'], 'engine');
  else if (kind === 'checks' || kind === 'recovery')
    for (const [name, entry] of entriesOf(get(tree, 'services'))) {
      if (kind === 'recovery') yield* byKey(tree, ['services', name, 'manager']);
      else
        for (const index of itemsOf(get(entry.value, 'checks')).keys())
          yield* byKey(tree, ['services', name, 'checks', index]);
    }
  else
    for (const [name, entry] of entriesOf(get(tree, 'groups'))) {
      const list = kind === 'switchover' ? 'steps' : 'replication';
      for (const [index, item] of itemsOf(get(entry.value, list)).entries())
        for (const [type, { key }] of entriesOf(item))
          yield { path: ['groups', name, list, index, type], type, place: key };
    }
}

function placeOf(fault: OwnFault, tree: Tree): { readonly where: string; readonly place: Place } {
  if (fault.kind !== undefined)
    for (const { path, type, place } of named(tree, fault.kind))
      if (type === fault.name) return { where: `${pathText(tree, path)}: `, place };
  const key = get(tree, 'plugins');
  const packages = itemsOf(get(key, 'packages'));
  const item = packages.find((one) => one.kind === 'leaf' && one.value === fault.package);
  const place = item?.place ?? (get(key, 'folder') ?? key ?? tree).place;
  return { where: 'plugins: ', place };
}

/** What is wrong with own plugins, as problems of the configuration; `tree` has its kits expanded. */
export function ownProblems(own: Own, tree: Tree): readonly Problem[] {
  return own.faults.map((fault) => {
    const { where, place } = placeOf(fault, tree);
    const problem = problemAt(place, `${where}${fault.path}: ${fault.text}`, fault.rule, fault.hint);
    return fault.only ? { ...problem, level: fault.only } : problem;
  });
}

/** Those that are there and cannot be used, by `kind/name`: each use of one is told, and not that there is none. */
export const unusable = (own: Own): ReadonlyMap<string, OwnFault> =>
  new Map(own.faults.flatMap((one) => (one.only ? [] : [[`${one.kind ?? ''}/${one.name ?? ''}`, one] as const])));
