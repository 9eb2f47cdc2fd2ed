// The milter protocol as a mail server speaks it to a filter (version 6): a length of four bytes, a command, its data.
import { type Dialogue, NetError } from '../ports/net.ts';

export interface Packet {
  readonly command: string;
  readonly data: Buffer;
}

/** Replies are short; what claims to be longer is another protocol. */
const MAX_PACKET = 65_536;
/** "Still at work", as often as it likes, within bounds. */
const MAX_PROGRESS = 100;

export async function send(dialogue: Dialogue, command: string, data: Uint8Array = Buffer.alloc(0)): Promise<void> {
  const packet = Buffer.alloc(5 + data.length);
  packet.writeUInt32BE(data.length + 1, 0);
  packet.write(command, 4, 'latin1');
  packet.set(data, 5);
  await dialogue.write(packet);
}

/** The next packet that is no sign of progress. Throws NetError `garbled` when it is none. */
export async function receive(dialogue: Dialogue): Promise<Packet> {
  for (let count = 0; count < MAX_PROGRESS; count += 1) {
    const length = (await dialogue.readBytes(4)).readUInt32BE(0);
    if (length < 1 || length > MAX_PACKET) throw new NetError('garbled', `not a milter: a packet of ${length} bytes`);
    const packet = await dialogue.readBytes(length);
    const command = packet.toString('latin1', 0, 1);
    if (command !== 'p') return { command, data: packet.subarray(1) };
  }
  throw new NetError('too-long', 'nothing but signs of progress');
}

const VERSION = 6;
const ALL_ACTIONS = 0x1ff;
const ALL_STEPS = 0x1f_ffff;

export interface Agreed {
  readonly version: number;
  /** What it does not want to be told (`no`), and what it does not answer (`silent`). */
  readonly no: { readonly connect: boolean; readonly helo: boolean };
  readonly silent: { readonly connect: boolean; readonly helo: boolean };
}

/** Offers everything, and takes what the filter wants of it. */
export async function negotiate(dialogue: Dialogue): Promise<Agreed> {
  const offer = Buffer.alloc(12);
  [VERSION, ALL_ACTIONS, ALL_STEPS].forEach((word, index) => void offer.writeUInt32BE(word, index * 4));
  await send(dialogue, 'O', offer);
  const { command, data } = await receive(dialogue);
  if (command !== 'O' || data.length < 12) throw new NetError('garbled', 'not a milter: no answer to the negotiation');
  const version = data.readUInt32BE(0);
  if (version < 2 || version > 100) throw new NetError('garbled', `not a milter: version ${version}`);
  const steps = data.readUInt32BE(8);
  return {
    version,
    no: { connect: (steps & 0x1) !== 0, helo: (steps & 0x2) !== 0 },
    silent: { connect: (steps & 0x1000) !== 0, helo: (steps & 0x2000) !== 0 },
  };
}

const text = (...words: readonly string[]): Buffer => Buffer.from(words.map((word) => `${word}\0`).join(''), 'utf8');

/** Macros, then CONNECT of a client at an address. */
export async function connect(dialogue: Dialogue, name: string, client: string): Promise<void> {
  await send(dialogue, 'D', Buffer.concat([Buffer.from('C'), text('j', name, '{daemon_name}', 'watchkeeper')]));
  const port = Buffer.alloc(2);
  port.writeUInt16BE(40_000, 0);
  const family = Buffer.from(client.includes(':') ? '6' : '4');
  await send(dialogue, 'C', Buffer.concat([text(name), family, port, text(client)]));
}

export async function helo(dialogue: Dialogue, name: string): Promise<void> {
  await send(dialogue, 'D', Buffer.from('H'));
  await send(dialogue, 'H', text(name));
}
