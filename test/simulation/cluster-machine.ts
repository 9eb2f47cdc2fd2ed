// One simulated machine: its clock, its kernel with the floating addresses, its services, its power. What is true of
// it, whoever looks. The daemon that runs on it is cluster-daemon.ts.
import type { Random } from '../support/random.ts';
import type { Queue } from './cluster-queue.ts';

const NEVER = Number.NEGATIVE_INFINITY;

/** How late the kernel takes an address away, at most: X of research. */
export const LATE_MS = 520;

export interface Address {
  /** Which setting of it this is: an older one's end is nobody's end. */
  readonly id: number;
  /** When it ends by itself, by the clock of this machine. */
  readonly endsAt: number;
}

/** What a group has in place here. */
export interface Place {
  address: Address | null;
  service: boolean;
  /** Its service does not stop, not even by force. */
  hangs: boolean;
  /** When that began last: a stop is tried again only now and then. */
  hungAt: number;
}

export class Machine {
  readonly name: string;
  readonly #queue: Queue;
  readonly #random: Random;
  readonly #rate: number;
  readonly #offset: number;
  boot = 1;
  on = true;
  frozen = false;
  /** The daemon alone stands still (SIGSTOP). */
  stopped = false;
  /** Until then what was under way when it froze may still happen: no relative end in a kernel helps against that. */
  thawedAt = Number.NEGATIVE_INFINITY;
  /** The newest time at which the daemon could not have acted: dead, stopped or frozen. */
  awayAt = Number.NEGATIVE_INFINITY;
  readonly places = new Map<string, Place>();
  #parked: (() => void)[] = [];
  #kernel: (() => void)[] = [];
  #ids = 0;

  constructor(name: string, groups: readonly string[], queue: Queue, random: Random) {
    this.name = name;
    this.#queue = queue;
    this.#random = random;
    this.#rate = 1 + (random.next() - 0.5) * 0.0004;
    this.#offset = random.int(1_000_000);
    for (const group of groups) this.places.set(group, { address: null, service: false, hangs: false, hungAt: NEVER });
  }

  /** The monotonic clock. */
  get clock(): number {
    return this.#offset + this.#queue.now * this.#rate;
  }

  place(group: string): Place {
    const place = this.places.get(group);
    if (!place) throw new Error(`no group ${group}`);
    return place;
  }

  /** The process of the daemon goes on after so long by this machine's clock, if this machine lives then. */
  after(ms: number, run: () => void): void {
    const { boot } = this;
    this.#queue.after(ms / this.#rate, () => {
      if (this.boot === boot && this.on) this.process(run);
    });
  }

  /** Now, or when the process runs again. */
  process(run: () => void): void {
    if (!this.on) return;
    if (this.frozen || this.stopped) this.#parked.push(run);
    else run();
  }

  /** The kernel, or a program that was begun: goes on while only the daemon stands still. */
  kernel(ms: number, run: () => void): void {
    const { boot } = this;
    this.#queue.after(ms / this.#rate, () => {
      if (this.boot !== boot || !this.on) return;
      if (this.frozen) this.#kernel.push(run);
      else run();
    });
  }

  /** `ip addr … valid_lft`: from now on, for so long, and then gone by the kernel's hand, a little late. */
  setAddress(group: string, lifeMs: number, changed: () => void): void {
    const id = ++this.#ids;
    const place = this.place(group);
    place.address = { id, endsAt: this.clock + lifeMs };
    this.kernel(lifeMs + this.#random.int(LATE_MS), () => {
      if (place.address?.id !== id) return;
      place.address = null;
      changed();
    });
    changed();
  }

  answers(group: string): boolean {
    return this.on && !this.frozen && this.place(group).address !== null;
  }

  runs(group: string): boolean {
    return this.on && !this.frozen && this.place(group).service;
  }

  powerOff(): void {
    this.on = false;
    this.frozen = false;
    this.stopped = false;
    this.boot++;
    this.#parked = [];
    this.#kernel = [];
    for (const place of this.places.values()) Object.assign(place, { address: null, service: false, hangs: false });
  }

  freeze(): void {
    this.frozen = true;
  }

  thaw(): void {
    this.frozen = false;
    this.thawedAt = this.#queue.now;
    this.awayAt = this.#queue.now;
    const kernel = this.#kernel;
    this.#kernel = [];
    for (const run of kernel) this.kernel(this.#random.int(5), run);
    this.#unpark();
  }

  halt(): void {
    this.stopped = true;
  }

  resume(): void {
    this.stopped = false;
    this.awayAt = this.#queue.now;
    this.#unpark();
  }

  /** What waited goes on in its order, each a moment after the other. */
  #unpark(): void {
    if (this.frozen || this.stopped) return;
    const parked = this.#parked;
    this.#parked = [];
    parked.forEach((run, n) => this.after(1 + n * 0.01, run));
  }
}
