// The daemon's own time: milliseconds that only grow, over restarts of the daemon and reboots of the machine, whatever
// the wall clock does. Within one boot it follows CLOCK_MONOTONIC. Over a reboot it counts what is certain to have
// passed, the time since that boot: budgets and pauses then end later rather than sooner.
import type { Clock } from '../ports/clock.ts';

/** Where the timeline stood when something was written. */
export interface Mark {
  readonly at: number;
  readonly boot: string;
  readonly mono: number;
}

export interface Timeline {
  readonly boot: string;
  now(): number;
  mark(): Mark;
}

export function openTimeline(clock: Clock, boot: string, last: Mark | null): Timeline {
  const mono = clock.monotonic();
  let offset = -mono;
  if (last && last.boot === boot && last.mono <= mono) offset = last.at - last.mono;
  else if (last) offset = last.at;
  const now = (): number => Math.round(clock.monotonic() + offset);
  return { boot, now, mark: () => ({ at: now(), boot, mono: Math.round(clock.monotonic()) }) };
}

/** How far the wall clock has jumped against the monotonic one since the last look, ms. */
export function wallSteps(clock: Clock): () => number {
  let before: number | null = null;
  return () => {
    const ahead = clock.wall() - clock.monotonic();
    const step = before === null ? 0 : ahead - before;
    before = ahead;
    return step;
  };
}
