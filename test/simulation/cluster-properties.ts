// What must hold of a cluster after every step, seen from above: true time, all machines, the store. The numbers are
// those of the invariants in docs/simulation.md.
import * as assert from 'uvu/assert';
import { decide } from '../../src/core/decide.ts';
import type { GroupEvent } from '../../src/core/group-events.ts';
import type { OwnerRecord } from '../../src/core/group-types.ts';
import { type OwnEffect, type OwnEvent, type Ownership, untilOf } from '../../src/core/ownership.ts';
import type { Decision, Event, NodeState, Why } from '../../src/core/types.ts';
import type { Daemon } from './cluster-daemon.ts';
import { heals } from './cluster-ends.ts';
import { LATE_MS, type Machine } from './cluster-machine.ts';
import { trouble } from './cluster-mischief.ts';
import { checkTake, type Surveyed } from './cluster-oracle.ts';
import { Cluster, type Watcher } from './cluster-world.ts';

export class ClusterProperties implements Watcher {
  readonly #trace: string[] | null;
  cluster!: Cluster;
  /** The newest epoch that took each group, and the newest that wrote its shared value. */
  readonly #epochs = new Map<string, number>();
  readonly #dns = new Map<string, number>();
  /** When the newest failover of each group was, and its epoch. */
  readonly failovers = new Map<string, { readonly epoch: number; readonly at: number }>();
  /** When its owner's record was last written. */
  readonly written = new Map<string, { readonly at: number; readonly record: OwnerRecord | null }>();
  readonly edges = new Set<string>();
  /** Who answered whoever took it last, when it decided to. */
  readonly #answering = new Map<string, readonly string[]>();

  constructor(trace: string[] | null = null) {
    this.#trace = trace;
  }

  note(text: string): void {
    this.#say('', text);
  }

  #say(who: string, text: string): void {
    this.#trace?.push(`${(this.cluster.queue.now / 1000).toFixed(3).padStart(9)} ${who.padEnd(3)} ${text}`);
  }

  // ------------------------------------------------------------------------------------------------ the right

  owned(
    daemon: Daemon,
    group: string,
    move: {
      readonly before: Ownership;
      readonly after: Ownership;
      readonly kind: OwnEvent['kind'];
      readonly effects: readonly OwnEffect[];
    },
  ): void {
    const { cluster } = this;
    const { after, effects, kind } = move;
    const { name, clock } = daemon.machine;
    const { timing } = cluster;
    for (const effect of effects) {
      if (this.#trace && effect.kind !== 'write' && effect.kind !== 'renewed')
        this.#say(name, `own ${group} ${kind} -> ${told(effect)}`);
      if (effect.kind === 'took') this.#took(daemon, group, effect);
      if (effect.kind === 'write')
        assert.ok(effect.record.write > move.before.writes, 'every try has a number of its own');
    }
    if (after.hold)
      assert.ok(clock < untilOf(timing, after) - timing.marginMs, 'I-2: nobody holds on beyond T less its margin');
  }

  #took(daemon: Daemon, group: string, { epoch, taken }: Extract<OwnEffect, { kind: 'took' }>): void {
    const { cluster } = this;
    assert.ok(epoch > (this.#epochs.get(group) ?? 0), 'I-4: epochs grow strictly');
    this.#epochs.set(group, epoch);
    if (taken === 'failover') this.failovers.set(group, { epoch, at: cluster.queue.now });
    for (const other of cluster.daemons.values()) {
      if (other === daemon || !other.alive) continue;
      // Everything was taken back there before it wrote so; it has not heard yet that it is written.
      const writing = other.right(group).writing;
      if (writing?.kind === 'release' && writing.record.state === 'released') continue;
      const left = other.until(group) - other.machine.clock;
      assert.ok(
        left <= 0,
        `I-3: ${daemon.machine.name} takes it, and ${other.machine.name} has ${left.toFixed(0)} ms left`,
      );
    }
  }

  // ------------------------------------------------------------------------------------------------ decisions

  decided(daemon: Daemon, before: NodeState, event: Event, decision: Decision): void {
    const [after, effects, whys] = decision;
    const { name } = daemon.machine;
    if (this.#trace && 'group' in event)
      this.#say(name, `${event.kind} ${brief(event)} -> ${whys.map(reasonOf).join(' | ')}`);
    for (const effect of effects) if (effect.kind === 'repair') this.#repair(daemon, effect.service);
    if (!('group' in event)) return;
    const was = before.groups?.[event.group];
    const is = after.groups?.[event.group];
    if (!was || !is) return;
    if (was.role !== is.role) this.edges.add(`${was.role} --> ${is.role}: ${event.kind}`);
    if ('turn' in event && event.turn !== was.turn && event.kind !== 'group-took')
      assert.ok(is === was, `an answer of an older turn changes nothing: ${event.kind}`);
    assert.ok(is.turn >= was.turn, 'turns never go back');
    for (const effect of effects) {
      if (effect.kind !== 'notice' || effect.notice.event !== 'group-unowned' || effect.notice.kind !== 'clear')
        continue;
      const still = is.role === 'standby' && is.vacantSince !== null && was.speaks && event.kind !== 'group-surveyed';
      assert.not(still, 'I-21: an alarm does not end while nothing has changed');
    }
    if (is.role !== was.role) assert.ok(whys.length > 0, 'I-18: a change of role has a reason');
    for (const effect of effects) {
      if (effect.kind === 'group-act') assert.is(effect.turn, is.turn, 'an act belongs to the turn');
      if (effect.kind === 'group-take' || effect.kind === 'group-release' || effect.kind === 'group-act')
        assert.ok(whys.length > 0, `I-18: ${effect.kind} has a reason`);
      if (effect.kind === 'group-take' && event.kind === 'group-surveyed') this.#take(daemon, was, event);
    }
    const { random, steps } = this.cluster;
    if (steps % 40 === 0 && random) this.#again(daemon, after, event, decision, before);
  }

  /** I-26, I-27: the same input is the same decision; an answer that comes twice acts once. */
  #again(daemon: Daemon, after: NodeState, event: Event & GroupEvent, decision: Decision, before: NodeState): void {
    const copy = JSON.parse(JSON.stringify(before)) as NodeState;
    const again = decide(daemon.policy, copy, event);
    assert.is(JSON.stringify(again), JSON.stringify(decision), 'I-26: the same input, the same decision');
    const [, twice] = decide(daemon.policy, after, event);
    const acts = twice.filter(({ kind }) => kind === 'group-act' || kind === 'group-take');
    // Tried again at once, the same act is under way once more: its answers are told apart by the shell alone.
    const acting = after.groups?.[event.group]?.saga?.acting;
    const anew = event.kind === 'group-step' && acting?.step === event.step && acting.act === event.act;
    if ((event.kind === 'group-step' && !anew) || event.kind === 'group-surveyed')
      assert.equal(acts, [], `I-27: ${event.kind} twice acts once`);
  }

  #take(daemon: Daemon, was: NonNullable<NodeState['groups']>[string], event: Surveyed): void {
    const { group } = event;
    this.#answering.set(group, event.survey.answering);
    checkTake({ cluster: this.cluster, properties: this, daemon, was, event });
  }

  #repair(daemon: Daemon, service: string): void {
    const group = this.cluster.groups.find((one) => daemon.policy.groups?.[one]?.services.includes(service)) ?? '';
    const state = daemon.node.groups?.[group];
    assert.ok(state?.role === 'active', `a service of a group is repaired where it is active only, not ${state?.role}`);
  }

  // ------------------------------------------------------------------------------------------------ what is true

  changed(what: string, name: string, group: string): void {
    const { cluster } = this;
    this.#say(name, `${what} ${group}`);
    const machines = [...cluster.machines.values()];
    const answer = machines.filter((one) => one.answers(group) && !this.#thawed(one));
    assert.ok(answer.length <= 1, `I-1: ${answer.map((one) => one.name).join(' and ')} answer for ${group}`);
    if ((what !== 'start' && what !== 'repair') || this.#thawed(cluster.machine(name))) return;
    if (!cluster.policies[group]?.steps.some((step) => step.name === 'service')) return;
    const run = machines.filter((one) => one.runs(group) && (one.name === name || !this.#helpless(one, group)));
    assert.ok(run.length <= 1, `I-1, I-14: ${group} runs on ${run.map((one) => one.name).join(' and ')}`);
  }

  /** A command (to add the address, to start the service) that was under way when the node froze is done when it
   *  thaws; the address then lives its whole relative life, even if the daemon that would take it away stands still for
   *  longer. No relative end helps against that (failover-floor, "in-flight hole"). */
  #thawed(machine: Machine): boolean {
    return this.cluster.queue.now < machine.thawedAt + this.cluster.lifeMs + LATE_MS + 20;
  }

  /** Physics forbids it: whoever should stop it there is dead or stands still, or has just begun to live again; or
   *  it does not die of SIGKILL and nobody could ask that node. */
  #helpless(machine: Machine, group: string): boolean {
    const daemon = this.cluster.daemons.get(machine.name);
    if (!daemon?.alive || machine.stopped || machine.frozen) return true;
    if (this.cluster.queue.now < machine.awayAt + 3000) return true;
    const hung = this.cluster.queue.now < machine.place(group).hungAt + 60_000;
    return hung && !this.#answering.get(group)?.includes(machine.name);
  }

  dns(group: string, node: string, epoch: number): void {
    this.#say('dns', `${group} = ${node} under ${epoch}`);
    assert.ok(epoch >= (this.#dns.get(group) ?? 0), 'what is shared is never overwritten under an older epoch');
    this.#dns.set(group, epoch);
  }
}

function told(effect: OwnEffect): string {
  const { kind, ...rest } = effect;
  const text = JSON.stringify(rest, (key, value: unknown) =>
    ['schema', 'boot', 'write'].includes(key) ? undefined : value,
  );
  return `${kind} ${text.slice(0, 260)}`;
}

const reasonOf = ({ rule, text, refused = [] }: Why): string =>
  `${rule}: ${text}${refused.length === 0 ? '' : ` (${refused.map((one) => `${one.what}: ${one.text}`).join(', ')})`}`;

function brief(event: GroupEvent): string {
  const { kind: _kind, at: _at, group: _group, ...rest } = event;
  return JSON.stringify(rest).slice(0, event.kind === 'group-surveyed' ? 900 : 200);
}

export interface ClusterRun {
  readonly steps: number;
  readonly edges: ReadonlySet<string>;
}

/** One run: trouble, then peace. Throws what did not hold, with the seed. */
export function simulateCluster(seed: number, trace: string[] | null = null): ClusterRun {
  const properties = new ClusterProperties(trace);
  const cluster = new Cluster(seed, properties);
  properties.cluster = cluster;
  cluster.store.onWrite = ({ key, value }) => {
    const [kind, group = ''] = key.split('/');
    if (kind !== 'owner') return;
    const record = value as OwnerRecord | null;
    properties.written.set(group, { at: cluster.queue.now, record });
  };
  try {
    cluster.start();
    const calm = cluster.random.chance(0.7);
    if (calm) cluster.queue.runUntil(9000);
    trouble(cluster, 12_000 + cluster.random.int(15_000), 1 + cluster.random.int(9));
    heals(cluster);
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`cluster seed ${seed}, ${(cluster.queue.now / 1000).toFixed(3)} s: ${message}`, { cause: error });
  }
  return { steps: cluster.steps, edges: properties.edges };
}
