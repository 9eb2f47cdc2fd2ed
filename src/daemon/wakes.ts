// Alarm clocks on the daemon's own timeline, one a name: a newer one takes the place of the older.
import type { Clock } from '../ports/clock.ts';

/** Timers hold 24.8 days at most; a longer sleep is slept in parts. */
const PART_MS = 86_400_000;

export class Wakes {
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #set = new Map<string, () => void>();

  constructor(clock: Clock, now: () => number) {
    this.#clock = clock;
    this.#now = now;
  }

  set(name: string, at: number, ring: () => void): void {
    this.#set.get(name)?.();
    const delay = Math.max(0, at - this.#now());
    const part = Math.min(delay, PART_MS);
    this.#set.set(name, this.#clock.after(part, part < delay ? () => this.set(name, at, ring) : ring));
  }

  /** Takes out those whose names are not kept. */
  keep(kept: (name: string) => boolean): void {
    for (const [name, cancel] of this.#set)
      if (!kept(name)) {
        cancel();
        this.#set.delete(name);
      }
  }

  close(): void {
    this.keep(() => false);
  }
}
