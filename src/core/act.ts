// From "it fails" to "this is done about it": the gates that a repair must pass, in order, and what happens at each
// that is closed. Every refusal has a rule and a sentence, and is kept.
import {
  backoffMs,
  causeOf,
  curable,
  keyOf,
  movable,
  nextRung,
  roomAt,
  rungsFor,
  serviceBudget,
  triedOf,
  within,
} from './ladder.ts';
import {
  ask,
  type Context,
  type Move,
  because,
  go,
  ignore,
  incidentOf,
  type Refusal,
  settlingFor,
  span,
  stay,
  told,
} from './move.ts';
import type { Rung, ServiceState, Verdict, Why } from './types.ts';

/** A gate that is closed: the rule, the sentence, and where the service waits. */
interface Closed {
  readonly rule: string;
  readonly text: string;
  readonly then: (why: Why) => Move;
}

/** The service fails, confirmed or conclusively. Repairs it, or says why not. */
export function act(c: Context, s: ServiceState, verdict: Verdict): Move {
  const seen: ServiceState = { ...s, verdict };
  for (const gate of GATES) {
    const closed = gate(c, seen, verdict);
    if (!closed) continue;
    if (heldBy(c, s, closed.rule, verdict)) return ignore(c, s, 'ignored', `${closed.text}, as before`);
    const rung = nextRung(c.policy, seen, verdict)?.name ?? 'repair';
    const refused: Refusal = { what: rung, rule: closed.rule, text: closed.text };
    return closed.then(because(c, closed.rule, `${told(verdict)}; ${closed.text}`, [refused]));
  }
  return repair(c, seen, verdict);
}

/** It waits at this gate already, for the same reason: there is nothing new to write down. */
const heldBy = (c: Context, s: ServiceState, rule: string, verdict: Verdict): boolean =>
  s.phase === 'suspect' &&
  s.waitsFor !== null &&
  s.why.rule === rule &&
  causeOf(s.verdict) === causeOf(verdict) &&
  (s.waitsFor !== 'root' || s.blockedBy === c.root?.name);

type Gate = (c: Context, s: ServiceState, verdict: Verdict) => Closed | null;

/** Suspect goes on, and is asked again when there is reason to. */
const holdSuspect =
  (c: Context, s: ServiceState, wakeAt: number, patch: Partial<ServiceState>) =>
  (why: Why): Move => {
    if (s.phase === 'suspect' && s.wakeAt !== null && s.wakeAt <= wakeAt)
      return stay(s, why, { why, blockedBy: null, ...patch });
    // Not asked yet: conclusive evidence led straight here.
    const effects = s.phase === 'suspect' ? [] : s.awaiting.map((other) => ask(other, 'quick'));
    return go(
      c,
      s,
      'suspect',
      why,
      wakeAt,
      { awaiting: s.awaiting, unknowns: s.unknowns, blockedBy: null, ...patch },
      { effects },
    );
  };

const blocked: Gate = (c, s, verdict) => {
  if (!c.root) return null;
  const hopeless = c.root.phase === 'failed' || c.root.phase === 'paused';
  if (hopeless && verdict.cause === 'dead') return null; // The root is not coming; a dead child can still be started.
  const text = `${c.root.name}, which it depends on, is at fault and comes first`;
  const owner = c.root.incident === null ? incidentOf(c, s) : { incident: c.root.incident };
  const hold = holdSuspect(c, s, c.at + Math.max(c.policy.confirmMs, 30_000), {
    blockedBy: c.root.name,
    ...owner,
    waitsFor: 'root',
  });
  return { rule: 'dependency-down', text, then: hold };
};

const awaiting: Gate = (c, s, verdict) => {
  const open = s.awaiting;
  if (open.length === 0 || verdict.cause === 'dead') return null;
  const text = `what it depends on has not answered yet (${open.join(', ')})`;
  return {
    rule: 'ask-dependencies-first',
    text,
    then: holdSuspect(c, s, c.at + c.policy.confirmMs, { waitsFor: 'dependencies', verdict }),
  };
};

const round: Gate = (c, s, verdict) => {
  if (!c.roundOpen) return null;
  const text = 'the first round of checks after the start is not complete';
  return {
    rule: 'first-round',
    text,
    then: holdSuspect(c, s, c.at + c.policy.confirmMs, { waitsFor: 'round', verdict }),
  };
};

const incurable: Gate = (c, s, verdict) => {
  const cause = causeOf(verdict);
  if (curable(c.policy, verdict)) return null;
  if (cause === 'dependency' && s.incident === null) {
    // What it needs is at fault, and that often passes by itself: nobody is called before a second look.
    const text = `what it needs is at fault; a second look in ${span(c.policy.confirmMs)}`;
    return { rule: 'look-again', text, then: (why) => wait(c, s, why, 'backoff', c.at + c.policy.confirmMs) };
  }
  const text =
    c.policy.ladder.length === 0 ? 'it has no ladder: it is only watched' : `no rung of its ladder can cure "${cause}"`;
  return { rule: 'cause-not-curable', text, then: (why) => end(c, s, why) };
};

const settling: Gate = (c, s, verdict) => {
  const left = settlingFor(c, s, verdict);
  if (left === null || s.settling === null) return null;
  const text = `${s.settling.root}, which it depends on, has just come back: left to come to itself for ${span(left)}`;
  const hold = holdSuspect(c, s, s.settling.until, { waitsFor: 'settle', ...incidentOf(c, s) });
  return { rule: 'settling', text, then: hold };
};

/** Somebody else started it a moment ago, as at the boot of the machine: it may not be up yet. */
const young: Gate = (c, s, verdict) => {
  const { ageMs } = verdict;
  if (ageMs === undefined || verdict.cause === 'dead' || verdict.direct || ageMs >= c.policy.graceMs) return null;
  const text = `it was started ${span(ageMs)} ago and may need ${span(c.policy.graceMs)} to come up`;
  const then = holdSuspect(c, s, c.at + c.policy.graceMs - ageMs, { waitsFor: 'start', ...incidentOf(c, s) });
  return { rule: 'start-grace', text, then };
};

/** Somebody works on it. It is paused meanwhile; this is for one that could not be, as it was being moved. */
const maintenance: Gate = (c, s) => {
  if (!c.maintenance) return null;
  const { name, by, until } = c.maintenance;
  const text = `maintenance ${name} (${by}) for ${span(until - c.at)} more`;
  return {
    rule: 'maintenance',
    text,
    then: holdSuspect(c, s, until, { waitsFor: 'maintenance', ...incidentOf(c, s) }),
  };
};

const observing: Gate = (c, s, verdict) => {
  if (!c.observe && !c.policy.observe) return null;
  const rung = nextRung(c.policy, s, verdict);
  const text = rung
    ? `observe-only: would have run "${rung.name}" (attempt ${s.attempts + 1} of ${c.policy.attempts})`
    : 'observe-only: the ladder would be at its end';
  return {
    rule: 'observe-only',
    text,
    then: (why) => onlyObserved(c, s, why, text),
  };
};

/** Nothing is done; what would have been done is told. */
function onlyObserved(c: Context, s: ServiceState, why: Why, would: string): Move {
  const move = giveUp(c, s, why, null);
  return { ...move, once: [{ event: 'would-have-acted', summary: `${c.name}: ${would}`, action: 'none' }] };
}

const tilted: Gate = (c, s) => {
  if (!c.tilt) return null;
  const left = span(c.tilt.until - c.at);
  const text = `this observer is suspect (${c.tilt.reason}) for ${left} more: look, alert, do not act`;
  return {
    rule: 'tilt',
    text,
    then: holdSuspect(c, s, Math.max(c.at + 1, c.tilt.until), { waitsFor: 'tilt', ...incidentOf(c, s) }),
  };
};

const frozen: Gate = (c, s) => {
  if (s.frozenUntil === null || s.frozenUntil <= c.at) return null;
  const text = `it is flapping: repairs are frozen for ${span(s.frozenUntil - c.at)} more`;
  const until = s.frozenUntil;
  return { rule: 'flapping', text, then: (why) => wait(c, s, why, 'calm', until) };
};

const ladderEnd: Gate = (c, s, verdict) => {
  if (nextRung(c.policy, s, verdict)) return null;
  const text = `the ladder is at its end: ${s.attempts} of ${c.policy.attempts} attempts did not cure it`;
  return { rule: 'ladder-end', text, then: (why) => end(c, s, why) };
};

const budget: Gate = (c, s) => {
  if (serviceBudget(c.policy, s, c.strict !== null, c.at) > 0) return null;
  const strict = c.strict ? ` (stricter: ${c.strict})` : '';
  const spent = within(s.repairs, c.policy.windowMs, c.at).length;
  const text = `its budget is spent: repairs within ${span(c.policy.windowMs)}: ${spent}${strict}`;
  return { rule: 'service-budget', text, then: (why) => end(c, s, why) };
};

const nodeBudget: Gate = (c, s) => {
  if (c.nodeBudget > 0) return null;
  const text = `the budget of the node is spent; the next repair is possible in ${span(c.nodeRoomAt - c.at)}`;
  return { rule: 'node-budget', text, then: (why) => wait(c, s, why, 'budget', c.nodeRoomAt) };
};

const turn: Gate = (c, s) => {
  if (c.acting.length < c.parallel) return null;
  const text = `one thing at a time: ${c.acting.join(', ')} is being repaired`;
  return { rule: 'one-at-a-time', text, then: (why) => wait(c, s, why, 'turn', c.at + c.policy.repairMs) };
};

const GATES: readonly Gate[] = [
  blocked,
  round,
  awaiting,
  maintenance,
  tilted,
  incurable,
  settling,
  young,
  observing,
  frozen,
  ladderEnd,
  budget,
  nodeBudget,
  turn,
];

function wait(c: Context, s: ServiceState, why: Why, waitsFor: ServiceState['waitsFor'], until: number): Move {
  return go(c, s, 'waiting', why, Math.max(c.at + 1, until), { waitsFor, ...incidentOf(c, s), blockedBy: null });
}

function repair(c: Context, s: ServiceState, verdict: Verdict): Move {
  const cause = causeOf(verdict);
  const rung = nextRung(c.policy, s, verdict);
  if (!rung) throw new Error('repair without a rung');
  const attempt = s.attempts + 1;
  const useless = c.policy.ladder.filter((other) => !rungsFor(c.policy, verdict).includes(other));
  const refused = useless.map((other) => ({
    what: other.name,
    rule: 'cause-not-curable',
    text: `"${other.name}" does not help against "${cause}"`,
  }));
  const label = labelOf(rung, verdict);
  const why = because(c, 'repair', `${told(verdict)}; ${label}, attempt ${attempt} of ${c.policy.attempts}`, refused);
  return go(
    c,
    s,
    'restarting',
    why,
    c.at + c.policy.repairMs,
    {
      ...incidentOf(c, s),
      attempts: attempt,
      tried: [...triedOf(c.policy, s, verdict), keyOf(c.policy, rung, verdict)],
      rung: rung.name,
      repairs: [...s.repairs.filter((time) => time > c.at - c.policy.windowMs), c.at],
      blockedBy: null,
      graceUntil: null,
      frozenUntil: null,
    },
    {
      effects: [
        {
          ...{ kind: 'repair', service: c.name, rung, cause, attempt, epoch: 0, timeoutMs: c.policy.repairMs },
          ...(rung.name === 'part' && verdict.part !== undefined ? { part: verdict.part } : {}),
        },
      ],
      once: [
        { event: 'recovery-started', summary: `${c.name}: ${told(verdict)}`, action: `${label}, attempt ${attempt}` },
      ],
      repairs: 1,
    },
  );
}

/** `restart`, `part auth`, or the own command. */
function labelOf(rung: Rung, verdict: Verdict): string {
  if (rung.name === 'command') return `command ${(rung.run ?? []).join(' ')}`;
  return rung.name === 'part' ? `part ${verdict.part ?? ''}` : rung.name;
}

/** The end of the ladder: the group should move, or a person is needed. */
function end(c: Context, s: ServiceState, why: Why): Move {
  const cause = causeOf(s.verdict);
  // A repair ended in the doubt: what it means is judged after.
  if (c.tilt) return wait(c, s, why, 'tilt', c.tilt.until);
  if (c.policy.then !== 'switchover' || !movable.includes(cause))
    return giveUp(c, s, why, curable(c.policy, s.verdict) ? againAt(c, s) : null);
  if (c.observe || c.policy.observe) return onlyObserved(c, s, why, 'would have asked for a switchover');
  const owner = incidentOf(c, s);
  return go(c, s, 'switching', why, c.at + c.policy.switchMs, owner, {
    effects: [{ kind: 'switchover', service: c.name, epoch: 0, incident: owner.incident }],
    once: [{ event: 'switchover-wanted', summary: `${c.name}: ${why.text}`, action: 'its group should move' }],
  });
}

/** When one more repair may be tried, if ever: after `againMs`, and not before the budget has room. */
const againAt = (c: Context, s: ServiceState): number | null =>
  c.policy.againMs === null
    ? null
    : Math.max(c.at + c.policy.againMs, s.repairs.length > 0 ? roomAt(s.repairs, c.policy.windowMs, c.at) : 0);

/** Loudly: the phase is `failed`, the alarm is critical, checks go on, and health is noticed. */
export function giveUp(c: Context, s: ServiceState, why: Why, again: number | null): Move {
  return go(c, s, 'failed', why, again, { ...incidentOf(c, s), blockedBy: null, graceUntil: null });
}

/** A repair did not cure. The next rung after a pause, or the end. */
export function nextAttempt(c: Context, s: ServiceState, rule: string, text: string): Move {
  const failed = {
    event: 'recovery-failed',
    summary: `${c.name}: ${text}`,
    action: `${s.rung ?? 'repair'} failed`,
  } as const;
  const rung = nextRung(c.policy, s, s.verdict);
  if (!rung && !curable(c.policy, s.verdict)) {
    const useless = `no rung of its ladder can cure "${causeOf(s.verdict)}"`;
    const refused = [{ what: 'repair', rule: 'cause-not-curable', text: useless }];
    const move = end(c, s, because(c, 'cause-not-curable', `${text}; ${useless}`, refused));
    return { ...move, once: [failed, ...move.once] };
  }
  if (!rung) {
    const refused = [
      { what: 'repair', rule: 'ladder-end', text: `${s.attempts} of ${c.policy.attempts} attempts are used` },
    ];
    const move = end(c, s, because(c, 'ladder-end', `${text}; the ladder is at its end`, refused));
    return { ...move, once: [failed, ...move.once] };
  }
  const pauseMs = backoffMs(c.policy, s.attempts);
  const why = because(c, rule, `${text}; next is "${rung.name}" in ${span(pauseMs)}`);
  return go(
    c,
    s,
    'waiting',
    why,
    c.at + Math.max(1, pauseMs),
    { waitsFor: 'backoff', ...incidentOf(c, s) },
    { once: [failed] },
  );
}
