// One decision about one group under way: the state so far, what it gathered, and the small acts that role.ts and
// takeover.ts share: a change of role, an alarm clock, a step that is due, a word about it.
import type { EventName } from './catalogue.ts';
import type { Election } from './elect.ts';
import type { GroupEffect } from './group-events.ts';
import type { ClusterPolicy, GroupPolicy, GroupState, MoveReport, Role, Saga } from './group-types.ts';
import { acting, due, FLUSH } from './saga.ts';
import type { Notice } from './types.ts';

export interface GroupWork {
  readonly name: string;
  /** This node. */
  readonly node: string;
  readonly at: number;
  readonly policy: GroupPolicy;
  readonly cluster: ClusterPolicy;
  /** Nothing is taken or moved by itself: the observer doubts its eyes, or only looks on. */
  readonly hands: 'free' | 'tilt' | 'observe';
  state: GroupState;
  readonly effects: GroupEffect[];
  readonly whys: { rule: string; text: string; refused?: readonly { what: string; rule: string; text: string }[] }[];
  readonly once: { event: EventName; summary: string; action: string; move?: NonNullable<Notice['move']> }[];
  /** What its services are told: they are this node's again, or they are not any more. */
  services: 'acquired' | 'evicted' | null;
}

export const newGroup = (at: number): GroupState => ({
  ...{ role: 'standby', turn: 0, since: at, why: { rule: 'new', text: 'nothing is known yet' }, epoch: null },
  ...{ known: false, owner: null, vacantSince: null, saga: null, dirty: true, dataEpoch: 0, surveying: null },
  ...{ ask: null, request: null, block: null, acked: 0, failedAt: null, backSince: null, refused: [], speaks: false },
  ...{ loss: null, wakeAt: null, last: null },
});

export function set(g: GroupWork, change: Partial<GroupState>): void {
  g.state = { ...g.state, ...change };
}

export function because(g: GroupWork, rule: string, text: string, election?: Election): void {
  const refused = election?.refused.map((one) => ({ what: one.node, rule: one.rule, text: one.text }));
  g.whys.push({ rule, text: `${g.name}: ${text}`, ...(refused && refused.length > 0 ? { refused } : {}) });
  g.state = { ...g.state, why: { rule, text } };
}

/** Another role: every answer that was asked for before is void. */
export function become(g: GroupWork, role: Role, change: Partial<GroupState> = {}): void {
  const since = role === g.state.role ? g.state.since : g.at;
  set(g, { role, since, turn: g.state.turn + 1, surveying: null, wakeAt: null, ask: null, backSince: null, ...change });
}

/** Until then a daemon that began anew may leave in place what it found: it takes the group again, or others do, and
 *  without a right nothing of it stays. Where nobody ever had it there is nothing to be left. */
export function leftUntil(g: GroupWork): number {
  const { role, saga, dirty, known, owner, since } = g.state;
  if (role !== 'standby' || saga || !dirty || (known && owner === null)) return Number.POSITIVE_INFINITY;
  return since + g.cluster.timing.failsafeMs;
}

/** Its one alarm clock. */
export function wake(g: GroupWork, afterMs: number): void {
  const at = Math.max(g.at + 1, Math.min(g.at + Math.round(afterMs), Math.ceil(leftUntil(g))));
  set(g, { wakeAt: at });
  g.effects.push({ kind: 'group-wake', group: g.name, at, turn: g.state.turn });
}

export function survey(g: GroupWork, why: NonNullable<GroupState['surveying']>): void {
  if (g.state.surveying === why) return;
  set(g, { surveying: why });
  g.effects.push({ kind: 'group-survey', group: g.name, turn: g.state.turn, why });
}

/** A request that was withdrawn while the group was leaving because of it: nobody waits for its end. */
export const WITHDRAWN = '';

export function answer(g: GroupWork, ok: boolean, text: string): void {
  const { request } = g.state;
  if (!request) return;
  if (request.id !== WITHDRAWN) g.effects.push({ kind: 'group-answer', group: g.name, id: request.id, ok, text });
  // What a person was asked because of it is over with it.
  set(g, { request: null, ...(g.state.role === 'active' ? { ask: null } : {}) });
}

export function report(g: GroupWork, saga: Saga, ok: boolean, text: string): void {
  const { request, loss } = g.state;
  const last: MoveReport = {
    ...{ id: request?.id ?? `${g.name}-${saga.epoch}`, verb: request?.verb ?? 'takeover', at: g.at, ok, text },
    ...{ from: saga.from, to: saga.to, ms: Math.round(g.at - saga.startedAt), loss },
    steps: saga.steps.map(({ name, ms }) => ({ name, ms })),
  };
  set(g, { last });
}

/** The next step of a saga, if none is under way and none waits. True when the saga is at its end. */
export function advance(g: GroupWork): boolean {
  const { saga, turn } = g.state;
  if (!saga || saga.acting) return false;
  if (saga.retryAt !== null && saga.retryAt > g.at) {
    wake(g, saga.retryAt - g.at);
    return false;
  }
  const next = due(g.policy, saga);
  if (!next) return true;
  set(g, { saga: acting(saga, next, g.at) });
  const timeoutMs = next.step === FLUSH ? FLUSH_MS : (g.policy.steps.find((s) => s.name === next.step)?.timeoutMs ?? 0);
  const { epoch, from, to, planned } = saga;
  const { step, act, force } = next;
  g.effects.push({ kind: 'group-act', group: g.name, turn, epoch, step, act, force, from, to, planned, timeoutMs });
  return false;
}

const FLUSH_MS = 120_000;
