// Paths that are written relative to the file they stand in: `./x` in any option of a plugin, also as a word of a
// command (`[node, ./check.js]`) and in a reference to a secret (`file:./x`). A plugin only ever sees absolute ones.
import { dirname, resolve } from 'node:path';
import { mapOf, type Tree } from './tree.ts';

const RELATIVE = /^(file:)?(\.\/.*)$/s;

/** A copy in which every text that begins with ./ is an absolute path. What stands in no file is left as it is. */
export function withPaths(tree: Tree): Tree {
  if (tree.kind === 'list') return { ...tree, items: tree.items.map(withPaths) };
  if (tree.kind === 'map')
    return mapOf(
      tree.place,
      [...tree.entries].map(([key, entry]) => [key, { ...entry, value: withPaths(entry.value) }] as const),
    );
  if (typeof tree.value !== 'string' || tree.place.line === 0) return tree;
  const found = RELATIVE.exec(tree.value);
  if (!found) return tree;
  return { ...tree, value: (found[1] ?? '') + resolve(dirname(tree.place.file), found[2] ?? '') };
}
