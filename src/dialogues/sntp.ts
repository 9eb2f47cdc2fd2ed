// One SNTP question (RFC 4330 section 5, the client of RFC 5905): the packet, and what an answer says about our clock.

const BYTES = 48;
/** Seconds from 1900 to 1970. */
const EPOCH = 2_208_988_800;
const CLIENT_V4 = 0x23;
const MODE_SERVER = 4;

const readTime = (packet: Buffer, at: number): number =>
  (packet.readUInt32BE(at) - EPOCH) * 1000 + (packet.readUInt32BE(at + 4) / 2 ** 32) * 1000;

/** The packet that asks. Its time stamp is a number of our own, by which the answer is known; the server need not know
 *  what time it is here. */
export function sntpQuestion(mark: bigint): Buffer {
  const packet = Buffer.alloc(BYTES);
  packet[0] = CLIENT_V4;
  packet.writeBigUInt64BE(BigInt.asUintN(64, mark), 40);
  return packet;
}

/** Is it an answer of a server to this question? */
export const isSntpAnswer = (packet: Buffer, mark: bigint): boolean =>
  packet.length >= BYTES &&
  ((packet[0] ?? 0) & 0x07) === MODE_SERVER &&
  packet.readBigUInt64BE(24) === BigInt.asUintN(64, mark);

export type SntpReading =
  | { readonly is: 'time'; readonly offsetMs: number; readonly delayMs: number; readonly stratum: number }
  /** It says itself that it does not know the time, or will not be asked. */
  | { readonly is: 'refusal'; readonly why: string };

/** `sentMs`, `receivedMs`: our clock when the question left and when the answer came. A positive offset: ours is
 *  slow. */
export function readSntp(packet: Buffer, sentMs: number, receivedMs: number): SntpReading {
  const stratum = packet[1] ?? 0;
  const kiss = packet.toString('latin1', 12, 16).replace(/[^A-Z0-9]/g, '');
  if (stratum === 0) return { is: 'refusal', why: kiss || 'no' };
  if ((packet[0] ?? 0) >> 6 === 3 || stratum > 15) return { is: 'refusal', why: 'its own clock is not set' };
  const [theirs, sent] = [readTime(packet, 32), readTime(packet, 40)];
  const offsetMs = (theirs - sentMs + (sent - receivedMs)) / 2;
  return { is: 'time', offsetMs, delayMs: Math.max(0, receivedMs - sentMs - (sent - theirs)), stratum };
}
