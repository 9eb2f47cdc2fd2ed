// Lasting connections between daemons: TLS 1.3, a certificate on both sides, one message a line. Addresses only, so
// that no name is ever looked up. Whom a certificate is for is said; whether that one may come in, the caller judges.
import { constants } from 'node:crypto';
import { createServer, isIP, type Socket } from 'node:net';
import {
  connect,
  createServer as createTlsServer,
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
} from 'node:tls';

/** PEM: who we are, and who signs for the others. */
export interface PeerTls {
  readonly certificate: string;
  readonly key: string;
  readonly authority: string;
}

/** What was read of PEM, ready for use; made by `credentials`. */
export interface PeerCredentials {
  readonly context: unknown;
  readonly options: unknown;
}

/** What the other side proved to be. */
export interface PeerIdentity {
  /** Common name and DNS names of its certificate. */
  readonly names: readonly string[];
  /** Wall clock, milliseconds since 1970: until then it holds. */
  readonly notAfter: number;
}

export interface PeerLine {
  /** Written whole and in order. False: too much waits already, and it is closed. */
  write(line: string): boolean;
  close(): void;
}

export interface PeerEvents {
  /** Its certificate holds and is of our authority. Whatever comes is told only if this says yes; else it is closed. */
  open(identity: PeerIdentity, line: PeerLine): boolean;
  line(text: string): void;
  /** Once, whoever closed it. */
  closed(why: string): void;
}

export interface PeerListening {
  readonly address: string;
  readonly port: number;
}

export interface PeerServer {
  /** Everybody has to come in anew, and sees these. */
  renew(credentials: PeerCredentials): void;
  close(): void;
}

export interface PeerListenEvents {
  /** A knock from this address: is it worth an answer at all. */
  admits(address: string): boolean;
  /** One connection, of which nothing is known yet. */
  accept(address: string): PeerEvents;
  listening(port: number): void;
  /** It cannot listen, or not any more. It is closed then. */
  failed(why: string): void;
}

export interface PeerDialling extends PeerListening {
  /** Our own address that it goes out of; null: as the routes say. */
  readonly from: string | null;
}

export interface Peers {
  /** Throws what is wrong with the certificate, its key or the authority. */
  credentials(tls: PeerTls): PeerCredentials;
  listen(where: PeerListening, credentials: PeerCredentials, on: PeerListenEvents): PeerServer;
  /** Never throws. Waits for ever: who is in a hurry closes it. */
  dial(where: PeerDialling, credentials: PeerCredentials, on: PeerEvents): PeerLine;
}

/** No message is longer. */
export const LINE_BYTES = 65_536;
/** What the other side does not read. */
const UNREAD_BYTES = 1_048_576;
/** Strangers that have not proved who they are have so long, and there are so many of them at most. */
const HANDSHAKE_MS = 5000;
const STRANGERS_MAX = 64;
const NEWLINE = 10;

const only13 = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;

/** Splits what comes into lines. False: a line is too long. */
function lines(tell: (text: string) => void): (piece: Buffer) => boolean {
  let parts: Buffer[] = [];
  let length = 0;
  return (piece) => {
    let rest = piece;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      if (length + end > LINE_BYTES) return false;
      const text = Buffer.concat([...parts, rest.subarray(0, end)]).toString('utf8');
      parts = [];
      length = 0;
      rest = rest.subarray(end + 1);
      tell(text);
    }
    if (rest.length > 0) parts.push(rest);
    length += rest.length;
    // Byte by byte they would cost more than they hold.
    if (parts.length > 64) parts = [Buffer.concat(parts)];
    return length <= LINE_BYTES;
  };
}

function identityOf(socket: TLSSocket): PeerIdentity {
  const { subject, subjectaltname, valid_to: until } = socket.getPeerCertificate();
  const dns = (subjectaltname ?? '').split(/,\s*/).filter((text) => text.startsWith('DNS:'));
  const common = [(subject as { CN?: string | string[] } | undefined)?.CN ?? []].flat();
  return { names: [...common, ...dns.map((text) => text.slice(4))].slice(0, 100), notAfter: Date.parse(until ?? '') };
}

const reasonOf = (error: Error): string => (error as NodeJS.ErrnoException).code ?? error.message;

/** Why its certificate is no good; null: it is good. */
function refusal(socket: TLSSocket): string | null {
  if (socket.authorized) return null;
  const code = socket.authorizationError as Error | string | null | undefined;
  const text = code instanceof Error ? reasonOf(code) : code || 'none was shown';
  return `its certificate is refused: ${text}`;
}

/** What both sides do with a connection: `ready` is called when the handshake is over. */
function carry(socket: TLSSocket, on: PeerEvents): { readonly line: PeerLine; ready(): void } {
  let why: string | null = null;
  let open = false;
  const end = (text: string): void => {
    why ??= text;
    socket.destroy();
  };
  const line: PeerLine = {
    write(text) {
      if (!open || socket.destroyed) return false;
      socket.write(`${text}\n`);
      if (socket.writableLength <= UNREAD_BYTES) return true;
      end('it does not read what is sent to it');
      return false;
    },
    close: () => end('closed by us'),
  };
  const take = lines((text) => {
    if (why === null) on.line(text);
  });
  socket.setNoDelay(true);
  socket.on('data', (piece: Buffer) => {
    if (open && why === null && !take(piece)) end(`a message of more than ${LINE_BYTES} bytes`);
  });
  socket.on('end', () => end('it closed the connection'));
  socket.on('error', (error) => end(reasonOf(error)));
  socket.on('close', () => {
    open = false;
    on.closed(why ?? 'it closed the connection');
  });
  const ready = (): void => {
    const bad = refusal(socket);
    if (bad !== null) return end(bad);
    open = true;
    if (!on.open(identityOf(socket), line)) end('not let in');
  };
  return { line, ready };
}

interface Stranger {
  readonly events: PeerEvents;
  why: string;
}

const whoIs = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

/** Those who knocked and have not proved who they are. Whoever stays one is told of as closed. */
function strangersOf(on: PeerListenEvents) {
  const held = new Map<string, Stranger>();
  return {
    take(plain: Socket): boolean {
      const address = plain.remoteAddress ?? '';
      if (held.size >= STRANGERS_MAX || !on.admits(address)) return false;
      const who = whoIs(plain);
      const stranger: Stranger = { events: on.accept(address), why: 'it went before it said who it is' };
      held.set(who, stranger);
      plain.on('error', (error) => {
        stranger.why = reasonOf(error);
      });
      plain.on('close', () => {
        if (held.delete(who)) stranger.events.closed(stranger.why);
      });
      return true;
    },
    failed(socket: TLSSocket, error: Error): void {
      const stranger = held.get(whoIs(socket));
      if (stranger) stranger.why = reasonOf(error);
      socket.destroy();
    },
    known(socket: TLSSocket): void {
      const stranger = held.get(whoIs(socket));
      if (!stranger) return void socket.destroy();
      held.delete(whoIs(socket));
      carry(socket, stranger.events).ready();
    },
  };
}

function listen(where: PeerListening, credentials: PeerCredentials, on: PeerListenEvents): PeerServer {
  let closed = false;
  const all = new Set<Socket>();
  const strangers = strangersOf(on);
  const secure = createTlsServer({
    ...(credentials.options as SecureContextOptions),
    ...{ requestCert: true, rejectUnauthorized: false, handshakeTimeout: HANDSHAKE_MS },
  });
  secure.on('secureConnection', strangers.known);
  secure.on('tlsClientError', (error, socket) => strangers.failed(socket, error));
  // A server of its own in front: who is not worth an answer costs no handshake.
  const server = createServer((plain) => {
    if (closed || !strangers.take(plain)) return void plain.destroy();
    all.add(plain);
    plain.on('close', () => all.delete(plain));
    secure.emit('connection', plain);
  });
  const end = (): void => {
    closed = true;
    server.close();
    for (const one of all) one.destroy();
  };
  server.on('error', (error) => {
    if (closed) return;
    end();
    on.failed(reasonOf(error));
  });
  server.listen({ host: where.address, port: where.port, exclusive: true }, () => {
    const bound = server.address();
    if (bound !== null && typeof bound === 'object') on.listening(bound.port);
  });
  return {
    renew(next) {
      secure.setSecureContext(next.options as SecureContextOptions);
      for (const one of all) one.destroy();
    },
    close: end,
  };
}

function dial({ address, port, from }: PeerDialling, credentials: PeerCredentials, on: PeerEvents): PeerLine {
  if (isIP(address) === 0 || (from !== null && isIP(from) === 0)) {
    // Never a name: looking one up could hang, and takes a thread of the pool.
    queueMicrotask(() => on.closed('not an address'));
    return { write: () => false, close: () => undefined };
  }
  const socket = connect({
    ...{ host: address, port, secureContext: credentials.context as SecureContext, ...only13 },
    ...(from === null ? {} : { localAddress: from }),
    // What it proves to be is for the caller to judge: here only whether our authority says so.
    ...{ rejectUnauthorized: false, checkServerIdentity: () => undefined },
  });
  const { line, ready } = carry(socket, on);
  socket.on('secureConnect', ready);
  return line;
}

export const peers: Peers = {
  credentials({ certificate, key, authority }) {
    // No tickets: a session that is taken up again would not show its certificate.
    const options = {
      ...{ cert: certificate, key, ca: authority, ...only13, secureOptions: constants.SSL_OP_NO_TICKET },
    };
    return { options, context: createSecureContext(options) };
  },
  listen,
  dial,
};
