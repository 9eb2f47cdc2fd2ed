// Daemons of one cluster on one virtual clock: real shells and cores, a store that they share, and steps that only note
// where they are in place.
import type { GroupPolicy } from '../../src/core/group-types.ts';
import type { Config } from '../../src/config/types.ts';
import { Daemon } from '../../src/daemon/daemon.ts';
import { defineStep, z } from '../../src/define.ts';
import { FakeMachine } from './fake-machine.ts';
import { groupPolicy, TIMING } from './group-policies.ts';
import { MemoryStore } from './memory-store.ts';
import { SharedStore } from './shared-store.ts';
import { VirtualClock } from './virtual-clock.ts';

export { groupPolicy, stepPolicy, TIMING } from './group-policies.ts';

/** One node of the test: its machine, its disk, its daemon. */
export class Node {
  readonly name: string;
  readonly machine: FakeMachine;
  readonly disk = new MemoryStore();
  readonly #policy: GroupPolicy;
  /** What is in place on it, by step. */
  readonly placed = new Set<string>();
  /** Steps that fail on it, each with the act. */
  readonly broken = new Set<string>();
  readonly acts: string[] = [];
  /** How long each of its acts takes. */
  slowMs = 0;
  daemon: Daemon | null = null;
  #lives = 0;

  constructor(name: string, clock: VirtualClock, shared: SharedStore, policy: GroupPolicy) {
    this.name = name;
    this.#policy = policy;
    this.machine = new FakeMachine(policy.services, clock);
    this.machine.boot = `boot-${name}`;
    Object.assign(this.machine.plugins, {
      cluster: new Map([['shared', shared.plugin]]),
      switchover: new Map([['note', this.#step()]]),
    });
  }

  #step() {
    const act = (step: string, what: 'do' | 'undo'): { ok: boolean; detail: string } => {
      this.acts.push(`${what} ${step}`);
      if (this.broken.has(`${what} ${step}`)) return { ok: false, detail: `${what} is broken` };
      if (what === 'do') this.placed.add(step);
      else this.placed.delete(step);
      return { ok: true, detail: what };
    };
    return defineStep({
      about: 'Notes where it is in place.',
      options: z.strictObject({}),
      example: {},
      scope: 'node',
      probe: async ({ step }) => ({ state: this.placed.has(step) ? 'done' : 'undone', detail: '' }),
      do: async ({ step }) => {
        if (this.slowMs > 0) await this.machine.clock.sleep(this.slowMs);
        return act(step, 'do');
      },
      undo: async ({ step }) => act(step, 'undo'),
      hold: async () => ({ ok: true, detail: 'held' }),
    });
  }

  config(): Config {
    const services = Object.fromEntries(this.#policy.services.map((name) => [name, {}]));
    const config = this.machine.config(services);
    const nodes = Object.fromEntries(
      this.#policy.nodes.map((name) => [name, { site: null, capacity: null, paths: [] }]),
    );
    const cluster = { timing: TIMING, nodes };
    const steps = this.#policy.steps.map(({ name, type }) => ({ name, type, options: {} }));
    return {
      ...config,
      node: this.name,
      policy: { ...config.policy, node: this.name, cluster, groups: { mail: this.#policy } },
      cluster: {
        ...{ name: 'test', engine: 'shared', options: {}, policy: cluster, words: {}, member: null },
        peers: { port: 9468, everyMs: 1000, timeoutMs: 1000, tls: null },
      },
      groups: {
        mail: { name: 'mail', policy: this.#policy, steps, sources: [], switchbackHours: null, drillAt: null },
      },
    };
  }

  async boot(): Promise<void> {
    const { ports, plugins } = this.machine;
    const rest = { recorder: null, version: '0', configuration: 'test', pid: 1 };
    const instance = `${this.name}-${++this.#lives}`;
    this.daemon = new Daemon(this.config(), { ports, plugins, store: this.disk, instance, ...rest });
    await this.daemon.start();
  }

  get role(): string {
    return this.daemon?.loop.node.groups?.['mail']?.role ?? 'off';
  }

  get why(): string {
    return this.daemon?.loop.node.groups?.['mail']?.why.text ?? '';
  }
}

export interface World {
  readonly clock: VirtualClock;
  readonly store: SharedStore;
  readonly nodes: Readonly<Record<string, Node>>;
  node(name: string): Node;
}

export function world(policy: GroupPolicy = groupPolicy()): World {
  const clock = new VirtualClock();
  const store = new SharedStore(clock);
  const nodes = Object.fromEntries(policy.nodes.map((name) => [name, new Node(name, clock, store, policy)]));
  const node = (name: string): Node => {
    const found = nodes[name];
    if (!found) throw new Error(`no node ${name}`);
    return found;
  };
  return { clock, store, nodes, node };
}
