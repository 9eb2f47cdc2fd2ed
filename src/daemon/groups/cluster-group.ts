// One group on this node: its guard, its steps, its alarm clock, and what is told of it. What the guard says becomes
// events; what was decided about the group is performed here.
import type { GroupFacts } from '../../core/facts.ts';
import type { GroupEffect } from '../../core/group-events.ts';
import type { Candidate, ReplicationFacts } from '../../core/group-types.ts';
import type { ClusterConfig, GroupConfig } from '../../config/types.ts';
import type { ActionResult, Coordination, StepServices } from '../../define.ts';
import type { Ports } from '../../ports/ports.ts';
import type { Plugins } from '../../registry.ts';
import { GroupSteps } from './group-steps.ts';
import { Guard, type GuardWord } from './guard.ts';
import type { Loop } from '../loop.ts';

export interface ClusterGroupDoors {
  readonly ports: Ports;
  readonly loop: Loop;
  readonly coordination: Coordination;
  readonly node: string;
  readonly instance: string;
  readonly cluster: ClusterConfig;
  readonly services: StepServices;
  readonly stateDir: string;
  plugins(): Plugins;
  askAll(group: string, epoch: number, signal: AbortSignal): Promise<boolean>;
  flush(group: string, to: string | null, signal: AbortSignal): Promise<ActionResult>;
  /** Nothing is copied to this node from the one that had it before. */
  copied(group: string): Promise<void>;
  trouble(of: string, detail: string | null): void;
  /** Something changed that others wait to see. */
  soon(): void;
}

export interface OwnWord {
  readonly health: Candidate['health'];
  readonly replication: ReplicationFacts | null;
  readonly proofs: NonNullable<GroupFacts['proofs']>;
  readonly still: string | null;
}

type Own = Exclude<GroupEffect, { kind: 'group-survey' | 'group-answer' }>;

export class ClusterGroup {
  readonly #doors: ClusterGroupDoors;
  readonly #name: string;
  #config: GroupConfig;
  readonly guard: Guard;
  readonly #steps: GroupSteps;
  /** The turn of the newest wish to take it. */
  #turn = -1;
  #unready: readonly string[] = ['not asked yet'];
  #progress = '';
  #cancel: () => void = () => undefined;

  constructor(config: GroupConfig, doors: ClusterGroupDoors) {
    const { ports, coordination, node, instance, cluster, services, stateDir } = doors;
    const { name } = config;
    this.#doors = doors;
    this.#name = name;
    this.#config = config;
    this.guard = new Guard(name, cluster.policy.timing, {
      ...{ clock: ports.clock, coordination, node, instance, boot: ports.proc.bootId() },
      on: (word) => this.#guarded(word),
      askAll: (epoch, signal) => doors.askAll(name, epoch, signal),
      trouble: (detail) => doors.trouble(name, detail),
    });
    this.#steps = new GroupSteps(config, config.policy, {
      ...{ ports, node, words: cluster.words, stateDir, services },
      plugin: (type) => doors.plugins().switchover.get(type),
      untilMs: (epoch) => (this.guard.epoch === epoch ? this.guard.untilMs() : Number.NEGATIVE_INFINITY),
      flush: (to, signal) => doors.flush(name, to, signal),
      copied: () => doors.copied(name),
      done: ({ turn, step, act }, { ok, detail }) => {
        doors.loop.push({ kind: 'group-step', group: name, turn, step, act, ok, detail });
      },
      progress: (text) => {
        this.#progress = text;
        doors.soon();
      },
    });
  }

  configure(config: GroupConfig): void {
    this.#config = config;
    this.#steps.configure(config, config.policy);
  }

  #guarded(word: GuardWord): void {
    const { loop } = this.#doors;
    const group = this.#name;
    switch (word.kind) {
      case 'renewed':
        this.#steps.hold();
        return;
      case 'lost':
        // Before anything is written down: what must not be in place twice goes now.
        void this.#steps.emergency(word.epoch);
        loop.push({ kind: 'group-lost', group, epoch: word.epoch, reason: word.reason });
        return;
      case 'took': {
        const { epoch, taken, before } = word;
        loop.push({ kind: 'group-took', group, turn: this.#turn, epoch, taken, before });
        return;
      }
      case 'beaten':
        loop.push({ kind: 'group-beaten', group, turn: this.#turn });
        return;
      case 'released':
        loop.push({ kind: 'group-released', group, epoch: word.epoch });
        return;
      case 'vacant':
        loop.push({ kind: 'group-vacant', group, silentMs: word.silentMs, ...(word.own ? { own: true } : {}) });
        return;
      case 'owner':
        loop.push({ kind: 'group-owner', group, record: word.record });
    }
  }

  perform(effect: Own): void {
    switch (effect.kind) {
      case 'group-take':
        this.#turn = effect.turn;
        this.guard.take({ kind: 'take', failed: effect.failed });
        return;
      case 'group-release': {
        const { state, to, failed, reason } = effect;
        this.guard.take({ kind: 'release', state, to, failed, reason });
        return;
      }
      case 'group-act':
        this.#progress = '';
        void this.#steps.act(effect);
        this.#doors.soon();
        return;
      case 'group-active':
        this.guard.take({ kind: 'active' });
        this.#doors.soon();
        return;
      case 'group-wake':
        this.#wake(effect);
    }
  }

  #wake({ group, at, turn }: Extract<GroupEffect, { kind: 'group-wake' }>): void {
    const { ports, loop } = this.#doors;
    this.#cancel();
    const delay = Math.min(Math.max(0, at - loop.now()), 86_400_000);
    this.#cancel = ports.clock.after(delay, () => loop.push({ kind: 'group-woke', group, turn }));
  }

  async askReady(): Promise<void> {
    this.#unready = await this.#steps.ready(this.guard.owner?.node ?? null);
  }

  /** Names the try to give it up that is under way; null: there is none, or no time for it. */
  get leaving(): string | null {
    const state = this.#doors.loop.node.groups?.[this.#name];
    const saga = state?.saga;
    return saga?.kind === 'down' && !saga.force ? `${saga.epoch}.${Math.round(saga.startedAt)}` : null;
  }

  facts({ health, replication, proofs, still }: OwnWord): GroupFacts | null {
    const { loop, ports } = this.#doors;
    const state = loop.node.groups?.[this.#name];
    if (!state) return null;
    const now = loop.now();
    const strict = loop.node.strict === null ? [] : [`its journal is not safe: ${loop.node.strict}`];
    const { saga } = state;
    return {
      ...{ role: state.role, epoch: state.epoch, why: state.why.text, dirty: state.dirty, health, replication, proofs },
      ...{ leaving: this.leaving, still },
      since: new Date(ports.clock.wall() - (now - state.since)).toISOString(),
      settled: this.guard.settled && loop.node.round.length === 0,
      unready: [...this.#unready, ...strict],
      dataEpoch: state.dataEpoch,
      failedMsAgo: state.failedAt === null ? null : Math.max(0, Math.round(now - state.failedAt)),
      weight: this.#config.policy.weight,
      saga: saga && {
        ...{ kind: saga.kind, direction: saga.direction, from: saga.from, to: saga.to, steps: saga.steps },
        ...{ acting: saga.acting, fault: saga.fault },
      },
      // What an act said of itself is over with it.
      ...{
        progress: saga?.acting ? this.#progress : '',
        ask: state.ask !== null && state.ask.said === null,
        last: state.last,
      },
    };
  }

  /** It leaves the configuration, or the daemon ends. What ends by itself with the right may stay for a daemon that
   *  comes back in time; everything else is taken back, and the group is given to others. */
  async leave(always: boolean): Promise<void> {
    const { epoch } = this.guard;
    if (epoch === null || (this.#steps.endsByItself && !always)) return;
    await this.#steps.emergency(epoch);
    this.guard.take({ kind: 'release', state: 'released', to: null, failed: [], reason: 'planned' });
    await this.#doors.ports.clock.sleep(RELEASE_MS).catch(() => undefined);
  }

  close(): void {
    this.#cancel();
    this.guard.close();
    this.#steps.close();
  }
}

/** The record of the release has so long to reach the coordinator. */
const RELEASE_MS = 300;
