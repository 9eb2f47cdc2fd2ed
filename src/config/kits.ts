// Kits: reads them, puts values in the place of `$parameter`, and lays a service over its kit. Data only: a parameter
// stands for a whole value, and there are no expressions.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Files } from '../ports/files.ts';
import { problemAt } from './issues.ts';
import { LIMITS, parse } from './parse.ts';
import { quote, suggest } from './problems.ts';
import { entriesOf, get, itemsOf, type ListTree, type MapTree, mapOf, overlay, textAt, type Tree } from './tree.ts';
import type { Problem } from './types.ts';

/** The kits that ship with the program: from dist/src/config three folders up. */
export const shippedKits = join(dirname(fileURLToPath(import.meta.url)), '../../../config/kits');

export interface Kits {
  names(): readonly string[];
  /** The kit's tree; undefined when there is none of this name. Problems of a kit that ships are ours. */
  read(name: string, problems: Problem[]): Tree | undefined;
}

/** Own kits of the configuration first, then those in the folder. */
export function openKits(own: Tree | undefined, folder: string, files: Files): Kits {
  const read = new Map<string, Tree | undefined>();
  let shipped: readonly string[] | undefined;
  const inFolder = (): readonly string[] => {
    if (shipped) return shipped;
    const names = files.facts(folder) ? files.list(folder) : [];
    shipped = names.filter((name) => name.endsWith('.yaml')).map((name) => name.slice(0, -5));
    return shipped;
  };
  return {
    names: () => [...new Set([...[...entriesOf(own)].map(([name]) => name), ...inFolder()])].sort(),
    read(name, problems) {
      const mine = get(own, name);
      if (mine) return mine;
      if (!read.has(name) && inFolder().includes(name)) {
        const path = join(folder, `${name}.yaml`);
        const parsed = parse(path, files.readText(path, LIMITS.bytes) ?? '', `kit ${name}`);
        problems.push(...parsed.problems);
        read.set(name, parsed.tree ?? undefined);
      }
      return read.get(name);
    },
  };
}

/** A service with what its kit brings. The keys `kit` and `set` stay, so that the result can be read again. */
export function applyKit(service: MapTree, path: string, kits: Kits, problems: Problem[]): MapTree {
  const wanted = get(service, 'kit');
  const set = get(service, 'set');
  if (!wanted) {
    if (set) problems.push(problemAt(set.place, `${path}.set: there is no kit to set something for`, 'no-kit'));
    return withChecks(service, undefined, path, problems);
  }
  const name = wanted.kind === 'leaf' && typeof wanted.value === 'string' ? wanted.value : undefined;
  if (name === undefined) return service; // the schema says so
  const kit = kits.read(name, problems);
  if (kit?.kind !== 'map') {
    const known = !kits.names().includes(name);
    const text = known ? `there is no kit ${quote(name)}` : `the kit ${quote(name)} cannot be used`;
    problems.push(
      problemAt(wanted.place, `${path}.kit: ${text}`, 'unknown-kit', known ? suggest(name, kits.names()) : undefined),
    );
    return service;
  }
  const values = parameters(kit, set, `${path}.set`, wanted, problems);
  if (!values) return service;
  const body = new Map(kit.entries);
  for (const key of ['about', 'detect', 'params', 'checks', 'manager']) body.delete(key);
  const bare = substitute({ ...kit, entries: body }, values, problems);
  const under: Tree = bare ?? mapOf(kit.place, []);
  const merged = overlay(under, service) as MapTree;
  const manager = managerOf(get(kit, 'manager'), get(service, 'manager'), values, problems);
  const entries = new Map(merged.entries);
  if (manager) entries.set('manager', { key: get(service, 'manager')?.place ?? manager.place, value: manager });
  return withChecks({ ...merged, entries }, { kit, values }, path, problems);
}

/** A manager of another type replaces the kit's; of the same type, or of none, it changes it. */
function managerOf(
  kit: Tree | undefined,
  own: Tree | undefined,
  values: Values,
  problems: Problem[],
): Tree | undefined {
  const under = kit && substitute(kit, values, problems);
  if (!under || !own) return own ?? under;
  const other = textAt(own, 'type');
  return other !== undefined && other !== textAt(under, 'type') ? own : overlay(under, own);
}

type Values = ReadonlyMap<string, Tree>;

/** The value of each parameter: the service's own, or the kit's default. Undefined when one is missing. */
function parameters(
  kit: MapTree,
  set: Tree | undefined,
  path: string,
  wanted: Tree,
  problems: Problem[],
): Values | undefined {
  const declared = new Map(entriesOf(get(kit, 'params')));
  const values = new Map<string, Tree>();
  let complete = true;
  for (const [name, entry] of entriesOf(set)) {
    if (declared.has(name)) values.set(name, entry.value);
    else
      problems.push(
        problemAt(
          entry.key,
          `${path}: unknown parameter ${quote(name)}`,
          'unknown-key',
          suggest(name, declared.keys()),
        ),
      );
  }
  for (const [name, entry] of declared) {
    const standard = get(entry.value, 'default');
    if (values.has(name)) continue;
    if (standard) values.set(name, standard);
    else {
      const about = textAt(entry.value, 'about');
      const text = `${path}.${name} is missing${about ? ` (${about})` : ''}`;
      problems.push(problemAt(set?.place ?? wanted.place, text, 'missing'));
      complete = false;
    }
  }
  return complete ? values : undefined;
}

const isNull = (tree: Tree | undefined): boolean => tree?.kind === 'leaf' && tree.value === null;

/** `$name` → its value, `$$text` → `$text`. What stands for null leaves its map or list: undefined. */
function substitute(tree: Tree, values: Values, problems: Problem[]): Tree | undefined {
  if (tree.kind === 'list') {
    const items = tree.items.flatMap((item) => substitute(item, values, problems) ?? []);
    return { ...tree, items };
  }
  if (tree.kind === 'map') {
    const entries = [...tree.entries].flatMap(([key, entry]) => {
      const value = substitute(entry.value, values, problems);
      return value ? [[key, { key: entry.key, value }] as const] : [];
    });
    return mapOf(tree.place, entries);
  }
  if (typeof tree.value !== 'string' || !tree.value.startsWith('$')) return tree;
  if (tree.value.startsWith('$$')) return { ...tree, value: tree.value.slice(1) };
  const value = values.get(tree.value.slice(1));
  if (!value) {
    const hint = suggest(tree.value.slice(1), values.keys());
    problems.push(problemAt(tree.place, `the kit has no parameter ${quote(tree.value)}`, 'unknown-parameter', hint));
  }
  return isNull(value) ? undefined : value;
}

interface KitChecks {
  readonly kit: MapTree;
  readonly values: Values;
}

/** The kit's checks, changed or dropped by name, then the service's own; each gets a name. Dropped ones stay in the
 *  list with `off: true`. */
function withChecks(service: MapTree, from: KitChecks | undefined, path: string, problems: Problem[]): MapTree {
  const own = get(service, 'checks');
  if (own && own.kind !== 'list') return service; // the schema says so
  const taken = new Set<string>();
  const brought = from ? kitChecks(from, problems) : [];
  const byName = new Map(named(brought, taken).map((check) => [textAt(check, 'name') ?? '', check]));
  // Names that are given come before names that are made: a made one goes around them.
  const given = new Set<string>();
  for (const item of itemsOf(own)) {
    const name = textAt(item, 'name');
    if (name === undefined) continue;
    if (given.has(name)) {
      const text = `${path}.checks: the name ${quote(name)} stands here twice`;
      problems.push(problemAt(get(item, 'name')?.place ?? item.place, text, 'duplicate-name'));
    }
    given.add(name);
    taken.add(name);
  }
  const added: Tree[] = [];
  for (const item of itemsOf(own)) {
    const name = textAt(item, 'name');
    const under = name === undefined ? undefined : byName.get(name);
    if (name !== undefined && under) {
      const type = textAt(item, 'type');
      byName.set(name, type !== undefined && type !== textAt(under, 'type') ? item : overlay(under, item));
    } else {
      orphan(item, [...byName.keys()], path, problems);
      added.push(item);
    }
  }
  const items = [...byName.values(), ...named(added, taken)];
  if (!own && items.length === 0) return service;
  const list: ListTree = { kind: 'list', place: own?.place ?? from?.kit.place ?? service.place, items };
  const entries = new Map(service.entries);
  entries.set('checks', { key: entries.get('checks')?.key ?? list.place, value: list });
  return { ...service, entries };
}

/** A check without a type that changes nothing, or that drops nothing. */
function orphan(item: Tree, known: readonly string[], path: string, problems: Problem[]): void {
  if (item.kind !== 'map') return; // the schema says so
  const name = textAt(item, 'name');
  const off = get(item, 'off');
  if (textAt(item, 'type') !== undefined && !off) return;
  const place = get(item, 'name')?.place ?? item.place;
  if (name === undefined) problems.push(problemAt(place, `${path}.checks: a check needs a type`, 'missing'));
  else {
    const text = `${path}.checks: the kit brings no check ${quote(name)}, and there is no type`;
    problems.push(problemAt(place, text, 'matches-nothing', suggest(name, known)));
  }
}

function kitChecks({ kit, values }: KitChecks, problems: Problem[]): readonly Tree[] {
  return itemsOf(get(kit, 'checks')).flatMap((item) => {
    if (item.kind !== 'map') return [];
    const needs = itemsOf(get(item, 'needs'));
    for (const need of needs)
      if (need.kind === 'leaf' && !values.has(String(need.value)))
        problems.push(
          problemAt(need.place, `the kit has no parameter ${quote(String(need.value))}`, 'unknown-parameter'),
        );
    if (needs.some((need) => need.kind === 'leaf' && isNull(values.get(String(need.value))))) return [];
    const entries = new Map(item.entries);
    entries.delete('needs');
    return substitute({ ...item, entries }, values, problems) ?? [];
  });
}

/** Gives a name to each that has none: its type, numbered from the second on. */
function named(checks: readonly Tree[], taken: Set<string>): readonly Tree[] {
  return checks.map((check) => {
    const type = textAt(check, 'type');
    if (check.kind !== 'map' || get(check, 'name') || type === undefined) {
      const name = textAt(check, 'name');
      if (name !== undefined) taken.add(name);
      return check;
    }
    let name = type;
    for (let number = 2; taken.has(name); number++) name = `${type}-${number}`;
    taken.add(name);
    const value: Tree = { kind: 'leaf', place: get(check, 'type')?.place ?? check.place, value: name };
    return mapOf(check.place, [['name', { key: value.place, value }], ...check.entries]);
  });
}
