// Groups as a part of the node: hands an event to the machine of its group and takes what comes of it, services told
// included; which alarms the state of a group calls for.
import type { EventName } from './catalogue.ts';
import type { GroupEvent } from './group-events.ts';
import type { ClusterPolicy, GroupPolicy, GroupState } from './group-types.ts';
import { type GroupWork, newGroup } from './group-work.ts';
import { bootGroup, decideGroup } from './role.ts';
import { troubleOf } from './saga.ts';
import type { NodeState, Policy } from './types.ts';
import { move, tell, type Work } from './work.ts';

const ALONE: ClusterPolicy = { timing: { silenceMs: 3000, renewMs: 200, marginMs: 300, failsafeMs: 1000 }, nodes: {} };

function workOn(work: Work, name: string, policy: GroupPolicy): GroupWork {
  const { node, policy: rules, at } = work;
  return {
    ...{ name, node: rules.node, at, policy, cluster: rules.cluster ?? ALONE },
    hands: node.tilt ? 'tilt' : rules.observe ? 'observe' : 'free',
    state: node.groups?.[name] ?? newGroup(at),
    ...{ effects: [], whys: [], once: [], services: null },
  };
}

function take(work: Work, g: GroupWork): void {
  const before = work.node.groups?.[g.name];
  if (g.state !== before) work.node = { ...work.node, groups: { ...work.node.groups, [g.name]: g.state } };
  work.effects.push(...g.effects);
  for (const { rule, text, refused } of g.whys)
    work.whys.push({ service: null, rule: `group-${rule}`, text, ...(refused ? { refused } : {}) });
  for (const one of g.once) tell(work, null, null, { ...one, key: `group/${g.name}` });
  if (!g.services) return;
  const { at } = work;
  for (const service of g.policy.services)
    move(
      work,
      service,
      g.services === 'acquired'
        ? { kind: 'acquired', at, service }
        : { kind: 'evicted', at, service, detail: `group ${g.name} is not active here`, keep: true },
    );
}

export function onGroup(work: Work, event: GroupEvent): void {
  const policy = work.policy.groups?.[event.group];
  if (!policy) return;
  const g = workOn(work, event.group, policy);
  decideGroup(g, event);
  take(work, g);
}

/** The daemon started: rights are not remembered, and what was begun is in doubt. */
export function bootGroups(work: Work): void {
  for (const [name, policy] of Object.entries(work.policy.groups ?? {})) {
    const g = workOn(work, name, policy);
    bootGroup(g);
    take(work, g);
  }
}

/** Groups that are new begin; those that are gone from the configuration end: the daemon gives their right back. */
export function configureGroups(work: Work, policy: Policy): void {
  const held = work.node.groups ?? {};
  const names = Object.keys(policy.groups ?? {});
  if (names.length === 0 && Object.keys(held).length === 0) return;
  const groups: Record<string, GroupState> = {};
  for (const name of names) groups[name] = held[name] ?? newGroup(work.at);
  work.node = { ...work.node, groups };
}

export interface WantedOfGroup {
  readonly key: string;
  readonly event: EventName;
  readonly summary: string;
}

/** The alarms that the state of groups calls for. */
export function wantedOfGroups(policy: Policy, node: NodeState): readonly WantedOfGroup[] {
  return Object.entries(node.groups ?? {}).flatMap(([name, state]) =>
    policy.groups?.[name] ? wantedOf(name, state, policy.node) : [],
  );
}

function wantedOf(name: string, s: GroupState, node: string): readonly WantedOfGroup[] {
  const wanted: WantedOfGroup[] = [];
  const add = (kind: string, event: EventName, text: string): void => {
    wanted.push({ key: `group/${name}/${node}/${kind}`, event, summary: `${name}: ${text}` });
  };
  const trouble = s.saga ? troubleOf(s.saga) : null;
  if (s.role === 'blocked') add('blocked', 'group-blocked', `${trouble?.name ?? 'a step'}: ${trouble?.detail ?? ''}`);
  if (s.role === 'active' && trouble) add('step', 'group-step-failing', `${trouble.name}: ${trouble.detail}`);
  if (s.ask && s.ask.said === null) add('confirm', 'group-confirm', s.why.text);
  // Also while it is looked at again: an alarm that comes and goes every few seconds is told every few seconds.
  if (s.role === 'standby' && s.vacantSince !== null && s.speaks)
    add('unowned', 'group-unowned', `nobody has it in service: ${s.why.text}`);
  return wanted;
}
