// Time that moves only when a test says so. `run(ms)` fires what is due, in order, and lets promises settle between.
import type { Clock } from '../../src/ports/clock.ts';

interface Timer {
  readonly due: number;
  readonly order: number;
  readonly run: () => void;
}

const settle = (): Promise<void> => new Promise((done) => setImmediate(done));

export class VirtualClock implements Clock {
  #timers: Timer[] = [];
  #order = 0;
  #now: number;
  /** Wall minus monotonic: set it to make the wall clock jump. */
  wallAhead: number;

  constructor(start = 1_000_000, wall = 1_790_000_000_000) {
    this.#now = start;
    this.wallAhead = wall - start;
  }

  wall(): number {
    return this.#now + this.wallAhead;
  }
  monotonic(): number {
    return this.#now;
  }
  after(ms: number, run: () => void): () => void {
    const timer = { due: this.#now + Math.max(0, ms), order: this.#order++, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer);
    };
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      const ended = (): void => {
        cancel();
        reject(signal?.reason as Error);
      };
      const cancel = this.after(ms, () => {
        signal?.removeEventListener('abort', ended);
        resolve();
      });
      signal?.addEventListener('abort', ended, { once: true });
    });
  }

  /** Lets everything happen that is due within the next `ms`. */
  async run(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (let n = 0; n < 1_000_000; n++) {
      await settle();
      const next = this.#timers
        .filter((timer) => timer.due <= end)
        .sort((a, b) => a.due - b.due || a.order - b.order)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.due);
      next.run();
    }
    this.#now = end;
    await settle();
  }

  /** Time goes by and nothing runs: the process was stopped, or the machine slept. */
  freeze(ms: number): void {
    this.#now += ms;
  }

  get armed(): number {
    return this.#timers.length;
  }
}
