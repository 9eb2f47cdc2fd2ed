// The records of the coordinator as a stream: all of them once, then every change; read anew when changes were lost.
// Goes on until it is closed, whatever the coordinator does meanwhile.
import type { Coordination } from '../../define.ts';
import type { Clock } from '../../ports/clock.ts';
import { type ClusterView, forget, heed, type Word } from './cluster-view.ts';
import type { Records } from './opening.ts';
import { within } from '../../ports/limit.ts';

export interface FeedDoors {
  readonly coordination: Coordination;
  readonly clock: Clock;
  readonly view: ClusterView;
  /** What was read before this began; null: read it now. Asked once. */
  first(): Promise<Records | null>;
  onWord(word: Word, revision: number): void;
  /** All was read: these keys are there, as of this revision, and no others. */
  onRead(keys: ReadonlySet<string>, revision: number): void;
  /** Null: it answers. */
  trouble(detail: string | null): void;
}

const CALL_MS = 3000;
const RETRY_MS = 1000;

export class RecordFeed {
  readonly #doors: FeedDoors;
  readonly #stop = new AbortController();
  #watch: { close(): void } | null = null;
  #begun = false;

  constructor(doors: FeedDoors) {
    this.#doors = doors;
    void this.#readAll();
  }

  async #readAll(): Promise<void> {
    const { clock, trouble } = this.#doors;
    while (!this.#stop.signal.aborted) {
      try {
        await this.#read();
        return;
      } catch (error) {
        trouble((error as Error).message);
        await clock.sleep(RETRY_MS, this.#stop.signal).catch(() => undefined);
      }
    }
  }

  async #read(): Promise<void> {
    const { coordination, clock, view, onWord, onRead, trouble } = this.#doors;
    const { revision, records } = (await this.#first()) ?? (await this.#readNow());
    if (this.#stop.signal.aborted) return;
    const keys = new Set(records.map(({ key }) => key));
    for (const word of forget(view, keys)) onWord(word, revision);
    for (const one of records) onWord(heed(view, one.key, one.value, clock.monotonic()), one.revision);
    onRead(keys, revision);
    this.#watch?.close();
    if (this.#stop.signal.aborted) return;
    this.#watch = coordination.watch('', revision, {
      change: (one) => onWord(heed(view, one.key, one.value, clock.monotonic()), one.revision),
      lost: () => void this.#readAll(),
      silent: (ms) => trouble(ms > 0 ? `no member has shown a sign of life for ${Math.round(ms)} ms` : null),
    });
    trouble(null);
  }

  async #first(): Promise<Records | null> {
    if (this.#begun) return null;
    this.#begun = true;
    return this.#doors.first();
  }

  #readNow(): Promise<Records> {
    const signal = within(CALL_MS, this.#stop.signal);
    return this.#doors.coordination.read('', signal);
  }

  close(): void {
    this.#stop.abort(new Error('closed'));
    this.#watch?.close();
  }
}
