// What a source of replication writes into the data of this node, and that it ends before the group changes hands. A
// copy that goes one way compares what it found there when it began with what is here when it ends, and deletes the
// difference: one that is under way takes away again what was just brought over, or what services have written here
// since. So whoever gives the group up says so (`leaving`); the others end their copies, begin no more, and say that
// (`still`, with the same word); then the last of it is brought over.
import type { Clock } from '../../ports/clock.ts';

export interface Pull {
  /** Aborted when it has to end; null: it may go on. */
  readonly signal: AbortSignal | null;
  /** It has ended: it writes no more. */
  end(): void;
}

/** One that writes nothing here. */
export const NO_PULL: Pull = { signal: null, end: () => undefined };

export interface PullDoors {
  readonly clock: Clock;
  /** The active node, be it this one, is about to give the group up: names this one try. */
  leaving(group: string): string | null;
  /** For the sake of which try a node copies nothing to itself any more. */
  stillOf(group: string, node: string): string | null;
  /** The other nodes of the group that answer. */
  others(group: string): readonly string[];
  /** Something changed that others wait to see. */
  soon(): void;
}

interface UnderWay {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

interface HeardOf {
  readonly leaving: string;
  still: boolean;
}

/** Whoever answers has ended its copy in much less. */
const STILL_MS = 10_000;
const EVERY_MS = 20;

export class Pulls {
  readonly #doors: PullDoors;
  readonly #under = new Map<string, Set<UnderWay>>();
  readonly #heardOf = new Map<string, HeardOf>();

  constructor(doors: PullDoors) {
    this.#doors = doors;
  }

  /** Null: none now, the group is about to change hands. */
  begin(group: string): Pull | null {
    if (this.#doors.leaving(group) !== null) return null;
    const stop = new AbortController();
    const all = this.#under.get(group) ?? new Set<UnderWay>();
    this.#under.set(group, all);
    let over = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      over = resolve;
    });
    const one: UnderWay = { stop, ended };
    all.add(one);
    const end = (): void => {
      all.delete(one);
      over();
    };
    return { signal: stop.signal, end };
  }

  /** Ends all of a group; settles when they have ended. */
  async stop(group: string, why: string): Promise<void> {
    const all = [...(this.#under.get(group) ?? [])];
    for (const { stop } of all) stop.abort(new Error(why));
    await Promise.all(all.map(({ ended }) => ended));
  }

  /** News of other nodes. */
  heed(groups: Iterable<string>): void {
    for (const group of groups) {
      const leaving = this.#doors.leaving(group);
      if (leaving === null) this.#heardOf.delete(group);
      if (leaving === null || this.#heardOf.get(group)?.leaving === leaving) continue;
      const heard: HeardOf = { leaving, still: false };
      this.#heardOf.set(group, heard);
      void this.stop(group, 'the group is about to move').then(() => {
        heard.still = true;
        this.#doors.soon();
      });
    }
  }

  /** The daemon ends: nothing goes on behind its back. */
  close(): void {
    for (const all of this.#under.values()) for (const { stop } of all) stop.abort(new Error('closed'));
  }

  /** For the sake of which try nothing is copied to this node any more. */
  still(group: string): string | null {
    const heard = this.#heardOf.get(group);
    return heard?.still ? heard.leaving : null;
  }

  /** On the node that gives it up: waits until the one that it goes to is still, or where none was chosen all that
   *  answer. Gives who did not say so in time. */
  async othersStill(group: string, to: string | null, signal: AbortSignal): Promise<readonly string[]> {
    const { clock, leaving, stillOf, others } = this.#doors;
    const until = clock.monotonic() + STILL_MS;
    for (;;) {
      const own = leaving(group);
      if (own === null) return [];
      const loud = (to === null ? others(group) : [to]).filter((node) => stillOf(group, node) !== own);
      if (loud.length === 0 || signal.aborted || clock.monotonic() >= until) return loud;
      await clock.sleep(EVERY_MS, signal).catch(() => undefined);
    }
  }
}
