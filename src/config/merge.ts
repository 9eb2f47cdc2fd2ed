// Several files as one tree: maps are merged key by key, lists are appended, and a single value may stand in one file
// only; where it stands in two, both places are named.
import { problemAt } from './issues.ts';
import type { Entry, Place, Tree } from './tree.ts';
import type { Problem } from './types.ts';

const spot = (place: Place): string => `${place.file}:${place.line}:${place.column}`;

export function mergeFiles(trees: readonly Tree[], problems: Problem[]): Tree | undefined {
  const [first, ...rest] = trees;
  return rest.reduce<Tree | undefined>((all, one) => (all ? merge(all, one, one.place, '', problems) : one), first);
}

function merge(a: Tree, b: Tree, key: Place, path: string, problems: Problem[]): Tree {
  if (a.kind === 'list' && b.kind === 'list') return { ...a, items: [...a.items, ...b.items] };
  if (a.kind === 'map' && b.kind === 'map') {
    const entries = new Map<string, Entry>(a.entries);
    for (const [name, entry] of b.entries) {
      const old = entries.get(name);
      const way = path ? `${path}.${name}` : name;
      entries.set(name, old ? { key: old.key, value: merge(old.value, entry.value, entry.key, way, problems) } : entry);
    }
    return { kind: 'map', place: a.place, entries };
  }
  // `services:` with nothing below it says nothing yet.
  if (a.kind === 'leaf' && a.value === null && b.kind !== 'leaf') return b;
  if (b.kind === 'leaf' && b.value === null && a.kind !== 'leaf') return a;
  problems.push(problemAt(key, `${path || 'the file'} is set twice`, 'set-twice', `first in ${spot(a.place)}`));
  return a;
}
