// What is to be told, and who has heard it. The outbox is a fold of the journal: alerts come with the entry that
// decided them, cursors with entries of their own. Delivery is at least once, in order per channel, with retries; a
// channel in trouble holds up nobody else.
import type { Alert, AlertChannel, SendResult } from '../define.ts';
import type { Ports } from '../ports/ports.ts';
import type { Entry, OutboxState } from './journal-format.ts';

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
  const done = channels.length === 0 ? Number.POSITIVE_INFINITY : Math.min(...channels.map((name) => sent[name] ?? 0));
  const pending = [...state.pending, ...(entry.alerts ?? [])].filter((alert) => alert.id > done);
  return { pending: bounded(pending), sent };
}

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
}

const SEND_MS = 30_000;
const retryMs = (tries: number): number => Math.min(60_000, 1000 * 2 ** Math.min(tries, 6));

/** Delivers. One loop a channel; `poke` says that there is something new. */
export class Outbox {
  readonly #ports: Ports;
  readonly #node: string;
  readonly #stateDir: string;
  readonly #pending: () => OutboxState;
  readonly #events: OutboxEvents;
  readonly #lanes = new Map<string, Lane>();
  readonly #bad = new Set<string>();

  constructor(ports: Ports, node: string, stateDir: string, pending: () => OutboxState, events: OutboxEvents) {
    this.#ports = ports;
    this.#node = node;
    this.#stateDir = stateDir;
    this.#pending = pending;
    this.#events = events;
  }

  get channels(): readonly string[] {
    return [...this.#lanes.keys()];
  }

  /** Takes the channels of a new configuration; cursors stay. */
  configure(channels: readonly Channel[]): void {
    for (const [name, lane] of this.#lanes)
      if (!channels.some((one) => one.name === name)) {
        lane.close();
        this.#lanes.delete(name);
        this.#trouble(name, null);
      }
    for (const channel of channels) {
      this.#lanes.get(channel.name)?.close();
      // A new lane has had no trouble yet; if it goes on, it is told again.
      this.#trouble(channel.name, null);
      this.#lanes.set(channel.name, this.#lane(channel));
    }
    this.poke();
  }

  #lane(channel: Channel): Lane {
    const send = (alert: Alert, signal: AbortSignal): Promise<SendResult> =>
      channel.plugin.send(alert, {
        options: channel.options as never,
        ports: this.#ports,
        signal,
        node: this.#node,
        stateDir: this.#stateDir,
      });
    const next = (after: number): Alert | undefined => this.#pending().pending.find((alert) => alert.id > after);
    return new Lane(channel.name, this.#pending().sent[channel.name] ?? 0, this.#ports, next, send, {
      onSent: (upTo) => this.#events.onSent(channel.name, upTo),
      onTrouble: (detail) => this.#trouble(channel.name, detail),
    });
  }

  #trouble(name: string, detail: string | null): void {
    const before = this.#bad.size;
    if (detail === null) this.#bad.delete(name);
    else this.#bad.add(name);
    if (before === 0 && this.#bad.size > 0) this.#events.onTrouble(true, `channel ${name}: ${detail ?? ''}`);
    if (before > 0 && this.#bad.size === 0) this.#events.onTrouble(false, 'every channel delivers again');
  }

  poke(): void {
    for (const lane of this.#lanes.values()) lane.poke();
  }

  /** Waits a short while for what is still on its way, then stops. */
  async close(waitMs: number): Promise<void> {
    const enough = new AbortController();
    await Promise.race([
      Promise.all([...this.#lanes.values()].map((lane) => lane.idle())),
      this.#ports.clock.sleep(waitMs, enough.signal).catch(() => undefined),
    ]);
    enough.abort();
    for (const lane of this.#lanes.values()) lane.close();
  }
}

interface LaneEvents {
  readonly onSent: (upTo: number) => void;
  /** null: it delivers again. */
  readonly onTrouble: (detail: string | null) => void;
}

class Lane {
  readonly name: string;
  readonly #ports: Ports;
  readonly #next: (after: number) => Alert | undefined;
  readonly #send: (alert: Alert, signal: AbortSignal) => Promise<SendResult>;
  readonly #events: LaneEvents;
  #upTo: number;
  #running: Promise<void> | null = null;
  #stopped = false;
  readonly #stop = new AbortController();

  constructor(
    name: string,
    upTo: number,
    ports: Ports,
    next: (after: number) => Alert | undefined,
    send: (alert: Alert, signal: AbortSignal) => Promise<SendResult>,
    events: LaneEvents,
  ) {
    this.name = name;
    this.#upTo = upTo;
    this.#ports = ports;
    this.#next = next;
    this.#send = send;
    this.#events = events;
  }

  poke(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
  }

  async idle(): Promise<void> {
    await this.#running;
  }

  close(): void {
    this.#stopped = true;
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    let tries = 0;
    for (let alert = this.#next(this.#upTo); alert && !this.#stopped; alert = this.#next(this.#upTo)) {
      const result = await this.#attempt(alert);
      if (this.#stopped) return;
      if (typeof result === 'object' && 'retry' in result) {
        tries++;
        if (tries === 3) this.#events.onTrouble(result.retry);
        await this.#ports.clock.sleep(retryMs(tries), this.#stop.signal).catch(() => undefined);
        continue;
      }
      if (typeof result === 'object') this.#ports.log.warn(`alert ${alert.id} dropped by ${this.name}: ${result.drop}`);
      if (tries >= 3) this.#events.onTrouble(null);
      tries = 0;
      this.#upTo = alert.id;
      this.#events.onSent(this.#upTo);
    }
  }

  async #attempt(alert: Alert): Promise<SendResult> {
    const limit = new AbortController();
    const cancel = this.#ports.clock.after(SEND_MS, () => limit.abort());
    const signal = AbortSignal.any([limit.signal, this.#stop.signal]);
    const late = new Promise<SendResult>((resolve) => {
      signal.addEventListener('abort', () => resolve({ retry: 'it did not answer in time' }), { once: true });
    });
    try {
      return await Promise.race([this.#send(alert, signal), late]);
    } catch (error) {
      return { retry: (error as Error).message };
    } finally {
      cancel();
    }
  }
}
