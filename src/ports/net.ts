// A bounded line dialogue over TCP, TLS or a unix socket, for protocols in lines (SMTP, LMTP, IMAP, POP3 …).
// Every read has an end: a limit of bytes a line and a dialogue, a signal, and a time limit.
import { lookup } from 'node:dns';
import { connect, isIP, isIPv4, type LookupFunction, type Socket } from 'node:net';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import { NetError, netError } from './net-fault.ts';
import { type Loan, loan } from './net-loan.ts';
import { type PeerCertificate, peerCertificate, type TlsOptions, tlsSettings } from './net-tls.ts';

export { type NetCode, NetError } from './net-fault.ts';
export type { Loan } from './net-loan.ts';
export type { PeerCertificate, TlsOptions } from './net-tls.ts';

export interface OpenOptions {
  readonly host?: string;
  readonly port?: number;
  /** A unix socket instead of host and port. */
  readonly path?: string;
  /** An address of this machine that the connection comes from. */
  readonly from?: string;
  readonly tls?: TlsOptions;
  readonly signal: AbortSignal;
  /** For the connect and for each read. */
  readonly timeoutMs: number;
  /** Bytes in one line; default 16 KiB. */
  readonly maxLine?: number;
  /** Bytes read in the whole dialogue; default 1 MiB. */
  readonly maxBytes?: number;
}

export interface Dialogue {
  readonly connectMs: number;
  readonly certificate: PeerCertificate | null;
  /** The other side is an IPv4 address of this very machine. */
  readonly toItself: boolean;
  /** The next line without its end. */
  readLine(): Promise<string>;
  /** Exactly so many bytes, for a literal that a line announced. Beyond `maxBytes`: NetError `too-long`. */
  readBytes(count: number): Promise<Buffer>;
  /** Text, or bytes of a protocol that is not in lines. */
  write(data: string | Uint8Array): Promise<void>;
  startTls(options: TlsOptions): Promise<PeerCertificate>;
  /** Hands the connection to a client library, which speaks from here on; nothing but `close` may be called after it.
   *  `first`: what an answer of this protocol can begin with; anything else is `garbled` at once. `again`: what was
   *  read here already, and the library must hear too. */
  lend(how?: { readonly first?: RegExp; readonly again?: Buffer }): Loan;
  /** Ends politely if the other side does, at once if not. Never throws. */
  close(): void;
}

export interface Net {
  open(options: OpenOptions): Promise<Dialogue>;
}

// ------------------------------------------------------------------------------------------------------- the real side

const MAX_LINE = 16_384;
const MAX_BYTES = 1_048_576;
/** After close(): how long the other side may take to hang up before the socket is destroyed. */
const FAREWELL_MS = 200;

/** Waits for one event of a socket, an error, the end, the signal or the time limit, whichever is first. */
function once<T>(
  socket: Socket,
  what: string,
  limits: { readonly signal: AbortSignal; readonly timeoutMs: number },
  wire: (done: (value: T) => void, broken: (error: unknown) => void) => () => void,
  explain?: () => NetError | null,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const finish = (act: () => void): void => {
      clearTimeout(timer);
      limits.signal.removeEventListener('abort', late);
      socket.off('error', broken);
      socket.off('close', closed);
      unwire();
      act();
    };
    const broken = (error: unknown): void => finish(() => reject(netError(error)));
    const closed = (): void => broken(new NetError('closed', `closed by the other side before ${what}`));
    const late = (): void =>
      finish(() => {
        socket.destroy();
        reject(explain?.() ?? new NetError('timeout', `${what} did not come in time`));
      });
    const timer = setTimeout(late, limits.timeoutMs);
    socket.on('error', broken);
    socket.on('close', closed);
    const unwire = wire((value) => finish(() => resolve(value)), broken);
    if (limits.signal.aborted) late();
    else limits.signal.addEventListener('abort', late, { once: true });
  });
}

class LineDialogue implements Dialogue {
  readonly connectMs: number;
  readonly toItself: boolean;
  certificate: PeerCertificate | null = null;
  readonly #options: OpenOptions;
  #socket: Socket;
  #pending: Buffer = Buffer.alloc(0);
  #received = 0;
  #error: NetError | null = null;
  #ended = false;
  #wake: (() => void) | null = null;

  constructor(socket: Socket, options: OpenOptions, connectMs: number) {
    this.#socket = socket;
    this.#options = options;
    this.connectMs = connectMs;
    // The system takes the address itself for the way to one of its own.
    this.toItself = isIPv4(socket.remoteAddress ?? '') && socket.remoteAddress === socket.localAddress;
    this.#listen();
  }

  #listen(): void {
    const socket = this.#socket;
    // Paused except while somebody waits for a line: what the other side shouts stays in the kernel's buffer.
    socket.pause();
    socket.on('data', (chunk: Buffer) => {
      if (socket !== this.#socket) return;
      this.#received += chunk.length;
      this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
      socket.pause();
      this.#wake?.();
    });
    socket.on('end', () => {
      this.#ended = true;
      this.#wake?.();
    });
    socket.on('error', (error) => {
      this.#error ??= netError(error);
      this.#wake?.();
    });
  }

  /** A line from what has come so far, or null when more is needed. */
  #takeLine(): string | null {
    const end = this.#pending.indexOf(0x0a);
    const maxLine = this.#options.maxLine ?? MAX_LINE;
    if (end > maxLine || (end < 0 && this.#pending.length > maxLine)) {
      throw this.#fatal(new NetError('too-long', `a line of more than ${maxLine} bytes`));
    }
    if (end < 0) return null;
    const line = this.#pending.subarray(0, end > 0 && this.#pending[end - 1] === 0x0d ? end - 1 : end);
    const text = line.toString('utf8');
    this.#pending = this.#pending.subarray(end + 1);
    return text;
  }

  #takeBytes(count: number): Buffer | null {
    if (this.#pending.length < count) return null;
    const bytes = Buffer.from(this.#pending.subarray(0, count));
    this.#pending = this.#pending.subarray(count);
    return bytes;
  }

  /** Why nothing more can come. */
  #check(): void {
    const maxBytes = this.#options.maxBytes ?? MAX_BYTES;
    if (this.#received > maxBytes) {
      throw this.#fatal(new NetError('too-long', `more than ${maxBytes} bytes in one dialogue`));
    }
    if (this.#error) throw this.#error;
    if (this.#ended) {
      const rest = this.#pending.length > 0 ? ' in the middle of an answer' : '';
      throw new NetError('closed', `closed by the other side${rest}`);
    }
  }

  #fatal(error: NetError): NetError {
    this.#error = error;
    this.#socket.destroy();
    return error;
  }

  readLine(): Promise<string> {
    return this.#read(() => this.#takeLine());
  }

  readBytes(count: number): Promise<Buffer> {
    const maxBytes = this.#options.maxBytes ?? MAX_BYTES;
    if (count > maxBytes) throw this.#fatal(new NetError('too-long', `${count} bytes were announced`));
    return this.#read(() => this.#takeBytes(count));
  }

  async #read<T>(take: () => T | null): Promise<T> {
    const { signal, timeoutMs } = this.#options;
    // One limit for the whole line, so that a server that drips bytes gains nothing.
    const until = performance.now() + timeoutMs;
    for (;;) {
      const found = take();
      if (found !== null) return found;
      this.#check();
      const left = until - performance.now();
      if (left <= 0 || signal.aborted) throw this.#fatal(new NetError('timeout', this.#silence()));
      await this.#more(left);
    }
  }

  #silence(): string {
    const began = this.#pending.length > 0;
    return began
      ? `only the beginning of an answer came in time (${this.#pending.length} bytes)`
      : 'no answer came in time';
  }

  /** Until something came, ended or broke, or for `ms`. */
  #more(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#options.signal.removeEventListener('abort', done);
        this.#wake = null;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wake = done;
      this.#options.signal.addEventListener('abort', done, { once: true });
      this.#socket.resume();
    });
  }

  async write(data: string | Uint8Array): Promise<void> {
    if (this.#error) throw this.#error;
    const socket = this.#socket;
    await once<void>(socket, 'room to write', this.#options, (done, broken) => {
      socket.write(data, (error) => (error ? broken(error) : done()));
      return () => undefined;
    });
  }

  async startTls(options: TlsOptions): Promise<PeerCertificate> {
    // Plain text that came before the handshake must never be read as if it had come inside (RFC 3207 section 6).
    if (this.#pending.length > 0) throw this.#fatal(new NetError('tls', 'plain text came after the go-ahead for TLS'));
    const plain = this.#socket;
    plain.removeAllListeners('data');
    plain.removeAllListeners('end');
    const secured = this.#secured(options);
    this.#socket = secured;
    this.certificate = await handshake(secured, options, this.#options);
    this.#ended = false;
    this.#listen();
    return this.certificate;
  }

  /** Certificates and keys that are none, or do not go together, are said at once. */
  #secured(options: TlsOptions): TLSSocket {
    try {
      return tlsConnect({ ...tlsSettings(options, this.#options.host), socket: this.#socket });
    } catch (error) {
      throw this.#fatal(netError(error));
    }
  }

  lend(how: { readonly first?: RegExp; readonly again?: Buffer } = {}): Loan {
    const socket = this.#socket;
    socket.removeAllListeners('data');
    socket.removeAllListeners('end');
    const early = Buffer.concat([how.again ?? Buffer.alloc(0), this.#pending]);
    this.#pending = Buffer.alloc(0);
    if (early.length > 0) socket.unshift(early);
    return loan(socket, this.#options.maxBytes ?? MAX_BYTES, how.first);
  }

  close(): void {
    const socket = this.#socket;
    socket.on('error', () => undefined);
    if (socket.destroyed) return;
    socket.removeAllListeners('data');
    socket.end();
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), FAREWELL_MS);
    socket.once('close', () => clearTimeout(timer));
  }
}

async function handshake(socket: TLSSocket, options: TlsOptions, limits: OpenOptions): Promise<PeerCertificate> {
  socket.on('error', () => undefined);
  await once<void>(socket, 'the TLS handshake was done', limits, (done) => {
    socket.once('secureConnect', done);
    return () => socket.off('secureConnect', done);
  });
  const certificate = peerCertificate(socket);
  if (!certificate) {
    socket.destroy();
    throw new NetError('tls', 'no certificate was shown');
  }
  if (options.verify !== false && certificate.error !== null) {
    socket.destroy();
    throw new NetError('tls', `certificate refused: ${certificate.error}`);
  }
  return certificate;
}

/** A look-up that tells whether it ever came to an end: getaddrinfo(3) waits in a thread for its resolver. */
export function tracedLookup(host: string): { readonly lookup: LookupFunction; readonly resolved: () => boolean } {
  let resolved = isIP(host) !== 0;
  return {
    resolved: () => resolved,
    lookup: (name, how, answer) =>
      lookup(name, how, (...found) => {
        resolved = true;
        (answer as (...all: unknown[]) => void)(...found);
      }),
  };
}

/** Connects, and tells a name that does not resolve in time from a host that does not answer in time. */
async function open(options: OpenOptions): Promise<Dialogue> {
  const started = performance.now();
  const { host = '127.0.0.1', port = 0, path, from } = options;
  const names = tracedLookup(host);
  const source = from === undefined ? {} : { localAddress: from };
  const socket =
    path === undefined ? connect({ host, port, noDelay: true, lookup: names.lookup, ...source }) : connect({ path });
  socket.on('error', () => undefined);
  await once<void>(
    socket,
    'the connection was made',
    options,
    (done) => {
      socket.once('connect', done);
      return () => socket.off('connect', done);
    },
    () =>
      path !== undefined || names.resolved() ? null : new NetError('not-found', `${host} did not resolve in time`),
  );
  const dialogue = new LineDialogue(socket, options, performance.now() - started);
  if (options.tls) await dialogue.startTls(options.tls);
  return dialogue;
}

export const net: Net = { open };
