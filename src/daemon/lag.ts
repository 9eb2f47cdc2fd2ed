// The loop's own lateness: how much later than asked a timer fires. A small ring, so that the newest minutes count.
import type { Clock } from '../ports/clock.ts';

const BEAT_MS = 200;
const KEPT = 300;

export class LoopLag {
  readonly #samples = new Float64Array(KEPT);
  readonly #clock: Clock;
  readonly #onBeat: () => void;
  #count = 0;
  #cancel: () => void = () => undefined;

  constructor(clock: Clock, onBeat: () => void) {
    this.#clock = clock;
    this.#onBeat = onBeat;
    this.#arm();
  }

  #arm(): void {
    const due = this.#clock.monotonic() + BEAT_MS;
    this.#cancel = this.#clock.after(BEAT_MS, () => {
      this.#samples[this.#count % KEPT] = Math.max(0, this.#clock.monotonic() - due);
      this.#count++;
      this.#arm();
      this.#onBeat();
    });
  }

  read(): { readonly p50: number; readonly p99: number; readonly max: number } {
    const kept = this.#samples.slice(0, Math.min(this.#count, KEPT)).sort();
    const at = (share: number): number =>
      Math.round((kept[Math.min(kept.length - 1, Math.floor(kept.length * share))] ?? 0) * 100) / 100;
    return { p50: at(0.5), p99: at(0.99), max: at(1) };
  }

  close(): void {
    this.#cancel();
  }
}
