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

/** The paths at which plugins of a kind are named. */
function* named(tree: Tree, kind: PluginKind): Generator<Path> {
  if (kind === 'alerts') for (const [name] of entriesOf(get(tree, 'alerts'))) yield ['alerts', name];
  else
    for (const [name, entry] of entriesOf(get(tree, 'services'))) {
      if (kind === 'recovery') yield ['services', name, 'manager'];
      else for (const index of itemsOf(get(entry.value, 'checks')).keys()) yield ['services', name, 'checks', index];
    }
}

function placeOf(fault: OwnFault, tree: Tree): { readonly where: string; readonly place: Place } {
  if (fault.kind !== undefined)
    for (const path of named(tree, fault.kind)) {
      const type = get(at(tree, path), 'type');
      if (type?.kind === 'leaf' && type.value === fault.name)
        return { where: `${pathText(tree, path)}: `, place: type.place };
    }
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
