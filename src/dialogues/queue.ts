// What `postqueue -j` tells (postqueue(1)): one JSON object a line, one line a message. Read as it comes, message by
// message, so that a queue of any size costs the same memory.
import { plain } from './quote.ts';

export interface QueuedMessage {
  readonly queue: string;
  readonly id: string;
  /** Seconds since 1970. */
  readonly arrival: number;
  /** Bytes of the message; 0 when not told. */
  readonly size: number;
  readonly reasons: readonly string[];
  /** Domains of the recipients that wait, each once, in lower case. Not known of a line that was cut. */
  readonly domains: readonly string[];
}

/** Longer lines (a mail to thousands) are cut; name, id and time stand at the beginning. */
const MAX_LINE = 65_536;
const MAX_RECIPIENTS = 50;

/** Cuts a stream into lines of bounded length. The result of `end` is what was left over. */
export function lineReader(each: (line: string) => void): { add(piece: Buffer): void; end(): void } {
  let pending = '';
  const flush = (): void => {
    if (pending !== '') each(pending);
    pending = '';
  };
  return {
    add(piece) {
      const parts = piece.toString('utf8').split('\n');
      for (const [index, part] of parts.entries()) {
        if (index > 0) flush();
        if (pending.length < MAX_LINE) pending += part.slice(0, MAX_LINE - pending.length);
      }
    },
    end: flush,
  };
}

/** One line of `postqueue -j`, or null when it is none. */
export function parseMessage(line: string): QueuedMessage | null {
  let record: Readonly<Record<string, unknown>>;
  try {
    record = JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return parseHead(line);
  }
  const { queue_name: queue, queue_id: id, arrival_time: arrival, message_size: size, recipients } = record ?? {};
  if (typeof queue !== 'string' || typeof id !== 'string' || typeof arrival !== 'number') return null;
  const known = (Array.isArray(recipients) ? recipients.slice(0, MAX_RECIPIENTS) : []) as readonly (Readonly<
    Record<string, unknown>
  > | null)[];
  const reasons = known.map((recipient) => recipient?.['delay_reason']).filter((reason) => typeof reason === 'string');
  const domains = known.map((recipient) => domainOf(recipient?.['address'])).filter((domain) => domain !== '');
  return { queue, id, arrival, size: typeof size === 'number' ? size : 0, reasons, domains: [...new Set(domains)] };
}

const domainOf = (address: unknown): string =>
  typeof address === 'string' ? address.slice(address.lastIndexOf('@') + 1).toLowerCase() : '';

/** The same from the beginning of a line that was cut. */
function parseHead(line: string): QueuedMessage | null {
  const queue = /"queue_name": ?"([a-z]{1,20})"/.exec(line)?.[1];
  const id = /"queue_id": ?"([0-9A-Za-z]{1,40})"/.exec(line)?.[1];
  const arrival = /"arrival_time": ?(\d{1,12})/.exec(line)?.[1];
  const size = Number(/"message_size": ?(\d{1,12})/.exec(line)?.[1] ?? 0);
  const reason = /"delay_reason": ?"((?:[^"\\]|\\.){1,500})"/.exec(line)?.[1];
  if (!queue || !id || !arrival) return null;
  return { queue, id, arrival: Number(arrival), size, reasons: reason ? [reason] : [], domains: [] };
}

/** A reason without what differs from message to message, so that equal ones count together. */
export function reasonKey(reason: string): string {
  return plain(
    reason
      .replace(/<[^<>]{0,320}>/g, '<…>')
      .replace(/\b[0-9A-F]{8,20}\b|\b[0-9A-Za-z]{12,24}(?=:)/g, '…')
      .replace(/\d{5,}/g, '…'),
    140,
  );
}

const MAX_REASONS = 200;

/** Counts reasons; beyond 200 different ones the rest counts as one. */
export function reasonCount(): { add(reason: string): void; top(): readonly { reason: string; count: number }[] } {
  const counts = new Map<string, number>();
  return {
    add(reason) {
      const key = reasonKey(reason);
      const name = counts.has(key) || counts.size < MAX_REASONS ? key : 'other reasons';
      counts.set(name, (counts.get(name) ?? 0) + 1);
    },
    top: () =>
      [...counts]
        .map(([reason, count]) => ({ reason, count }))
        .sort((a, b) => b.count - a.count)
        .slice(0, 3),
  };
}

export interface QueueFacts {
  readonly count: number;
  /** Arrival of the oldest message, seconds since 1970; null when the queue is empty. */
  readonly oldest: number | null;
}

const QUEUES = ['maildrop', 'incoming', 'active', 'deferred', 'hold'] as const;
export type QueueName = (typeof QUEUES)[number];

export interface Tally {
  add(message: QueuedMessage): void;
  facts(queue: QueueName): QueueFacts;
  /** Of all messages together. */
  bytes(): number;
  /** Ids of the messages in `incoming` that came first, at most 100. */
  incoming(): readonly string[];
  reasons(): readonly { readonly reason: string; readonly count: number }[];
}

const MAX_TRACKED = 100;

/** Sums up messages. */
export function tally(): Tally {
  const found = new Map<string, { count: number; oldest: number }>();
  const reasons = reasonCount();
  const waiting: { id: string; arrival: number }[] = [];
  let bytes = 0;
  return {
    add(message) {
      bytes += message.size;
      const seen = found.get(message.queue) ?? { count: 0, oldest: message.arrival };
      seen.count += 1;
      seen.oldest = Math.min(seen.oldest, message.arrival);
      if (found.size < 20 || found.has(message.queue)) found.set(message.queue, seen);
      if (message.queue === 'deferred') for (const reason of message.reasons) reasons.add(reason);
      if (message.queue !== 'incoming') return;
      // Short queue ids are used again; with its arrival a message is one of a kind.
      waiting.push({ id: `${message.id} ${message.arrival}`, arrival: message.arrival });
      if (waiting.length > 2 * MAX_TRACKED) trim(waiting);
    },
    facts: (queue) => found.get(queue) ?? { count: 0, oldest: null },
    bytes: () => bytes,
    incoming() {
      trim(waiting);
      return waiting.map((message) => message.id);
    },
    reasons: () => reasons.top(),
  };
}

function trim(waiting: { id: string; arrival: number }[]): void {
  waiting.sort((a, b) => a.arrival - b.arrival);
  waiting.length = Math.min(waiting.length, MAX_TRACKED);
}
