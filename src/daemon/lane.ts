// One channel's way out: one alert after the other, each tried until it is taken or refused for good, and not faster
// than its receiver can bear. It holds up nobody else.
import type { Alert, AlertChannel, AlertContext, SendResult } from '../define.ts';
import type { Ports } from '../ports/ports.ts';
import type { Next, Tried } from './backlog.ts';

/** A token bucket: so many at once, after that one more each. */
export interface Limit {
  readonly burst: number;
  readonly everyMs: number;
}

const SEND_MS = 30_000;
const retryMs = (tries: number): number => Math.min(60_000, 1000 * 2 ** Math.min(tries, 6));
/** After so many tries in a row it is trouble, and said to be. */
const TRIES = 3;

export interface Channel {
  readonly name: string;
  readonly plugin: AlertChannel;
  readonly options: unknown;
  /** As configured; null: what suits its kind. */
  readonly limit?: Limit | null;
}

export interface LaneDoors {
  readonly ports: Ports;
  /** Null: as fast as it goes. */
  readonly limit: Limit | null;
  /** Alerts up to this one may have been told in the life before. */
  readonly before: number;
  /** What is to be told next, of what was not told yet. */
  readonly next: (tried: Tried) => Next | null;
  readonly send: (alert: Alert, rest: Pick<AlertContext<never>, 'signal' | 'lasting'>) => Promise<SendResult>;
  readonly onSent: (ids: readonly number[]) => void;
  /** null: it delivers again. */
  readonly onTrouble: (detail: string | null) => void;
}

type Lasting = { close(): void | Promise<void> };

export class Lane {
  readonly #channel: Channel;
  readonly #doors: LaneDoors;
  /** Tried, and no answer that it was taken. */
  readonly #tried = new Set<number>();
  #tokens: number;
  #refilledAt: number;
  #running: Promise<void> | null = null;
  #poked = false;
  #lasting: Promise<Lasting> | null = null;
  readonly #stop = new AbortController();

  constructor(channel: Channel, doors: LaneDoors) {
    this.#channel = channel;
    this.#doors = doors;
    this.#tokens = doors.limit?.burst ?? 0;
    this.#refilledAt = doors.ports.clock.monotonic();
  }

  /** Is this lane made for the very same channel? */
  is({ plugin, options }: Channel): boolean {
    return plugin === this.#channel.plugin && JSON.stringify(options) === JSON.stringify(this.#channel.options);
  }

  poke(): void {
    this.#poked = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
      // Something new came while the last look was ending.
      if (this.#poked && !this.#stop.signal.aborted) this.poke();
    });
  }

  async idle(): Promise<void> {
    await this.#running;
  }

  close(): void {
    this.#stop.abort();
    void this.#lasting?.then((it) => it.close()).catch(() => undefined);
    this.#lasting = null;
  }

  #keep<T extends Lasting>(make: () => Promise<T>): Promise<T> {
    const held = (this.#lasting ??= make());
    held.catch(() => {
      if (this.#lasting === held) this.#lasting = null;
    });
    return held as Promise<T>;
  }

  /** How long until one more may go. */
  #waitMs(): number {
    const { limit, ports } = this.#doors;
    if (!limit) return 0;
    const now = ports.clock.monotonic();
    const more = Math.floor((now - this.#refilledAt) / limit.everyMs);
    this.#tokens = Math.min(limit.burst, this.#tokens + more);
    this.#refilledAt = this.#tokens === limit.burst ? now : this.#refilledAt + more * limit.everyMs;
    return this.#tokens > 0 ? 0 : this.#refilledAt + limit.everyMs - now;
  }

  #next(): Next | null {
    return this.#doors.next(({ id }) => id <= this.#doors.before || this.#tried.has(id));
  }

  async #run(): Promise<void> {
    const { clock } = this.#doors.ports;
    const stopped = this.#stop.signal;
    let tries = 0;
    this.#poked = false;
    while (!stopped.aborted && this.#next()) {
      const waitMs = tries > 0 ? retryMs(tries) : this.#waitMs();
      if (waitMs > 0) await clock.sleep(waitMs, stopped).catch(() => undefined);
      // Asked again: after a pause something else may be more urgent, or over.
      const next = stopped.aborted ? null : this.#next();
      if (!next) return;
      if (tries === 0) this.#tokens--;
      this.#tried.add(next.alert.id);
      const result = await this.attempt(next.alert);
      if (stopped.aborted) return;
      tries = this.#judged(next, result, tries);
    }
  }

  /** What became of an attempt. Gives how many in a row did not succeed. */
  #judged({ alert, with: others }: Next, result: SendResult, tries: number): number {
    if (typeof result === 'object' && 'retry' in result) {
      if (tries + 1 === TRIES) this.#doors.onTrouble(result.retry);
      return tries + 1;
    }
    if (typeof result === 'object')
      this.#doors.ports.log.warn(`alert ${alert.id} dropped by ${this.#channel.name}: ${result.drop}`);
    if (tries >= TRIES) this.#doors.onTrouble(null);
    this.#tried.delete(alert.id);
    this.#doors.onSent(others.length > 0 ? others.map(({ id }) => id) : [alert.id]);
    return 0;
  }

  /** One attempt, bounded. Never throws. */
  async attempt(alert: Alert): Promise<SendResult> {
    const limit = new AbortController();
    const cancel = this.#doors.ports.clock.after(SEND_MS, () => limit.abort());
    const signal = AbortSignal.any([limit.signal, this.#stop.signal]);
    const late = new Promise<SendResult>((resolve) => {
      signal.addEventListener('abort', () => resolve({ retry: 'it did not answer in time' }), { once: true });
    });
    try {
      const rest = { signal, lasting: <T extends Lasting>(make: () => Promise<T>) => this.#keep(make) };
      return await Promise.race([this.#doors.send(alert, rest), late]);
    } catch (error) {
      return { retry: (error as Error).message };
    } finally {
      cancel();
    }
  }
}
