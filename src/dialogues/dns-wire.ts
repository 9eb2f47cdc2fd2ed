// DNS messages as bytes (RFC 1035, RFC 2136): names, values of records, questions, updates, and what came back.

export const TYPES = { A: 1, CNAME: 5, PTR: 12, MX: 15, TXT: 16, AAAA: 28, SRV: 33 } as const;
export type RecordType = keyof typeof TYPES;
export const [SOA, TSIG, ANY_TYPE] = [6, 250, 255] as const;
export const [QUERY, UPDATE] = [0, 5] as const;
const [IN, NONE, ANY] = [1, 254, 255] as const;
const HEADER = 12;
const MOST_RECORDS = 500;

/** What is written in the configuration, or came from outside, is no name or no value of its type. */
export class WireError extends Error {}

const u16 = (value: number): Buffer => Buffer.from([(value >> 8) & 255, value & 255]);
const u32 = (value: number): Buffer => Buffer.concat([u16(value >>> 16), u16(value & 0xffff)]);

// -------------------------------------------------------------------------------------------------------------- names

/** In lower case and without compression, as signatures and comparisons want it. */
export function nameBytes(name: string): Buffer {
  const text = name.replace(/\.$/, '').toLowerCase();
  const labels = text === '' ? [] : text.split('.');
  const bad = labels.some((label) => !/^[!-~]{1,63}$/.test(label) || label.includes('\\'));
  const bytes = Buffer.concat([
    ...labels.flatMap((one) => [Buffer.from([one.length]), Buffer.from(one)]),
    Buffer.of(0),
  ]);
  if (bad || bytes.length > 255) throw new WireError('not a domain name');
  return bytes;
}

/** A name out of a message, and where it ends. A pointer leads only backwards, so that it comes to an end. */
export function readName(message: Buffer, start: number): { readonly bytes: Buffer; readonly end: number } {
  const parts: Buffer[] = [];
  let [at, end, size, floor] = [start, -1, 1, start];
  for (;;) {
    const length = message.readUInt8(at);
    if (length >= 0xc0) {
      const target = message.readUInt16BE(at) & 0x3fff;
      if (target >= floor) throw new WireError('a name that does not end');
      if (end < 0) end = at + 2;
      at = target;
      floor = target;
    } else {
      if (length > 63 || at + 1 + length > message.length) throw new WireError('a name that is none');
      if (length === 0) break;
      size += length + 1;
      if (size > 255) throw new WireError('a name that is too long');
      parts.push(message.subarray(at, at + 1 + length));
      at += 1 + length;
    }
  }
  const joined = Buffer.concat([...parts, Buffer.of(0)]);
  // A length is below 64, so whatever could be a capital letter is one.
  for (const [n, byte] of joined.entries()) if (byte >= 65 && byte <= 90) joined[n] = byte + 32;
  return { bytes: joined, end: end < 0 ? at + 1 : end };
}

export function nameText(bytes: Buffer): string {
  const labels: string[] = [];
  for (let at = 0; (bytes[at] ?? 0) > 0; at += (bytes[at] ?? 0) + 1)
    labels.push(bytes.toString('latin1', at + 1, at + 1 + (bytes[at] ?? 0)));
  return labels.join('.');
}

/** `@` and single labels are of the zone; what ends with a dot or with the zone is a full name already. */
export function inZone(name: string, zone: string): string {
  const [short, top] = [name.replace(/\.$/, '').toLowerCase(), zone.replace(/\.$/, '').toLowerCase()];
  if (short === '@' || short === top) return top;
  return name.endsWith('.') || short.endsWith(`.${top}`) ? short : `${short}.${top}`;
}

// ------------------------------------------------------------------------------------------------------------- values

function ipv4(text: string): Buffer {
  const parts = /^\d{1,3}(\.\d{1,3}){3}$/.test(text) ? text.split('.').map(Number) : [];
  if (parts.length !== 4 || parts.some((one) => one > 255)) throw new WireError('not an IPv4 address');
  return Buffer.from(parts);
}

function ipv6(text: string): Buffer {
  const last = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const four = last ? ipv4(last[2] ?? '') : null;
  const plain = four ? `${last?.[1]}${four.toString('hex', 0, 2)}:${four.toString('hex', 2)}` : text;
  const halves = plain.split('::');
  const [front = [], back = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const gap = 8 - front.length - back.length;
  const whole = halves.length === 2 ? gap >= 1 : gap === 0 && halves.length === 1;
  if (!whole || [...front, ...back].some((one) => !/^[0-9a-f]{1,4}$/i.test(one)))
    throw new WireError('not an IPv6 address');
  return Buffer.concat(
    [...front, ...Array<string>(gap).fill('0'), ...back].map((one) => u16(Number.parseInt(one, 16))),
  );
}

/** One text of any length, or several in quotes; each piece has at most 255 bytes. */
function texts(value: string): Buffer {
  const quoted = /^\s*("(?:[^"\\]|\\.)*"\s*)+$/.test(value);
  const parts = quoted
    ? [...value.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, one = '']) => Buffer.from(one.replace(/\\(.)/g, '$1')))
    : [Buffer.from(value)];
  const pieces = parts.flatMap((part) =>
    Array.from({ length: Math.max(1, Math.ceil(part.length / 255)) }, (_, n) => part.subarray(n * 255, n * 255 + 255)),
  );
  return Buffer.concat(pieces.flatMap((piece) => [Buffer.of(piece.length), piece]));
}

const NUMBERS: Partial<Record<RecordType, number>> = { MX: 1, SRV: 3 };

/** The value of a record as it is written: `10 mail.example.org` for MX, `0 5 993 mail.example.org` for SRV. A host of
 *  one word is of the zone, any other is a full name. */
export function valueBytes(type: RecordType, value: string, zone: string): Buffer {
  if (type === 'A') return ipv4(value.trim());
  if (type === 'AAAA') return ipv6(value.trim());
  if (type === 'TXT') return texts(value);
  const words = value.trim().split(/\s+/);
  const host = words.pop() ?? '';
  const count = NUMBERS[type] ?? 0;
  if (words.length !== count || words.some((one) => !/^\d{1,5}$/.test(one) || Number(one) > 65_535))
    throw new WireError(count === 0 ? 'expected one name' : `expected ${count} numbers up to 65535 and a name`);
  const full = host === '.' || host.replace(/\.$/, '').includes('.') ? host : inZone(host, zone);
  return Buffer.concat([...words.map((one) => u16(Number(one))), nameBytes(full)]);
}

/** The same for a value out of a message: names in it may be compressed. */
function readValue(message: Buffer, type: number, start: number, end: number): Buffer {
  const numbers = type === TYPES.MX ? 2 : type === TYPES.SRV ? 6 : 0;
  const named = numbers > 0 || type === TYPES.CNAME || type === TYPES.PTR;
  if (!named) return Buffer.from(message.subarray(start, end));
  const host = readName(message, start + numbers);
  if (host.end !== end) throw new WireError('a value that does not end where it should');
  return Buffer.concat([message.subarray(start, start + numbers), host.bytes]);
}

/** For people. */
export function valueText(type: RecordType, bytes: Buffer): string {
  if (type === 'A') return bytes.join('.');
  if (type === 'AAAA') return (bytes.toString('hex').match(/.{4}/g) ?? []).join(':');
  if (type === 'TXT') {
    const pieces: string[] = [];
    for (let at = 0; at < bytes.length; at += (bytes[at] ?? 0) + 1)
      pieces.push(bytes.toString('utf8', at + 1, at + 1 + (bytes[at] ?? 0)));
    return pieces.join('');
  }
  const count = NUMBERS[type] ?? 0;
  const numbers = Array.from({ length: count }, (_, n) => bytes.readUInt16BE(n * 2));
  return [...numbers, nameText(bytes.subarray(count * 2)) || '.'].join(' ');
}

// ----------------------------------------------------------------------------------------------------------- messages

/** All records of one name and type. No values: there is none. */
export interface RecordSet {
  readonly name: string;
  readonly type: RecordType;
  readonly values: readonly Buffer[];
}

const header = (id: number, opcode: number, counts: readonly number[]): Buffer =>
  Buffer.concat([u16(id), u16(opcode << 11), ...counts.map(u16)]);
const question = (name: string, type: number): Buffer => Buffer.concat([nameBytes(name), u16(type), u16(IN)]);
const record = (name: string, type: number, klass: number, ttl: number, value: Buffer = Buffer.alloc(0)): Buffer =>
  Buffer.concat([nameBytes(name), u16(type), u16(klass), u32(ttl), u16(value.length), value]);

export const asking = (id: number, name: string, type: number): Buffer =>
  Buffer.concat([header(id, QUERY, [1, 0, 0, 0]), question(name, type)]);

/** Each set of `expect` stands there exactly so, or nothing is changed (RFC 2136 section 2.4). */
function prerequisites(expect: readonly RecordSet[]): Buffer[] {
  return expect.flatMap(({ name, type, values }) =>
    values.length === 0
      ? [record(name, TYPES[type], NONE, 0)]
      : values.map((value) => record(name, TYPES[type], IN, 0, value)),
  );
}

/** All of it at once or nothing. Without `expect` and `become` only this: the zone is there. */
export function updating(
  id: number,
  zone: string,
  expect: readonly RecordSet[],
  become: readonly RecordSet[],
  ttl: number,
): Buffer {
  const before = expect.length === 0 ? [record(zone, ANY_TYPE, ANY, 0)] : prerequisites(expect);
  const after = become.flatMap(({ name, type, values }) => [
    record(name, TYPES[type], ANY, 0),
    ...values.map((value) => record(name, TYPES[type], IN, ttl, value)),
  ]);
  const counts = [1, before.length, after.length, 0];
  return Buffer.concat([header(id, UPDATE, counts), question(zone, SOA), ...before, ...after]);
}

export interface Answered {
  readonly name: string;
  readonly type: number;
  readonly value: Buffer;
}

/** The signature of a message: its last record. */
export interface Signed {
  /** Where its record begins. */
  readonly at: number;
  readonly key: Buffer;
  readonly value: Buffer;
}

export interface Reply {
  readonly rcode: number;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly answers: readonly Answered[];
  readonly signed: Signed | null;
}

export const isReply = (message: Buffer, id: number, opcode: number): boolean =>
  message.length >= HEADER && message.readUInt16BE(0) === id && ((message[2] ?? 0) & 0xf8) === (0x80 | (opcode << 3));

/** Throws WireError for what is no message. */
export function readReply(message: Buffer): Reply {
  try {
    return reading(message);
  } catch (error) {
    if (error instanceof RangeError) throw new WireError('an answer that ends too early');
    throw error;
  }
}

function reading(message: Buffer): Reply {
  const flags = message.readUInt16BE(2);
  const [questions = 0, answers = 0, authority = 0, more = 0] = [4, 6, 8, 10].map((at) => message.readUInt16BE(at));
  const total = answers + authority + more;
  if (questions > 1 || total > MOST_RECORDS) throw new WireError('an answer with too many records');
  let at = HEADER;
  for (let n = 0; n < questions; n++) at = readName(message, at).end + 4;
  const found: Answered[] = [];
  let signed: Signed | null = null;
  for (let n = 0; n < total; n++) {
    if (signed) throw new WireError('a signature that is not the last record');
    const name = readName(message, at);
    const [type, start] = [message.readUInt16BE(name.end), name.end + 10];
    const end = start + message.readUInt16BE(name.end + 8);
    if (end > message.length) throw new WireError('an answer that ends too early');
    if (n < answers) found.push({ name: nameText(name.bytes), type, value: readValue(message, type, start, end) });
    else if (type === TSIG) signed = { at, key: name.bytes, value: message.subarray(start, end) };
    at = end;
  }
  if (at !== message.length) throw new WireError('an answer with something behind its end');
  const [authoritative, truncated] = [(flags & 0x0400) !== 0, (flags & 0x0200) !== 0];
  return { rcode: flags & 15, authoritative, truncated, answers: found, signed };
}
