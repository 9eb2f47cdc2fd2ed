// One channel's way out: alerts in order, each tried until it is taken or refused for good. It holds up nobody else.
import type { Alert, AlertContext, SendResult } from '../define.ts';
import type { Ports } from '../ports/ports.ts';
import type { Channel } from './outbox.ts';

const SEND_MS = 30_000;
const retryMs = (tries: number): number => Math.min(60_000, 1000 * 2 ** Math.min(tries, 6));
/** After so many tries in a row it is trouble, and said to be. */
const TRIES = 3;

export interface LaneDoors {
  readonly ports: Ports;
  /** What was delivered in the life before. */
  readonly upTo: number;
  readonly next: (after: number) => Alert | undefined;
  readonly send: (alert: Alert, rest: Pick<AlertContext<never>, 'signal' | 'lasting'>) => Promise<SendResult>;
  readonly onSent: (upTo: number) => void;
  /** null: it delivers again. */
  readonly onTrouble: (detail: string | null) => void;
}

type Lasting = { close(): void | Promise<void> };

export class Lane {
  readonly #channel: Channel;
  readonly #doors: LaneDoors;
  #upTo: number;
  #running: Promise<void> | null = null;
  #lasting: Promise<Lasting> | null = null;
  readonly #stop = new AbortController();

  constructor(channel: Channel, doors: LaneDoors) {
    this.#channel = channel;
    this.#doors = doors;
    this.#upTo = doors.upTo;
  }

  /** Is this lane made for the very same channel? */
  is({ plugin, options }: Channel): boolean {
    return plugin === this.#channel.plugin && JSON.stringify(options) === JSON.stringify(this.#channel.options);
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

  async #run(): Promise<void> {
    const { clock, log } = this.#doors.ports;
    const stopped = this.#stop.signal;
    let tries = 0;
    for (let alert = this.#doors.next(this.#upTo); alert && !stopped.aborted; alert = this.#doors.next(this.#upTo)) {
      const result = await this.#attempt(alert);
      if (stopped.aborted) return;
      if (typeof result === 'object' && 'retry' in result) {
        tries++;
        if (tries === TRIES) this.#doors.onTrouble(result.retry);
        await clock.sleep(retryMs(tries), stopped).catch(() => undefined);
        continue;
      }
      if (typeof result === 'object') log.warn(`alert ${alert.id} dropped by ${this.#channel.name}: ${result.drop}`);
      if (tries >= TRIES) this.#doors.onTrouble(null);
      tries = 0;
      this.#upTo = alert.id;
      this.#doors.onSent(this.#upTo);
    }
  }

  async #attempt(alert: Alert): Promise<SendResult> {
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
