// A configuration as a tree in which each value knows where it was written. Files, kits and defaults become such trees
// first; merging and expanding keep the places, so that every problem and every effective value can name its origin.

/** Where a value comes from. `from` is what `config show` prints: a file, `kit dovecot` or `default`. */
export interface Place {
  readonly file: string;
  /** From 1; 0 for what stands in no file. */
  readonly line: number;
  readonly column: number;
  readonly from: string;
}

export interface Entry {
  /** Where the key stands. */
  readonly key: Place;
  readonly value: Tree;
}
export interface MapTree {
  readonly kind: 'map';
  readonly place: Place;
  readonly entries: ReadonlyMap<string, Entry>;
}
export interface ListTree {
  readonly kind: 'list';
  readonly place: Place;
  readonly items: readonly Tree[];
}
export interface Leaf {
  readonly kind: 'leaf';
  readonly place: Place;
  readonly value: string | number | boolean | null;
}
export type Tree = MapTree | ListTree | Leaf;
export type Path = readonly (string | number)[];

export const mapOf = (place: Place, entries: Iterable<readonly [string, Entry]>): MapTree => ({
  kind: 'map',
  place,
  entries: new Map(entries),
});

/** The plain value, for a schema to judge. (No key is `__proto__`: parse.ts refuses it.) */
export function plainOf(tree: Tree): unknown {
  if (tree.kind === 'leaf') return tree.value;
  if (tree.kind === 'list') return tree.items.map(plainOf);
  const plain: Record<string, unknown> = {};
  for (const [key, entry] of tree.entries) plain[key] = plainOf(entry.value);
  return plain;
}

/** A plain value as a tree that was written at one place. What is no plain data becomes null. */
export function treeOf(value: unknown, place: Place): Tree {
  if (Array.isArray(value)) return { kind: 'list', place, items: value.map((item) => treeOf(item, place)) };
  if (value !== null && typeof value === 'object')
    return mapOf(
      place,
      Object.entries(value).map(([key, part]) => [key, { key: place, value: treeOf(part, place) }] as const),
    );
  const leaf = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
  return { kind: 'leaf', place, value: leaf };
}

/** The value of a key, if the tree is a map that has it. */
export function get(tree: Tree | undefined, key: string): Tree | undefined {
  return tree?.kind === 'map' ? tree.entries.get(key)?.value : undefined;
}

export function textAt(tree: Tree | undefined, key: string): string | undefined {
  const found = get(tree, key);
  return found?.kind === 'leaf' && typeof found.value === 'string' ? found.value : undefined;
}

export function itemsOf(tree: Tree | undefined): readonly Tree[] {
  return tree?.kind === 'list' ? tree.items : [];
}

export function entriesOf(tree: Tree | undefined): Iterable<[string, Entry]> {
  return tree?.kind === 'map' ? tree.entries : [];
}

/** A copy with some keys set (undefined: removed). */
export function withKeys(tree: MapTree, keys: Readonly<Record<string, Tree | undefined>>): MapTree {
  const entries = new Map(tree.entries);
  for (const [key, value] of Object.entries(keys)) {
    if (value === undefined) entries.delete(key);
    else entries.set(key, { key: entries.get(key)?.key ?? value.place, value });
  }
  return { ...tree, entries };
}

/** What stands at a path, as far as it goes: the value's place and its key's place. */
export function placeAt(
  tree: Tree,
  path: Path,
): { readonly key: Place; readonly value: Place; readonly found: boolean } {
  let here: Tree = tree;
  let key = tree.place;
  for (const part of path) {
    const entry: Entry | undefined =
      here.kind === 'map'
        ? here.entries.get(String(part))
        : here.kind === 'list' && here.items[Number(part)]
          ? { key: (here.items[Number(part)] as Tree).place, value: here.items[Number(part)] as Tree }
          : undefined;
    if (!entry) return { key, value: here.place, found: false };
    key = entry.key;
    here = entry.value;
  }
  return { key, value: here.place, found: true };
}

export function at(tree: Tree | undefined, path: Path): Tree | undefined {
  let here = tree;
  for (const part of path) here = here?.kind === 'list' ? here.items[Number(part)] : get(here, String(part));
  return here;
}

/** A path as people read it: `services.mta.checks.smtp.port`; a named item of a list goes by its name. */
export function pathText(tree: Tree, path: Path): string {
  const words: string[] = [];
  let here: Tree | undefined = tree;
  for (const part of path) {
    if (here?.kind === 'list') {
      here = here.items[Number(part)];
      const name = textAt(here, 'name') ?? textAt(here, 'type');
      if (name === undefined) words.push(`${words.pop() ?? ''}[${part}]`);
      else words.push(name);
    } else {
      here = get(here, String(part));
      words.push(String(part));
    }
  }
  return words.map((word) => word.replace(/[^ -~]/g, '?').slice(0, 80)).join('.');
}

/** `over` laid on `under`: maps are merged key by key, everything else replaces. */
export function overlay(under: Tree, over: Tree): Tree {
  if (under.kind !== 'map' || over.kind !== 'map') return over;
  const entries = new Map(under.entries);
  for (const [key, entry] of over.entries) {
    const old = entries.get(key);
    entries.set(key, old ? { key: entry.key, value: overlay(old.value, entry.value) } : entry);
  }
  return { kind: 'map', place: over.place, entries };
}

/** Every key and every text. */
export function* wordsOf(tree: Tree): Generator<string> {
  if (tree.kind === 'leaf') {
    if (typeof tree.value === 'string') yield tree.value;
  } else if (tree.kind === 'list') for (const item of tree.items) yield* wordsOf(item);
  else
    for (const [key, { value }] of tree.entries) {
      yield key;
      yield* wordsOf(value);
    }
}
