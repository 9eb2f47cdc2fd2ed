// The simulated coordinator: a linearizable store of small records that has no quorum at times, is slow at times, loses
// questions and answers, and tells of changes late. And the network between everybody.
import type { Random } from '../support/random.ts';
import type { Machine } from './cluster-machine.ts';
import type { Queue } from './cluster-queue.ts';

export interface Change {
  readonly key: string;
  /** Plain and never changed, so that it need not be written out and read again. Null: it is not there. */
  readonly value: object | null;
  readonly revision: number;
}

export type Answer = { readonly ok: true; readonly revision: number } | { readonly ok: false; readonly now: Change };

const STORE = 'store';

export class Network {
  readonly queue: Queue;
  readonly random: Random;
  /** `a>b`: nothing gets from a to b. */
  readonly cut = new Set<string>();
  slow = false;

  constructor(queue: Queue, random: Random) {
    this.queue = queue;
    this.random = random;
  }

  open(from: string, to: string): boolean {
    return !this.cut.has(`${from}>${to}`);
  }

  send(from: string, to: string, arrive: () => void): void {
    if (!this.open(from, to)) return;
    const { random } = this;
    const late = this.slow && random.chance(0.3) ? random.int(900) : 0;
    this.queue.after(1 + random.int(15) + late, () => {
      if (this.open(from, to)) arrive();
    });
  }
}

export class Store {
  readonly #net: Network;
  readonly #log: Change[] = [];
  readonly #now = new Map<string, Change>();
  readonly #watchers = new Map<string, { machine: Machine; next: number; tell: (changes: Change[]) => void }>();
  revision = 0;
  /** A majority lives and has a leader. */
  quorum = true;
  /** Its disk is slow: so much more for each write, ms. */
  slowMs = 0;
  onWrite: (change: Change) => void = () => {};
  #waiting: (() => void)[] = [];

  constructor(net: Network) {
    this.#net = net;
  }

  get(key: string): Change {
    return this.#now.get(key) ?? { key, value: null, revision: 0 };
  }

  /** A question that has arrived is done now, later, or never. */
  #serve(work: () => void): void {
    const { random, queue } = this.#net;
    if (this.quorum) queue.after(random.int(4) + (this.slowMs > 0 ? random.int(this.slowMs) : 0), () => this.#do(work));
    else if (random.chance(0.5)) this.#waiting.push(work);
  }

  #do(work: () => void): void {
    if (this.quorum) work();
    else if (this.#net.random.chance(0.5)) this.#waiting.push(work);
  }

  recover(): void {
    this.quorum = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const work of waiting) work();
  }

  #commit(key: string, value: object | null): number {
    const change = { key, value, revision: ++this.revision };
    this.#log.push(change);
    this.#now.set(key, change);
    this.onWrite(change);
    for (const name of this.#watchers.keys()) this.#tell(name);
    return change.revision;
  }

  /** One compared write. The answer comes, or it does not. */
  write(machine: Machine, key: string, value: object | null, expect: number, answer: (a: Answer) => void): void {
    const net = this.#net;
    net.send(machine.name, STORE, () =>
      this.#serve(() => {
        const now = this.get(key);
        const there = now.value === null ? 0 : now.revision;
        const said: Answer = there === expect ? { ok: true, revision: this.#commit(key, value) } : { ok: false, now };
        net.send(STORE, machine.name, () => machine.process(() => answer(said)));
      }),
    );
  }

  publish(machine: Machine, key: string, value: object): void {
    this.#net.send(machine.name, STORE, () => this.#serve(() => void this.#commit(key, value)));
  }

  /** The administrator's own way in. */
  put(key: string, value: object | null): void {
    if (this.get(key).value !== value) this.#commit(key, value);
  }

  /** Everything as it is now, and from then on all changes in order. */
  watch(machine: Machine, alive: () => boolean, tell: (changes: Change[]) => void): void {
    const net = this.#net;
    this.#watchers.delete(machine.name);
    const ask = (): void => {
      if (!alive()) return;
      let heard = false;
      net.send(machine.name, STORE, () =>
        this.#serve(() => {
          const next = this.#log.length;
          const all = [...this.#now.values(), { key: '', value: null, revision: this.revision }];
          net.send(STORE, machine.name, () =>
            machine.process(() => {
              if (heard || !alive()) return;
              heard = true;
              this.#watchers.set(machine.name, { machine, next, tell });
              tell(all);
              this.#tell(machine.name);
            }),
          );
        }),
      );
      machine.after(500, () => {
        if (!heard) ask();
      });
    };
    ask();
  }

  /** A member that does not answer is left for another: what was missed comes once the way is open. */
  #tell(name: string): void {
    const watcher = this.#watchers.get(name);
    if (!watcher) return;
    this.#net.send(STORE, name, () =>
      watcher.machine.process(() => {
        if (this.#watchers.get(name) !== watcher || watcher.next >= this.#log.length) return;
        const changes = this.#log.slice(watcher.next);
        watcher.next = this.#log.length;
        watcher.tell(changes);
      }),
    );
  }

  /** Now and then: whoever was cut off hears of what it missed. */
  nudge(): void {
    for (const name of this.#watchers.keys()) this.#tell(name);
  }
}
