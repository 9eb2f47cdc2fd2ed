// What a move will do, act by act and node by node, before anybody begins: one object that --dry-run prints, explain
// shows and a report is measured by. Follows the way of saga.ts; a test holds the two together.
import type { Election } from './elect.ts';
import type { GroupPolicy, StepAct } from './group-types.ts';
import { FLUSH } from './saga.ts';

export interface PlanLine {
  readonly node: string;
  /** `release`, `take`: the right itself goes from one to the other. */
  readonly act: StepAct | 'release' | 'take';
  readonly step: string;
  /** Up to here a failure is taken back; from here on it only goes forward. */
  readonly pivot: boolean;
}

/** The name that stands for the right to be active, among the steps. */
const RIGHT = 'ownership';

/** `move`: `from` lives and leaves in order. `failover`: it is silent, and nothing is done there. Empty: nobody may
 *  take it. */
export function planOf(
  policy: GroupPolicy,
  election: Pick<Election, 'chosen'>,
  from: string | null,
  to: string | null,
  kind: 'move' | 'failover',
): readonly PlanLine[] {
  const target = to ?? election.chosen;
  if (target === null) return [];
  const leaving = kind === 'move' && from !== null && from !== target ? leave(policy, from) : [];
  const coming = policy.steps.map((step): PlanLine => line(target, 'do', step.name, step.pivot));
  return [...leaving, line(target, 'take', RIGHT), ...coming];
}

const line = (node: string, act: PlanLine['act'], step: string, pivot = false): PlanLine => ({
  ...{ node, act, step, pivot },
});

function leave({ steps, sources, flushLast }: GroupPolicy, node: string): readonly PlanLine[] {
  const prepared = steps.filter(({ prepares }) => prepares).map(({ name }) => line(node, 'prepare', name));
  const flushed = sources.length > 0 ? [line(node, 'flush', FLUSH)] : [];
  const local = steps.filter(({ scope }) => scope === 'node');
  const last = flushLast ? local.find(({ takesIn }) => takesIn)?.name : undefined;
  const undone = local
    .toReversed()
    .flatMap(({ name }) => [line(node, 'undo', name), ...(name === last ? flushed : [])]);
  return [...prepared, ...flushed, ...undone, line(node, 'release', RIGHT, true)];
}

const WORDS: Readonly<Record<PlanLine['act'], string>> = {
  ...{ prepare: 'prepare', unprepare: 'take back the preparation of', flush: 'bring up to date' },
  ...{ do: 'do', undo: 'undo', release: 'hand over', take: 'take' },
};

/** One act as people read it. */
export const planText = ({ node, act, step, pivot }: PlanLine): string =>
  `${node}: ${WORDS[act]} ${step}${pivot ? '  (from here on only forward)' : ''}`;
