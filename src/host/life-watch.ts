// Watches the one process that a service lives and dies with, over restarts by anybody. Silent and free while it lives.
import type { LifeChange, ProcessIdentity } from '../define.ts';
import type { Ports } from '../ports/ports.ts';

export interface WatchPlan {
  readonly ports: Ports;
  /** Who it is now; null: nobody, or it cannot be told. It may be dear. */
  look(): Promise<ProcessIdentity | null>;
  /** Might something live now? Asked ten times a second while nothing does: it must be cheap. */
  glance(): boolean;
  onChange(change: LifeChange): void;
  /** Small upkeep that goes with watching, every 10 s. */
  tidy?(): void;
}

const GLANCE_MS = 100;
/** Between two dear looks while a glance sees something: doubled each time, back at once after a death. */
const FIRST_LOOK_MS = 100;
/** The dear look comes this often in any case. */
const LONGEST_LOOK_MS = 5000;
const TIDY_MS = 10_000;

const same = (one: ProcessIdentity | null, other: ProcessIdentity): boolean =>
  one !== null && one.pid === other.pid && one.startTicks === other.startTicks;

class LifeWatch {
  readonly #plan: WatchPlan;
  #closed = false;
  #last: ProcessIdentity | null = null;
  #first = true;
  #lookedAt = 0;
  #lookMs = FIRST_LOOK_MS;
  #cancel: () => void = () => undefined;
  #cancelTidy: () => void = () => undefined;

  constructor(plan: WatchPlan) {
    this.#plan = plan;
    void this.#look();
    if (plan.tidy) this.#tidy();
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
    this.#cancelTidy();
  }

  #tidy(): void {
    this.#plan.tidy?.();
    this.#cancelTidy = this.#plan.ports.clock.after(TIDY_MS, () => this.#tidy());
  }

  async #look(): Promise<void> {
    const { ports, look, onChange } = this.#plan;
    this.#lookedAt = ports.clock.monotonic();
    const main = await look().catch(() => null);
    if (this.#closed) return;
    const first = this.#first;
    this.#first = false;
    if (!main) return this.#wait();
    if (!first && !same(this.#last, main)) onChange({ kind: 'started', detail: `it runs as pid ${main.pid}` });
    this.#last = main;
    this.#cancel = ports.proc.onExit(main, () => this.#died(main));
  }

  #died(main: ProcessIdentity): void {
    if (this.#closed) return;
    this.#lookMs = FIRST_LOOK_MS;
    this.#plan.onChange({ kind: 'died', detail: `its main process, pid ${main.pid}, ended` });
    this.#wait();
  }

  #wait(): void {
    const { clock } = this.#plan.ports;
    this.#cancel = clock.after(GLANCE_MS, () => {
      const since = clock.monotonic() - this.#lookedAt;
      if (since < LONGEST_LOOK_MS && (since < this.#lookMs || !this.#plan.glance())) return this.#wait();
      this.#lookMs = Math.min(this.#lookMs * 2, LONGEST_LOOK_MS);
      void this.#look();
    });
  }
}

export const watchLife = (plan: WatchPlan): { close(): void } => new LifeWatch(plan);
