// What is to be told, and who has heard it. The outbox is a fold of the journal: alerts come with the entry that
// decided them, cursors with entries of their own. Delivery is at least once, in order per channel, with retries; a
// channel in trouble holds up nobody else.
import type { Alert, AlertChannel, AlertContext, Background } from '../define.ts';
import type { Ports } from '../ports/ports.ts';
import type { Entry, OutboxState } from './journal-format.ts';
import { Lane } from './lane.ts';

export const emptyOutbox: OutboxState = { pending: [], sent: {} };

/** Alerts kept for channels that cannot be reached. Beyond it the oldest one-shots go first, then clears with their
 * raise. */
export const PENDING_MAX = 5000;

/** The fold: one entry into the outbox. */
export function foldOutbox(
  state: OutboxState,
  entry: Pick<Entry, 'alerts' | 'sent'>,
  channels: readonly string[],
): OutboxState {
  if (!entry.alerts?.length && !entry.sent) return state;
  const sent = entry.sent ? { ...state.sent, ...entry.sent } : state.sent;
  const open = (alert: Alert): boolean => channels.some((name) => isFor(alert, name) && alert.id > (sent[name] ?? 0));
  const pending = [...state.pending, ...(entry.alerts ?? [])].filter(open);
  return { pending: bounded(pending), sent };
}

/** Is this channel to tell it? */
export const isFor = (alert: Alert, channel: string): boolean => alert.to === undefined || alert.to.includes(channel);

function bounded(pending: readonly Alert[]): readonly Alert[] {
  if (pending.length <= PENDING_MAX) return pending;
  const surplus = pending.length - PENDING_MAX;
  const once = new Set(pending.filter((alert) => alert.notice.kind === 'once').slice(0, surplus));
  const kept = pending.filter((alert) => !once.has(alert));
  if (kept.length <= PENDING_MAX) return kept;
  // Only raises and clears are left: a raise goes together with its clear, never alone.
  const cleared = new Set<string>();
  const pairs = new Set<Alert>();
  for (const alert of [...kept].reverse()) {
    if (alert.notice.kind === 'clear') cleared.add(alert.notice.key);
    else if (!cleared.delete(alert.notice.key)) pairs.add(alert);
  }
  const active = kept.filter((alert) => pairs.has(alert));
  const others = kept.filter((alert) => !pairs.has(alert));
  return [...others.slice(kept.length - PENDING_MAX), ...active].sort((a, b) => a.id - b.id);
}

export interface Channel {
  readonly name: string;
  readonly plugin: AlertChannel;
  readonly options: unknown;
}

export interface OutboxEvents {
  /** The cursor of a channel moved: to be journalled. */
  readonly onSent: (name: string, upTo: number) => void;
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

/** Delivers. One loop a channel; `poke` says that there is something new. */
export class Outbox {
  readonly #doors: OutboxDoors;
  readonly #events: OutboxEvents;
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
      this.#mute(name, null);
      this.#sick(name, null);
    }
    for (const channel of channels)
      if (!this.#lanes.has(channel.name)) this.#lanes.set(channel.name, this.#lane(channel));
    this.poke();
  }

  #lane(channel: Channel): Lane {
    const { name } = channel;
    const { ports, node, stateDir, pending, background } = this.#doors;
    return new Lane(channel, {
      ports,
      upTo: pending().sent[name] ?? 0,
      next: (after) => pending().pending.find((alert) => alert.id > after && isFor(alert, name)),
      send: (alert, rest) => {
        const trouble = (text: string | null): void => this.#sick(name, text);
        const known = (): Background => background(alert);
        const context: AlertContext<never> = {
          ...rest,
          ...{ ports, node, stateDir, channel: name, background: known, trouble },
          options: channel.options as never,
        };
        return channel.plugin.send(alert, context);
      },
      onSent: (upTo) => this.#events.onSent(name, upTo),
      onTrouble: (detail) => this.#mute(name, detail),
    });
  }

  poke(): void {
    for (const lane of this.#lanes.values()) lane.poke();
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

/** Trouble of several names, told as one: when the first has some, and when the last has none any more. */
function troubles(tell: (bad: boolean, detail: string) => void): (name: string, detail: string | null) => void {
  const bad = new Set<string>();
  return (name, detail) => {
    const before = bad.size;
    if (detail === null) bad.delete(name);
    else bad.add(name);
    if (before === 0 && bad.size > 0) tell(true, `channel ${name}: ${detail ?? ''}`);
    if (before > 0 && bad.size === 0) tell(false, '');
  };
}
