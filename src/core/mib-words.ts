// How the MIB's text is laid out: quoted texts broken into lines, and lists of words. Pure.

const WIDTH = 72;

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
