// The grammar that nginx and BIND share: words, `;`, and blocks in braces, with quotes and comments.

export interface Directive {
  readonly words: readonly string[];
  /** What stands in its braces; null without any. */
  readonly block: readonly Directive[] | null;
}
interface Open {
  words: string[];
  block: Open[] | null;
}

const TOKEN =
  /\s+|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([{};])|((?:[^\s{};"'#]|\$\{)[^\s{};]*)|./gy;
const DEPTH = 32;
const MOST = 500_000;

/** Null when braces do not fit, or when it is more than anybody could mean. */
export function parseBraces(text: string): readonly Directive[] | null {
  const root: Open[] = [];
  const way: Open[][] = [root];
  let words: string[] = [];
  let count = 0;
  for (const [, double, single, mark, word] of text.matchAll(TOKEN)) {
    if (++count > MOST) return null;
    const top = way.at(-1);
    if (!top) return null;
    const part = double ?? single ?? word;
    if (part !== undefined) words.push(part);
    else if (mark === ';') {
      if (words.length > 0) top.push({ words, block: null });
      words = [];
    } else if (mark === '{') {
      const block: Open[] = [];
      top.push({ words, block });
      words = [];
      way.push(block);
      if (way.length > DEPTH) return null;
    } else if (mark === '}') {
      words = [];
      way.pop();
    }
  }
  return way.length === 1 ? root : null;
}

/** Every directive of this name at this level. */
export const named = (block: readonly Directive[] | null | undefined, name: string): readonly Directive[] =>
  (block ?? []).filter(({ words }) => words[0] === name);
