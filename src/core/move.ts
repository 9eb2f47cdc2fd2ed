// The small steps that every phase uses: how the state of one service moves, and what goes with a move.
// A move says the next state, what is to be done, why, and what is to be told once. Alarms are not told here: they are
// derived from the state (alarms.ts), so that none can be raised twice or forgotten.
import type { EventName } from './catalogue.ts';
import type { Maintenance } from './telling.ts';
import type { Depth, Effect, Notice, Phase, ServicePolicy, ServiceState, TiltState, Verdict, Why } from './types.ts';

/** What a service needs to know of its node for one decision. */
export interface Context {
  readonly name: string;
  readonly at: number;
  readonly policy: ServicePolicy;
  readonly observe: boolean;
  readonly tilt: TiltState | null;
  /** Work on this service that is under way. */
  readonly maintenance: Maintenance | null;
  /** The first round of checks after a start is not complete. */
  readonly roundOpen: boolean;
  readonly nodeBudget: number;
  readonly nodeRoomAt: number;
  /** Repairs under way on this node, this service not counted, and how many may be. */
  readonly acting: readonly string[];
  readonly parallel: number;
  readonly strict: string | null;
  /** The dependency that is at fault, deepest first found, or null. */
  readonly root: { readonly name: string; readonly phase: Phase; readonly incident: string | null } | null;
  /** All services that this one stands on, nearest first. */
  readonly stands: readonly string[];
}

export interface Once {
  readonly event: EventName;
  readonly summary: string;
  readonly action: string;
  /** What it is about, where that is neither a service nor the node. */
  readonly key?: string;
  readonly move?: Notice['move'];
}

export interface Move {
  readonly state: ServiceState;
  readonly effects: readonly Effect[];
  readonly why: Why;
  readonly once: readonly Once[];
  /** What this move does to the node's budget: a repair begun, or one that turned out not to be one. */
  readonly repairs: 0 | 1 | -1;
}

export type Refusal = NonNullable<Why['refused']>[number];

export const because = (c: Context, rule: string, text: string, refused: readonly Refusal[] = []): Why => ({
  service: c.name,
  rule,
  text,
  ...(refused.length > 0 ? { refused } : {}),
});

/** No depth is in doubt. One object, so that states without doubt share it. */
export const sure: ServiceState['unknowns'] = { quick: 0, deep: 0 };

/** One more verdict of a depth that could not tell. Counted up to the alarm and no further. */
export const unsure = (c: Context, s: ServiceState, depth: Depth): ServiceState['unknowns'] => ({
  ...s.unknowns,
  [depth]: Math.min(s.unknowns[depth] + 1, c.policy.unknowns),
});

export const initial = (name: string): ServiceState => ({
  phase: 'suspect',
  epoch: 0,
  since: 0,
  why: { service: name, rule: 'new', text: 'not looked at yet' },
  fails: 0,
  passes: 0,
  unknowns: sure,
  verdict: null,
  degraded: [],
  attempts: 0,
  tried: [],
  repairs: [],
  rung: null,
  incident: null,
  incidents: 0,
  awaiting: [],
  blockedBy: null,
  flips: [],
  frozenUntil: null,
  graceUntil: null,
  settling: null,
  wakeAt: null,
  waitsFor: null,
  pause: null,
});

interface More {
  readonly effects?: readonly Effect[];
  readonly once?: readonly Once[];
  readonly repairs?: 0 | 1 | -1;
}

/** Nothing changes: the very same state object, so that nothing needs to be written. */
export const ignore = (c: Context, s: ServiceState, rule: string, text: string): Move => ({
  state: s,
  effects: [],
  why: because(c, rule, text),
  once: [],
  repairs: 0,
});

/** The same phase with other numbers. */
export const stay = (s: ServiceState, why: Why, patch: Partial<ServiceState>, more: More = {}): Move => ({
  state: { ...s, ...patch },
  effects: more.effects ?? [],
  why,
  once: more.once ?? [],
  repairs: more.repairs ?? 0,
});

const BUSY: ReadonlySet<Phase> = new Set(['suspect', 'restarting', 'verifying', 'waiting', 'switching']);
export const isBusy = (phase: Phase): boolean => BUSY.has(phase);

/** To a phase (or into it anew): the epoch grows, evidence counters start again, old alarm clocks are void. */
export function go(
  c: Context,
  s: ServiceState,
  phase: Phase,
  why: Why,
  wakeAt: number | null,
  patch: Partial<ServiceState> = {},
  more: More = {},
): Move {
  const state: ServiceState = {
    ...s,
    fails: 0,
    passes: 0,
    unknowns: sure,
    awaiting: [],
    waitsFor: null,
    ...patch,
    phase,
    epoch: s.epoch + 1,
    since: phase === s.phase ? s.since : c.at,
    why,
    wakeAt,
  };
  const effects: Effect[] = (more.effects ?? []).map((effect) =>
    'service' in effect && 'epoch' in effect && effect.service === c.name ? { ...effect, epoch: state.epoch } : effect,
  );
  if (wakeAt !== null) effects.push({ kind: 'wake', service: c.name, at: wakeAt, epoch: state.epoch });
  return { state, effects, why, once: more.once ?? [], repairs: more.repairs ?? 0 };
}

/** In a check effect: under whatever epoch the asked service then has. */
export const CURRENT_EPOCH = -1;

export const ask = (service: string, depth: 'quick' | 'deep'): Effect => ({
  kind: 'check',
  service,
  depth,
  // go() fills in the service's own; what is asked of another service is answered under that one's epoch.
  epoch: CURRENT_EPOCH,
});

/** To suspect: the DeepCheck is asked at once, and so is everything that this service stands on. */
export function confirm(c: Context, s: ServiceState, why: Why, patch: Partial<ServiceState> = {}): Move {
  // Blocked until a verdict says otherwise: a root that works again does not make its children failures of their own.
  const root = c.root?.name ?? (s.phase === 'suspect' ? s.blockedBy : null);
  return go(
    c,
    s,
    'suspect',
    why,
    c.at + c.policy.confirmMs,
    { unknowns: s.unknowns, awaiting: c.stands, blockedBy: root, ...patch },
    { effects: [ask(c.name, 'deep'), ...c.stands.map((other) => ask(other, 'quick'))] },
  );
}

/** How long to wait before a repaired service is asked again: 0.2 s, growing to 2 s. */
const retryMs = (tries: number): number => Math.min(2000, Math.round(200 * 1.5 ** Math.min(tries, 10)));

/** To verifying, or once more within it: a repair is done when the DeepCheck passes. */
export function verify(c: Context, s: ServiceState, why: Why, patch: Partial<ServiceState> = {}): Move {
  const again = s.phase === 'verifying' && s.graceUntil !== null;
  const until = again ? (s.graceUntil ?? c.at) : c.at + Math.max(c.policy.verifyMs, c.policy.graceMs);
  // Without evidence so far, the end waits for the word that is under way: a DeepCheck may take as long as the whole
  // time.
  const endAt = again && s.fails > 0 ? until : until + c.policy.confirmMs;
  return go(
    c,
    s,
    'verifying',
    why,
    Math.max(c.at + 1, endAt),
    { graceUntil: until, fails: again ? s.fails : 0, unknowns: again ? s.unknowns : sure, ...patch },
    { effects: [ask(c.name, 'deep')] },
  );
}

/** Verifying, and the answer was no: ask again in a moment, under the same deadline. */
export function verifyLater(c: Context, s: ServiceState, why: Why, verdict: Verdict): Move {
  const at = Math.min(s.graceUntil ?? c.at, c.at + retryMs(s.fails));
  return go(c, s, 'verifying', why, Math.max(c.at + 1, at), {
    graceUntil: s.graceUntil,
    fails: s.fails + (verdict.outcome === 'fail' ? 1 : 0),
    unknowns: verdict.outcome === 'unknown' ? unsure(c, s, 'deep') : sure,
    verdict: verdict.outcome === 'fail' ? verdict : s.verdict,
  });
}

/** When a healthy service needs to be woken: to forget attempts, or to thaw. */
const calmAt = (c: Context, s: ServiceState): number | null => {
  const times = [s.attempts > 0 ? c.at + c.policy.stableMs : null, s.frozenUntil].filter((t) => t !== null);
  return times.length > 0 ? Math.max(c.at + 1, Math.min(...times)) : null;
};

/** To healthy: whatever was open ends. */
export function well(c: Context, s: ServiceState, why: Why, patch: Partial<ServiceState> = {}): Move {
  const repaired = s.phase === 'verifying' && s.rung !== null;
  const once: Once[] = repaired
    ? [{ event: 'recovery-succeeded', summary: `${c.name} works again: ${why.text}`, action: `${s.rung} helped` }]
    : [];
  const next = { ...s, ...patch };
  return go(
    c,
    s,
    'healthy',
    why,
    calmAt(c, next),
    { incident: null, verdict: null, blockedBy: null, rung: null, graceUntil: null, ...patch },
    { once },
  );
}

/** How much longer this service may need to notice that what it depends on works again, or null. What no time cures,
 *  what is dead, and what was seen on the service itself does not wait for that. */
export function settlingFor(c: Context, s: ServiceState, verdict: Verdict): number | null {
  if (s.settling === null || s.settling.until <= c.at) return null;
  return verdict.cause === 'dead' || verdict.direct ? null : s.settling.until - c.at;
}

/** The id of the incident that this trouble belongs to: the one that is open, its root's, or a new one. */
export function incidentOf(c: Context, s: ServiceState): Pick<ServiceState, 'incident' | 'incidents'> {
  if (s.incident !== null) return { incident: s.incident, incidents: s.incidents };
  return { incident: `${c.name}-${s.incidents + 1}`, incidents: s.incidents + 1 };
}

const STEPS: readonly (readonly [number, string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
];

/** 90000 → `1.5 min`: for sentences. What a moment has passed of is not worth a smaller unit: an hour less 3 ms is
 *  `1 h`, and not `60 min`. */
export function span(ms: number): string {
  const [unit, name] = STEPS.find(([size]) => ms >= size * 0.999) ?? [1, 'ms'];
  return `${Math.round((ms / unit) * 10) / 10} ${name}`;
}

export const told = (verdict: Verdict): string =>
  `${verdict.check || 'the check'} says ${outcomeOf(verdict)}: ${verdict.detail}`;

const outcomeOf = ({ outcome, cause }: Verdict): string => (cause ? `${outcome} (${cause})` : outcome);
