// Words in the options of a step that stand for the nodes of a move: `$to`, `$from`, `$to.WORD`, `$from.WORD`.

export interface Move {
  readonly to: string;
  readonly from: string | null;
  readonly words: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const WORD = /\$(to|from)(?:\.([A-Za-z][\w-]*))?/g;

/** The text with its words filled in, each through `escape`; null: one of them has no value. */
export function fill(text: string, move: Move, escape: (value: string) => string = (value) => value): string | null {
  let lacking = false;
  const filled = text.replaceAll(WORD, (_, side: 'to' | 'from', word: string | undefined) => {
    const node = side === 'to' ? move.to : move.from;
    const known = node !== null && word !== undefined && Object.hasOwn(move.words, node) ? move.words[node] : undefined;
    const value = word === undefined ? node : known && Object.hasOwn(known, word) ? known[word] : undefined;
    if (value === undefined || value === null) lacking = true;
    return escape(value ?? '');
  });
  return lacking ? null : filled;
}
