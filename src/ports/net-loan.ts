// A connection in the hands of a client library. Such a library keeps what it reads until it understands it, without a
// bound, and may throw at it where nobody can catch it. So what it hears is counted and guarded here.
import { errorMonitor } from 'node:events';
import type { Socket } from 'node:net';
import { libc } from './libc.ts';
import { NetError, netError } from './net-fault.ts';

export interface Loan {
  readonly socket: Socket;
  /** Why nothing more can come of it; null as long as nothing is wrong. */
  fault(): NetError | null;
  /** Resolves as soon as there is a fault. */
  readonly lost: Promise<NetError>;
  /** Bytes that were written, and that the other side's system has not acknowledged; null: this system cannot tell. */
  unacknowledged(): number | null;
  /** The same guard for what a library hears in another way: inside TLS that it began itself. */
  guard(listener: (chunk: Buffer) => void): (chunk: Buffer) => void;
}

type Listener = (...args: never[]) => void;

function unacknowledged(socket: Socket): number | null {
  const fd = (socket as Socket & { _handle?: { fd?: number } | null })._handle?.fd ?? -1;
  const rest = fd >= 0 ? (libc()?.unacknowledged(fd) ?? null) : null;
  return rest === null ? null : rest + socket.writableLength;
}

/** Lends a paused socket, on which nobody listens for data. It flows when the library listens. */
export function loan(socket: Socket, maxBytes: number, first?: RegExp): Loan {
  let fault: NetError | null = null;
  let tell: (error: NetError) => void = () => undefined;
  const lost = new Promise<NetError>((resolve) => {
    tell = resolve;
  });
  const lose = (error: NetError): void => {
    if (fault) return;
    fault = error;
    tell(error);
    socket.destroy();
  };
  let heard = 0;
  const guarded = (listener: (chunk: Buffer) => void) => (chunk: Buffer) => {
    if (fault) return;
    if (heard === 0 && first && !first.test(chunk.toString('latin1', 0, 1))) {
      return lose(new NetError('garbled', 'the answer is not of this protocol'));
    }
    heard += chunk.length;
    if (heard > maxBytes) return lose(new NetError('too-long', `more than ${maxBytes} bytes in one dialogue`));
    try {
      listener(chunk);
    } catch (error) {
      lose(new NetError('garbled', `the answer cannot be read: ${(error as Error).message}`));
    }
  };
  const on = socket.on.bind(socket) as (event: string | symbol, listener: Listener) => Socket;
  const listen = (event: string | symbol, listener: Listener): Socket => {
    if (event !== 'data') return on(event, listener);
    on('data', guarded(listener as (chunk: Buffer) => void) as Listener);
    return socket.resume();
  };
  Object.assign(socket, { on: listen });
  // Libraries take away all listeners of `error`, but not this one.
  on(errorMonitor, ((error: Error) => lose(netError(error))) as Listener);
  const ended = (): void => lose(new NetError('closed', 'closed by the other side'));
  on('end', ended);
  on('close', ended);
  return { socket, fault: () => fault, lost, unacknowledged: () => unacknowledged(socket), guard: guarded };
}
