// Which repair comes next, and what forbids it. Pure: it answers, escalate.ts goes there.
import type { Cause, NodeState, Policy, Rung, RungName, ServicePolicy, ServiceState, Verdict } from './types.ts';

/** What each repair can help against, unless the configuration says otherwise. A full disk, a bad configuration, an
 *  expired certificate, a refused password, an overload or a dead dependency is in no list: no restart cures it. */
export const defaultCures: Readonly<Record<RungName, readonly Cause[]>> = {
  reload: ['refusing'],
  part: ['dead', 'hung', 'refusing'],
  start: ['dead'],
  restart: ['dead', 'hung', 'refusing'],
  'kill-and-start': ['dead', 'hung', 'refusing'],
  command: ['dead', 'hung', 'refusing'],
};

/** What a move to another node can help against: trouble that stays behind. A bad certificate, a refused password or
 *  a dead dependency would be met again over there. */
export const movable: readonly Cause[] = ['dead', 'hung', 'refusing', 'no-space'];

/** What a repair is chosen by. */
export type Trouble = Pick<Verdict, 'cause' | 'part'>;

/** A failure without a cause is taken for `refusing`: it says no, and a restart may help. */
export const causeOf = (verdict: Trouble | null): Cause => verdict?.cause ?? 'refusing';

/** The rungs of a ladder that can cure this, in order. The rung `part` needs a part that is named, and that it
 *  knows. */
export const rungsFor = (policy: ServicePolicy, trouble: Trouble | null): readonly Rung[] =>
  policy.ladder.filter(
    (rung) =>
      rung.cures.includes(causeOf(trouble)) &&
      (rung.name !== 'part' || (trouble?.part !== undefined && (rung.parts ?? []).includes(trouble.part))),
  );

export const curable = (policy: ServicePolicy, trouble: Trouble | null): boolean =>
  rungsFor(policy, trouble).length > 0;

/** Delay before attempt n+1, after n attempts: first · factor^(n-1), at most max. */
export const backoffMs = (policy: ServicePolicy, attempts: number): number =>
  Math.min(
    policy.backoff.maxMs,
    policy.backoff.firstMs * policy.backoff.factor ** Math.min(30, Math.max(0, attempts - 1)),
  );

/** By what a repair is known again: its name; of a part also which, and a number where the ladder has several. */
export function keyOf(policy: ServicePolicy, rung: Rung, trouble: Trouble | null): string {
  if (rung.name === 'part') return `part ${trouble?.part ?? ''}`;
  const alike = policy.ladder.filter((other) => other.name === rung.name);
  return alike.length > 1 ? `${rung.name} ${alike.indexOf(rung) + 1}` : rung.name;
}

/** Repairs that were tried since the service was last stable. A state of an older journal knows only how many. */
export const triedOf = (policy: ServicePolicy, state: ServiceState, trouble: Trouble | null): readonly string[] =>
  state.tried ??
  rungsFor(policy, trouble)
    .slice(0, state.attempts)
    .map((rung) => keyOf(policy, rung, trouble));

/** The rung for the next attempt: the mildest that can cure this and was not tried, whatever was tried against other
 *  trouble meanwhile; the last is repeated until attempts are spent. */
export function nextRung(policy: ServicePolicy, state: ServiceState, trouble: Trouble | null): Rung | null {
  if (state.attempts >= policy.attempts) return null;
  const rungs = rungsFor(policy, trouble);
  const tried = triedOf(policy, state, trouble);
  return rungs.find((rung) => !tried.includes(keyOf(policy, rung, trouble))) ?? rungs.at(-1) ?? null;
}

export const within = (times: readonly number[], windowMs: number, at: number): readonly number[] =>
  times.filter((time) => time > at - windowMs);

/** Repairs that the service's budget still allows now. While the journal is in doubt: one in a window. */
export function serviceBudget(policy: ServicePolicy, state: ServiceState, strict: boolean, at: number): number {
  const limit = strict ? 1 : policy.attempts;
  return limit - within(state.repairs, policy.windowMs, at).length;
}

/** Repairs that the node's budget still allows now. */
export function nodeBudget(policy: Policy, node: NodeState, at: number): number {
  const limit = node.strict ? Math.max(1, Math.ceil(policy.repairs.max / 4)) : policy.repairs.max;
  return limit - within(node.repairs, policy.repairs.windowMs, at).length;
}

/** When a sliding window next has room: the moment its oldest entry leaves it. */
export const roomAt = (times: readonly number[], windowMs: number, at: number): number =>
  Math.max(at + 1, Math.min(at, ...within(times, windowMs, at)) + windowMs);
