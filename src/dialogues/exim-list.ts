// The list that `exim -bp` writes for people: age, size, id, sender, `*** frozen ***`, then the recipients.
const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const MESSAGE = /^ {0,8}(\d{1,6})([mhd]) +[\d.]{1,12}[KMG]? +[0-9A-Za-z]{6}-[0-9A-Za-z]{6,11}-[0-9A-Za-z]{2,4} (.*)$/;

export interface EximQueue {
  readonly count: number;
  readonly frozen: number;
  /** How long the oldest message waits. */
  readonly oldestMs: number;
  /** The same without frozen ones, which nobody tries to send. */
  readonly oldestMovingMs: number;
}

export const EMPTY: EximQueue = { count: 0, frozen: 0, oldestMs: 0, oldestMovingMs: 0 };

/** Adds one line. Lines of recipients, and what is no line of the list, change nothing. */
export function addLine(queue: EximQueue, line: string): EximQueue {
  const [, number, unit = '', rest = ''] = MESSAGE.exec(line) ?? [];
  if (number === undefined) return queue;
  const ageMs = Number(number) * (UNIT_MS[unit] ?? 0);
  const frozen = rest.endsWith('*** frozen ***');
  return {
    count: queue.count + 1,
    frozen: queue.frozen + (frozen ? 1 : 0),
    oldestMs: Math.max(queue.oldestMs, ageMs),
    oldestMovingMs: frozen ? queue.oldestMovingMs : Math.max(queue.oldestMovingMs, ageMs),
  };
}
