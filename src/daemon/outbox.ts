// Alerts on their way out: a lane for each channel. Delivery is at least once, in order per key, with retries; a
// channel in trouble holds up nobody else. What is to be told is a fold of the journal (backlog.ts).
import type { Alert, AlertChannel, AlertContext, Background } from '../define.ts';
import type { Ports } from '../ports/ports.ts';
import { nextOf, openFor } from './backlog.ts';
import type { OutboxState } from './journal-format.ts';
import { type Channel, Lane, type Limit } from './lane.ts';

/** A receiver drops what comes too fast, and a person reads only so much. A record takes all. */
const LIMITS: Readonly<Record<NonNullable<AlertChannel['reader']>, Limit | null>> = {
  record: null,
  program: { burst: 20, everyMs: 200 },
  person: { burst: 10, everyMs: 30_000 },
};

/** What came of a test. */
export interface Tested {
  readonly ok: boolean;
  readonly detail: string;
  readonly ms: number;
}

export interface OutboxEvents {
  /** A channel has told these: to be journalled. */
  readonly onSent: (name: string, ids: readonly number[]) => void;
  readonly onTrouble: (bad: boolean, detail: string) => void;
  /** Trouble of a channel's own, which does not keep it from sending. */
  readonly onChannelTrouble: (bad: boolean, detail: string) => void;
}

export interface OutboxDoors {
  readonly ports: Ports;
  readonly node: string;
  readonly stateDir: string;
  readonly pending: () => OutboxState;
  readonly background: (alert: Alert) => Background;
}

/** In the list of troubles, beside names of channels. */
const LOST = ' lost';

/** Delivers. One loop a channel; `poke` says that there is something new. */
export class Outbox {
  readonly #doors: OutboxDoors;
  readonly #events: OutboxEvents;
  #dropped: number | null = null;
  readonly #lanes = new Map<string, Lane>();
  /** Channels that do not deliver, and channels with trouble of their own. */
  readonly #mute = troubles((bad, detail) => this.#events.onTrouble(bad, detail || 'every channel delivers again'));
  readonly #sick = troubles((bad, detail) =>
    this.#events.onChannelTrouble(bad, detail || 'no channel has trouble of its own'),
  );

  constructor(doors: OutboxDoors, events: OutboxEvents) {
    this.#doors = doors;
    this.#events = events;
  }

  get channels(): readonly string[] {
    return [...this.#lanes.keys()];
  }

  /** Takes the channels of a new configuration; cursors stay, and so does a channel that did not change. */
  configure(channels: readonly Channel[]): void {
    for (const [name, lane] of this.#lanes) {
      const next = channels.find((one) => one.name === name);
      if (next && lane.is(next)) continue;
      lane.close();
      this.#lanes.delete(name);
      // A new lane has had no trouble yet; if it goes on, it is told again.
      this.#mute.say(name, null);
      this.#sick.say(name, null);
    }
    for (const channel of channels)
      if (!this.#lanes.has(channel.name)) this.#lanes.set(channel.name, this.#lane(channel));
    this.poke();
  }

  #lane(channel: Channel): Lane {
    const { name } = channel;
    const { ports, node, stateDir, pending, background } = this.#doors;
    const limit = channel.limit ?? LIMITS[channel.plugin.reader ?? 'program'];
    return new Lane(channel, {
      ports,
      limit,
      before: Math.max(0, ...pending().pending.map(({ id }) => id)),
      next: (tried) => nextOf(openFor(pending(), name), limit?.burst ?? null, tried),
      send: (alert, rest) => {
        const trouble = (text: string | null): void => this.#sick.say(name, text);
        const known = (): Background => background(alert);
        const context: AlertContext<never> = {
          ...rest,
          ...{ ports, node, stateDir, channel: name, background: known, trouble },
          options: channel.options as never,
        };
        return channel.plugin.send(alert, context);
      },
      onSent: (ids) => {
        this.#events.onSent(name, ids);
        this.#loss();
      },
      onTrouble: (detail) => this.#mute.say(name, detail),
    });
  }

  /** Each channel, what waits for it, and its trouble. */
  channelsNow(): readonly { readonly name: string; readonly waiting: number; readonly trouble: string | null }[] {
    return this.channels.map((name) => ({
      name,
      waiting: openFor(this.#doors.pending(), name).length,
      trouble: this.#mute.of(name) ?? this.#sick.of(name),
    }));
  }

  /** One attempt, past the queue. Null: no such channel. */
  async test(name: string, alert: Alert): Promise<Tested | null> {
    const lane = this.#lanes.get(name);
    if (!lane) return null;
    const { clock } = this.#doors.ports;
    const started = clock.monotonic();
    const result = await lane.attempt(alert);
    const [said, ok] =
      result === 'sent' ? ['sent', true] : 'retry' in result ? [result.retry, false] : [result.drop, false];
    return { ok, detail: said, ms: Math.round(clock.monotonic() - started) };
  }

  poke(): void {
    this.#loss();
    for (const lane of this.#lanes.values()) lane.poke();
  }

  /** What had to be given up is told, until all that is left is out. */
  #loss(): void {
    const { dropped = 0, pending } = this.#doors.pending();
    const before = this.#dropped ?? dropped;
    this.#dropped = dropped;
    if (dropped > before) this.#mute.say(LOST, `${dropped - before} alerts had to be dropped: too many, or too old`);
    else if (pending.length === 0) this.#mute.say(LOST, null);
  }

  /** Waits a short while for what is still on its way, then stops. */
  async close(waitMs: number): Promise<void> {
    const enough = new AbortController();
    await Promise.race([
      Promise.all([...this.#lanes.values()].map((lane) => lane.idle())),
      this.#doors.ports.clock.sleep(waitMs, enough.signal).catch(() => undefined),
    ]);
    enough.abort();
    for (const lane of this.#lanes.values()) lane.close();
  }
}

interface Troubles {
  say(name: string, detail: string | null): void;
  of(name: string): string | null;
}

/** Trouble of several names, told as one: when the first has some, and when the last has none any more. */
function troubles(tell: (bad: boolean, detail: string) => void): Troubles {
  const bad = new Map<string, string>();
  return {
    of: (name) => bad.get(name) ?? null,
    say(name, detail) {
      const before = bad.size;
      if (detail === null) bad.delete(name);
      else bad.set(name, detail);
      if (before === 0 && bad.size > 0) tell(true, name === LOST ? (detail ?? '') : `channel ${name}: ${detail ?? ''}`);
      if (before > 0 && bad.size === 0) tell(false, '');
    },
  };
}
