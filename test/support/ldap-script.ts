// A small LDAP server for tests, in BER by hand: it answers each kind of request with the code that it was told.
import { createServer, type Socket } from 'node:net';
import { type SecureContextOptions, TLSSocket } from 'node:tls';

type Result = readonly [code: number, text: string];

export interface LdapScript {
  /** Null: no answer. Default: success. */
  readonly bind?: Result | null;
  readonly search?: Result;
  readonly startTls?: Result;
  /** Entries of each search, and their name. */
  readonly entries?: number;
  readonly name?: string;
  readonly tls?: SecureContextOptions;
  /** Comes in one piece with the go-ahead for TLS. */
  readonly after?: Buffer;
  /** Lengths of four bytes, as Active Directory writes them. */
  readonly longForm?: boolean;
  /** In place of every answer. */
  readonly raw?: Buffer;
}

export function ber(tag: number, value: Buffer, longForm = false): Buffer {
  if (value.length < 0x80 && !longForm) return Buffer.concat([Buffer.from([tag, value.length]), value]);
  const head = Buffer.from([tag, 0x84, 0, 0, 0, 0]);
  head.writeUInt32BE(value.length, 2);
  return Buffer.concat([head, value]);
}

const text = (words: string): Buffer => ber(0x04, Buffer.from(words));

function answerTo(request: Buffer, script: LdapScript): Buffer {
  const id = request[4] ?? 0;
  const operation = request[5] ?? 0;
  const long = script.longForm ?? false;
  const message = (tag: number, ...parts: readonly Buffer[]): Buffer =>
    ber(0x30, Buffer.concat([ber(0x02, Buffer.from([id])), ber(tag, Buffer.concat(parts), long)]), long);
  const result = (tag: number, [code, words]: Result): Buffer =>
    message(tag, ber(0x0a, Buffer.from([code])), text(''), text(words));
  if (script.raw) return script.raw;
  if (operation === 0x60) return script.bind === null ? Buffer.alloc(0) : result(0x61, script.bind ?? [0, '']);
  if (operation === 0x77)
    return Buffer.concat([result(0x78, script.startTls ?? [2, '']), script.after ?? Buffer.alloc(0)]);
  if (operation !== 0x63) return Buffer.alloc(0);
  const entry = message(0x64, text(script.name ?? 'dc=a'), ber(0x30, Buffer.alloc(0)));
  const found = script.search ? 0 : (script.entries ?? 1);
  return Buffer.concat([...Array.from({ length: found }, () => entry), result(0x65, script.search ?? [0, ''])]);
}

/** Starts one on a free port. Requests must come one a packet, as ours do. */
export async function ldapScript(script: LdapScript): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const open = new Set<Socket>();
  const talk = (socket: Socket): void => {
    socket.on('error', () => undefined);
    socket.on('data', (request: Buffer) => {
      socket.write(answerTo(request, script));
      if (request[5] !== 0x77 || script.startTls?.[0] !== 0 || !script.tls) return;
      socket.removeAllListeners('data');
      talk(new TLSSocket(socket, { isServer: true, ...script.tls }));
    });
  };
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    talk(socket);
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
