// AgentX on the wire (RFC 2741 section 6): what a master asks, read here with every length proved; what we say, written
// by net-snmp with two cures. Its own sub-agent is not used: it takes what one read gives for one message, loses
// `include` and the end of a range, and answers no bulk.
import type { Oid, Shown } from '../core/mib-view.ts';
import { TYPE, type snmpLibrary } from './snmp.ts';
import { dateAndTime } from './snmp-notification.ts';

export const HEADER = 20;
/** A question of snmpd holds what fits one SNMP message; nobody has a reason for more. */
export const PAYLOAD_MAX = 262_144;

export const PDU = {
  ...{ open: 1, close: 2, register: 3, unregister: 4, get: 5, getNext: 6, getBulk: 7 },
  ...{ testSet: 8, commitSet: 9, undoSet: 10, cleanupSet: 11, notify: 12, ping: 13, response: 18 },
} as const;

/** Of section 6.2.16, and those of SNMP that we use. */
export const ERROR = {
  ...{ none: 0, notWritable: 17, commitFailed: 14, undoFailed: 15 },
  ...{ notOpen: 257, unsupportedContext: 262 },
} as const;

const ERROR_NAMES: Readonly<Record<number, string>> = {
  ...{ 256: 'openFailed', 257: 'notOpen', 258: 'indexWrongType', 259: 'indexAlreadyAllocated' },
  ...{ 260: 'indexNoneAvailable', 261: 'indexNotAllocated', 262: 'unsupportedContext' },
  ...{ 263: 'duplicateRegistration', 264: 'unknownRegistration', 265: 'unknownAgentCaps' },
  ...{ 266: 'parseError', 267: 'requestDenied', 268: 'processingError' },
};
export const errorName = (code: number): string => ERROR_NAMES[code] ?? `error ${code}`;

const FLAG = { context: 0x08, networkOrder: 0x10 } as const;

export interface Header {
  readonly type: number;
  readonly flags: number;
  readonly session: number;
  readonly transaction: number;
  readonly packet: number;
  readonly length: number;
}

/** What no AgentX master says. */
export class AgentXGarbage extends Error {}

export function headerOf(bytes: Buffer): Header {
  const [version, type, flags] = [bytes.readUInt8(0), bytes.readUInt8(1), bytes.readUInt8(2)];
  if (version !== 1) throw new AgentXGarbage(`version ${version} is not AgentX 1`);
  // We open in network byte order, and a session keeps the order that it was opened in (section 5.2).
  if ((flags & FLAG.networkOrder) === 0) throw new AgentXGarbage('it changes the order of bytes');
  const length = bytes.readUInt32BE(16);
  if (length > PAYLOAD_MAX || length % 4 !== 0) throw new AgentXGarbage(`a message of ${length} bytes`);
  const [session, transaction, packet] = [bytes.readUInt32BE(4), bytes.readUInt32BE(8), bytes.readUInt32BE(12)];
  return { type, flags, session, transaction, packet, length };
}

export const hasContext = ({ flags }: Header): boolean => (flags & FLAG.context) !== 0;

export interface Range {
  readonly from: Oid;
  readonly include: boolean;
  /** Null: to the end of all. */
  readonly end: Oid | null;
}

function readOid(bytes: Buffer, at: number): { readonly oid: Oid; readonly include: boolean; readonly after: number } {
  const arcs = bytes.readUInt8(at);
  const prefix = bytes.readUInt8(at + 1);
  const oid: number[] = prefix === 0 ? [] : [1, 3, 6, 1, prefix];
  for (let arc = 0; arc < arcs; arc++) oid.push(bytes.readUInt32BE(at + 4 + 4 * arc));
  return { oid, include: bytes.readUInt8(at + 2) === 1, after: at + 4 + 4 * arcs };
}

/** Throws a RangeError when it ends before it should. */
export function rangesOf(payload: Buffer, start: number): readonly Range[] {
  const ranges: Range[] = [];
  let at = start;
  while (at < payload.length) {
    const from = readOid(payload, at);
    const end = readOid(payload, from.after);
    at = end.after;
    ranges.push({ from: from.oid, include: from.include, end: end.oid.length === 0 ? null : end.oid });
  }
  return ranges;
}

export interface Response {
  readonly upTime: number;
  readonly error: number;
}

export const responseOf = (payload: Buffer): Response => ({
  upTime: payload.readUInt32BE(0),
  error: payload.readUInt16BE(4),
});

// ------------------------------------------------------------------------------------------------------------- writing

export type Answered = { readonly oid: Oid; readonly shown: Shown | 'object' | 'instance' | 'end' };

interface Varbind {
  readonly oid: string;
  readonly type: number;
  readonly value: string | number | Buffer | null;
}
interface Writer {
  writeUInt32BE(value: number): void;
  writeBuffer(bytes: Buffer): void;
}
interface Codec {
  createFromVariables(fields: Readonly<Record<string, unknown>>): { toBuffer(): Buffer };
  writeOctetString(writer: Writer, octets: string | Buffer): void;
}

/** Section 6.1: what stands in place of a value. */
const MISSING = { object: 128, instance: 129, end: 130 } as const;

/** The library counts letters and writes bytes, and cannot write octets that are no letters at all. */
function writeOctets(writer: Writer, octets: string | Buffer): void {
  const bytes = Buffer.from(octets as string, 'utf8');
  writer.writeUInt32BE(bytes.length);
  writer.writeBuffer(Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]));
}

const KINDS = { integer: TYPE.integer, gauge32: TYPE.gauge32, ticks: TYPE.ticks } as const;

function varbindOf({ oid, shown }: Answered): Varbind {
  const name = oid.join('.');
  if (typeof shown === 'string') return { oid: name, type: MISSING[shown], value: null };
  if (shown.kind === 'text') return { oid: name, type: TYPE.octets, value: shown.value };
  if (shown.kind === 'date') return { oid: name, type: TYPE.octets, value: dateAndTime(shown.value) };
  return { oid: name, type: KINDS[shown.kind], value: shown.value };
}

export interface Pdus {
  open(packet: number, description: string): Buffer;
  register(packet: number, session: number, root: Oid, priority: number): Buffer;
  ping(packet: number, session: number): Buffer;
  close(packet: number, session: number): Buffer;
  answer(to: Header, error: number, answers: readonly Answered[]): Buffer;
}

export function pdusOf(snmp: Awaited<ReturnType<typeof snmpLibrary>>): Pdus {
  const codec = (snmp as unknown as { readonly AgentXPdu: Codec }).AgentXPdu;
  codec.writeOctetString = writeOctets;
  const make = (fields: Readonly<Record<string, unknown>>): Buffer => codec.createFromVariables(fields).toBuffer();
  return {
    open: (packetID, descr) => make({ pduType: PDU.open, packetID, descr, timeout: 0 }),
    register: (packetID, sessionID, root, priority) =>
      make({ pduType: PDU.register, packetID, sessionID, oid: root.join('.'), priority, timeout: 0 }),
    ping: (packetID, sessionID) => make({ pduType: PDU.ping, packetID, sessionID }),
    close: (packetID, sessionID) => make({ pduType: PDU.close, packetID, sessionID }),
    answer: (to, error, answers) =>
      make({
        ...{ pduType: PDU.response, sessionID: to.session, transactionID: to.transaction, packetID: to.packet },
        ...{ error, index: error === ERROR.none ? 0 : 1, varbinds: answers.map(varbindOf) },
      }),
  };
}
