// What was decided, decided again: by today's core, or by a changed policy. Pure: entries in, differences out.
import { decide, emptyNode } from './decide.ts';
import type { Effect, Event, NodeState, Policy, Why } from './types.ts';

export interface Recorded {
  readonly seq: number;
  readonly event: Event;
  readonly whys: readonly Why[];
}

/** Where a story begins: the whole state, or nothing at all. */
export interface Start {
  readonly policy: Policy;
  readonly node: NodeState;
}

export interface Difference {
  readonly seq: number;
  readonly event: Event;
  readonly before: readonly string[];
  readonly after: readonly string[];
}

export interface Replayed {
  readonly start: Start;
  readonly end: Start;
  readonly decisions: number;
  readonly differences: readonly Difference[];
}

const said = (whys: readonly Why[], effects: readonly Effect[]): readonly string[] => [
  ...whys.map((why) => `${why.service ?? 'node'} [${why.rule}] ${why.text}`),
  ...effects
    .filter((effect) => effect.kind === 'repair')
    .map((effect) => `${effect.service} does "${effect.rung.name}"`),
];

/** Folds the story. Without `changed`: where today's core decides otherwise than was recorded. With it: where that policy
 *  would have decided otherwise, each time from the state that really was, so that one difference does not breed more. */
export function replay(start: Start | null, entries: readonly Recorded[], changed: Policy | null): Replayed {
  let node = start?.node ?? emptyNode;
  let policy = start?.policy ?? null;
  const differences: Difference[] = [];
  let decisions = 0;
  for (const { seq, event, whys } of entries) {
    if (policy === null) {
      if (event.kind !== 'configured') continue; // A story without its beginning cannot be told.
      policy = event.policy;
    }
    const [next, effects, now] = decide(policy, node, event);
    const recorded = said(whys, []);
    const recomputed = said(now, []);
    const before = changed ? said(now, effects) : recorded;
    const after = changed ? differently(changed, node, event) : recomputed;
    if (JSON.stringify(before) !== JSON.stringify(after)) differences.push({ seq, event, before, after });
    decisions++;
    node = next;
    if (event.kind === 'configured') policy = event.policy;
  }
  const end = { policy: policy ?? EMPTY, node };
  return { start: start ?? end, end, decisions, differences };
}

/** What a changed policy says to an event. Services that it does not know are left out of the question. */
function differently(changed: Policy, node: NodeState, event: Event): readonly string[] {
  if (event.kind === 'configured') return [];
  const [, effects, whys] = decide(changed, node, event);
  return said(whys, effects);
}

const EMPTY: Policy = {
  node: '',
  services: {},
  observe: true,
  repairs: { max: 0, windowMs: 1, parallel: 1 },
  tilt: { stallMs: 1, share: 1, least: 1, windowMs: 1, limitMs: 1 },
};
