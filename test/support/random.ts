// Seeded randomness: the same seed, the same run. A seed is printed with every failure and replays exactly.

export interface Random {
  /** 0 ≤ n < 1 */
  next(): number;
  int(below: number): number;
  chance(share: number): boolean;
  pick<T>(from: readonly T[]): T;
}

/** mulberry32: 32 bits of state, good enough for choosing faults, and small enough to read. */
export function random(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const int = (below: number): number => Math.floor(next() * below);
  return {
    next,
    int,
    chance: (share) => next() < share,
    pick: (from) => {
      const one = from[int(from.length)];
      if (one === undefined) throw new Error('pick from nothing');
      return one;
    },
  };
}
