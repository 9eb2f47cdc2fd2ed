// A coordinator that several daemons of one test share: a store in memory, with a network that can be cut for one node.
import {
  type CoordChange,
  type Coordination,
  CoordinationError,
  type CoordRecord,
  defineCoordinator,
  z,
} from '../../src/define.ts';
import type { Clock } from '../../src/ports/clock.ts';

type Watching = { readonly node: string; readonly prefix: string; change(change: CoordChange): void };

export class SharedStore {
  readonly records = new Map<string, CoordRecord>();
  readonly #watching = new Set<Watching>();
  readonly #clock: Clock;
  readonly cut = new Set<string>();
  revision = 0;
  /** Every write, for tests that ask what happened. */
  readonly writes: CoordChange[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  put(key: string, value: string | null): number {
    this.revision++;
    if (value === null) this.records.delete(key);
    else this.records.set(key, { key, value, revision: this.revision });
    const change = { key, value, revision: this.revision };
    this.writes.push(change);
    for (const one of this.#watching)
      if (key.startsWith(one.prefix) && !this.cut.has(one.node)) this.#clock.after(1, () => one.change(change));
    return this.revision;
  }

  /** A round trip of 2 ms, or none at all. */
  async #reach(node: string, signal: AbortSignal): Promise<void> {
    const unreachable = (): CoordinationError => new CoordinationError('unreachable', 'nobody answers');
    if (this.cut.has(node)) {
      const long = this.#clock.sleep(600_000, signal);
      await long.catch(() => undefined);
      throw unreachable();
    }
    await this.#clock.sleep(2, signal).catch(() => {
      throw unreachable();
    });
  }

  readonly plugin = defineCoordinator({
    about: 'Shared by the daemons of one test.',
    options: z.strictObject({}),
    example: {},
    open: async ({ node }) => this.open(node),
  });

  open(node: string): Coordination {
    const mine = new Set<Watching>();
    return {
      write: async (key, value, expect, signal) => {
        await this.#reach(node, signal);
        const current = this.records.get(key) ?? null;
        if ((current?.revision ?? 0) !== expect) return { ok: false, current };
        return { ok: true, revision: this.put(key, value) };
      },
      publish: async (key, value, signal) => {
        await this.#reach(node, signal);
        return this.put(key, value);
      },
      read: async (prefix, signal) => {
        await this.#reach(node, signal);
        const records = [...this.records.values()].filter(({ key }) => key.startsWith(prefix));
        return { revision: this.revision, records };
      },
      watch: (prefix, _after, { change }) => {
        const one = { node, prefix, change };
        this.#watching.add(one);
        mine.add(one);
        return { close: () => void this.#watching.delete(one) };
      },
      members: async () => [{ name: 'm', endpoint: 'memory', ok: true, leader: true, detail: '', ms: 0 }],
      close: async () => {
        for (const one of mine) this.#watching.delete(one);
      },
    };
  }
}
