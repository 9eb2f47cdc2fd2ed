// A UDP server on loopback that answers each datagram as it is told, or not at all.
import { createSocket, type RemoteInfo } from 'node:dgram';

export interface UdpServer {
  readonly port: number;
  /** Datagrams seen so far. */
  readonly seen: () => number;
  stop(): Promise<void>;
}

/** `answers`: what is sent for a datagram, in this order; [] is silence. */
export async function udpServer(
  answers: (question: Buffer, from: RemoteInfo) => readonly Buffer[],
): Promise<UdpServer> {
  const socket = createSocket('udp4');
  let seen = 0;
  socket.on('error', () => undefined);
  socket.on('message', (question, from) => {
    seen += 1;
    for (const answer of answers(question, from)) socket.send(answer, from.port, from.address, () => undefined);
  });
  await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done));
  return {
    port: socket.address().port,
    seen: () => seen,
    stop: () => new Promise((done) => socket.close(() => done())),
  };
}

/** A UDP port of loopback that nobody listens on. */
export async function closedUdpPort(): Promise<number> {
  const server = await udpServer(() => []);
  await server.stop();
  return server.port;
}
