// How long the kernel may keep an address by itself, so that it is gone before anybody else may have it. Whole seconds;
// the kernel is late by up to X (measured: a second's rounding, steps of its timer wheel, and that it looks only once a
// second when other addresses come and go): RFC 4862 lifetimes, ip-address(8) valid_lft.

/** How late the kernel may be with an address of S seconds. `others`: other addresses with an end live in the same
 *  network namespace. */
export function latenessMs(seconds: number, others: boolean): number {
  if (others) return 1100;
  return seconds <= 1 ? 300 : 520;
}

/** Beyond it the kernel's timer wheel is too coarse to be a promise. */
export const LIFETIME_MAX_S = 16;

/** For the command itself, and for a loop that is busy. */
export const ROOM_MS = 200;
/** The last second is tried with less: at the least silence nothing more is left once a renewal was on its way, and
 *  what was too late is seen after the command. */
export const ROOM_LEAST_MS = 40;

/** The longest lifetime that ends before `untilMs`; null: not even a second. */
export function safeLifetime(nowMs: number, untilMs: number, others: boolean): number | null {
  if (!Number.isFinite(untilMs)) return untilMs > nowMs ? LIFETIME_MAX_S : null;
  const ends = (seconds: number): number => nowMs + seconds * 1000 + latenessMs(seconds, others);
  for (let seconds = LIFETIME_MAX_S; seconds > 1; seconds--) if (ends(seconds) + ROOM_MS <= untilMs) return seconds;
  return ends(1) + ROOM_LEAST_MS <= untilMs ? 1 : null;
}

/** After the command: does what was set still end in time? */
export const stillFits = (nowMs: number, seconds: number, untilMs: number, others: boolean): boolean =>
  nowMs + seconds * 1000 + latenessMs(seconds, others) <= untilMs;
