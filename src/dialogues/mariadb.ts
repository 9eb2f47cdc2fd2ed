// The greeting of MariaDB and MySQL (protocol 10), read without their library, and what an error number means for the
// health of the server.
import { type CheckResult, degraded, fail } from '../define.ts';
import { type Dialogue, NetError } from '../ports/net.ts';
import { plain, quote } from './quote.ts';
import type { Session } from './session.ts';

export interface SqlFault {
  readonly number: number;
  readonly text: string;
}

export interface Greeting {
  readonly version: string;
  readonly tls: boolean;
  /** The whole packet, for the library that must hear it too. */
  readonly bytes: Buffer;
}

const PROTOCOL = 10;
const ERROR = 0xff;
const MAX_GREETING = 4096;
const CLIENT_SSL = 0x800;

/** The first packet: a greeting, or an error in its place. */
export async function readGreeting(dialogue: Dialogue): Promise<Greeting | SqlFault> {
  const head = await dialogue.readBytes(4);
  const size = head.readUIntLE(0, 3);
  // A server's first packet has the number 0.
  if (head[3] !== 0 || size < 5) throw new NetError('garbled', 'not a greeting of MariaDB');
  if (size > MAX_GREETING) throw new NetError('too-long', `a greeting of ${size} bytes`);
  const body = await dialogue.readBytes(size);
  if (body[0] === ERROR) return { number: body.readUInt16LE(1), text: plain(body.toString('utf8', 3)) };
  const end = body.indexOf(0, 1);
  // After the version: 4 bytes of a number, 8 of salt, a zero, and the lower half of what the server can do.
  if (body[0] !== PROTOCOL || end < 0 || size < end + 16) throw new NetError('garbled', 'not a greeting of MariaDB');
  const tls = (body.readUInt16LE(end + 14) & CLIENT_SSL) !== 0;
  return { version: plain(body.toString('utf8', 1, end), 80), tls, bytes: Buffer.concat([head, body]) };
}

/** Too many connections: of all, of this user, of this user in this hour. */
const CROWDED = new Set([1040, 1203, 1226]);
/** A statement or a lock took too long. */
const SLOW = new Set([1205, 1213, 1317, 1969, 3024]);
/** Wrong password, no such right, a host that may not come. */
const FORBIDDEN = new Set([1044, 1045, 1130, 1142, 1143, 1227, 1370, 1698, 1862]);
/** Disk full, table full. */
const FULL = new Set([1021, 1114]);
const NO_SPACE = /no space left|err(code|or):? 28\b|disk full|quota exceeded|read-only file system/i;

/** What an error says about the server. `step` names what was asked for. */
export function judgeFault(fault: SqlFault, step: string, session: Session): CheckResult {
  const said = `${step}: ${fault.number} ${quote(fault.text)}`;
  const { seen } = session;
  if (FULL.has(fault.number) || NO_SPACE.test(fault.text)) return fail('no-space', said, seen);
  if (FORBIDDEN.has(fault.number)) return degraded('credentials', said, seen);
  if (CROWDED.has(fault.number) || SLOW.has(fault.number)) return degraded('overloaded', said, seen);
  // Server shutdown in progress; the connection was killed.
  if (fault.number === 1053 || fault.number === 1927) return fail('refusing', said, seen);
  return fail('misconfigured', said, seen);
}
