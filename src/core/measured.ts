// How long the newest move of a group took and what it lost, from what the nodes on both sides reported of it: the
// figures that are held against its objectives.
import type { GroupPolicy, MoveReport, OwnerRecord, Timing } from './group-types.ts';

export interface Measured {
  readonly id: string;
  readonly verb: MoveReport['verb'];
  /** From the moment when clients began to be without it, ms; null: not known. Between the nodes' own reports lies the
   *  handing over of the right, which neither of them can time. */
  readonly rtoMs: number | null;
  /** How old the oldest thing was that did not come along, ms; null: not known, or there is no copy. */
  readonly rpoMs: number | null;
  readonly met: { readonly rto: boolean | null; readonly rpo: boolean | null };
}

/** `reports`: the newest of each node. */
export function measuredOf(
  policy: GroupPolicy,
  timing: Timing,
  owner: OwnerRecord | null,
  reports: readonly MoveReport[],
): Measured | null {
  const up = reports.find((one) => one.ok && one.to !== null && one.to === owner?.node && one.from !== one.to);
  if (!up) return null;
  const down = reports.find((one) => one !== up && one.id === up.id && one.ok && one.from === up.from);
  const failover = owner?.taken === 'failover';
  const before = failover ? timing.silenceMs + policy.failover.afterMs : down ? undone(policy, down) : null;
  const rtoMs = up.ms === null || before === null ? up.ms : up.ms + before;
  const rpoMs = failover ? (up.loss?.ms ?? null) : policy.sources.length > 0 ? 0 : null;
  const { objectives } = policy;
  const met = (value: number | null, limit: number | null): boolean | null =>
    value === null || limit === null ? null : value <= limit;
  return {
    ...{ id: up.id, verb: up.verb, rtoMs, rpoMs },
    met: { rto: met(rtoMs, objectives.rtoMs), rpo: met(rpoMs, objectives.rpoMs) },
  };
}

/** What was prepared before went on without anybody noticing: the gap begins with the first step that is undone. */
const undone = ({ steps }: GroupPolicy, report: MoveReport): number =>
  report.steps
    .filter(({ name }) => steps.some((one) => one.name === name && one.scope === 'node'))
    .reduce((sum, { ms }) => sum + (ms ?? 0), 0);
