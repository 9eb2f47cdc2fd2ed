// A small HTTP(S) server on loopback that keeps what it is asked, and answers as the test says.
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface WebReceiver {
  readonly url: string;
  readonly port: number;
  readonly asked: readonly Asked[];
  stop(): Promise<void>;
}

export type Answer = (asked: Asked, response: ServerResponse) => void;
const fine: Answer = (_asked, response) => response.writeHead(200).end('ok');

/** A status and headers as an answer. */
export const status =
  (code: number, headers: Record<string, string> = {}, body = ''): Answer =>
  (_asked, response) =>
    response.writeHead(code, headers).end(body);

export async function webReceiver(
  answer: Answer = fine,
  tls?: { readonly cert: string; readonly key: string },
): Promise<WebReceiver> {
  const asked: Asked[] = [];
  const sockets = new Set<Socket>();
  const server = tls ? createTlsServer(tls) : createServer();
  server.on('request', (request, response) => {
    const parts: Buffer[] = [];
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request;
      const one = { method, path, headers, body: Buffer.concat(parts).toString('utf8') };
      asked.push(one);
      answer(one, response);
    });
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    asked,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
