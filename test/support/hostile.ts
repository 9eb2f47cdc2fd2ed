// A TCP server that behaves badly in a chosen way, on loopback, for every test that must survive one.
// It imitates no protocol beyond the greeting and a few fixed answers: what is tested is the client's bounds.
import { createServer, type Server, type Socket } from 'node:net';
import { type SecureContextOptions, TLSSocket } from 'node:tls';

export type HostileMode =
  | 'silent' // accepts and says nothing
  | 'half-line' // the beginning of a greeting, then nothing
  | 'long-line' // 100 MB without an end of line
  | 'endless' // lines of a greeting that never ends
  | 'closes' // accepts and closes
  | 'resets' // accepts and resets
  | 'late' // a fine greeting, after `lateMs`
  | 'drips' // the greeting, one byte at a time, without an end
  | 'garbage' // control characters, markup, shell text
  | 'scripted'; // the greeting, then `answer` for each line

export interface HostileOptions {
  /** What a friendly server would say first. Default: an SMTP banner. */
  readonly greeting?: string;
  /** For `late`. Default 60 s: later than every test's patience. */
  readonly lateMs?: number;
  /** For `scripted`: the answer to a line; null closes, undefined is silence. */
  readonly answer?: (line: string, socket: Socket) => string | null | undefined;
  /** Speaks TLS with this certificate: from the start, or after an answer to STARTTLS with 220 or OK in it. */
  readonly tls?: SecureContextOptions;
  readonly implicit?: boolean;
}

export interface Hostile {
  readonly host: string;
  readonly port: number;
  /** Connections seen so far. */
  readonly connections: () => number;
  /** Bytes written so far, as far as the other side let us. */
  readonly written: () => number;
  stop(): Promise<void>;
}

export const GARBAGE = '\u0007\u001b[2J\u0000<script>alert(1)</script> $(reboot) `id` \u202e\r\n';
const HUNDRED_MB = 100_000_000;

function pour(socket: Socket, chunk: Buffer, total: number): void {
  let sent = 0;
  const more = (): void => {
    while (sent < total && !socket.destroyed) {
      sent += chunk.length;
      if (!socket.write(chunk)) {
        socket.once('drain', more);
        return;
      }
    }
  };
  more();
}

function drip(socket: Socket, text: string): void {
  let at = 0;
  const timer = setInterval(() => {
    if (socket.destroyed) return clearInterval(timer);
    socket.write(text[at % text.length] ?? 'x');
    at += 1;
  }, 5);
  socket.on('close', () => clearInterval(timer));
}

/** Lines in, answers out; hands the socket over to TLS when the answer to STARTTLS says so. */
function converse(socket: Socket, options: HostileOptions): void {
  let pending = '';
  socket.on('data', (chunk: Buffer) => {
    pending += chunk.toString('latin1');
    for (let end = pending.indexOf('\n'); end >= 0; end = pending.indexOf('\n')) {
      const line = pending.slice(0, end).replace(/\r$/, '');
      pending = pending.slice(end + 1);
      const answer = options.answer?.(line, socket);
      if (answer === null) return socket.end();
      if (answer !== undefined && answer !== '') socket.write(answer);
      if (options.tls && /STARTTLS|STLS/i.test(line) && /^220|OK/.test(answer ?? '')) {
        socket.removeAllListeners('data');
        const secured = new TLSSocket(socket, { isServer: true, ...options.tls });
        secured.on('error', () => undefined);
        return converse(secured, options);
      }
    }
  });
}

function misbehave(mode: HostileMode, socket: Socket, options: HostileOptions, timers: Set<NodeJS.Timeout>): void {
  const greeting = options.greeting ?? '220 hostile.test ESMTP\r\n';
  switch (mode) {
    case 'silent':
      return;
    case 'half-line':
      socket.write(greeting.slice(0, 5));
      return;
    case 'long-line':
      return pour(socket, Buffer.alloc(65_536, 0x78), HUNDRED_MB);
    case 'endless':
      return pour(socket, Buffer.from('220-and more\r\n* OK and more\r\n'.repeat(1000)), HUNDRED_MB);
    case 'closes':
      socket.end();
      return;
    case 'resets':
      socket.resetAndDestroy();
      return;
    case 'late': {
      const timer = setTimeout(() => socket.write(greeting), options.lateMs ?? 60_000);
      timers.add(timer);
      return;
    }
    case 'drips':
      return drip(socket, greeting.replace(/[\r\n]/g, ''));
    case 'garbage':
      socket.write(GARBAGE.repeat(20));
      return;
    case 'scripted':
      socket.write(greeting);
      return converse(socket, options);
  }
}

/** Starts one on a free loopback port. */
export async function hostile(mode: HostileMode, options: HostileOptions = {}): Promise<Hostile> {
  const open = new Set<Socket>();
  const timers = new Set<NodeJS.Timeout>();
  let connections = 0;
  let gone = 0;
  const server: Server = createServer((socket) => {
    connections += 1;
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      open.delete(socket);
      gone += socket.bytesWritten;
    });
    let talk: Socket = socket;
    if (options.implicit) {
      talk = new TLSSocket(socket, { isServer: true, ...options.tls });
      talk.on('error', () => undefined);
    }
    if (mode !== 'scripted') talk.resume();
    misbehave(mode, talk, options, timers);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    host: '127.0.0.1',
    port: typeof address === 'object' && address ? address.port : 0,
    connections: () => connections,
    written: () => gone + [...open].reduce((sum, socket) => sum + socket.bytesWritten, 0),
    async stop() {
      // What the client said last is still read: it may have hung up already, and the words be on their way.
      for (let look = 0; open.size > 0 && look < 50; look++) await new Promise((done) => setTimeout(done, 5));
      for (const timer of timers) clearTimeout(timer);
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A port on loopback that nobody listens on. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}
