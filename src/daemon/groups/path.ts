// One comm path to one node: it keeps one connection, says hello on it at its beat, and carries what is asked of the
// node. How the path is, core/path-state.ts says.
import { answered, missed, newPath, type PathFold } from '../../core/path-state.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PeerCredentials, PeerIdentity, PeerLine, Peers } from '../../ports/peers.ts';
import { type Answered, readMessage, writeAsked } from './peer-messages.ts';

export interface Way {
  readonly node: string;
  /** Our own address that it goes out of. */
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly everyMs: number;
  readonly timeoutMs: number;
}

export interface PathDoors {
  readonly clock: Clock;
  readonly peers: Peers;
  /** A new id, the same for nothing else. */
  readonly id: () => string;
  /** Null: our certificate cannot be used, for this reason. */
  readonly credentials: () => PeerCredentials | null;
  readonly trouble: () => string;
  /** Null: the certificate is this node's. Else why not. */
  readonly judge: (node: string, identity: PeerIdentity) => string | null;
  readonly refused: (node: string, to: string, why: string) => void;
  readonly onFold: (path: Path, before: PathFold) => void;
}

interface Connection {
  readonly line: PeerLine;
  open: boolean;
  /** It answered at least once: worth dialling at once when it is lost. */
  proved: boolean;
  notAfter: number;
}

interface Pending {
  readonly text: string;
  readonly answer: (answered: Answered) => void;
}

interface Hello {
  readonly id: string;
  /** When it was written; null: there was no connection yet. */
  sentAt: number | null;
  cancel: () => void;
}

/** A handshake over a slow line, with one lost packet, takes longer than a hello. */
const DIAL_MS = 1500;
/** A timer that rings so much later says more about us than about the path. */
const STALL_MS = 100;
const GRACE_MS = 200;
const PENDING_MAX = 64;

export class Path {
  readonly way: Way;
  fold: PathFold;
  readonly #doors: PathDoors;
  #connection: Connection | null = null;
  #hello: Hello | null = null;
  readonly #pending = new Map<string, Pending>();
  #fault = '';
  #closed = false;
  #cancelBeat = (): void => undefined;
  #cancelDial = (): void => undefined;

  constructor(way: Way, doors: PathDoors) {
    this.way = way;
    this.#doors = doors;
    this.fold = newPath(doors.clock.monotonic());
  }

  /** `offsetMs`: paths do not all say hello in one moment. */
  start(offsetMs: number): void {
    const beat = (): void => {
      this.#cancelBeat = this.#doors.clock.after(this.way.everyMs, beat);
      this.#beat();
    };
    this.#cancelBeat = this.#doors.clock.after(offsetMs, beat);
    this.#dial();
  }

  // ------------------------------------------------------------------------------------------------------- the hellos

  #beat(): void {
    if (this.#hello || this.#closed) return;
    const hello: Hello = { id: this.#doors.id(), sentAt: null, cancel: () => undefined };
    this.#hello = hello;
    this.#await(hello, this.way.timeoutMs, true);
    this.#sayHello();
    if (!this.#connection) this.#dial();
  }

  #await(hello: Hello, ms: number, again: boolean): void {
    const { clock } = this.#doors;
    const due = clock.monotonic() + ms;
    hello.cancel = clock.after(ms, () => {
      // We stood still ourselves: the answer may lie here unread.
      if (again && clock.monotonic() > due + STALL_MS) return this.#await(hello, GRACE_MS, false);
      this.#missed(hello);
    });
  }

  #sayHello(): void {
    const { clock } = this.#doors;
    const connection = this.#connection;
    const hello = this.#hello;
    if (!connection?.open || !hello || hello.sentAt !== null) return;
    if (clock.wall() > connection.notAfter) return this.#drop('its certificate has ended');
    if (connection.line.write(writeAsked(hello.id, { kind: 'hello' }))) hello.sentAt = clock.monotonic();
  }

  #missed(hello: Hello): void {
    const { clock } = this.#doors;
    this.#hello = null;
    const silent = `no answer within ${this.way.timeoutMs} ms`;
    const detail = this.#doors.credentials() === null ? this.#doors.trouble() : this.#fault || silent;
    this.#turn(missed(this.fold, clock.monotonic(), detail));
    // After an outage a connection sleeps for minutes before it tries again; a new one is there at once.
    if (hello.sentAt !== null && this.fold.bad >= 2) this.#drop(silent);
  }

  #turn(fold: PathFold): void {
    const before = this.fold;
    this.fold = fold;
    this.#doors.onFold(this, before);
  }

  // --------------------------------------------------------------------------------------------------- the connection

  #dial(): void {
    const { clock, peers } = this.#doors;
    const credentials = this.#doors.credentials();
    if (this.#closed || this.#connection || !credentials) return;
    const { from, to, port, timeoutMs } = this.way;
    const line = peers.dial({ from, address: to, port }, credentials, {
      open: (identity, opened) => this.#opened(connection, identity, opened),
      line: (text) => this.#heard(connection, text),
      closed: (why) => this.#lost(connection, why),
    });
    const connection: Connection = { line, open: false, proved: false, notAfter: 0 };
    this.#connection = connection;
    this.#cancelDial();
    this.#cancelDial = clock.after(Math.max(DIAL_MS, timeoutMs), () => {
      if (!connection.open && this.#connection === connection) this.#drop('it does not take the connection');
    });
  }

  #opened(connection: Connection, identity: PeerIdentity, line: PeerLine): boolean {
    if (this.#connection !== connection || this.#closed) return false;
    const why = this.#doors.judge(this.way.node, identity);
    if (why !== null) {
      this.#fault = why;
      this.#doors.refused(this.way.node, this.way.to, why);
      return false;
    }
    this.#cancelDial();
    connection.open = true;
    connection.notAfter = identity.notAfter;
    this.#sayHello();
    for (const one of this.#pending.values()) line.write(one.text);
    return true;
  }

  #drop(why: string): void {
    const connection = this.#connection;
    this.#fault = why;
    if (!connection) return;
    connection.line.close();
    this.#lost(connection, why);
  }

  #lost(connection: Connection, why: string): void {
    if (this.#connection !== connection) return;
    this.#connection = null;
    this.#cancelDial();
    if (why !== 'not let in') this.#fault = why;
    if (this.#hello) this.#hello.sentAt = null;
    if (connection.proved) this.#dial();
  }

  #heard(connection: Connection, text: string): void {
    if (this.#connection !== connection) return;
    const message = readMessage(text);
    if (message.is !== 'answered') return this.#drop('it does not talk as we do');
    const { re, error } = message.answered;
    const hello = this.#hello;
    if (hello?.id === re && hello.sentAt !== null) {
      if (error !== null) return void (this.#fault = `it answers: ${error}`);
      const now = this.#doors.clock.monotonic();
      hello.cancel();
      this.#hello = null;
      this.#fault = '';
      connection.proved = true;
      this.#turn(answered(this.fold, now, now - hello.sentAt));
      return;
    }
    // What comes late, or for nothing that was asked, is passed over.
    const pending = this.#pending.get(re);
    this.#pending.delete(re);
    pending?.answer(message.answered);
  }

  // ----------------------------------------------------------------------------------------------------- what is asked

  /** Asks once a connection is there; again on the next one if it was lost meanwhile. Returns how to stop it. */
  ask(id: string, text: string, answer: (answered: Answered) => void): () => void {
    if (this.#pending.size >= PENDING_MAX || this.#closed) return () => undefined;
    this.#pending.set(id, { text, answer });
    if (this.#connection?.open) this.#connection.line.write(text);
    else this.#dial();
    return () => void this.#pending.delete(id);
  }

  /** Our certificate is another one: it is shown at once. */
  renew(): void {
    if (this.#connection) this.#drop('our certificate is a new one');
    this.#dial();
  }

  close(): void {
    this.#closed = true;
    this.#cancelBeat();
    this.#cancelDial();
    this.#hello?.cancel();
    this.#pending.clear();
    const connection = this.#connection;
    this.#connection = null;
    connection?.line.close();
  }
}
