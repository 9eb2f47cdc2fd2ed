// A configuration for people: its tree as YAML that can be read again, each value with its origin beside it.
// A tree holds references to secrets, never secrets; a literal one does not pass the schema.
import { stringify } from 'yaml';
import { entriesOf, type Path, type Place, plainOf, type Tree } from './tree.ts';

const COMMENT_COLUMN = 52;

export function originText(place: Place): string {
  if (place.line === 0) return place.from;
  return place.from === place.file ? `${place.file}:${place.line}` : place.from;
}

/** YAML text with `# origin` at the end of each line that holds a value. */
export function showYaml(tree: Tree): string {
  const lines: string[] = [];
  write(tree, '', '', lines);
  return `${lines.join('\n')}\n`;
}

function line(text: string, place: Place): string {
  return `${text.padEnd(COMMENT_COLUMN)} # ${originText(place)}`;
}

/** `lead` stands before the first line of the value (a dash of a list), `indent` before the others. */
function write(tree: Tree, lead: string, indent: string, lines: string[]): void {
  if (tree.kind === 'leaf' || isFlat(tree)) {
    lines.push(line(`${lead}${scalar(tree)}`, tree.place));
    return;
  }
  let first = lead;
  if (tree.kind === 'list') {
    for (const item of tree.items) {
      write(item, `${first}- `, `${indent}  `, lines);
      first = indent;
    }
    return;
  }
  for (const [key, entry] of tree.entries) {
    const word = `${first}${scalar({ kind: 'leaf', place: entry.key, value: key })}:`;
    if (entry.value.kind === 'leaf' || isFlat(entry.value))
      lines.push(line(`${word} ${scalar(entry.value)}`, entry.value.place));
    else {
      lines.push(word);
      write(entry.value, `${indent}  `, `${indent}  `, lines);
    }
    first = indent;
  }
}

/** A single value, or a list of such: one thing for whoever compares. */
const isPlain = (tree: Tree): boolean =>
  tree.kind === 'leaf' || (tree.kind === 'list' && tree.items.every((item) => item.kind === 'leaf'));

/** What fits on one line: an empty list or map, or a list of plain values from one place. */
const isFlat = (tree: Tree): boolean =>
  tree.kind === 'map'
    ? tree.entries.size === 0
    : tree.kind === 'list' &&
      tree.items.every((item) => item.kind === 'leaf' && originText(item.place) === originText(tree.place));

function scalar(tree: Tree): string {
  const value = plainOf(tree);
  if (typeof value === 'string' && /[\n"\\]/.test(value)) return JSON.stringify(value);
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: true }).trimEnd();
}

/** Every single value with its path: `services.mta.quick.every`. A named item of a list goes by its name. */
export function* leaves(tree: Tree, path: Path = []): Generator<readonly [string, Tree]> {
  if (tree.kind !== 'map' && isPlain(tree)) yield [path.join('.'), tree];
  else if (tree.kind === 'map') for (const [key, entry] of entriesOf(tree)) yield* leaves(entry.value, [...path, key]);
  else if (tree.kind === 'list')
    for (const [index, item] of tree.items.entries()) {
      const name = item.kind === 'map' ? item.entries.get('name')?.value : undefined;
      yield* leaves(item, [...path, name?.kind === 'leaf' ? String(name.value) : index]);
    }
}

/** For programs: the plain values, and the origin of each. */
export function showJson(tree: Tree): { readonly values: unknown; readonly origins: Readonly<Record<string, string>> } {
  const origins = [...leaves(tree)].map(([path, leaf]) => [path, originText(leaf.place)] as const);
  return { values: plainOf(tree), origins: Object.fromEntries(origins) };
}

/** One value as text, for a list of changes. */
export const valueText = (tree: Tree): string => scalar(tree);
