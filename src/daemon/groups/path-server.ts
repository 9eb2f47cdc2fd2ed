// Where the other nodes' daemons come in: listens on each of our own addresses, lets in who proves to be a node of the
// cluster, answers hellos and hands on what is asked. What comes twice, over two paths, is done once.
import type { Clock } from '../../ports/clock.ts';
import type { PeerCredentials, PeerEvents, PeerIdentity, PeerLine, Peers, PeerServer } from '../../ports/peers.ts';
import { type Asked, readMessage, type Reply, writeReply } from './peer-messages.ts';

export interface PathServerDoors {
  readonly clock: Clock;
  readonly peers: Peers;
  readonly credentials: () => PeerCredentials | null;
  /** Whether any node of the cluster has this address. */
  readonly admits: (address: string) => boolean;
  /** Which node that is; null: none, or more than one. */
  readonly nodeOf: (identity: PeerIdentity) => string | null;
  readonly answer: (from: string, asked: Exclude<Asked, { kind: 'hello' }>) => Promise<Reply>;
  readonly refused: (address: string, why: string) => void;
  readonly trouble: (address: string, why: string | null) => void;
}

const AGAIN_MS = 2000;
/** The longest beat of hellos is a minute. */
const IDLE_MS = 200_000;
const LINES_MAX = 16;
const WORK_MAX = 32;
const KEPT_MAX = 64;
const STRANGE_MAX = 100;

interface Guest {
  readonly node: string;
  readonly line: PeerLine;
  strange: number;
  heardAt: number;
}

export class PathServer {
  readonly #doors: PathServerDoors;
  readonly #servers = new Map<string, { server: PeerServer | null; cancel: () => void }>();
  readonly #guests = new Set<Guest>();
  /** What each node asked of late, by its ids: the same question over another path gets the same answer. */
  readonly #asked = new Map<string, Map<string, Promise<Reply>>>();
  #working = 0;
  #port = 0;
  #cancelSweep = (): void => undefined;
  #closed = false;

  constructor(doors: PathServerDoors) {
    this.#doors = doors;
  }

  start(): void {
    const sweep = (): void => {
      const now = this.#doors.clock.monotonic();
      for (const guest of this.#guests) if (now - guest.heardAt > IDLE_MS) guest.line.close();
      this.#cancelSweep = this.#doors.clock.after(IDLE_MS / 4, sweep);
    };
    sweep();
  }

  configure(addresses: readonly string[], port: number): void {
    const moved = port !== this.#port;
    this.#port = port;
    for (const [address, held] of this.#servers)
      if (moved || !addresses.includes(address)) {
        this.#servers.delete(address);
        held.cancel();
        held.server?.close();
      }
    for (const address of addresses) if (!this.#servers.has(address)) this.#open(address);
    // Who was taken out of the cluster is not let stay.
    for (const guest of this.#guests) guest.line.close();
  }

  #open(address: string): void {
    const { clock, peers, credentials, admits, trouble } = this.#doors;
    const held = { server: null as PeerServer | null, cancel: (): void => undefined };
    this.#servers.set(address, held);
    const go = (): void => {
      if (this.#closed || this.#servers.get(address) !== held) return;
      const known = credentials();
      const later = (): void => {
        held.server = null;
        held.cancel = clock.after(AGAIN_MS, go);
      };
      // Without a certificate of our own nobody could know us.
      if (!known) return later();
      held.server = peers.listen({ address, port: this.#port }, known, {
        admits,
        accept: (from) => this.#accept(from),
        listening: () => trouble(address, null),
        failed: (why) => {
          trouble(address, why);
          later();
        },
      });
    };
    go();
  }

  #accept(address: string): PeerEvents {
    const { clock, nodeOf, refused } = this.#doors;
    let guest: Guest | null = null;
    let told = false;
    return {
      open: (identity, line) => {
        const node = clock.wall() > identity.notAfter ? null : nodeOf(identity);
        if (node === null) {
          told = true;
          refused(address, `its certificate is for ${identity.names.join(', ') || 'nobody'}`);
          return false;
        }
        guest = { node, line, strange: 0, heardAt: clock.monotonic() };
        this.#guests.add(guest);
        const others = [...this.#guests].filter((one) => one.node === node);
        if (others.length > LINES_MAX) others[0]?.line.close();
        // Not longer than its certificate holds.
        this.#until(guest, identity.notAfter - clock.wall());
        return true;
      },
      line: (text) => {
        if (guest) this.#heard(guest, text);
      },
      closed: (why) => {
        if (guest) this.#guests.delete(guest);
        else if (!told) refused(address, why);
      },
    };
  }

  readonly #ends = new Map<Guest, () => void>();

  #until(guest: Guest, ms: number): void {
    const { clock } = this.#doors;
    const long = 3_600_000;
    for (const [one, cancel] of this.#ends)
      if (!this.#guests.has(one)) {
        cancel();
        this.#ends.delete(one);
      }
    const cancel = clock.after(Math.min(Math.max(ms, 0), long), () => {
      if (!this.#guests.has(guest)) return;
      if (ms <= long) guest.line.close();
      else this.#until(guest, ms - long);
    });
    this.#ends.set(guest, cancel);
  }

  #heard(guest: Guest, text: string): void {
    const { clock } = this.#doors;
    guest.heardAt = clock.monotonic();
    const message = readMessage(text);
    if (message.is === 'asked') {
      const { id, asked } = message;
      if (asked.kind === 'hello') guest.line.write(writeReply(id, { kind: 'hello' }));
      else void this.#answer(guest, id, asked);
      return;
    }
    // A newer version may ask what is not known here; who only talks nonsense is sent away.
    if (message.is === 'strange') guest.line.write(writeReply(message.id, { error: message.why }));
    guest.strange++;
    if (message.is === 'garbage' || guest.strange > STRANGE_MAX) guest.line.close();
  }

  async #answer(guest: Guest, id: string, asked: Exclude<Asked, { kind: 'hello' }>): Promise<void> {
    const known = this.#asked.get(guest.node) ?? new Map<string, Promise<Reply>>();
    this.#asked.set(guest.node, known);
    let reply = known.get(id);
    if (!reply) {
      reply = this.#work(guest.node, asked);
      known.set(id, reply);
      const [oldest] = known.keys();
      if (known.size > KEPT_MAX && oldest !== undefined) known.delete(oldest);
    }
    guest.line.write(writeReply(id, await reply));
  }

  async #work(from: string, asked: Exclude<Asked, { kind: 'hello' }>): Promise<Reply> {
    if (this.#working >= WORK_MAX) return { error: 'too much is asked at once' };
    this.#working++;
    try {
      return await this.#doors.answer(from, asked);
    } catch (error) {
      return { error: (error as Error).message.slice(0, 200) };
    } finally {
      this.#working--;
    }
  }

  renew(credentials: PeerCredentials): void {
    for (const { server } of this.#servers.values()) server?.renew(credentials);
  }

  close(): void {
    this.#closed = true;
    this.#cancelSweep();
    for (const cancel of this.#ends.values()) cancel();
    for (const { server, cancel } of this.#servers.values()) {
      cancel();
      server?.close();
    }
    for (const guest of this.#guests) guest.line.close();
  }
}
