// Words of other programs, fit for a sentence of ours. Everything that comes in is hostile text.

const MOST = 200;

/** Without control characters, on one line, at most 200 characters. */
export function clean(text: string): string {
  // oxlint-disable-next-line no-control-regex
  const flat = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\s]+/g, ' ').trim();
  return flat.length > MOST ? `${flat.slice(0, MOST - 1)}…` : flat;
}

const TROUBLE = /\b(fatal|error|panic|fail(ed|ure)?|cannot|can't|denied|invalid|unknown|refused|already in use)\b/i;

/** The line of an output that tells what is wrong: the first that speaks of trouble, else the first. */
export function troubleLine(...outputs: readonly string[]): string {
  const lines = outputs.flatMap((output) => output.split('\n')).map(clean);
  return lines.find((line) => TROUBLE.test(line)) ?? lines.find(Boolean) ?? '';
}

/** `1 process`, `2 processes`. */
export const count = (number: number, one: string, many = `${one}s`): string =>
  `${number} ${number === 1 ? one : many}`;
