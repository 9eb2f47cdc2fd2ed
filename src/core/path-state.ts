// How one comm path is, from what became of its hellos, and which of several is the one in use. Pure folds: who asks
// the time and sends anything is daemon/groups/path.ts. Times are milliseconds of the clock that its caller uses.

/** Hellos in a row without an answer, and with one. */
export const FAILED_AFTER = 3;
export const OPERATIONAL_AFTER = 2;
/** How many hellos "recent losses" looks back. */
const RECENT = 30;

export interface PathFold {
  readonly state: 'unknown' | 'operational' | 'failed';
  readonly since: number;
  /** In a row, of the newest. */
  readonly good: number;
  readonly bad: number;
  /** The newest hellos, oldest first: was each answered. */
  readonly recent: readonly boolean[];
  /** Of the newest answered ones, smoothed; null: none was. */
  readonly rttMs: number | null;
  /** When the newest answer came; null: none did. */
  readonly heardAt: number | null;
  /** Why the newest hello was not answered; empty: it was. */
  readonly detail: string;
}

export const newPath = (at: number): PathFold => ({
  ...{ state: 'unknown', since: at, good: 0, bad: 0, recent: [], rttMs: null, heardAt: null },
  detail: 'not tried yet',
});

const turn = (path: PathFold, state: PathFold['state'], at: number): Pick<PathFold, 'state' | 'since'> =>
  path.state === state ? { state, since: path.since } : { state, since: at };

/** A hello was answered in time. */
export function answered(path: PathFold, at: number, rttMs: number): PathFold {
  const good = path.good + 1;
  return {
    ...turn(path, good >= OPERATIONAL_AFTER ? 'operational' : path.state, at),
    ...{ good, bad: 0, heardAt: at, detail: '' },
    recent: [...path.recent, true].slice(-RECENT),
    rttMs: path.rttMs === null ? rttMs : path.rttMs + (rttMs - path.rttMs) / 8,
  };
}

/** A hello was not answered in time. */
export function missed(path: PathFold, at: number, detail: string): PathFold {
  const bad = path.bad + 1;
  return {
    ...turn(path, bad >= FAILED_AFTER ? 'failed' : path.state, at),
    ...{ good: 0, bad, detail, rttMs: path.rttMs, heardAt: path.heardAt },
    recent: [...path.recent, false].slice(-RECENT),
  };
}

export const lossesOf = ({ recent }: PathFold): number => recent.filter((one) => !one).length;

/** The path to use, by its place in the list: the one in use until it fails; then the one with the fewest recent
 *  losses, of equal ones the quickest, of equal ones the first. Null: none works. */
export function choose(paths: readonly PathFold[], inUse: number | null): number | null {
  if (inUse !== null && paths[inUse]?.state === 'operational') return inUse;
  let best: number | null = null;
  for (const [index, path] of paths.entries()) {
    if (path.state !== 'operational') continue;
    const held = best === null ? undefined : paths[best];
    if (!held || isBetter(path, held)) best = index;
  }
  return best;
}

function isBetter(one: PathFold, other: PathFold): boolean {
  const less = lossesOf(one) - lossesOf(other);
  return less === 0 ? (one.rttMs ?? 0) < (other.rttMs ?? 0) : less < 0;
}
