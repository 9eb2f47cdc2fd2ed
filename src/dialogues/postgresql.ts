// The beginning of a connection to PostgreSQL, before a library takes over (protocol 3.0): TLS, the startup message,
// and the first answer. And what an SQLSTATE means for the health of the server.
import { type CheckResult, degraded, fail } from '../define.ts';
import { type Dialogue, NetError } from '../ports/net.ts';
import { type Place, type TlsUse, tlsOptions } from './endpoint.ts';
import { plain, quote } from './quote.ts';
import type { Session } from './session.ts';

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
const VERSION = 196_608;
const MAX_MESSAGE = 16_384;

export interface SqlError {
  /** Five characters; '' when the server said none. */
  readonly code: string;
  readonly text: string;
}

/** Asks for TLS, and begins it. A server without it is a verdict only where TLS is required. */
export async function secure(
  session: Session,
  dialogue: Dialogue,
  use: TlsUse,
  place: Place,
): Promise<CheckResult | null> {
  const asked = async (): Promise<string> => {
    await dialogue.write(SSL_REQUEST);
    return (await dialogue.readBytes(1)).toString('latin1');
  };
  const answer = await session.step('SSLRequest', asked, (letter) => plain(letter));
  // A server that cannot even begin says so with an error of the old form.
  if (answer === 'E') return fail('refusing', 'SSLRequest: the server answers with an error', session.seen);
  if (answer !== 'S' && answer !== 'N') throw new NetError('garbled', `not PostgreSQL: ${quote(answer)}`);
  if (answer === 'N') {
    if (use.tls !== 'required') return null;
    return fail('misconfigured', 'TLS is required and the server does not offer it', session.seen);
  }
  // Also where no TLS is wanted: it would be an error in the server's log not to go on.
  const settings = tlsOptions(session.ports, use, place);
  await session.step(
    'TLS',
    () => dialogue.startTls(use.tls === 'off' ? { ...settings, verify: false } : settings),
    (seen) => `${seen.protocol} ${seen.subject}`,
  );
  return null;
}

function startup(user: string, database: string): Buffer {
  const words = ['user', user, 'database', database, 'application_name', 'watchkeeper', ''];
  const text = Buffer.from(words.map((word) => `${word}\0`).join(''));
  const head = Buffer.alloc(8);
  head.writeUInt32BE(head.length + text.length, 0);
  head.writeUInt32BE(VERSION, 4);
  return Buffer.concat([head, text]);
}

/** Fields of an error: one letter each and a text that ends with a zero. */
function parseError(body: Buffer): SqlError {
  const fields = body.toString('utf8').split('\0');
  const field = (letter: string): string => fields.find((text) => text.startsWith(letter))?.slice(1) ?? '';
  return { code: field('C'), text: plain(field('M')) };
}

/** Says who would log in, and gives the error, or null when the server would go on. No password is sent. */
export async function knock(dialogue: Dialogue, user: string, database: string): Promise<SqlError | null> {
  await dialogue.write(startup(user, database));
  const head = await dialogue.readBytes(5);
  const kind = String.fromCharCode(head[0] ?? 0);
  const size = head.readUInt32BE(1) - 4;
  if (!'RENv'.includes(kind) || size < 0) throw new NetError('garbled', 'not an answer of PostgreSQL');
  if (size > MAX_MESSAGE) throw new NetError('too-long', `an answer of ${size} bytes`);
  const body = await dialogue.readBytes(size);
  if (kind === 'E') return parseError(body);
  // A server that asks for nothing has begun a session, which wants a goodbye. In the middle of a login it does not.
  if (kind === 'R' && body.length >= 4 && body.readUInt32BE(0) === 0)
    await dialogue.write(Buffer.from([0x58, 0, 0, 0, 4]));
  return null;
}

/** What an error says about the server. `step` names what was asked for. */
export function judgeSql(error: SqlError, step: string, session: Session): CheckResult {
  const said = `${step}: ${plain(error.code, 10)} ${quote(error.text)}`;
  const { seen } = session;
  const { code, text } = error;
  if (code === '53100' || /no space left|disk full|quota exceeded|read-only file system/i.test(text)) {
    return fail('no-space', said, seen);
  }
  // 42501: it is the probe that may not.
  if (code.startsWith('28') || code === '42501') return degraded('credentials', said, seen);
  // Starting up, shutting down, or a standby that takes no questions; too many connections; a statement too slow.
  if (code === '57P03' || code.startsWith('53') || code === '57014' || code === '55P03') {
    return degraded('overloaded', said, seen);
  }
  // Somebody ends it, or another process of it crashed.
  if (code === '57P01' || code === '57P02') return fail('refusing', said, seen);
  return fail('misconfigured', said, seen);
}
