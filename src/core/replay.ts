// What was decided, decided again: by today's core, or by a changed policy. Pure: entries in, differences out.
import { decide, emptyNode } from './decide.ts';
import { span } from './move.ts';
import type { Decision, Effect, Event, NodeState, Policy, Why } from './types.ts';

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

const sentence = (why: Why): string => `${why.service ?? 'node'} [${why.rule}] ${why.text}`;

/** What is done, and when something is looked at again. Notices follow from the rest. */
function deed(effect: Effect, at: number): string | null {
  switch (effect.kind) {
    case 'repair':
      return `${effect.service} does "${effect.rung.name}"`;
    case 'switchover':
      return `${effect.service} wants to be moved`;
    case 'stop':
      return `${effect.service} is stopped`;
    case 'wake':
      return `${effect.service} is looked at again in ${span(effect.at - at)}`;
    default:
      return null;
  }
}

const deeds = ([, effects]: Decision, at: number): readonly string[] =>
  effects.map((effect) => deed(effect, at)).filter((text) => text !== null);

const rulesOf = (whys: readonly Why[]): readonly string[] => whys.map((why) => `${why.service} ${why.rule}`);

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Folds the story. Without `changed`: where today's core decides otherwise than was recorded. With it: where that
 * policy
 *  would have decided otherwise, each time from the state that really was, so that one difference does not breed
 * more. */
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
    const decision = decide(policy, node, event);
    const difference = changed ? differently(changed, node, event, decision) : otherwise(whys, decision[2]);
    if (difference) differences.push({ seq, event, ...difference });
    decisions++;
    node = decision[0];
    if (event.kind === 'configured') policy = event.policy;
  }
  const end = { policy: policy ?? EMPTY, node };
  return { start: start ?? end, end, decisions, differences };
}

type Pair = Pick<Difference, 'before' | 'after'> | null;

/** Recorded reasons beside today's. */
function otherwise(recorded: readonly Why[], now: readonly Why[]): Pair {
  const [before, after] = [recorded.map(sentence), now.map(sentence)];
  return same(before, after) ? null : { before, after };
}

/** What a changed policy does with an event that really was. Other numbers in a sentence are no difference: another
 * rule,
 *  another deed or another time is. Services that the policy does not know are left out of the question. */
function differently(changed: Policy, node: NodeState, event: Event, really: Decision): Pair {
  if (event.kind === 'configured' || ('service' in event && !(event.service in changed.services))) return null;
  const would = decide(changed, node, event);
  const [before, after] = [deeds(really, event.at), deeds(would, event.at)];
  if (same(rulesOf(really[2]), rulesOf(would[2])) && same(before, after)) return null;
  return {
    before: [...really[2].map(sentence), ...before],
    after: [...would[2].map(sentence), ...after],
  };
}

const EMPTY: Policy = {
  node: '',
  services: {},
  observe: true,
  repairs: { max: 0, windowMs: 1, parallel: 1 },
  tilt: { stallMs: 1, share: 1, least: 1, windowMs: 1, limitMs: 1 },
};
