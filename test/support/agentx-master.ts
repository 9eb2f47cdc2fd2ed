// A master of AgentX sub-agents for tests: says what a real one says when it is kind, and whatever a test wants when
// not. Its reading and writing share no code with ours.
import { createServer, type Socket } from 'node:net';

export interface Frame {
  readonly type: number;
  readonly session: number;
  readonly packet: number;
  readonly payload: Buffer;
}

export const TYPES = {
  open: 1,
  close: 2,
  register: 3,
  get: 5,
  next: 6,
  bulk: 7,
  set: 8,
  ping: 13,
  response: 18,
} as const;

export function frame(type: number, payload: Buffer, { session = 7, packet = 1, flags = 0x10 } = {}): Buffer {
  const head = Buffer.alloc(20);
  head.set([1, type, flags, 0]);
  for (const [at, value] of [session, 1, packet, payload.length].entries()) head.writeUInt32BE(value, 4 + 4 * at);
  return Buffer.concat([head, payload]);
}

/** RFC 2741 section 5.1, without the short form of a prefix. */
export function oid(text: string, include = false): Buffer {
  const arcs = text === '' ? [] : text.split('.').map(Number);
  const bytes = Buffer.alloc(4 + 4 * arcs.length);
  bytes.set([arcs.length, 0, include ? 1 : 0, 0]);
  for (const [at, arc] of arcs.entries()) bytes.writeUInt32BE(arc, 4 + 4 * at);
  return bytes;
}

export const range = (from: string, { include = false, end = '' } = {}): Buffer =>
  Buffer.concat([oid(from, include), oid(end)]);

export function response(error = 0, upTime = 500_000): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(upTime, 0);
  bytes.writeUInt16BE(error, 4);
  return bytes;
}

export interface Value {
  readonly oid: string;
  readonly type: number;
  readonly value: number | Buffer | null;
}

function readOid(bytes: Buffer, at: number): { readonly text: string; readonly after: number } {
  const [count = 0, prefix = 0] = [bytes[at], bytes[at + 1]];
  const arcs = Array.from({ length: count }, (_, arc) => bytes.readUInt32BE(at + 4 + 4 * arc));
  return { text: [...(prefix ? [1, 3, 6, 1, prefix] : []), ...arcs].join('.'), after: at + 4 + 4 * count };
}

export function valuesOf(payload: Buffer): readonly Value[] {
  const values: Value[] = [];
  for (let at = 8; at < payload.length; ) {
    const type = payload.readUInt16BE(at);
    const { text, after } = readOid(payload, at + 4);
    at = after;
    if (type >= 128) values.push({ oid: text, type, value: null });
    else if (type === 4) {
      const length = payload.readUInt32BE(at);
      values.push({ oid: text, type, value: payload.subarray(at + 4, at + 4 + length) });
      at += 4 + length + ((4 - (length % 4)) % 4);
    } else {
      values.push({ oid: text, type, value: payload.readUInt32BE(at) });
      at += 4;
    }
  }
  return values;
}

export interface FakeMaster {
  readonly port: number;
  readonly connections: () => number;
  readonly open: () => number;
  /** All that came, newest last. */
  readonly frames: readonly Frame[];
  /** Asks the newest sub-agent. */
  ask(type: number, payload: Buffer, how?: { readonly flags?: number; readonly session?: number }): Promise<Frame>;
  /** Bytes as they are, to the newest. */
  say(bytes: Buffer): void;
  drop(): void;
  stop(): Promise<void>;
}

type Answer = (asked: Frame, socket: Socket) => Buffer | null;

/** What a kind master says to what a sub-agent says of itself. */
export const kind: Answer = ({ type, packet }) =>
  type === TYPES.response || type === TYPES.close ? null : frame(TYPES.response, response(), { packet });

export async function fakeMaster(answer: Answer = kind, onConnect?: (socket: Socket) => void): Promise<FakeMaster> {
  const sockets = new Set<Socket>();
  const frames: Frame[] = [];
  const waiting = new Map<number, (frame: Frame) => void>();
  let [connections, packet] = [0, 1000];
  let newest: Socket | null = null;
  const server = createServer((socket) => {
    connections += 1;
    newest = socket;
    sockets.add(socket);
    let pending: Buffer = Buffer.alloc(0);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (piece: Buffer) => {
      pending = Buffer.concat([pending, piece]);
      while (pending.length >= 20 && pending.length >= 20 + pending.readUInt32BE(16)) {
        const end = 20 + pending.readUInt32BE(16);
        const [session, id] = [pending.readUInt32BE(4), pending.readUInt32BE(12)];
        const asked = { type: pending[1] ?? 0, session, packet: id, payload: Buffer.from(pending.subarray(20, end)) };
        pending = pending.subarray(end);
        frames.push(asked);
        if (frames.length > 1000) frames.shift();
        if (asked.type === TYPES.response) waiting.get(asked.packet)?.(asked);
        const said = answer(asked, socket);
        if (said && !socket.destroyed) socket.write(said);
      }
    });
    onConnect?.(socket);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    connections: () => connections,
    open: () => sockets.size,
    frames,
    ask(type, payload, how = {}) {
      const id = ++packet;
      const answered = new Promise<Frame>((resolve, reject) => {
        const limit = setTimeout(() => reject(new Error('no answer')), 10_000);
        waiting.set(id, (found) => {
          clearTimeout(limit);
          resolve(found);
        });
      });
      newest?.write(frame(type, payload, { ...how, packet: id }));
      return answered;
    },
    say: (bytes) => void newest?.write(bytes),
    drop: () => newest?.destroy(),
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}
