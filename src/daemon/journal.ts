// The journal: entries are on the disk before anything is done. Appends are gathered and written together; if the disk
// does not take them in time, the daemon goes on from memory, says so, and tries again. Old segments are kept for
// explain and replay, up to a bound.
import type { NodeState, Policy } from '../core/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { Appender, Store } from '../ports/store.ts';
import { decode, encode, type Entry, FORMAT, type OutboxState, type Segment, type Snapshot } from './journal-format.ts';
import type { Mark } from './timeline.ts';

const SEGMENT = /^journal-(\d{12})\.jsonl$/;
const segmentName = (seq: number): string => `journal-${String(seq).padStart(12, '0')}.jsonl`;

export interface Limits {
  /** A new segment is begun after this many bytes. */
  readonly segmentBytes: number;
  /** Segments that are kept. */
  readonly segments: number;
  /** How long a write may take before it counts as failed. */
  readonly writeMs: number;
}
export const LIMITS: Limits = { segmentBytes: 4 * 1024 * 1024, segments: 8, writeMs: 3000 };

/** What the disk remembers of the life before. */
export interface Recovered {
  readonly snapshot: Snapshot | null;
  readonly entries: readonly Entry[];
  /** What was damaged and set aside, in one sentence; null when all was well. */
  readonly damage: string | null;
  readonly last: Mark | null;
  readonly seq: number;
}

/** Reads the newest segment that can be read. What is damaged is renamed: never guessed at, never deleted. What its
 *  checksums prove is used; the rest is lost, and is said to be. */
export function recover(store: Store, time: string): Recovered {
  const damage: string[] = [];
  let found: Segment | null = null;
  for (const name of segmentsOf(store).reverse()) {
    const read = readSegment(store, name);
    if (!('unusable' in read)) found = read;
    const trouble = 'unusable' in read ? read.unusable : read.damage;
    if (trouble !== null) damage.push(setAside(store, name, trouble, time));
    if (found) break;
  }
  const last = found?.entries.at(-1) ?? found?.snapshot ?? null;
  return {
    snapshot: found?.snapshot ?? null,
    entries: found?.entries ?? [],
    damage: damage.length > 0 ? damage.join('; ') : null,
    last: last ? { at: last.at, boot: last.boot, mono: last.mono } : null,
    seq: last?.seq ?? 0,
  };
}

const segmentsOf = (store: Store): string[] => store.list().filter((name) => SEGMENT.test(name));

function readSegment(store: Store, name: string): ReturnType<typeof decode> {
  try {
    return decode(store.read(name)?.toString('utf8') ?? '', name);
  } catch (error) {
    return { unusable: `it cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})` };
  }
}

function setAside(store: Store, name: string, why: string, time: string): string {
  const aside = `${name}.damaged-${time.replace(/[^0-9]/g, '').slice(0, 14)}`;
  try {
    store.rename(name, aside);
  } catch (error) {
    return `${name}: ${why}; it could not be set aside (${(error as NodeJS.ErrnoException).code ?? 'error'})`;
  }
  return `${name}: ${why}; set aside as ${aside}`;
}

/** A timer that comes so late was not held up by the disk. */
const STALLED_MS = 250;
const RETRY_MS = 5000;

export interface SnapshotSource {
  (): { readonly policy: Policy; readonly node: NodeState; readonly outbox: OutboxState; readonly seq: number } & {
    readonly mark: Mark;
    readonly time: string;
  };
}

export interface JournalEvents {
  /** The disk does not take what is written (bad), or takes it again. */
  readonly onTrouble: (bad: boolean, detail: string) => void;
}

interface Waiting {
  readonly entry: Entry;
  readonly written: () => void;
}

/** Writes entries. `append` resolves when the entry is on the disk, or when it is clear that the disk does not take
 * it. */
export class Journal {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #snapshot: SnapshotSource;
  readonly #events: JournalEvents;
  #file: Appender | null = null;
  #sum = '';
  #bytes = 0;
  /** What a segment's first line already tells need not be written again. */
  #told = 0;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | null = null;
  #bad = false;
  #closed = false;
  #retryAt = 0;
  #cancelRetry: () => void = () => undefined;

  constructor(store: Store, clock: Clock, snapshot: SnapshotSource, events: JournalEvents, limits: Limits = LIMITS) {
    this.#store = store;
    this.#clock = clock;
    this.#snapshot = snapshot;
    this.#events = events;
    this.#limits = limits;
  }

  /** True while entries reach the disk. */
  get durable(): boolean {
    return !this.#bad;
  }

  /** Begins a new segment, with the whole state as its first line. */
  async open(): Promise<void> {
    await this.#guard(() => this.#rotate());
  }

  append(entry: Entry): Promise<void> {
    return new Promise((written) => {
      this.#waiting.push({ entry, written });
      this.#kick();
    });
  }

  async close(): Promise<void> {
    this.#cancelRetry();
    await this.#writing;
    this.#closed = true;
    if (!this.#bad) await this.#guard(() => this.#rotate());
    await this.#file?.close().catch(() => undefined);
  }

  /** The disk is tried again although nothing new is to be written: all that was is still only in memory. */
  #retry(): void {
    if (!this.#bad || this.#closed || this.#writing) return;
    this.#busy(this.#guard(() => this.#rotate()));
  }

  #kick(): void {
    if (!this.#writing && this.#waiting.length > 0) this.#busy(this.#drain());
  }

  /** One writer at a time; who came meanwhile is written next. */
  #busy(work: Promise<void>): void {
    this.#writing = work.finally(() => {
      this.#writing = null;
      this.#kick();
    });
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#closed) {
      const batch = this.#waiting.splice(0, 500);
      if (!this.#bad || this.#clock.monotonic() >= this.#retryAt) await this.#guard(() => this.#write(batch));
      for (const one of batch) one.written();
    }
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    // After trouble the disk has a gap: only a new segment, with the whole state first, makes the story whole again.
    if (this.#bad || !this.#file || this.#bytes > this.#limits.segmentBytes) await this.#rotate();
    let text = '';
    for (const { entry } of batch) {
      if (entry.seq <= this.#told) continue;
      const { line, sum } = encode(entry, this.#sum);
      this.#sum = sum;
      text += line;
    }
    if (text === '') return;
    this.#bytes += Buffer.byteLength(text);
    await this.#file?.append(text);
  }

  async #rotate(): Promise<void> {
    const { mark, ...rest } = this.#snapshot();
    const name = segmentName(rest.seq + 1);
    const { line, sum } = encode({ format: FORMAT, ...mark, ...rest }, name);
    await this.#file?.close().catch(() => undefined);
    this.#file = null;
    await this.#store.replace(name, line);
    this.#file = await this.#store.appender(name);
    this.#sum = sum;
    this.#told = rest.seq;
    this.#bytes = 0;
    const old = segmentsOf(this.#store);
    for (const file of old.slice(0, Math.max(0, old.length - this.#limits.segments))) this.#store.remove(file);
  }

  /** Runs a write under a time limit, and notes trouble and its end. Never throws. */
  async #guard(write: () => Promise<void>): Promise<void> {
    let failed: string | null = null;
    let cancel = (): void => undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const { writeMs } = this.#limits;
      const wait = (): void => {
        const until = this.#clock.monotonic() + writeMs;
        cancel = this.#clock.after(writeMs, () => {
          // Whoever stood still himself meanwhile says nothing of the disk: its answer may lie there unread.
          if (this.#clock.monotonic() - until > STALLED_MS) wait();
          else reject(new Error('the disk does not answer'));
        });
      };
      wait();
    });
    try {
      await Promise.race([write(), late]);
    } catch (error) {
      failed = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    } finally {
      cancel();
    }
    if (failed !== null) {
      this.#retryAt = this.#clock.monotonic() + RETRY_MS;
      // Not waited for: a disk that does not answer does not close either.
      void this.#file?.close().catch(() => undefined);
      this.#file = null;
      this.#cancelRetry();
      this.#cancelRetry = this.#clock.after(RETRY_MS, () => this.#retry());
    }
    if (this.#bad === (failed !== null)) return;
    this.#bad = failed !== null;
    this.#events.onTrouble(
      this.#bad,
      failed === null ? 'the journal is written again' : `the journal cannot be written: ${failed}`,
    );
  }
}

/** Every readable segment that is still on the disk, oldest first: for explain and replay. */
export function readAll(store: Store): readonly Segment[] {
  return segmentsOf(store)
    .map((name) => readSegment(store, name))
    .filter((read): read is Segment => !('unusable' in read));
}
