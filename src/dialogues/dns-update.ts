// Questions and updates to one DNS server, signed with TSIG (RFC 8945) both ways: an answer that is not signed with our
// key, for our question and in time, says nothing. UDP first, TCP for what does not fit or did not come well.
import type { Ports } from '../ports/ports.ts';
import {
  type Answered,
  ANY_TYPE,
  asking,
  isReply,
  nameBytes,
  nameText,
  QUERY,
  readName,
  readReply,
  type RecordSet,
  type Reply,
  type Signed,
  SOA,
  TSIG,
  TYPES,
  UPDATE,
  updating,
  WireError,
} from './dns-wire.ts';

const HASHES: Readonly<Record<string, string>> = {
  'hmac-sha256': 'SHA-256',
  'hmac-sha384': 'SHA-384',
  'hmac-sha512': 'SHA-512',
};
/** How far the clocks may be apart, in seconds (RFC 8945 section 10). */
const FUDGE = 300;
const UDP_MAX = 512;
const UDP_SHARE = 1 / 3;
const [BADSIG, BADKEY, BADTIME] = [16, 17, 18] as const;
export const [NOERROR, SERVFAIL, NXDOMAIN, REFUSED, NXRRSET] = [0, 2, 3, 5, 8] as const;
const RCODES: Readonly<Record<number, string>> = {
  ...{ 0: 'NOERROR', 1: 'FORMERR', 2: 'SERVFAIL', 3: 'NXDOMAIN', 4: 'NOTIMP', 5: 'REFUSED', 6: 'YXDOMAIN' },
  ...{ 7: 'YXRRSET', 8: 'NXRRSET', 9: 'NOTAUTH', 10: 'NOTZONE', 16: 'BADSIG', 17: 'BADKEY', 18: 'BADTIME' },
};
export const rcodeName = (rcode: number): string => RCODES[rcode] ?? `rcode ${rcode}`;

/** The server said nothing that can be believed. Never holds a secret. */
export class DnsTrouble extends Error {}

export interface Key {
  readonly name: string;
  readonly algorithm: string;
  readonly secret: Buffer;
}

/** A key file as tsig-keygen(8) makes it, or `NAME:ALGORITHM:BASE64`. */
export function parseKey(text: string): Key {
  const bare = text.replace(/\/\*[\s\S]*?\*\/|(?:^|\s)(?:\/\/|#).*$/gm, '');
  const block = /\bkey\s+"?([^\s"{]+)"?\s*\{([^}]*)\}/.exec(bare);
  const [short = [], inside = ''] = [bare.trim().split(':'), block?.[2] ?? ''];
  const field = (word: string): string => new RegExp(`\\b${word}\\s+"?([^\\s";]+)"?\\s*;`).exec(inside)?.[1] ?? '';
  const [name = '', algorithm = '', secret = ''] = block
    ? [block[1], field('algorithm'), field('secret')]
    : short.length === 3
      ? short
      : [];
  const method = algorithm.toLowerCase().replace(/\.$/, '');
  const fits = /^[A-Za-z0-9_.-]{1,253}$/.test(name) && /^[A-Za-z0-9+/]{4,}={0,2}$/.test(secret);
  if (!fits) throw new DnsTrouble('the key is neither a key file of BIND nor NAME:ALGORITHM:BASE64');
  if (!Object.hasOwn(HASHES, method)) throw new DnsTrouble(`the key must be one of ${Object.keys(HASHES).join(', ')}`);
  return { name, algorithm: method, secret: Buffer.from(secret, 'base64') };
}

// --------------------------------------------------------------------------------------------------------- signatures

const u16 = (value: number): Buffer => Buffer.from([(value >> 8) & 255, value & 255]);

const held = (key: Key, use: 'sign' | 'verify') => {
  const algorithm = { name: 'HMAC', hash: HASHES[key.algorithm] ?? '' };
  return crypto.subtle.importKey('raw', new Uint8Array(key.secret), algorithm, false, [use]);
};

/** Time signed and fudge. */
function moment(seconds: number): Buffer {
  const time = Buffer.alloc(8);
  time.writeUIntBE(seconds, 0, 6);
  time.writeUInt16BE(FUDGE, 6);
  return time;
}

/** What is signed beside the message itself (RFC 8945 section 4.3.3); class ANY, TTL 0. */
const variables = (key: Key, time: Buffer, rest: Buffer): Buffer =>
  Buffer.concat([nameBytes(key.name), u16(ANY_TYPE), Buffer.alloc(4), nameBytes(key.algorithm), time, rest]);

export interface SignedMessage {
  readonly bytes: Buffer;
  readonly mac: Buffer;
}

export async function sign(message: Buffer, key: Key, seconds: number): Promise<SignedMessage> {
  const time = moment(seconds);
  const signing = Buffer.concat([message, variables(key, time, Buffer.alloc(4))]);
  const mac = Buffer.from(await crypto.subtle.sign('HMAC', await held(key, 'sign'), signing));
  const value = Buffer.concat([
    ...[nameBytes(key.algorithm), time, u16(mac.length), mac, message.subarray(0, 2), Buffer.alloc(4)],
  ]);
  const record = [nameBytes(key.name), u16(TSIG), u16(ANY_TYPE), Buffer.alloc(4), u16(value.length), value];
  const bytes = Buffer.concat([message, ...record]);
  bytes.writeUInt16BE(message.readUInt16BE(10) + 1, 10);
  return { bytes, mac };
}

/** Why the answer cannot be believed; null: it is the server's own, to this question, and of now. */
export async function distrust(
  answer: Buffer,
  signed: Signed | null,
  asked: Buffer,
  key: Key,
  seconds: number,
): Promise<string | null> {
  if (!signed) return 'the answer is not signed';
  if (!signed.key.equals(nameBytes(key.name))) return 'the answer is signed with another key';
  const { value } = signed;
  const algorithm = readName(value, 0);
  if (!algorithm.bytes.equals(nameBytes(key.algorithm))) return 'the answer is signed in another way';
  const [time, size] = [value.subarray(algorithm.end, algorithm.end + 8), value.readUInt16BE(algorithm.end + 8)];
  const [from, to] = [algorithm.end + 10, algorithm.end + 10 + size];
  const error = value.readUInt16BE(to + 2);
  const other = value.subarray(to + 6, to + 6 + value.readUInt16BE(to + 4));
  if (error === BADKEY || error === BADSIG) return `the key is not accepted (${rcodeName(error)})`;
  const bare = Buffer.from(answer.subarray(0, signed.at));
  bare.writeUInt16BE(value.readUInt16BE(to), 0);
  bare.writeUInt16BE(bare.readUInt16BE(10) - 1, 10);
  const rest = Buffer.concat([u16(error), u16(other.length), other]);
  const signing = Buffer.concat([u16(asked.length), asked, bare, variables(key, time, rest)]);
  const mac = new Uint8Array(value.subarray(from, to));
  if (!(await crypto.subtle.verify('HMAC', await held(key, 'verify'), mac, new Uint8Array(signing))))
    return 'the signature of the answer is wrong';
  if (error === BADTIME) return 'the clocks of this node and of the server are too far apart (BADTIME)';
  const apart = Math.abs(time.readUIntBE(0, 6) - seconds);
  return apart > Math.min(FUDGE, time.readUInt16BE(6)) ? 'the answer is of another time' : null;
}

// ----------------------------------------------------------------------------------------------------------- exchange

export interface Way {
  readonly ports: Ports;
  readonly signal: AbortSignal;
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
  readonly zone: string;
  readonly key: Key;
}

async function overTcp({ ports, signal, host, port }: Way, bytes: Buffer, timeoutMs: number): Promise<Buffer> {
  const dialogue = await ports.net.open({ host, port, signal, timeoutMs, maxBytes: 65_537 });
  try {
    await dialogue.write(Buffer.concat([u16(bytes.length), bytes]));
    return await dialogue.readBytes((await dialogue.readBytes(2)).readUInt16BE(0));
  } finally {
    dialogue.close();
  }
}

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** How one answer is taken: believed, or why not. */
async function taken(answer: Buffer, sent: SignedMessage | null, id: number, opcode: number, way: Way): Promise<Reply> {
  if (!isReply(answer, id, opcode)) throw new DnsTrouble('what came is no answer to the question');
  const reply = readReply(answer);
  if (!sent) return reply;
  const seconds = Math.floor(way.ports.clock.wall() / 1000);
  const why = await distrust(answer, reply.signed, sent.mac, way.key, seconds).catch((error: unknown) => {
    if (error instanceof RangeError || error instanceof WireError) return 'the signature of the answer is none';
    throw error;
  });
  if (why !== null) throw new DnsTrouble(reply.rcode === NOERROR ? why : `${rcodeName(reply.rcode)}, ${why}`);
  return reply;
}

/** An answer over UDP that is cut off or not to be believed may be anybody's: TCP decides. */
async function exchange(way: Way, message: Buffer, opcode: number, signed: boolean): Promise<Reply> {
  const { ports, signal, host, port, timeoutMs } = way;
  const id = message.readUInt16BE(0);
  const sent = signed ? await sign(message, way.key, Math.floor(ports.clock.wall() / 1000)) : null;
  const bytes = sent?.bytes ?? message;
  const until = ports.clock.monotonic() + timeoutMs;
  const fits = (answer: Buffer): boolean => isReply(answer, id, opcode);
  if (bytes.length <= UDP_MAX) {
    try {
      const one = { host, port, bytes, signal, timeoutMs: Math.max(1, timeoutMs * UDP_SHARE), fits };
      const reply = await taken(await ports.udp.ask(one), sent, id, opcode, way);
      if (!reply.truncated) return reply;
    } catch (error) {
      if (signal.aborted) throw new DnsTrouble(said(error));
    }
  }
  try {
    const left = Math.max(1, until - ports.clock.monotonic());
    const reply = await taken(await overTcp(way, bytes, left), sent, id, opcode, way);
    if (reply.truncated) throw new DnsTrouble('the answer is cut off');
    return reply;
  } catch (error) {
    throw new DnsTrouble(said(error));
  }
}

const newId = (): number => crypto.getRandomValues(new Uint16Array(1))[0] ?? 0;

/** The answer's code. Believed only when it is signed. */
export async function update(
  way: Way,
  expect: readonly RecordSet[],
  become: readonly RecordSet[],
  ttl: number,
): Promise<number> {
  return (await exchange(way, updating(newId(), way.zone, expect, become, ttl), UPDATE, true)).rcode;
}

async function ask(way: Way, name: string, type: number): Promise<readonly Answered[]> {
  const reply = await exchange(way, asking(newId(), name, type), QUERY, false);
  if (reply.rcode !== NOERROR && reply.rcode !== NXDOMAIN) throw new DnsTrouble(rcodeName(reply.rcode));
  if (!reply.authoritative) throw new DnsTrouble(`it has no authority over ${way.zone}`);
  return reply.answers.filter((one) => one.name === name);
}

/** Not signed (some servers sign no answers to questions): an update that builds on it expects what it says. */
export async function standing(way: Way, set: RecordSet): Promise<RecordSet & { readonly alias: string | null }> {
  const found = await ask(way, set.name, TYPES[set.type]);
  const alias = set.type === 'CNAME' ? undefined : found.find(({ type }) => type === TYPES.CNAME);
  const values = found.filter(({ type }) => type === TYPES[set.type]).map(({ value }) => value);
  return { ...set, values, alias: alias ? nameText(alias.value) : null };
}

/** Throws DnsTrouble unless the server has authority over the zone itself. */
export async function authority(way: Way): Promise<void> {
  const found = await ask(way, way.zone, SOA);
  if (!found.some(({ type }) => type === SOA)) throw new DnsTrouble(`it does not have the zone ${way.zone}`);
}
