// A simulated cluster: two or three machines with their daemons, the coordinator, the network, DNS and an
// administrator; and what goes wrong. cluster-properties.ts looks on.
import type { GroupPolicy, ReplicationFacts, StepPolicy, Timing } from '../../src/core/group-types.ts';
import { emptyNode } from '../../src/core/decide.ts';
import type { OwnEffect, OwnEvent, Ownership } from '../../src/core/ownership.ts';
import type { Decision, Event, NodeState, Policy } from '../../src/core/types.ts';
import { policy as makePolicy, servicePolicy } from '../support/policies.ts';
import { type Random, random } from '../support/random.ts';
import { Daemon } from './cluster-daemon.ts';
import { Machine } from './cluster-machine.ts';
import { Queue } from './cluster-queue.ts';
import { Network, Store } from './cluster-store.ts';

export interface Truth {
  maintenance: boolean;
  unready: boolean;
  health: 'ok' | 'degraded' | 'unknown' | 'failing';
  replication: ReplicationFacts | null;
}

/** Looks on at everything. */
export interface Watcher {
  decided(daemon: Daemon, before: NodeState, event: Event, decision: Decision): void;
  owned(
    daemon: Daemon,
    group: string,
    move: {
      readonly before: Ownership;
      readonly after: Ownership;
      readonly kind: OwnEvent['kind'];
      readonly effects: readonly OwnEffect[];
    },
  ): void;
  changed(what: string, name: string, group: string): void;
  dns(group: string, node: string, epoch: number): void;
  note(text: string): void;
}

const step = (name: string, patch: Partial<StepPolicy> = {}): StepPolicy => ({
  ...{ name, type: name, scope: 'node', pivot: false, exclusive: true, prepares: false, timeoutMs: 1500, tries: 2 },
  ...patch,
});

export class Cluster {
  readonly seed: number;
  readonly random: Random;
  readonly queue = new Queue();
  readonly net: Network;
  readonly store: Store;
  readonly names: readonly string[];
  readonly groups: readonly string[];
  readonly timing: Timing;
  readonly lifeMs: number;
  readonly machines = new Map<string, Machine>();
  readonly daemons = new Map<string, Daemon>();
  readonly dns = new Map<string, string>();
  readonly truths = new Map<string, Truth>();
  readonly policies: Readonly<Record<string, GroupPolicy>>;
  readonly watched: boolean;
  readonly #watch: Watcher;
  readonly #saved = new Map<string, NodeState>();
  readonly slowDisk = new Set<string>();
  readonly failing = new Set<string>();
  /** Which failovers somebody took note of. */
  readonly acked = new Map<string, number>();
  #lives = 0;
  quiet = false;
  steps = 0;
  requests = 0;

  constructor(seed: number, watch: Watcher) {
    this.seed = seed;
    this.#watch = watch;
    const r = random(seed);
    this.random = r;
    this.net = new Network(this.queue, r);
    this.store = new Store(this.net);
    this.names = r.chance(0.5) ? ['n1', 'n2'] : ['n1', 'n2', 'n3'];
    this.groups = r.chance(0.8) ? ['mail'] : ['mail', 'list'];
    this.lifeMs = r.pick([1000, 2000]);
    this.timing = { silenceMs: 3000, renewMs: r.pick([400, 700]), marginMs: 300, failsafeMs: 1000 };
    this.watched = r.chance(0.4);
    this.policies = Object.fromEntries(this.groups.map((name) => [name, this.#makeGroup(name)]));
    for (const name of this.names) this.machines.set(name, new Machine(name, this.groups, this.queue, r));
    for (const name of this.names)
      for (const group of this.groups) {
        const copies = (this.policies[group]?.sources.length ?? 0) > 0;
        const replication = copies ? this.copy('healthy', 0) : null;
        this.truths.set(`${name}/${group}`, { maintenance: false, unready: false, health: 'ok', replication });
      }
  }

  copy(state: ReplicationFacts['state'], lagMs: number | null): ReplicationFacts {
    return { state, queue: lagMs === null ? null : Math.ceil(lagMs / 100), lagMs, detail: 'simulated' };
  }

  #makeGroup(name: string): GroupPolicy {
    const { random: r } = this;
    const standby = r.chance(0.6) ? 'stopped' : 'running';
    const steps: StepPolicy[] = [];
    if (r.chance(0.2)) steps.push(step('fence', { exclusive: false, tries: 3 }));
    if (standby === 'stopped') steps.push(step('service', { prepares: r.chance(0.4) }));
    steps.push(step('address', { pivot: true }));
    if (r.chance(0.5)) steps.push(step('dns', { scope: 'shared', exclusive: false }));
    return {
      ...{ services: this.watched && standby === 'stopped' ? [`mail-${name}`] : [], standby },
      nodes: r.chance(0.5) ? this.names : [...this.names].reverse(),
      weight: 1,
      failover: {
        mode: r.pick(['automatic', 'automatic', 'automatic', 'confirm', 'manual']),
        afterMs: r.pick([0, 0, 5000]),
        confirmMs: 4000,
        otherwise: r.pick(['move', 'stay']),
      },
      switchback: { mode: r.pick(['manual', 'manual', 'automatic']), dwellMs: 8000 },
      blockMs: 15_000,
      gate: r.pick([{ kind: 'none' }, { kind: 'lossless' }, { kind: 'within', units: 5 }, { kind: 'rpo', ms: 2000 }]),
      steps,
      sources: r.chance(0.4) ? ['copy'] : [],
      objectives: { rtoMs: null, rpoMs: null },
      factsMs: 2500,
    };
  }

  policyOf(name: string): Policy {
    const names = Object.values(this.policies).flatMap(({ services }) => services);
    const nodes = Object.fromEntries(
      this.names.map((one) => [
        one,
        {
          site: this.seed % 4 === 0 && one === 'n3' ? 'far' : 'home',
          capacity: this.seed % 5 === 0 ? 1 : null,
          paths: [],
        },
      ]),
    );
    return makePolicy(Object.fromEntries(names.map((one) => [one, servicePolicy({ stableMs: 5000 })])), {
      node: name,
      observe: this.seed % 37 === 0 && name === 'n2',
      cluster: { timing: this.timing, nodes },
      groups: this.policies,
    });
  }

  truthOf(name: string, group: string): Truth {
    const truth = this.truths.get(`${name}/${group}`);
    if (!truth) throw new Error(`no truth of ${name}/${group}`);
    return truth;
  }

  machine(name: string): Machine {
    const machine = this.machines.get(name);
    if (!machine) throw new Error(`no machine ${name}`);
    return machine;
  }

  // ------------------------------------------------------------------------------------------------ for daemons

  decided(daemon: Daemon, before: NodeState, event: Event, decision: Decision): void {
    this.steps++;
    this.#watch.decided(daemon, before, event, decision);
  }

  owned(
    daemon: Daemon,
    group: string,
    before: Ownership,
    after: Ownership,
    kind: OwnEvent['kind'],
    effects: readonly OwnEffect[],
  ): void {
    this.steps++;
    this.#watch.owned(daemon, group, { before, after, kind, effects });
  }

  changed(what: string, name: string, group: string): void {
    this.#watch.changed(what, name, group);
  }

  note(text: string): void {
    this.#watch.note(text);
  }

  diskMs(name: string): number {
    return this.slowDisk.has(name) ? this.random.int(2500) : this.random.next() * 3;
  }

  fails(name: string): boolean {
    return !this.quiet && (this.failing.has(name) ? this.random.chance(0.8) : this.random.chance(0.01));
  }

  flush(daemon: Daemon, group: string): boolean {
    if (this.fails(daemon.machine.name)) return false;
    for (const name of this.names) {
      const truth = this.truthOf(name, group);
      if (truth.replication?.state === 'healthy') truth.replication = this.copy('healthy', 0);
    }
    return true;
  }

  repaired(daemon: Daemon, service: string, epoch: number): void {
    const group = service.replace('mail-', '');
    daemon.later(100, () => {
      daemon.machine.place(group).service = true;
      this.changed('repair', daemon.machine.name, group);
      daemon.feed({ kind: 'repaired', service, epoch, result: { ok: true, did: 'done', detail: 'started' } });
    });
  }

  /** A question over a comm path, and its answer. */
  call<T>(from: Daemon, to: string, ask: (peer: Daemon) => T, answer: (said: T) => void): void {
    const name = from.machine.name;
    this.net.send(name, to, () =>
      this.machine(to).process(() => {
        const peer = this.daemons.get(to);
        if (!peer?.alive) return;
        const said = ask(peer);
        this.net.send(to, name, () => from.machine.process(() => void (from.alive && answer(said))));
      }),
    );
  }

  updateDns(group: string, old: string, value: string, epoch: number): boolean {
    if ((this.dns.get(group) ?? '') !== old) return false;
    this.dns.set(group, value);
    this.#watch.dns(group, value, epoch);
    return true;
  }

  // ------------------------------------------------------------------------------------------------ lives and deaths

  boot(name: string): void {
    const machine = this.machine(name);
    if (!machine.on || this.daemons.get(name)?.alive) return;
    const life = ++this.#lives;
    machine.stopped = false;
    machine.awayAt = this.queue.now;
    this.note(`${name}: daemon starts`);
    this.daemons.set(name, new Daemon(this, machine, this.#saved.get(name) ?? emptyNode, life));
  }

  /** A daemon that stood still notices it by its own clock. */
  stalled(name: string): void {
    const daemon = this.daemons.get(name);
    if (daemon?.alive) daemon.machine.process(() => daemon.feed({ kind: 'stalled', ms: 3000 }));
  }

  kill(name: string): void {
    const daemon = this.daemons.get(name);
    if (!daemon?.alive) return;
    daemon.die();
    this.#saved.set(name, JSON.parse(JSON.stringify(daemon.saved)) as NodeState);
    this.note(`${name}: daemon dies`);
  }

  powerOff(name: string): void {
    this.kill(name);
    this.machine(name).powerOff();
    this.note(`${name}: power off`);
    this.queue.after(2000 + this.random.int(8000), () => this.powerOn(name));
  }

  powerOn(name: string): void {
    const machine = this.machine(name);
    if (machine.on) return;
    machine.on = true;
    this.note(`${name}: power on`);
    this.boot(name);
  }

  start(): void {
    for (const name of this.names) this.queue.after(this.random.int(2000), () => this.boot(name));
    const nudge = (): void => {
      this.store.nudge();
      this.queue.after(400, nudge);
    };
    nudge();
  }
}
