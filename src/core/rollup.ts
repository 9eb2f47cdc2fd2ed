// Many results as one row: counts per outcome and a histogram of times. Rows of minutes merge into rows of hours.
// Pure: every function returns a new value.
import type { Outcome } from './types.ts';

export interface Rollup {
  readonly counts: Readonly<Record<Outcome, number>>;
  readonly sumMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  /** Results by bucket of time; see `bucketOf`. */
  readonly buckets: Readonly<Record<number, number>>;
}

export const emptyRollup: Rollup = {
  counts: { pass: 0, degraded: 0, fail: 0, unknown: 0 },
  sumMs: 0,
  minMs: Number.POSITIVE_INFINITY,
  maxMs: 0,
  buckets: {},
};

/** Each bucket ends a quarter above the one before: a percentile is at most that much too high. */
const GROWTH = 1.25;
const FIRST_MS = 0.1;
const LAST_BUCKET = 80;

function bucketOf(ms: number): number {
  if (!(ms > FIRST_MS)) return 0;
  return Math.min(LAST_BUCKET, Math.ceil(Math.log(ms / FIRST_MS) / Math.log(GROWTH)));
}

const bucketEndMs = (bucket: number): number => FIRST_MS * GROWTH ** bucket;

export function addResult(rollup: Rollup, outcome: Outcome, ms: number): Rollup {
  const bucket = bucketOf(ms);
  return {
    counts: { ...rollup.counts, [outcome]: rollup.counts[outcome] + 1 },
    sumMs: rollup.sumMs + ms,
    minMs: Math.min(rollup.minMs, ms),
    maxMs: Math.max(rollup.maxMs, ms),
    buckets: { ...rollup.buckets, [bucket]: (rollup.buckets[bucket] ?? 0) + 1 },
  };
}

export function mergeRollups(one: Rollup, other: Rollup): Rollup {
  const buckets: Record<number, number> = { ...one.buckets };
  for (const [bucket, count] of Object.entries(other.buckets))
    buckets[Number(bucket)] = (buckets[Number(bucket)] ?? 0) + count;
  return {
    counts: {
      pass: one.counts.pass + other.counts.pass,
      degraded: one.counts.degraded + other.counts.degraded,
      fail: one.counts.fail + other.counts.fail,
      unknown: one.counts.unknown + other.counts.unknown,
    },
    sumMs: one.sumMs + other.sumMs,
    minMs: Math.min(one.minMs, other.minMs),
    maxMs: Math.max(one.maxMs, other.maxMs),
    buckets,
  };
}

export function countOf({ counts }: Rollup): number {
  return counts.pass + counts.degraded + counts.fail + counts.unknown;
}

/** The time that `share` (0 to 1) of the results did not exceed, at most 25 % too high; 0 without results. */
export function percentileMs(rollup: Rollup, share: number): number {
  let left = Math.ceil(countOf(rollup) * share);
  const buckets = Object.entries(rollup.buckets).map(([bucket, count]) => [Number(bucket), count] as const);
  for (const [bucket, count] of buckets.sort(([one], [other]) => one - other)) {
    left -= count;
    if (left <= 0) return Math.max(rollup.minMs, Math.min(bucketEndMs(bucket), rollup.maxMs));
  }
  return 0;
}
