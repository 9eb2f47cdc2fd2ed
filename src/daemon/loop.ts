// The one queue. An event is stamped, decided upon, journalled, and only then acted upon; what comes of it comes back
// as an event. Nothing acts inside a callback.
import { decide, emptyNode } from '../core/decide.ts';
import type { Decision, Effect, Event, NodeState, Policy, Why } from '../core/types.ts';
import type { Alert } from '../define.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Entry, OutboxState } from './journal-format.ts';
import { emptyOutbox, foldOutbox } from './backlog.ts';
import type { Timeline } from './timeline.ts';

type WithoutAt<E> = E extends Event ? Omit<E, 'at'> : never;
/** An event on its way in: the loop says when it is. */
export type Incoming = WithoutAt<Event>;

/** One thing that was decided, as explain, history and the live table show it. */
export interface Told extends Why {
  readonly seq: number;
  readonly at: number;
  readonly time: string;
  readonly event: string;
  readonly phase: string | null;
  readonly incident: string | null;
}

export interface LoopDoors {
  readonly clock: Clock;
  readonly log: Log;
  readonly timeline: Timeline;
  readonly append: (entry: Entry) => Promise<void>;
  readonly perform: (effect: Exclude<Effect, { kind: 'notice' }>) => void;
  readonly channels: () => readonly string[];
  /** New alerts are durable: the outbox may deliver. */
  readonly onAlerts: () => void;
  readonly onDecided: (told: readonly Told[], event: Event) => void;
  /** A gap in the loop's own time: how long this daemon may stand still before it distrusts itself. */
  readonly stallMs: number;
}

const alertOf = ({ notice, to, again }: Extract<Effect, { kind: 'notice' }>, id: number, time: string): Alert => ({
  ...{ id, time, notice },
  ...(to ? { to } : {}),
  ...(again ? { again } : {}),
});

/** Alerts of one decision at the most: after a start every active alarm is told again. Their numbers never collide. */
export const IDS = 100_000;

const RECENT_MAX = 1000;
const QUEUE_MAX = 20_000;

export class Loop {
  readonly #doors: LoopDoors;
  #policy: Policy;
  #node: NodeState = emptyNode;
  #outbox: OutboxState = emptyOutbox;
  #seq = 0;
  #written: Promise<void> = Promise.resolve();
  readonly #queue: Incoming[] = [];
  #draining = false;
  #closed = false;
  #beat = 0;
  readonly #recent: Told[] = [];
  /** The end of the newest stall: what began before it is not to be believed. */
  stalledUntil = 0;
  dropped = 0;

  constructor(policy: Policy, doors: LoopDoors) {
    this.#policy = policy;
    this.#doors = doors;
    this.#beat = doors.clock.monotonic();
  }

  get policy(): Policy {
    return this.#policy;
  }
  get node(): NodeState {
    return this.#node;
  }
  get outbox(): OutboxState {
    return this.#outbox;
  }
  get seq(): number {
    return this.#seq;
  }
  get recent(): readonly Told[] {
    return this.#recent;
  }
  /** Resolves when all that was decided so far is on the disk, or the disk has been given up on. */
  get written(): Promise<void> {
    return this.#written;
  }
  now(): number {
    return this.#doors.timeline.now();
  }

  /** What would be decided about an event now. Nothing comes of it. */
  foresee(event: Incoming): Decision {
    return decide(this.#policy, this.#node, { ...event, at: this.now() } as Event);
  }

  /** The state of the life before: folded, nothing performed. */
  restore(node: NodeState, policy: Policy, outbox: OutboxState, seq: number): void {
    this.#node = node;
    this.#policy = policy;
    this.#outbox = outbox;
    this.#seq = seq;
  }

  push(event: Incoming): void {
    if (this.#closed) return;
    if (this.#queue.length >= QUEUE_MAX) {
      this.dropped++;
      return;
    }
    this.#queue.push(event);
    if (this.#draining) return;
    this.#draining = true;
    queueMicrotask(() => this.#drain());
  }

  /** What comes from now on is not taken any more. */
  close(): void {
    this.#closed = true;
  }

  /** Called by a timer several times a second, so that a gap is noticed. */
  beat(): void {
    const now = this.#doors.clock.monotonic();
    const gap = now - this.#beat;
    this.#beat = now;
    if (gap < this.#doors.stallMs) return;
    this.stalledUntil = now;
    this.#take({ kind: 'stalled', ms: Math.round(gap) });
  }

  #drain(): void {
    // Before anything that waited is believed: did we sleep meanwhile?
    this.beat();
    try {
      for (let event = this.#queue.shift(); event; event = this.#queue.shift()) this.#take(event);
    } finally {
      this.#draining = false;
    }
  }

  #take(incoming: Incoming): void {
    const event = { ...incoming, at: this.now() } as Event;
    const before = this.#node;
    const [node, effects, whys] = decide(this.#policy, before, event);
    if (event.kind === 'configured') this.#policy = event.policy;
    if (node === before && effects.length === 0) return;
    this.#node = node;
    this.#commit(event, [node, effects, whys]);
  }

  #commit(event: Event, [node, effects, whys]: Decision): void {
    const seq = ++this.#seq;
    const time = new Date(this.#doors.clock.wall()).toISOString();
    const notices = effects.filter((effect) => effect.kind === 'notice');
    const alerts = notices.map((effect, index) => alertOf(effect, seq * IDS + index, time));
    const entry: Entry = {
      seq,
      ...this.#doors.timeline.mark(),
      at: event.at,
      time,
      event,
      whys,
      ...(alerts.length > 0 ? { alerts } : {}),
    };
    this.#outbox = foldOutbox(this.#outbox, entry, this.#doors.channels());
    this.#doors.onDecided(this.#story(seq, time, event, node, whys), event);
    this.#written = this.#doors.append(entry).then(() => {
      for (const effect of effects) if (effect.kind !== 'notice') this.#doors.perform(effect);
      if (alerts.length > 0) this.#doors.onAlerts();
    });
  }

  /** A channel has told these. Not urgent: after a crash they are only told again. */
  sent(channel: string, ids: readonly number[]): void {
    const seq = ++this.#seq;
    const time = new Date(this.#doors.clock.wall()).toISOString();
    const entry: Entry = { seq, ...this.#doors.timeline.mark(), time, sent: { [channel]: ids } };
    this.#outbox = foldOutbox(this.#outbox, entry, this.#doors.channels());
    void this.#doors.append(entry);
  }

  /** A decision of the life before, with the state that it led to: part of the story, and told to nobody anew. */
  remember({ seq, time, event, whys }: Entry, node: NodeState): void {
    if (event && whys) this.#story(seq, time, event, node, whys);
  }

  #story(seq: number, time: string, event: Event, node: NodeState, whys: readonly Why[]): readonly Told[] {
    // What was heard and changed nothing that anybody asks about is in the journal, and is no part of the story.
    const story = whys.filter((why) => why.rule !== 'ignored');
    const told = story.map((why): Told => {
      const state = why.service === null ? undefined : node.services[why.service];
      return {
        ...why,
        seq,
        at: event.at,
        time,
        event: event.kind,
        phase: state?.phase ?? null,
        incident: state?.incident ?? null,
      };
    });
    this.#recent.push(...told);
    if (this.#recent.length > RECENT_MAX) this.#recent.splice(0, this.#recent.length - RECENT_MAX);
    return told;
  }
}
