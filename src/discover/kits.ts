// The kits that ship, as far as discovery needs them. A kit without `detect` is for people who name it themselves.
import { openKits, shippedKits } from '../config/kits.ts';
import { entriesOf, get, itemsOf, plainOf, textAt, type Tree } from '../config/tree.ts';
import type { Problem } from '../config/types.ts';
import type { Files } from '../ports/files.ts';
import type { Kit } from './types.ts';

const list = <T>(tree: Tree | undefined, key: string): readonly T[] => itemsOf(get(tree, key)).map(plainOf) as T[];

/** In the order of their names. */
export function readKits(files: Files, folder = shippedKits): readonly Kit[] {
  const problems: Problem[] = [];
  const kits = openKits(undefined, folder, files);
  return kits.names().flatMap((name) => {
    const tree = kits.read(name, problems);
    const detect = get(tree, 'detect');
    return tree && detect ? [kitOf(name, tree, detect)] : [];
  });
}

function kitOf(name: string, tree: Tree, detect: Tree): Kit {
  const params = [...entriesOf(get(tree, 'params'))].map(([param, { value }]) => {
    const standard = get(value, 'default');
    return [param, standard && plainOf(standard)] as const;
  });
  return {
    name,
    about: textAt(tree, 'about') ?? name,
    units: list<string>(detect, 'units'),
    programs: list<string>(detect, 'programs'),
    files: list<string>(detect, 'files'),
    ports: list<number>(detect, 'ports'),
    params: new Map(params),
    checks: namesOf(itemsOf(get(tree, 'checks'))),
  };
}

/** As kits.ts of the configuration names them: by type, numbered from the second on. */
function namesOf(checks: readonly Tree[]): readonly string[] {
  const taken: string[] = [];
  for (const check of checks) {
    const type = textAt(check, 'type') ?? '';
    let name = textAt(check, 'name') ?? type;
    for (let number = 2; taken.includes(name); number++) name = `${type}-${number}`;
    taken.push(name);
  }
  return taken;
}
