// One question and one answer by UDP, from a socket that is connected: only who was asked can answer, and a port where
// nobody listens says so.
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

export interface Udp {
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

export const udp: Udp = { ask };
