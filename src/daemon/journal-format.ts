// What a journal segment is: a first line that holds the whole state, then one line an entry, each with a checksum that
// is chained to the line before it: a torn tail, a changed byte and a missing line are all seen. So every segment is a
// story of its own, for recovery and for replay. Plain text in, records out; no files here.
import { createHash } from 'node:crypto';
import type { Alert } from '../define.ts';
import type { Event, NodeState, Policy, Why } from '../core/types.ts';
import type { Mark } from './timeline.ts';

export const FORMAT = 1;

/** One decision: the event, why, and what is to be told. `sent` moves channels' cursors instead. */
export interface Entry extends Mark {
  readonly seq: number;
  /** Wall clock, RFC 3339, for people. */
  readonly time: string;
  readonly event?: Event;
  readonly whys?: readonly Why[];
  readonly alerts?: readonly Alert[];
  /** Per channel the alerts that were told, or the last of all that were. */
  readonly sent?: Readonly<Record<string, number | readonly number[]>>;
}

/** How far a channel is: all up to a number, and some beyond it. */
export interface Sent {
  readonly upTo: number;
  readonly also: readonly number[];
}

export interface OutboxState {
  /** Alerts that some channel has not delivered yet, oldest first. */
  readonly pending: readonly Alert[];
  readonly sent: Readonly<Record<string, number | Sent>>;
  /** Alerts that had to be given up, ever. */
  readonly dropped?: number;
}

export interface Snapshot extends Mark {
  readonly format: number;
  readonly seq: number;
  readonly time: string;
  readonly policy: Policy;
  readonly node: NodeState;
  readonly outbox: OutboxState;
}

const sumOf = (before: string, body: string): string =>
  createHash('sha256').update(before).update(body).digest('hex').slice(0, 16);

/** The line of an entry (or of the snapshot that begins a segment: `before` is then the file's name), and the checksum
 *  that the next line continues. */
export function encode(entry: Entry | Snapshot, before: string): { readonly line: string; readonly sum: string } {
  const body = JSON.stringify(entry);
  const sum = sumOf(before, body);
  return { line: `${body.slice(0, -1)},"sum":"${sum}"}\n`, sum };
}

const SUM = /,"sum":"([0-9a-f]{16})"\}$/;

export interface Segment {
  readonly snapshot: Snapshot;
  readonly entries: readonly Entry[];
  /** The last line was cut off while it was written: dropped, and no harm. */
  readonly torn: boolean;
  /** What is wrong after the good entries, or null. */
  readonly damage: string | null;
}

/** The good part of a segment, or why there is none. */
export function decode(text: string, name: string): Segment | { readonly unusable: string } {
  const lines = text.split('\n');
  const tail = lines.pop() ?? '';
  const first = lines.shift();
  const snapshot = first === undefined ? null : (parseLine(first, name) as Snapshot | null);
  if (first === undefined || !snapshot)
    return { unusable: first === undefined ? 'it is empty' : 'its first line is damaged' };
  if (snapshot.format > FORMAT) return { unusable: `it was written by a newer version (format ${snapshot.format})` };
  const entries: Entry[] = [];
  let sum = sumIn(first);
  for (const [index, line] of lines.entries()) {
    const entry = parseLine(line, sum) as Entry | null;
    const expected = snapshot.seq + entries.length + 1;
    if (entry?.seq !== expected) {
      const torn = index === lines.length - 1 && tail === '' && entry === null;
      const damage =
        entry === null ? `line ${index + 2} is damaged` : `line ${index + 2} is number ${entry.seq}, not ${expected}`;
      return { snapshot, entries, torn, damage: torn ? null : damage };
    }
    entries.push(entry);
    sum = sumIn(line);
  }
  return { snapshot, entries, torn: tail !== '', damage: null };
}

const sumIn = (line: string): string => SUM.exec(line)?.[1] ?? '';

function parseLine(line: string, before: string): unknown {
  const sum = sumIn(line);
  const body = `${line.slice(0, line.length - ',"sum":"'.length - sum.length - '"}'.length)}}`;
  if (sum === '' || sumOf(before, body) !== sum) return null;
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
