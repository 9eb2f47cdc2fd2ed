// When each service is asked: own monotonic timers, due = base + k·period + a phase from a hash, so that a thousand
// services do not ask in the same millisecond; missed slots are skipped. QuickChecks share slots, a handful in each: a
// process that wakes once for ten of them costs a quarter of one that wakes for each. Never two runs of one question at
// once: a newer question with a newer epoch takes the place of the older.
import type { Depth } from '../core/types.ts';
import type { Clock } from '../ports/clock.ts';

export interface Beats {
  readonly quickMs: number;
  readonly deepMs: number;
}

/** QuickChecks that are asked in the same moment, on the average. */
const TOGETHER = 10;

/** FNV-1a: spreads names over a period, in so many steps. */
function phaseOf(text: string, periodMs: number, steps: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  return ((hash % steps) * periodMs) / steps;
}

export class Schedule {
  readonly #clock: Clock;
  readonly #ask: (service: string, depth: Depth) => void;
  readonly #base: number;
  readonly #timers = new Map<string, () => void>();
  readonly #beats = new Map<string, Beats>();
  /** Slots of a period that QuickChecks share. */
  #slots = 1;

  constructor(clock: Clock, ask: (service: string, depth: Depth) => void) {
    this.#clock = clock;
    this.#ask = ask;
    this.#base = clock.monotonic();
  }

  /** Takes the beats of a configuration. Timers of services that did not change go on as they were. */
  configure(beats: ReadonlyMap<string, Beats>): void {
    for (const service of [...this.#beats.keys()]) if (!beats.has(service)) this.#drop(service);
    this.#slots = Math.max(1, Math.ceil(beats.size / TOGETHER));
    for (const [service, next] of beats) {
      const now = this.#beats.get(service);
      if (now && now.quickMs === next.quickMs && now.deepMs === next.deepMs) continue;
      this.#drop(service);
      this.#beats.set(service, next);
      this.#arm(service, 'quick', next.quickMs);
      this.#arm(service, 'deep', next.deepMs);
    }
  }

  #drop(service: string): void {
    this.#beats.delete(service);
    for (const depth of ['quick', 'deep'] as const) {
      this.#timers.get(`${service}/${depth}`)?.();
      this.#timers.delete(`${service}/${depth}`);
    }
  }

  /** The next slot after now, and after the slot that just was: a timer may fire a little early. */
  #arm(service: string, depth: Depth, periodMs: number, before = Number.NEGATIVE_INFINITY): void {
    const key = `${service}/${depth}`;
    const steps = depth === 'quick' ? this.#slots : Math.max(1, Math.round(periodMs));
    const first = this.#base + phaseOf(key, periodMs, steps);
    const now = this.#clock.monotonic();
    const slot = Math.floor((Math.max(now, before) - first) / periodMs + 1e-6) + 1;
    const due = first + Math.max(slot, depth === 'deep' ? 1 : 0) * periodMs;
    const run = (): void => {
      this.#arm(service, depth, periodMs, due);
      this.#ask(service, depth);
    };
    this.#timers.set(key, this.#clock.after(Math.max(0, due - now), run));
  }

  close(): void {
    for (const service of [...this.#beats.keys()]) this.#drop(service);
  }
}
