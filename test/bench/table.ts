// Numbers as a reader wants them: median (max) in a Markdown table. Pure.

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = Number.NaN, high = Number.NaN] = [sorted[middle - 1], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
};

/** The value that this share of all does not exceed. */
export const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;

/** Seconds of each run; null: not within the limit. */
export function shown(runs: readonly (number | null)[], limitS: number): string {
  const good = runs.filter((run) => run !== null);
  const never = runs.length - good.length;
  if (runs.length === 0) return '–';
  if (good.length === 0) return `never in ${limitS} s`;
  const text = `${median(good).toFixed(2)} (${Math.max(...good).toFixed(2)})`;
  return never > 0 ? `${text}, ${never} of ${runs.length} never in ${limitS} s` : text;
}

/** Milliseconds of each run as seconds, with how many runs they were; null: not within the limit. */
export function range(runs: readonly (number | null)[], limitS: number): string {
  const good = runs.filter((run) => run !== null).map((ms) => ms / 1000);
  const never = runs.length - good.length;
  if (runs.length === 0) return '–';
  if (good.length === 0) return `never in ${limitS} s, n = ${runs.length}`;
  const [low, high] = [Math.min(...good), Math.max(...good)];
  const text = `${median(good).toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)}), n = ${runs.length}`;
  return never > 0 ? `${text}, ${never} of them never in ${limitS} s` : text;
}

/** How many times as long the other one took, or `∞` when it never came back. */
export function ratio(other: readonly (number | null)[], ours: readonly (number | null)[]): string {
  const [good, mine] = [other.filter((run) => run !== null), ours.filter((run) => run !== null)];
  if (mine.length === 0 || other.length === 0) return '–';
  return good.length === 0 ? '∞' : `${(median(good) / median(mine)).toFixed(1)} ×`;
}

export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
