// Performs what ownership.ts decides for one group: compared writes at the coordinator, the alarm clock, the questions
// to the other nodes. Acts at once and remembers nothing over a restart; what others must know it says through `on`.
import type { OwnerRecord, Timing } from '../../core/group-types.ts';
import {
  newOwnership,
  nextAt,
  own,
  type OwnEffect,
  type OwnEvent,
  type Ownership,
  untilOf,
} from '../../core/ownership.ts';
import { type Coordination, CoordinationError, type CoordRecord } from '../../define.ts';
import type { Clock } from '../../ports/clock.ts';

type WithoutAt<E> = E extends OwnEvent ? Omit<E, 'at'> : never;
export type GuardEvent = WithoutAt<OwnEvent>;

/** What the group's machine and the steps hear of. */
export type GuardWord = Extract<
  OwnEffect,
  { kind: 'took' | 'beaten' | 'renewed' | 'released' | 'lost' | 'vacant' | 'owner' }
>;

export interface GuardDoors {
  readonly clock: Clock;
  readonly coordination: Coordination;
  readonly node: string;
  readonly instance: string;
  readonly boot: string;
  on(word: GuardWord): void;
  /** Asks all others to leave the group to us; true when each of them agreed. */
  askAll(epoch: number, signal: AbortSignal): Promise<boolean>;
  /** Trouble with the coordinator, each time that a write was not answered. */
  trouble(detail: string | null): void;
}

/** A write that nobody answers is asked again as a new one after this time. */
const WRITE_MS = 1000;
const ASK_MS = 1000;

const RECORD_MAX = 16_384;
const SILENCE_MAX_MS = 3_600_000;

/** The record as it stands at the coordinator; null when it is not there or cannot be read. */
export function readOwner(value: string | null): OwnerRecord | null | 'unreadable' {
  if (value === null) return null;
  if (value.length > RECORD_MAX) return 'unreadable';
  try {
    const record = JSON.parse(value) as OwnerRecord;
    const good =
      record.schema === 1 &&
      typeof record.node === 'string' &&
      typeof record.instance === 'string' &&
      Number.isSafeInteger(record.epoch) &&
      Number.isSafeInteger(record.write) &&
      ['held', 'released', 'stuck'].includes(record.state) &&
      Array.isArray(record.failed) &&
      (record.silenceMs === undefined || (record.silenceMs > 0 && record.silenceMs <= SILENCE_MAX_MS));
    return good ? record : 'unreadable';
  } catch {
    return 'unreadable';
  }
}

export const ownerKey = (group: string): string => `groups/${group}/owner`;

export class Guard {
  readonly #doors: GuardDoors;
  readonly #group: string;
  /** As it was at the start: an owner whose T changed under it could trust in what nobody waits for. */
  readonly #timing: Timing;
  #state: Ownership;
  #cancel: () => void = () => undefined;
  #write: AbortController | null = null;
  readonly #answers = new Map<string, (answer: { agreed: boolean; why: string }) => void>();
  #closed = false;

  constructor(group: string, timing: Timing, doors: GuardDoors) {
    this.#group = group;
    this.#timing = timing;
    this.#doors = doors;
    this.#state = newOwnership(doors.node, doors.instance, doors.boot, doors.clock.monotonic());
  }

  get epoch(): number | null {
    return this.#state.hold?.epoch ?? null;
  }
  get owner(): OwnerRecord | null {
    return this.#state.seen?.record ?? null;
  }
  /** When the newest write of the owner was seen, on the monotonic clock. */
  get seenAt(): number {
    return this.#state.seen?.at ?? Number.NEGATIVE_INFINITY;
  }
  get known(): boolean {
    return this.#state.seen !== null;
  }
  /** It has looked on for T at least. */
  get settled(): boolean {
    return this.known && this.#doors.clock.monotonic() >= this.#state.startedAt + this.#timing.silenceMs;
  }

  /** Until when nobody else may begin; -Infinity without the right. */
  untilMs(): number {
    return untilOf(this.#timing, this.#state);
  }

  /** The record at a revision of the store. */
  saw(order: number, value: string | null): void {
    const record = readOwner(value);
    // What cannot be read is nobody's: it is not taken over, it is told.
    if (record === 'unreadable') this.#doors.trouble(`the record of the group ${this.#group} cannot be read`);
    else this.take({ kind: 'seen', order, record });
  }

  take(event: GuardEvent): void {
    if (this.#closed) return;
    const at = this.#doors.clock.monotonic();
    const [state, effects] = own(this.#timing, this.#state, { ...event, at } as OwnEvent);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    this.#arm();
  }

  #arm(): void {
    this.#cancel();
    const at = nextAt(this.#timing, this.#state);
    if (this.#closed || !Number.isFinite(at)) return;
    const delay = Math.max(0, Math.ceil(at - this.#doors.clock.monotonic()));
    this.#cancel = this.#doors.clock.after(delay, () => this.take({ kind: 'tick' }));
  }

  #perform(effect: OwnEffect): void {
    switch (effect.kind) {
      case 'write':
        void this.#put(effect.record, effect.expect);
        return;
      case 'abandon':
        this.#write?.abort(new Error('abandoned'));
        return;
      case 'ask':
        void this.#ask(effect.epoch);
        return;
      case 'answer':
        this.#answers.get(effect.to)?.({ agreed: effect.agreed, why: effect.why });
        return;
      default:
        this.#doors.on(effect);
    }
  }

  async #put(record: OwnerRecord, expect: number): Promise<void> {
    const { coordination, clock } = this.#doors;
    const stop = new AbortController();
    this.#write = stop;
    const cancel = clock.after(WRITE_MS, () => stop.abort(new Error('no answer')));
    try {
      const got = await coordination.write(ownerKey(this.#group), JSON.stringify(record), expect, stop.signal);
      this.#doors.trouble(null);
      if (got.ok) this.take({ kind: 'written', write: record.write, revision: got.revision });
      else this.#refused(record.write, got.current);
    } catch (error) {
      const failed = error instanceof CoordinationError ? error : null;
      if (failed && failed.code !== 'unreachable') await clock.sleep(RETRY_MS).catch(() => undefined);
      // Nobody waits any more for what was abandoned: its answer would be taken for that of the write after it.
      this.#doors.trouble((error as Error).message);
      this.take({ kind: 'unanswered', write: record.write });
    } finally {
      cancel();
    }
  }

  #refused(write: number, current: CoordRecord | null): void {
    const record = current ? readOwner(current.value) : null;
    if (record === 'unreadable') {
      this.#doors.trouble(`the record of the group ${this.#group} cannot be read`);
      this.take({ kind: 'refused', write, current: null });
    } else
      this.take({
        kind: 'refused',
        write,
        current: current && record ? { revision: current.revision, record } : null,
      });
  }

  async #ask(epoch: number): Promise<void> {
    const { clock, askAll } = this.#doors;
    const sentAt = clock.monotonic();
    const stop = new AbortController();
    const cancel = clock.after(ASK_MS, () => stop.abort(new Error('no answer')));
    const agreed = await askAll(epoch, stop.signal).catch(() => false);
    cancel();
    this.take({ kind: 'promised', sentAt: agreed ? sentAt : null });
  }

  /** Another node owns the group and cannot reach the coordinator: may it stay? */
  promise(from: string, epoch: number): { readonly agreed: boolean; readonly why: string } {
    let answer = { agreed: false, why: 'no answer' };
    this.#answers.set(from, (got) => {
      answer = got;
    });
    this.take({ kind: 'promise-asked', from, epoch });
    this.#answers.delete(from);
    return answer;
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
    this.#write?.abort(new Error('closed'));
  }
}

const RETRY_MS = 200;
