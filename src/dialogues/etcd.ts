// The words of etcd's JSON gateway (/v3/…, etcd 3.4 and later): requests as it wants them, answers as they may be
// trusted. Keys and values are base64, 64-bit numbers strings, and zero is left out. It talks to nobody.
import type { CoordChange, CoordRecord } from '../define.ts';
import { plain } from './quote.ts';

/** Nothing can be told from what came; or what etcd said. */
export class EtcdFault extends Error {
  /** `retry`: may pass by itself. `token`: log in anew. `compacted`: these revisions are gone. */
  readonly kind: 'retry' | 'token' | 'denied' | 'failed' | 'compacted';
  constructor(kind: EtcdFault['kind'], detail: string) {
    super(detail);
    this.kind = kind;
  }
}

type Fields = Readonly<Record<string, unknown>>;

export const base64 = (text: string): string => Buffer.from(text).toString('base64');
const plainText = (value: unknown): string =>
  typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : '';

const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
const listOf = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.map(fieldsOf) : []);

/** A number of 64 bits that is a revision: beyond 2^53 it is not one that we can count with. */
function numberOf(value: unknown): number {
  const found = value === undefined ? 0 : Number(value);
  if (!Number.isSafeInteger(found) || found < 0) throw new EtcdFault('retry', 'a number in the answer is none');
  return found;
}

export function parse(text: string): Fields {
  try {
    const found: unknown = JSON.parse(text);
    if (typeof found === 'object' && found !== null && !Array.isArray(found)) return found as Fields;
  } catch {
    // Said below.
  }
  throw new EtcdFault('retry', 'the answer is not JSON as etcd sends it');
}

/** The end of a range that holds all keys that begin so. */
export function rangeEnd(prefix: string): string {
  const bytes = Buffer.from(prefix);
  for (let at = bytes.length - 1; at >= 0; at--) {
    const byte = bytes[at] ?? 255;
    if (byte === 255) continue;
    bytes[at] = byte + 1;
    return bytes.subarray(0, at + 1).toString('base64');
  }
  return base64('\0');
}

/** Compared with the newest revision of the key: nothing is written unless it is `expect`; then the key is read. */
export function compared(key: string, value: string | null, expect: number): string {
  const at = { key: base64(key) };
  const write = value === null ? { request_delete_range: at } : { request_put: { ...at, value: base64(value) } };
  return JSON.stringify({
    compare: [{ ...at, target: 'MOD', result: 'EQUAL', mod_revision: String(expect) }],
    success: [write],
    failure: [{ request_range: at }],
  });
}

export interface Header {
  readonly cluster: string;
  readonly member: string;
  readonly revision: number;
}
export function headerOf(answer: Fields): Header {
  const header = fieldsOf(answer['header']);
  const { cluster_id: cluster, member_id: member } = header;
  if (typeof cluster !== 'string' || typeof member !== 'string')
    throw new EtcdFault('retry', 'the answer has no header of etcd');
  return { cluster, member, revision: numberOf(header['revision']) };
}

function recordOf(kv: Fields): CoordRecord {
  return { key: plainText(kv['key']), value: plainText(kv['value']), revision: numberOf(kv['mod_revision']) };
}

export interface TxnAnswer {
  readonly ok: boolean;
  readonly revision: number;
  readonly current: CoordRecord | null;
}
export function txnAnswer(answer: Fields): TxnAnswer {
  const { revision } = headerOf(answer);
  if (answer['succeeded'] === true) return { ok: true, revision, current: null };
  const range = listOf(answer['responses'])[0]?.['response_range'];
  if (!range) throw new EtcdFault('retry', 'the answer to a compared write is incomplete');
  const kv = listOf(fieldsOf(range)['kvs'])[0];
  return { ok: false, revision, current: kv ? recordOf(kv) : null };
}

export function rangeAnswer(answer: Fields): { revision: number; records: CoordRecord[] } {
  return { revision: headerOf(answer).revision, records: listOf(answer['kvs']).map(recordOf) };
}

export interface WatchLine {
  readonly header: Header;
  readonly created: boolean;
  readonly changes: readonly CoordChange[];
}
/** One line of a watch. Throws EtcdFault when it has ended. */
export function watchLine(text: string): WatchLine {
  const line = parse(text);
  if (line['error'] !== undefined) throw faultOf(fieldsOf(line['error']));
  const result = fieldsOf(line['result']);
  if (numberOf(result['compact_revision']) > 0) throw new EtcdFault('compacted', 'what was to be watched is compacted');
  if (result['canceled'] === true) {
    const why =
      typeof result['cancel_reason'] === 'string' ? plain(result['cancel_reason'].slice(0, 200)) : 'no reason given';
    const kind = /permission denied/i.test(why) ? 'denied' : /auth token/i.test(why) ? 'token' : 'retry';
    throw new EtcdFault(kind, `the watch was ended by etcd: ${why}`);
  }
  const changes = listOf(result['events']).map((event): CoordChange => {
    const { key, value, revision } = recordOf(fieldsOf(event['kv']));
    return { key, value: event['type'] === 'DELETE' ? null : value, revision };
  });
  return { header: headerOf(result), created: result['created'] === true, changes };
}

const TOKEN = /invalid auth token|revision of auth store is old|auth store.*old|user name is empty/i;
const DENIED = /permission denied|authentication failed|invalid user|role not granted|not granted/i;
/** What makes a member useless until somebody acts. */
const FAILED = /database space exceeded|no space|corrupt/i;

/** An error of etcd by its gRPC code and its words. */
export function faultOf(error: Fields): EtcdFault {
  const code = Number(error['code'] ?? error['grpc_code'] ?? 2);
  const said = plain(String(error['message'] ?? error['error'] ?? 'an error without words').slice(0, 200));
  if (code === 16 || TOKEN.test(said)) return new EtcdFault('token', said);
  if (code === 7 || DENIED.test(said)) return new EtcdFault('denied', said);
  if (code === 15 || FAILED.test(said)) return new EtcdFault('failed', said);
  if (code === 11) return new EtcdFault('compacted', said);
  return new EtcdFault('retry', said);
}

/** The answer to a request, or its fault thrown. */
export function answerOf(status: number, body: string): Fields {
  if (status === 200) {
    const found = parse(body);
    if (found['error'] !== undefined) throw faultOf(found);
    return found;
  }
  let found: Fields;
  try {
    found = parse(body);
  } catch {
    throw new EtcdFault('retry', `HTTP status ${status}`);
  }
  throw faultOf(found);
}

export interface StatusAnswer {
  readonly header: Header;
  /** `0`: it knows none. */
  readonly leader: string;
  readonly version: string;
  /** `NOSPACE`, `CORRUPT`: of any member. */
  readonly alarms: readonly string[];
}
export function statusAnswer(answer: Fields): StatusAnswer {
  const leader = typeof answer['leader'] === 'string' ? answer['leader'] : '0';
  const version = typeof answer['version'] === 'string' ? plain(answer['version'].slice(0, 20)) : '?';
  const errors = Array.isArray(answer['errors']) ? answer['errors'].slice(0, 20) : [];
  const alarms = errors.flatMap((one) => /alarm:(\w{1,20})/.exec(String(one))?.[1] ?? []);
  return { header: headerOf(answer), leader, version, alarms: [...new Set(alarms)] };
}

/** Names of the members by their numbers. */
export const namesOf = (answer: Fields): ReadonlyMap<string, string> =>
  new Map(
    listOf(answer['members']).map((one) => [String(one['ID'] ?? ''), plain(String(one['name'] ?? '').slice(0, 64))]),
  );
