// What comes next for a service, and when. Pure.
import type { NodeState, Policy } from './types.ts';

export interface Next {
  readonly what: string;
  readonly at: number | null;
  readonly text: string;
}

export function nextOf(_policy: Policy, node: NodeState, name: string, _at: number): Next {
  const s = node.services[name];
  return { what: s?.phase ?? 'nothing', at: s?.wakeAt ?? null, text: s?.waitsFor ?? '' };
}

export function explain(policy: Policy, node: NodeState, name: string, at: number) {
  return { why: node.services[name]?.why, next: nextOf(policy, node, name, at) };
}
