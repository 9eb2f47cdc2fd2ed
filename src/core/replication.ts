// How far a copy may be believed: folds what one source of replication says over time into a judged state. A source may
// lie by saying "healthy" while it stands still, so what is old, restless or never proved counts as not known, and what
// is not known is infinitely far behind. Pure; times in ms on one clock of the caller.
import { gateFault } from './elect.ts';
import type { Gate, ReplicationFacts, ReplicationState } from './group-types.ts';

export interface CopyLimits {
  /** Units in the queue from which it is a warning, and a failure. */
  readonly warnUnits: number;
  readonly failUnits: number;
  /** Facts that are older are no facts. */
  readonly staleMs: number;
  /** A copy counts only if a forced write has arrived within this time; null: that is not asked. */
  readonly proofMs: number | null;
  /** More changes of its state than this within the window are flapping. */
  readonly changes: number;
  readonly windowMs: number;
  /** Looks one after the other, each with a longer queue, that make a growing queue. */
  readonly growths: number;
  /** Nothing of that sort for so long, and it is believed again. */
  readonly calmMs: number;
}

export const COPY_LIMITS: CopyLimits = {
  ...{ warnUnits: 3, failUnits: 6, staleMs: 60_000, proofMs: null },
  ...{ changes: 3, windowMs: 600_000, growths: 3, calmMs: 120_000 },
};

export type CopyEvent =
  | { readonly kind: 'facts'; readonly at: number; readonly facts: ReplicationFacts }
  /** How a forced write ended. */
  | { readonly kind: 'proof'; readonly at: number; readonly ok: boolean; readonly detail: string };

export interface CopyHistory {
  readonly newest: { readonly at: number; readonly facts: ReplicationFacts } | null;
  /** When its state changed, within the window. */
  readonly changedAt: readonly number[];
  /** Looks in a row with a longer queue each. */
  readonly growths: number;
  /** The last moment at which it was seen flapping, or growing; null: calm. Ends only by facts, never by waiting. */
  readonly flappingAt: number | null;
  readonly growingAt: number | null;
  readonly proof: { readonly at: number; readonly ok: boolean; readonly detail: string } | null;
}

export const NO_HISTORY: CopyHistory = {
  ...{ newest: null, changedAt: [], growths: 0, flappingAt: null, growingAt: null, proof: null },
};

export function foldCopy(history: CopyHistory, event: CopyEvent, limits: CopyLimits): CopyHistory {
  if (event.kind === 'proof') {
    const { at, ok, detail } = event;
    return history.proof !== null && at < history.proof.at ? history : { ...history, proof: { at, ok, detail } };
  }
  const { at, facts } = event;
  const before = history.newest;
  if (before !== null && at < before.at) return history;
  const changed = before !== null && before.facts.state !== facts.state;
  // Only as many are kept as it takes to tell: a source that never rests does not fill the memory.
  const changedAt = [...history.changedAt, ...(changed ? [at] : [])]
    .filter((when) => when > at - limits.windowMs)
    .slice(-limits.changes - 1);
  const longer = before !== null && (facts.queue ?? 0) > (before.facts.queue ?? Number.POSITIVE_INFINITY);
  const growths = longer ? Math.min(history.growths + 1, limits.growths) : 0;
  const restless = changed && changedAt.length > limits.changes;
  const still = (since: number | null): number | null => (since !== null && at - since < limits.calmMs ? since : null);
  return {
    ...history,
    ...{ newest: { at, facts }, changedAt, growths },
    flappingAt: restless || (changed && still(history.flappingAt) !== null) ? at : still(history.flappingAt),
    growingAt: growths >= limits.growths ? at : still(history.growingAt),
  };
}

export interface JudgedCopy extends ReplicationFacts {
  readonly level: 'ok' | 'warn' | 'fail';
  /** Queue and lag are worth something. */
  readonly known: boolean;
}

const unknown = (state: ReplicationState, level: 'warn' | 'fail', detail: string): JudgedCopy => ({
  ...{ state, level, detail, known: false, queue: null, lagMs: null },
});

/** Why what it says is not believed; null: it is. */
function doubt(history: CopyHistory, now: number, limits: CopyLimits): JudgedCopy | null {
  const { newest, proof, flappingAt } = history;
  if (newest === null) return unknown('failed', 'fail', 'nothing was heard of it yet');
  const ageMs = now - newest.at;
  // Facts of the future come from a clock that was set back: how old they are cannot be told.
  if (ageMs < 0 || ageMs > limits.staleMs) return unknown('failed', 'fail', `its facts are ${ageMs} ms old`);
  const { state, detail } = newest.facts;
  if (state !== 'healthy' && state !== 'synchronizing') return unknown(state, 'fail', detail);
  if (proof !== null && !proof.ok) return unknown('failed', 'fail', `a test write did not arrive: ${proof.detail}`);
  if (flappingAt !== null) return unknown('synchronizing', 'warn', `it keeps changing its state: ${detail}`);
  if (limits.proofMs === null) return null;
  if (proof === null) return unknown('synchronizing', 'warn', 'no test write has arrived yet');
  const proofAge = now - proof.at;
  if (proofAge >= 0 && proofAge <= limits.proofMs) return null;
  return unknown('synchronizing', 'warn', `the last test write arrived ${proofAge} ms ago`);
}

function levelOf(queue: number | null, state: ReplicationState, limits: CopyLimits): JudgedCopy['level'] {
  if (queue !== null && queue >= limits.failUnits) return 'fail';
  return state !== 'healthy' || (queue !== null && queue >= limits.warnUnits) ? 'warn' : 'ok';
}

/** A number that a source made up (NaN, negative) is none. */
const sound = (value: number | null): number | null =>
  value !== null && Number.isFinite(value) && value >= 0 ? value : null;

export function judgeCopy(history: CopyHistory, now: number, limits: CopyLimits): JudgedCopy {
  const doubted = doubt(history, now, limits);
  if (doubted !== null || history.newest === null) return doubted ?? unknown('failed', 'fail', 'nothing was heard');
  const { at, facts } = history.newest;
  const queue = sound(facts.queue);
  const lagMs = sound(facts.lagMs);
  const growing = history.growingAt !== null;
  const state = growing ? 'synchronizing' : facts.state;
  return {
    ...facts,
    ...{ state, queue, level: levelOf(queue, state, limits), known: queue !== null || lagMs !== null },
    // Since it was looked at, as much time may have been lost again.
    lagMs: lagMs === null ? null : lagMs + now - at,
    detail: growing ? `its queue grows: ${facts.detail}` : facts.detail,
  };
}

export interface GateVerdict {
  readonly ok: boolean;
  readonly text: string;
  /** What would be lost; null: nobody can tell. */
  readonly lossEstimate: { readonly units: number | null; readonly ms: number | null };
}

/** May this copy be taken? On a planned move the source lives: all is flushed first, and the move ends if that fails,
 *  so that only a copy that can be flushed is asked for. */
export function gateVerdict(gate: Gate, judged: JudgedCopy, planned = false): GateVerdict {
  const fault = gateFault(gate, judged, planned ? 'move' : 'failover');
  const lossEstimate = planned && fault === null ? { units: 0, ms: 0 } : { units: judged.queue, ms: judged.lagMs };
  return { ok: fault === null, text: fault ?? `its copy is ${judged.state}: ${judged.detail}`, lossEstimate };
}
