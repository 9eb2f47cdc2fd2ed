// What the LDAP check must say and understand itself, beside its library: StartTLS before the library takes over, what
// a result code means for the health of a directory (RFC 4511), and how far a replica is behind (contextCSN).
import { type CheckResult, degraded, fail } from '../define.ts';
import { type Dialogue, NetError } from '../ports/net.ts';
import { plain, quote } from './quote.ts';
import type { Session } from './session.ts';

/** The extended operation StartTLS (RFC 4511 section 4.14) as message 1, in BER. */
const START_TLS = Buffer.concat([
  Buffer.from([0x30, 0x1d, 0x02, 0x01, 0x01, 0x77, 0x18, 0x80, 0x16]),
  Buffer.from('1.3.6.1.4.1.1466.20037', 'latin1'),
]);
const EXTENDED_RESPONSE = 0x78;
const MAX_ANSWER = 4096;

interface Element {
  readonly tag: number;
  readonly value: Buffer;
  readonly rest: Buffer;
}

const garbled = (): NetError => new NetError('garbled', 'not an LDAP answer');

/** The first element of these bytes. Lengths of up to four bytes: Active Directory always writes four. */
function element(bytes: Buffer): Element {
  const [tag = 0, first = 0xff] = bytes;
  const more = first < 0x80 ? 0 : first & 0x7f;
  if (bytes.length < 2 + more || more > 4) throw garbled();
  const size = more === 0 ? first : bytes.readUIntBE(2, more);
  const begin = 2 + more;
  if (bytes.length < begin + size) throw garbled();
  return { tag, value: bytes.subarray(begin, begin + size), rest: bytes.subarray(begin + size) };
}

async function readMessage(dialogue: Dialogue): Promise<Buffer> {
  const head = await dialogue.readBytes(2);
  const [tag = 0, first = 0] = head;
  const more = first < 0x80 ? 0 : first & 0x7f;
  if (tag !== 0x30 || more > 4) throw garbled();
  const size = more === 0 ? first : (await dialogue.readBytes(more)).readUIntBE(0, more);
  if (size > MAX_ANSWER) throw new NetError('too-long', `an answer of ${size} bytes`);
  return dialogue.readBytes(size);
}

export interface LdapAnswer {
  readonly code: number;
  readonly text: string;
}

/** Asks for StartTLS. Code 0: the handshake may begin. */
export async function askStartTls(dialogue: Dialogue): Promise<LdapAnswer> {
  await dialogue.write(START_TLS);
  const operation = element(element(await readMessage(dialogue)).rest);
  if (operation.tag !== EXTENDED_RESPONSE) throw garbled();
  const code = element(operation.value);
  const words = element(element(code.rest).rest);
  return { code: code.value[0] ?? 0xff, text: plain(words.value.toString('utf8')) };
}

/** Codes that only say that somebody without a login may not look: the server is well. */
export const onlyForUsers = (code: number): boolean => [1, 8, 48, 50, 53].includes(code);

const NO_SPACE = /no space|MDB_MAP_FULL|disk full|quota|read-only file system/i;
/** What OpenLDAP's own database says, and all that it says, when a change cannot be put down: it is full (`maxsize`),
 *  or its disk is. */
const NOT_STORED = /\b(entry (update|store)|index (add|update|delete|generation)|txn_\w+) failed/i;

/** What a result code that is not success says. `step` names what was asked for. */
export function judgeCode(answer: LdapAnswer, step: string, session: Session): CheckResult {
  const said = `${step}: code ${answer.code} ${quote(answer.text)}`;
  const { seen } = session;
  if (NO_SPACE.test(answer.text) || (answer.code === 80 && NOT_STORED.test(answer.text)))
    return fail('no-space', said, seen);
  switch (answer.code) {
    case 48: // inappropriateAuthentication
    case 49: // invalidCredentials
    case 50: // insufficientAccessRights: it is the probe that may not
      return degraded('credentials', said, seen);
    case 3: // timeLimitExceeded
    case 11: // adminLimitExceeded
    case 51: // busy
    case 52: // unavailable
      return degraded('overloaded', said, seen);
    case 80: // other: an error inside the server
      return fail('refusing', said, seen);
    default:
      return fail('misconfigured', said, seen);
  }
}

/** A change sequence number: when, and by which server. */
interface Csn {
  readonly text: string;
  readonly server: string;
  readonly wallMs: number;
}

/** `20261125164815.123456Z#000000#001#000000` */
const CSN = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,6}))?Z#[0-9a-f]{6}#([0-9a-f]{3})#[0-9a-f]{6}$/;

export function parseCsn(text: string): Csn | null {
  const found = CSN.exec(text);
  if (!found) return null;
  const [, year, month, day, hour, minute, second, part = '0', server = ''] = found;
  const wallMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) + Number(`0.${part}`) * 1000;
  return Number.isNaN(wallMs) ? null : { text, server, wallMs };
}

/** The newest change that the provider has and the consumer has not; null when it has all. CSNs sort as texts. */
export function missing(provider: readonly string[], consumer: readonly string[]): Csn | null {
  const mine = new Map(consumer.map((text) => [parseCsn(text)?.server ?? '', text]));
  const all = provider.flatMap((text) => parseCsn(text) ?? []);
  const behind = all.filter(({ server, text }) => (mine.get(server) ?? '') < text);
  return behind.toSorted((a, b) => b.wallMs - a.wallMs)[0] ?? null;
}
