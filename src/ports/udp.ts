// UDP from sockets that are connected: only who was asked can answer, and a port where nobody listens says so. One
// question and one answer, or a socket to keep.
import { createSocket, type Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { tracedLookup } from './net.ts';
import { NetError, netError } from './net-fault.ts';

export interface UdpQuestion {
  readonly host: string;
  readonly port: number;
  readonly bytes: Uint8Array;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  /** What is no answer to this question is not taken, and waited on for another. */
  fits(answer: Buffer): boolean;
}

export interface UdpTarget {
  readonly host: string;
  readonly port: number;
  /** An address of this machine that datagrams come from; without it the system chooses. */
  readonly source?: string;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** A connected socket. It keeps nobody from ending. */
export interface UdpFlow {
  /** Our own address. */
  readonly local: string;
  send(bytes: Uint8Array, done: (error: NetError | null) => void): void;
  onDatagram(react: (bytes: Buffer) => void): void;
  /** What the network says of an earlier datagram: nobody listens on the port. */
  onFault(react: (error: NetError) => void): void;
  close(): void;
}

export interface Udp {
  /** Throws NetError: the name, the source address, the route. Nothing is sent. */
  connect(target: UdpTarget): Promise<UdpFlow>;
  /** Throws NetError, as a dialogue does. A datagram has at most 64 KiB; of those that do not fit 100 are looked at. */
  ask(question: UdpQuestion): Promise<Buffer>;
}

const MOST_STRANGE = 100;

/** An address for the host's name. The resolver's own wait has no end of its own: the question's ends it. */
function resolve(host: string, done: (error: Error | null, address: string, family: number) => void): void {
  const family = isIP(host);
  if (family > 0) return done(null, host, family);
  tracedLookup(host).lookup(host, {}, (error, address, version) =>
    done(error, typeof address === 'string' ? address : (address?.[0]?.address ?? ''), version ?? 4),
  );
}

function ask(question: UdpQuestion): Promise<Buffer> {
  return new Promise((settle, reject) => {
    let socket: Socket | null = null;
    let over = false;
    let strange = 0;
    const finish = (act: () => void): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      question.signal.removeEventListener('abort', late);
      socket?.close();
      act();
    };
    const broken = (error: unknown): void => finish(() => reject(netError(error)));
    const late = (): void => {
      const why = socket ? 'no answer came in time' : `${question.host} did not resolve in time`;
      broken(new NetError(socket ? 'timeout' : 'not-found', why));
    };
    const timer = setTimeout(late, question.timeoutMs);
    if (question.signal.aborted) return late();
    question.signal.addEventListener('abort', late, { once: true });
    resolve(question.host, (error, address, family) => {
      if (over) return;
      if (error) return broken(error);
      socket = createSocket(family === 6 ? 'udp6' : 'udp4');
      const asking = socket;
      asking.on('error', broken);
      asking.on('message', (answer) => {
        if (question.fits(answer)) return finish(() => settle(answer));
        strange += 1;
        if (strange >= MOST_STRANGE) broken(new NetError('garbled', 'what came is no answer to the question'));
      });
      asking.connect(question.port, address, () => {
        if (!over) asking.send(question.bytes, (failed) => failed && broken(failed));
      });
    });
  });
}

function flowOf(socket: Socket): UdpFlow {
  let open = true;
  let react: (error: NetError) => void = () => undefined;
  socket.on('error', (error) => react(netError(error)));
  return {
    local: socket.address().address,
    send(bytes, done) {
      if (!open) return done(new NetError('local', 'the socket is closed'));
      socket.send(bytes, (error) => done(error ? netError(error) : null));
    },
    onDatagram: (take) => void socket.on('message', (bytes) => take(bytes)),
    onFault: (take) => {
      react = take;
    },
    close() {
      if (open) socket.close();
      open = false;
    },
  };
}

function connect({ host, port, source, signal, timeoutMs }: UdpTarget): Promise<UdpFlow> {
  return new Promise((settle, reject) => {
    let socket: Socket | null = null;
    let over = false;
    const finish = (act: () => void): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', late);
      act();
    };
    const broken = (error: unknown): void =>
      finish(() => {
        socket?.close();
        reject(netError(error));
      });
    const late = (): void => broken(new NetError('not-found', `${host} did not resolve in time`));
    const timer = setTimeout(late, timeoutMs);
    if (signal.aborted) return late();
    signal.addEventListener('abort', late, { once: true });
    resolve(host, (error, address, family) => {
      if (over) return;
      if (error) return broken(error);
      const made = createSocket(family === 6 ? 'udp6' : 'udp4');
      socket = made;
      made.unref();
      made.once('error', broken);
      const join = (): void =>
        made.connect(port, address, (failed?: Error) => {
          if (failed) return broken(failed);
          made.off('error', broken);
          if (!over) finish(() => settle(flowOf(made)));
        });
      if (source === undefined) join();
      else made.bind({ address: source, port: 0, exclusive: true }, join);
    });
  });
}

export const udp: Udp = { ask, connect };
