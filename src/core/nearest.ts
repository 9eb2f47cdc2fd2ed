// The word that was probably meant, for "did you mean". Pure.

/** The name that is nearest to the word, if one is near enough. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  const wanted = plain(word);
  let best: string | undefined;
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const name of names) {
    const away = distance(wanted, plain(name), least);
    if (away < least) {
      least = away;
      best = name;
    }
  }
  return best;
}

const plain = (word: string): string => word.slice(0, 64).toLowerCase().replaceAll('_', '-');

/** Levenshtein's distance, with a swap of neighbours as one step; `most` or more is all the same. */
function distance(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) >= most) return most;
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      row.push(least);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? most;
}
