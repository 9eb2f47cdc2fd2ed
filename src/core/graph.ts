// Who stands on whom. Asked at every decision, so it is worked out once for each policy and kept as long as that lives.
import type { Policy } from './types.ts';

interface Graph {
  readonly below: ReadonlyMap<string, readonly string[]>;
  readonly above: ReadonlyMap<string, readonly string[]>;
}

const graphs = new WeakMap<Policy['services'], Graph>();
const NONE: readonly string[] = [];

function walk(policy: Policy, name: string): readonly string[] {
  const found: string[] = [];
  const queue = [...(policy.services[name]?.depends ?? [])];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    if (next === name || found.includes(next)) continue;
    found.push(next);
    queue.push(...(policy.services[next]?.depends ?? []));
  }
  return found;
}

function graphOf(policy: Policy): Graph {
  const known = graphs.get(policy.services);
  if (known) return known;
  const below = new Map<string, readonly string[]>();
  const above = new Map<string, string[]>();
  for (const name of Object.keys(policy.services)) {
    const found = walk(policy, name);
    below.set(name, found);
    for (const other of found) above.set(other, [...(above.get(other) ?? []), name]);
  }
  const graph = { below, above };
  graphs.set(policy.services, graph);
  return graph;
}

/** Everything that a service stands on, nearest first, each once. */
export const standsOn = (policy: Policy, name: string): readonly string[] => graphOf(policy).below.get(name) ?? NONE;

/** Everything that stands on a service, near or far. */
export const standingOn = (policy: Policy, name: string): readonly string[] => graphOf(policy).above.get(name) ?? NONE;
