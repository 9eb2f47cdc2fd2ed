// A TCP server for protocols that are not in lines: a test gets the bytes, answers, and says what is left over.
import { createServer, type Socket } from 'node:net';

export interface RawServer {
  readonly port: number;
  stop(): Promise<void>;
}

export async function serveRaw(take: (bytes: Buffer, socket: Socket) => Buffer): Promise<RawServer> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    let pending: Buffer = Buffer.alloc(0);
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    socket.on('data', (piece: Buffer) => {
      pending = take(Buffer.concat([pending, piece]), socket);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    async stop() {
      for (const socket of open) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}
