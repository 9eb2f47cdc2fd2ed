// How the MIB's text is laid out: quoted texts broken into lines, and lists of words. Pure.

const WIDTH = 72;

/** Definitions below `wkTables`, and the groups of objects that they bring. */
export interface MibFragment {
  /** Module → what is imported from it. */
  readonly imports: Readonly<Record<string, readonly string[]>>;
  /** Definitions in SMIv2, also of its groups, which go below `wkGroups` with arcs from 10 on. */
  readonly text: string;
  /** Names of its groups, for the statement of compliance. */
  readonly groups: readonly string[];
}

/** A text in quotes, broken into lines; a quotation mark cannot stand in it. */
export function quoted(text: string, indent: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.replaceAll('"', "'").split(' ')) {
    if (line !== '' && line.length + word.length >= WIDTH - indent.length) {
      lines.push(line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return `"${[...lines, line].join(`\n${indent} `)}"`;
}

/** Words with commas, so many to a line. */
export function listed(words: readonly string[], indent: string): string {
  const lines: string[] = [];
  for (let at = 0; at < words.length; at += 3) lines.push(words.slice(at, at + 3).join(', '));
  return lines.join(`,\n${indent}`);
}

/** `ok(1), failing(2)`, in the order of the numbers. */
export const enumeration = (values: Readonly<Record<string, number>>): string =>
  listed(
    Object.entries(values)
      .sort(([, a], [, b]) => a - b)
      .map(([name, value]) => `${name}(${value})`),
    '                ',
  );
