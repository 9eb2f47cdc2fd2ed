// Drives the group of one node by hand: a story of what it hears and what it decides, on a virtual clock.
import { decide, emptyNode } from '../../src/core/decide.ts';
import type { GroupEffect, GroupEvent } from '../../src/core/group-events.ts';
import type { Candidate, GroupPolicy, GroupState, OwnerRecord } from '../../src/core/group-types.ts';
import type { Event, NodeState, Notice, Policy } from '../../src/core/types.ts';
import { groupPolicy } from './groups.ts';
import { policy } from './policies.ts';

type Without<T> = T extends unknown ? Omit<T, 'at' | 'group' | 'turn'> : never;

const timing = { silenceMs: 3000, renewMs: 200, marginMs: 300, failsafeMs: 1000 };
const nodes = Object.fromEntries(['n1', 'n2'].map((name) => [name, { site: null, capacity: null, paths: [] }]));

export const ownerRecord = (patch: Partial<OwnerRecord> = {}): OwnerRecord => ({
  ...{ schema: 1, node: 'n1', epoch: 5, instance: 'a', boot: 'a', taken: 'first', write: 1, state: 'held' },
  ...{ to: null, failed: [], data: { epoch: 5, node: 'n1' } },
  ...patch,
});

export const candidateOf = (node: string, patch: Partial<Candidate> = {}): Candidate => ({
  ...{ node, reachable: true, ageMs: node === 'n1' ? 100 : 0, maintenance: false, settled: true, unready: [] },
  ...{ health: 'ok', replication: null, dataEpoch: 0, load: 0, dirty: false, failedMsAgo: null },
  ...patch,
});

export class GroupDrive {
  now = 0;
  policy: Policy;
  node: NodeState = emptyNode;
  readonly lines: string[] = [];
  /** What is told, newest last. */
  readonly notices: Notice[] = [];

  constructor(patch: Partial<GroupPolicy> = {}, more: Partial<Policy> = {}) {
    const groups = { mail: groupPolicy(patch) };
    this.policy = policy({}, { node: 'n2', cluster: { timing, nodes }, groups, ...more });
    this.#feed({ kind: 'configured', at: 0, policy: this.policy });
    this.#feed({ kind: 'booted', at: 0, fresh: true });
  }

  get state(): GroupState {
    const state = this.node.groups?.['mail'];
    if (!state) throw new Error('no group');
    return state;
  }

  get alarms(): string[] {
    return Object.values(this.node.alarms).map(({ event }) => event);
  }

  #feed(event: Event): GroupEffect[] {
    const [node, effects, whys] = decide(this.policy, this.node, event);
    this.node = node;
    this.notices.push(...effects.flatMap((effect) => (effect.kind === 'notice' ? [effect.notice] : [])));
    const ours = effects.filter((effect): effect is GroupEffect => effect.kind.startsWith('group-'));
    const deeds = ours.map((effect) => {
      if (effect.kind === 'group-act') return `${effect.act} ${effect.step}${effect.force ? '!' : ''}`;
      if (effect.kind === 'group-wake') return `wake in ${effect.at - this.now} ms`;
      if (effect.kind === 'group-release') return `${effect.state} to ${effect.to ?? 'anybody'}`;
      return effect.kind.slice('group-'.length);
    });
    const said = whys.filter(({ rule }) => rule.startsWith('group-')).map(({ rule, text }) => `${rule}: ${text}`);
    this.lines.push(`${String(this.now).padStart(6)} ${event.kind}`, ...said.map((one) => `         ${one}`));
    if (deeds.length > 0) this.lines.push(`         -> ${deeds.join(', ')}`);
    return ours;
  }

  /** An event under the turn that is. */
  hear(event: Without<GroupEvent>): GroupEffect[] {
    return this.#feed({ turn: this.state.turn, ...event, at: this.now, group: 'mail' } as Event);
  }

  boot(): GroupEffect[] {
    return this.#feed({ kind: 'booted', at: this.now, fresh: false });
  }

  stall(): void {
    this.#feed({ kind: 'stalled', at: this.now, ms: 5000 });
  }

  surveyed(
    first: Partial<Candidate> = {},
    second: Partial<Candidate> = {},
    answering: readonly string[] = [],
  ): GroupEffect[] {
    const survey = { candidates: [candidateOf('n1', first), candidateOf('n2', second)], answering };
    return this.hear({ kind: 'group-surveyed', survey, hours: true });
  }

  /** The act that is under way ends. */
  done(ok = true, detail = ok ? 'done' : 'it failed'): GroupEffect[] {
    const { acting } = this.state.saga ?? {};
    if (!acting) throw new Error('nothing is under way');
    return this.hear({ kind: 'group-step', step: acting.step, act: acting.act, ok, detail });
  }

  /** Whoever has it falls silent, and this node is seen to be free of it. */
  silent(patch: Partial<OwnerRecord> = {}): this {
    this.hear({ kind: 'group-owner', record: ownerRecord(patch) });
    while (this.state.saga) this.done();
    this.now += 3000;
    this.hear({ kind: 'group-vacant', silentMs: 3000 });
    return this;
  }

  /** This node has it, under epoch 9, and everything is in place. */
  active(): this {
    this.silent();
    this.surveyed();
    this.hear({ kind: 'group-took', epoch: 9, taken: 'failover', before: ownerRecord() });
    this.hear({ kind: 'group-owner', record: ownerRecord({ node: 'n2', epoch: 9, taken: 'failover' }) });
    while (this.state.saga) this.done();
    return this;
  }

  ask(verb: 'switchover' | 'failover', to: string | null, by = 'op', id = 'r1'): GroupEffect[] {
    return this.hear({ kind: 'group-requested', request: { id, verb, to, by, force: [], comment: '' } });
  }
}
