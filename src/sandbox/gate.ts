// The listening side of a service: it takes connections and hands them over, at once or late, or refuses them.
// Every protocol gets its sockets from here, so that a fault looks the same on each.
import { createServer, type Server, type Socket } from 'node:net';
import type { Endpoint } from './settings.ts';

export class Gate {
  readonly #hand: (socket: Socket) => void;
  readonly #endpoint: Endpoint;
  #server: Server | null = null;
  /** How long a new connection waits before the service learns of it. */
  delayMs = 0;

  constructor(endpoint: Endpoint, hand: (socket: Socket) => void) {
    this.#endpoint = endpoint;
    this.#hand = hand;
  }

  /** Listens. Rejects with `EADDRINUSE` and the like. */
  open(): Promise<void> {
    if (this.#server) return Promise.resolve();
    const server = createServer({ noDelay: true }, (socket) => this.#take(socket));
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once('error', (error) => {
        this.#server = null;
        reject(error);
      });
      server.listen(this.#endpoint.port, this.#endpoint.host, () => resolve());
    });
  }

  /** Closes the port. Connections that are there go on. */
  close(): void {
    this.#server?.close();
    this.#server = null;
  }

  #take(socket: Socket): void {
    // A client that goes away is no matter of ours; the protocol adds its own listeners.
    socket.on('error', () => socket.destroy());
    if (this.delayMs === 0) return this.#hand(socket);
    const timer = setTimeout(() => {
      if (!socket.destroyed) this.#hand(socket);
    }, this.delayMs);
    socket.once('close', () => clearTimeout(timer));
  }
}
