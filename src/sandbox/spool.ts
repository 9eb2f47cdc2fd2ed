// The queue of the sandbox's mail server: one file a mail, on disk before it is accepted, gone when it is delivered.
// Tries again for ever while the store does not take it; drops what the store will never take.
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createTransport, type Transporter } from 'nodemailer';
import { hasRoom, writeWhole } from './disk.ts';
import type { Endpoint } from './settings.ts';
import { within } from '../ports/limit.ts';

interface Queued {
  readonly from: string;
  readonly to: readonly string[];
  /** Seconds since 1970. */
  readonly arrival: number;
  /** Why it is still here; '' before the first try. */
  readonly reason: string;
  /** Base64 of the mail. */
  readonly mail: string;
}

const RETRY_MS = 1000;
const DELIVERY_MS = 3000;
const SUFFIX = '.queued';
const say = (text: string): boolean => process.stdout.write(`mta: ${text}\n`);

/** The queue as `postqueue -j` of Postfix shows it (postqueue(1)): one JSON object a line, one line a mail. */
export function listQueue(dir: string): readonly string[] {
  return readdirSync(dir)
    .filter((name) => name.endsWith(SUFFIX))
    .sort()
    .flatMap((name) => {
      try {
        const { from, to, arrival, reason, mail } = JSON.parse(readFileSync(join(dir, name), 'utf8')) as Queued;
        const shown = {
          queue_name: reason === '' ? 'active' : 'deferred',
          queue_id: name.slice(0, -SUFFIX.length),
          arrival_time: arrival,
          message_size: Buffer.byteLength(mail, 'base64'),
          sender: from,
          recipients: to.map((address) => ({ address, ...(reason === '' ? {} : { delay_reason: reason }) })),
        };
        return [JSON.stringify(shown)];
      } catch {
        return []; // Delivered meanwhile.
      }
    });
}

export class Spool {
  readonly #dir: string;
  readonly #limitBytes: number;
  readonly #lmtp: Transporter;
  #running = false;
  #again = false;
  #retry: NodeJS.Timeout | null = null;

  constructor(dir: string, limitBytes: number, store: Endpoint) {
    this.#dir = dir;
    this.#limitBytes = limitBytes;
    this.#lmtp = createTransport({
      lmtp: true,
      host: store.host,
      port: store.port,
      secure: false,
      ignoreTLS: true,
      connectionTimeout: DELIVERY_MS,
      greetingTimeout: DELIVERY_MS,
      socketTimeout: DELIVERY_MS,
    } as Parameters<typeof createTransport>[0]);
  }

  hasRoom(bytes: number): boolean {
    return hasRoom(this.#dir, this.#limitBytes, bytes);
  }

  /** Takes responsibility for a mail; returns its queue id. Throws what the file system says. */
  add(from: string, to: readonly string[], mail: Buffer): string {
    const now = Date.now();
    const id = `${now}${randomBytes(4).toString('hex')}`;
    const queued: Queued = { from, to, arrival: Math.floor(now / 1000), reason: '', mail: mail.toString('base64') };
    writeWhole(this.#dir, id + SUFFIX, JSON.stringify(queued));
    this.run();
    return id;
  }

  /** Tries everything that is queued, oldest first; starts over when something came meanwhile. */
  run(): void {
    this.#again = true;
    if (this.#running) return;
    this.#running = true;
    void this.#drain().finally(() => {
      this.#running = false;
    });
  }

  close(): void {
    if (this.#retry) clearTimeout(this.#retry);
  }

  async #drain(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      const names = readdirSync(this.#dir).filter((name) => name.endsWith(SUFFIX));
      for (const name of names.sort()) {
        if (await this.#deliver(name)) continue;
        // The store does not answer, or has no room: the others would fare no better.
        this.#again = false;
        this.#retry = setTimeout(() => this.run(), RETRY_MS);
        return;
      }
    }
  }

  /** False: try again later. */
  async #deliver(name: string): Promise<boolean> {
    const path = join(this.#dir, name);
    let queued: Queued | null = null;
    try {
      queued = JSON.parse(readFileSync(path, 'utf8')) as Queued;
      await this.#lmtp.sendMail({
        envelope: { from: queued.from, to: [...queued.to] },
        raw: Buffer.from(queued.mail, 'base64'),
        signal: within(DELIVERY_MS),
      } as Parameters<Transporter['sendMail']>[0]);
      rmSync(path, { force: true });
      return true;
    } catch (error) {
      const { responseCode, message } = error as Error & { responseCode?: number };
      const forever = error instanceof SyntaxError || (responseCode !== undefined && responseCode >= 500);
      say(`${name}: ${forever ? 'dropped' : 'deferred'}: ${message}`);
      if (forever || !queued) rmSync(path, { force: true });
      else if (queued.reason !== message) writeWhole(this.#dir, name, JSON.stringify({ ...queued, reason: message }));
      return forever;
    }
  }
}
