// When each service is asked: own monotonic timers, due = base + k·period + a phase from a hash, so that a thousand
// services do not ask in the same millisecond; missed slots are skipped. Never two runs of one question at once: a newer
// question with a newer epoch takes the place of the older.
import type { Depth } from '../core/types.ts';
import type { Clock } from '../ports/clock.ts';

export interface Beats {
  readonly quickMs: number;
  readonly deepMs: number;
}

/** FNV-1a: spreads names over a period. */
function phaseOf(text: string, periodMs: number): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  return hash % Math.max(1, Math.round(periodMs));
}

export class Schedule {
  readonly #clock: Clock;
  readonly #ask: (service: string, depth: Depth) => void;
  readonly #base: number;
  readonly #timers = new Map<string, () => void>();
  readonly #beats = new Map<string, Beats>();

  constructor(clock: Clock, ask: (service: string, depth: Depth) => void) {
    this.#clock = clock;
    this.#ask = ask;
    this.#base = clock.monotonic();
  }

  /** Takes the beats of a configuration. Timers of services that did not change go on as they were. */
  configure(beats: ReadonlyMap<string, Beats>): void {
    for (const service of [...this.#beats.keys()]) if (!beats.has(service)) this.#drop(service);
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

  #arm(service: string, depth: Depth, periodMs: number): void {
    const key = `${service}/${depth}`;
    const first = this.#base + phaseOf(key, periodMs);
    const passed = Math.max(0, Math.ceil((this.#clock.monotonic() - first) / periodMs));
    const due = first + Math.max(passed, depth === 'deep' ? 1 : 0) * periodMs;
    this.#timers.set(
      key,
      this.#clock.after(Math.max(0, due - this.#clock.monotonic()), () => {
        this.#arm(service, depth, periodMs);
        this.#ask(service, depth);
      }),
    );
  }

  close(): void {
    for (const service of [...this.#beats.keys()]) this.#drop(service);
  }
}
