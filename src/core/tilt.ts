// Doubt of oneself. A daemon that slept, or that sees most services fail at once for the same outside reason, looks and
// alerts and does not act for a while: it is more likely that the observer is at fault than that everything is.
import type { Cause, NodeState, Policy, Verdict } from './types.ts';

/** Causes that an observer in trouble would see everywhere at once. A dead process is never one of them. */
const OUTSIDE: ReadonlySet<Cause> = new Set(['hung', 'refusing', 'dependency', 'overloaded']);

export function stalled(policy: Policy, node: NodeState, at: number): NodeState {
  const until = Math.max(node.tilt?.until ?? 0, at + policy.tilt.stallMs);
  return { ...node, doubts: {}, tilt: { until, since: node.tilt?.since ?? at, reason: 'stalled' } };
}

/** Doubts that count now: failures that began within the window, of the most common cause. */
function alike(policy: Policy, doubts: NodeState['doubts'], at: number): number {
  const counts = new Map<Cause, number>();
  for (const doubt of Object.values(doubts))
    if (doubt.at > at - policy.tilt.windowMs) counts.set(doubt.cause, (counts.get(doubt.cause) ?? 0) + 1);
  return Math.max(0, ...counts.values());
}

const most = (policy: Policy, doubts: NodeState['doubts'], services: number, at: number): boolean => {
  const count = alike(policy, doubts, at);
  return count >= policy.tilt.least && count >= policy.tilt.share * services;
};

/** Takes a verdict into account. Returns the same object when nothing changes. */
export function doubted(policy: Policy, node: NodeState, service: string, verdict: Verdict, at: number): NodeState {
  const held = node.doubts[service];
  const cause = verdict.cause ?? 'refusing';
  // What is paused, or at home on another node, may well fail here.
  const phase = node.services[service]?.phase;
  const ours = phase !== 'paused' && phase !== 'relinquished';
  const outside = ours && verdict.outcome === 'fail' && !verdict.conclusive && OUTSIDE.has(cause);
  if (!outside) {
    if (!held || (ours && verdict.outcome === 'unknown')) return node;
    const { [service]: _gone, ...doubts } = node.doubts;
    return { ...node, doubts };
  }
  if (held) return node;
  const doubts = { ...node.doubts, [service]: { at, cause } };
  const services = Object.keys(node.services).length;
  const crossed = !most(policy, node.doubts, services, at) && most(policy, doubts, services, at);
  // Doubt after a stall becomes this doubt; this doubt never prolongs itself.
  if (!crossed || node.tilt?.reason === 'majority') return { ...node, doubts };
  const until = Math.max(node.tilt?.until ?? 0, at + policy.tilt.limitMs);
  return { ...node, doubts, tilt: { until, since: node.tilt?.since ?? at, reason: 'majority' } };
}

/** Ends the doubt when its time is over, or when most services answer again. */
export function settled(policy: Policy, node: NodeState, at: number): NodeState {
  const { tilt } = node;
  if (!tilt) return node;
  const over = at >= tilt.until;
  const calm =
    tilt.reason === 'majority' &&
    Object.keys(node.doubts).length < policy.tilt.share * Object.keys(node.services).length;
  return over || calm ? { ...node, tilt: null } : node;
}
