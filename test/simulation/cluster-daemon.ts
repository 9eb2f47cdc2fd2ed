// The shell of one simulated daemon: one queue of events into the real `decide()`, the state on disk before anything is
// done, the real machine of ownership at once; and the talk with the coordinator and the other daemons.
import { decide } from '../../src/core/decide.ts';
import type { GroupEffect } from '../../src/core/group-events.ts';
import type { MoveRequest, OwnerRecord, Timing } from '../../src/core/group-types.ts';
import {
  newOwnership,
  nextAt,
  own,
  type OwnEffect,
  type OwnEvent,
  type Ownership,
  untilOf,
} from '../../src/core/ownership.ts';
import type { Effect, Event, NodeState, Policy } from '../../src/core/types.ts';
import type { Machine } from './cluster-machine.ts';
import { askAll, type Facts, factsOf, survey, type Told } from './cluster-others.ts';
import { Steps } from './cluster-steps.ts';
import type { Answer, Change } from './cluster-store.ts';
import type { Cluster } from './cluster-world.ts';

type Without<T> = T extends unknown ? Omit<T, 'at'> : never;

export const ownerKey = (group: string): string => `owner/${group}`;
export const requestKey = (group: string): string => `request/${group}`;

export class Daemon {
  readonly cluster: Cluster;
  readonly machine: Machine;
  readonly policy: Policy;
  readonly timing: Timing;
  readonly steps: Steps;
  readonly startedAt: number;
  alive = true;
  node: NodeState;
  /** What the disk holds. */
  saved: NodeState;
  readonly rights = new Map<string, Ownership>();
  readonly told = new Map<string, { readonly facts: Told; readonly at: number }>();
  readonly #inbox: ((at: number) => Event)[] = [];
  #busy = false;
  heard = false;
  readonly #tickAt = new Map<string, number>();
  readonly #writes = new Map<string, { write: number }>();
  readonly #takeTurn = new Map<string, number>();
  readonly #wakes = new Map<string, number>();
  readonly #requests = new Map<string, string>();

  constructor(cluster: Cluster, machine: Machine, saved: NodeState, life: number) {
    this.cluster = cluster;
    this.machine = machine;
    this.policy = cluster.policyOf(machine.name);
    this.timing = cluster.timing;
    this.node = saved;
    this.saved = saved;
    this.steps = new Steps(this);
    this.startedAt = machine.clock;
    for (const group of cluster.groups)
      this.rights.set(
        group,
        newOwnership(machine.name, `${machine.name}.${life}`, `${machine.name}/${machine.boot}`, machine.clock),
      );
    this.feed({ kind: 'configured', policy: this.policy });
    this.feed({ kind: 'booted', fresh: life === 1 });
    cluster.store.watch(
      machine,
      () => this.alive,
      (changes) => this.#hear(changes),
    );
    this.#beat();
  }

  get at(): number {
    return this.machine.clock;
  }

  later(ms: number, run: () => void): void {
    this.machine.after(ms, () => {
      if (this.alive) run();
    });
  }

  // ------------------------------------------------------------------------------------------------ the one queue

  feed(event: Without<Event>): void {
    this.#inbox.push((at) => ({ ...event, at }) as Event);
    this.#pump();
  }

  #pump(): void {
    while (!this.#busy && this.alive) {
      const make = this.#inbox.shift();
      if (!make) return;
      const event = make(this.at);
      const before = this.node;
      const decision = decide(this.policy, before, event);
      [this.node] = decision;
      this.cluster.decided(this, before, event, decision);
      if (this.node === before && decision[1].length === 0) continue;
      this.#busy = true;
      this.later(this.cluster.diskMs(this.machine.name), () => {
        this.saved = this.node;
        for (const effect of decision[1]) this.#perform(effect);
        this.#busy = false;
        this.#pump();
      });
    }
  }

  /** SIGKILL, or the power goes. What was being written is on the disk, or it is not. */
  die(): void {
    this.alive = false;
    if (this.#busy && this.cluster.random.chance(0.5)) this.saved = this.node;
    this.steps.orphan();
  }

  #perform(effect: Effect): void {
    if (effect.kind === 'check') {
      const { service, depth } = effect;
      return this.later(20, () => this.check(service, depth, effect.epoch));
    }
    if (effect.kind === 'wake') {
      const { service, epoch, at } = effect;
      return this.later(at - this.at, () => this.feed({ kind: 'woke', service, epoch }));
    }
    if (effect.kind === 'repair') return this.cluster.repaired(this, effect.service, effect.epoch);
    if ('group' in effect) this.#group(effect);
  }

  #group(effect: GroupEffect): void {
    const { group } = effect;
    switch (effect.kind) {
      case 'group-survey':
        return survey(this, group, effect.turn, effect.why);
      case 'group-take':
        this.#takeTurn.set(group, effect.turn);
        return this.own(group, { kind: 'take', failed: effect.failed });
      case 'group-release': {
        const { state, to, failed, reason } = effect;
        return this.own(group, { kind: 'release', state, to, failed, reason });
      }
      case 'group-act':
        return this.steps.act(effect);
      case 'group-active':
        return this.own(group, { kind: 'active' });
      case 'group-answer':
        return this.#answer(group, effect.id);
      case 'group-wake': {
        const number = (this.#wakes.get(group) ?? 0) + 1;
        this.#wakes.set(group, number);
        const { turn } = effect;
        this.later(effect.at - this.at, () => {
          if (this.#wakes.get(group) === number) this.feed({ kind: 'group-woke', group, turn });
        });
      }
    }
  }

  check(service: string, depth: 'quick' | 'deep', epoch: number): void {
    const group = service.replace('mail-', '');
    const running = this.machine.runs(group);
    const verdict = running
      ? ({ outcome: 'pass', detail: 'ok', check: depth } as const)
      : ({ outcome: 'fail', cause: 'dead', detail: 'dead', check: depth, conclusive: true } as const);
    this.feed({ kind: 'checked', service, depth, epoch, verdict });
  }

  // ------------------------------------------------------------------------------------------------ the right

  right(group: string): Ownership {
    const o = this.rights.get(group);
    if (!o) throw new Error(`no group ${group}`);
    return o;
  }

  until(group: string): number {
    return this.alive ? untilOf(this.timing, this.right(group)) : Number.NEGATIVE_INFINITY;
  }

  own(group: string, event: Without<OwnEvent>): void {
    const before = this.right(group);
    const [next, effects] = own(this.timing, before, { ...event, at: this.at } as OwnEvent);
    this.rights.set(group, next);
    this.cluster.owned(this, group, before, next, event.kind, effects);
    for (const effect of effects) this.#performOwn(group, effect);
    this.#arm(group);
  }

  #arm(group: string): void {
    const at = nextAt(this.timing, this.right(group));
    const armed = this.#tickAt.get(group) ?? Number.POSITIVE_INFINITY;
    if (at === Number.POSITIVE_INFINITY || armed <= at) return;
    this.#tickAt.set(group, at);
    this.later(at - this.at + 0.01, () => {
      if (this.#tickAt.get(group) !== at) return;
      this.#tickAt.delete(group);
      if (nextAt(this.timing, this.right(group)) <= this.at) this.own(group, { kind: 'tick' });
      else this.#arm(group);
    });
  }

  #performOwn(group: string, effect: OwnEffect): void {
    switch (effect.kind) {
      case 'write':
        return this.#write(group, effect.record, effect.expect);
      case 'abandon':
        this.#writes.delete(group);
        return;
      case 'ask':
        return askAll(this, group, effect.epoch);
      case 'answer':
        return this.#agree(group, effect.to, effect.agreed);
      case 'took': {
        const turn = this.#takeTurn.get(group) ?? 0;
        const { epoch, taken, before } = effect;
        return this.feed({ kind: 'group-took', group, turn, epoch, taken, before });
      }
      case 'beaten':
        return this.feed({ kind: 'group-beaten', group, turn: this.#takeTurn.get(group) ?? 0 });
      case 'renewed':
        return this.steps.hold(group);
      case 'released':
        return this.feed({ kind: 'group-released', group, epoch: effect.epoch });
      case 'lost':
        this.steps.undoAll(group);
        return this.feed({ kind: 'group-lost', group, epoch: effect.epoch, reason: effect.reason });
      case 'vacant':
        return this.feed({
          kind: 'group-vacant',
          group,
          silentMs: effect.silentMs,
          ...(effect.own ? { own: true } : {}),
        });
      case 'owner':
        return this.feed({ kind: 'group-owner', group, record: effect.record });
    }
  }

  /** Asked again every 0.2 s until somebody answers, it is of no use any more, or a second is over. */
  #write(group: string, record: OwnerRecord, expect: number): void {
    const { store } = this.cluster;
    const { write } = record;
    const mine = { write };
    this.#writes.set(group, mine);
    const open = (): boolean => this.alive && this.#writes.get(group) === mine;
    const answered = (answer: Answer): void => {
      if (!open()) return;
      this.#writes.delete(group);
      if (answer.ok) return this.own(group, { kind: 'written', write, revision: answer.revision });
      const { value, revision } = answer.now;
      const current = value === null ? null : { revision, record: recordOf(value, revision) };
      this.own(group, { kind: 'refused', write, current });
    };
    const ask = (left: number): void => {
      if (!open()) return;
      if (left === 0) {
        this.#writes.delete(group);
        return this.own(group, { kind: 'unanswered', write });
      }
      store.write(this.machine, ownerKey(group), record, expect, answered);
      this.later(200, () => ask(left - 1));
    };
    ask(5);
  }

  // ------------------------------------------------------------------------------------------------ what is heard

  #hear(changes: readonly Change[]): void {
    if (!this.alive) return;
    const first = !this.heard;
    this.heard = true;
    const { revision } = changes.at(-1) ?? { revision: 0 };
    for (const { key, value, revision: order } of changes) {
      const [kind, name = ''] = key.split('/');
      if (kind === 'owner')
        this.own(name, { kind: 'seen', order, record: value === null ? null : recordOf(value, order) });
      if (kind === 'facts' && value) this.told.set(name, { facts: value as Told, at: this.at });
      if (kind === 'request') this.#asked(name, value);
    }
    if (!first) return;
    for (const group of this.cluster.groups)
      if (!changes.some(({ key }) => key === ownerKey(group)))
        this.own(group, { kind: 'seen', order: revision, record: null });
  }

  #asked(group: string, value: object | null): void {
    const held = this.#requests.get(group);
    if (held !== undefined) this.feed({ kind: 'group-request-gone', group, id: held });
    this.#requests.delete(group);
    if (value === null) return;
    const request = value as MoveRequest;
    this.#requests.set(group, request.id);
    this.feed({ kind: 'group-requested', group, request });
  }

  #answer(group: string, id: string): void {
    const { store } = this.cluster;
    const now = store.get(requestKey(group));
    if (now.value !== null && (now.value as MoveRequest).id === id) {
      store.write(this.machine, requestKey(group), null, now.revision, () => {});
      // Until it is gone: whoever asked waits for it.
      this.later(1000, () => this.#answer(group, id));
    }
  }

  // ------------------------------------------------------------------------------------------------ the others

  facts(group: string): Facts {
    return factsOf(this, group);
  }

  #allFacts(): [string, Facts][] {
    return this.cluster.groups.map((group) => [group, this.facts(group)]);
  }

  #beat(): void {
    if (this.heard) this.cluster.store.publish(this.machine, `facts/${this.machine.name}`, this.#allFacts());
    for (const group of this.cluster.groups) this.#copied(group);
    for (const name of Object.keys(this.policy.services))
      this.check(name, 'deep', this.node.services[name]?.epoch ?? 0);
    this.later(1000, () => this.#beat());
  }

  /** The copy here was healthy, and nothing waited, under the owner's epoch. */
  #copied(group: string): void {
    const record = this.right(group).seen?.record;
    const copy = this.cluster.truthOf(this.machine.name, group).replication;
    const state = this.node.groups?.[group];
    if (!record?.data || record.node === this.machine.name || copy?.state !== 'healthy' || !state) return;
    if (record.state === 'held' && record.data.epoch > state.dataEpoch)
      this.feed({ kind: 'group-copied', group, epoch: record.data.epoch });
  }

  #agreed = false;

  promise(group: string, from: string, epoch: number): boolean {
    this.#agreed = false;
    this.own(group, { kind: 'promise-asked', from, epoch });
    return this.#agreed;
  }

  #agree(_group: string, _to: string, agreed: boolean): void {
    this.#agreed = agreed;
  }
}

/** As the shell reads it: the epoch of the write that takes it is its revision. */
function recordOf(value: object, revision: number): OwnerRecord {
  const record = value as OwnerRecord;
  return record.epoch === 0 ? { ...record, epoch: revision } : record;
}
