// How fast a count grows, from run to run, on a clock that does not jump.
const MINUTE_MS = 60_000;
const HISTORY_MS = 10 * MINUTE_MS;
const MAX_COUNTS = 120;

interface Counted {
  readonly at: number;
  readonly count: number;
}

/** Remembers `count` under `key`, and gives the growth a minute against the newest count that is a minute old: a burst
 *  shows, a single message between two quick runs does not. Null as long as there is none. */
export function growth(memory: Map<string, unknown>, key: string, count: number, now: number): number | null {
  const past = (memory.get(key) as readonly Counted[] | undefined) ?? [];
  const counts = [...past.filter((one) => now - one.at <= HISTORY_MS), { at: now, count }].slice(-MAX_COUNTS);
  memory.set(key, counts);
  const base = counts.filter((one) => now - one.at >= MINUTE_MS).at(-1);
  return base ? ((count - base.count) * MINUTE_MS) / (now - base.at) : null;
}
