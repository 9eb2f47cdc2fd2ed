// What a verdict means in each phase: counting, confirming, recovering. Part of the machine of one service.
import { act, giveUp, nextAttempt } from './act.ts';
import { held } from './diagnose.ts';
import { causeOf, curable, nextRung, serviceBudget, within } from './ladder.ts';
import {
  because,
  type Context,
  confirm,
  ignore,
  type Move,
  settlingFor,
  span,
  stay,
  sure,
  told,
  unsure,
  verifyLater,
  well,
} from './move.ts';
import type { Depth, Event, ServiceState, Verdict } from './types.ts';

type Checked = Extract<Event, { kind: 'checked' }>;

/** What was seen of the same failure before holds while it cannot be looked at again; after a repair nothing does. */
const withBefore = (s: ServiceState, e: Checked): Checked =>
  s.phase === 'verifying' && s.rung !== null ? e : { ...e, verdict: held(s.verdict, e.verdict) };

export function onChecked(c: Context, s: ServiceState, asked: Checked): Move {
  const e = withBefore(s, asked);
  switch (s.phase) {
    case 'healthy':
      return checkedHealthy(c, s, e);
    case 'suspect':
      return checkedSuspect(c, s, e);
    case 'verifying':
      return checkedVerifying(c, s, e);
    case 'waiting':
      return e.depth === 'quick'
        ? lookingBetter(c, s, e.verdict)
        : good(e.verdict)
          ? well(c, s, because(c, 'came-back', `it works again by itself: ${answer(e.verdict)}`), found(s, e))
          : ignore(c, s, 'ignored', 'waiting');
    case 'failed':
      return checkedFailed(c, s, e);
    default:
      return ignore(c, s, 'ignored', `not asked for while ${s.phase}`);
  }
}

const good = (verdict: Verdict): boolean => verdict.outcome === 'pass' || verdict.outcome === 'degraded';

/** Which depths say degraded, after this verdict. The same list object if nothing changes. */
function flagged(
  s: ServiceState,
  e: { readonly depth: Depth; readonly verdict: Verdict },
): Pick<ServiceState, 'degraded'> {
  const has = s.degraded.includes(e.depth);
  const is = e.verdict.outcome === 'degraded';
  if (has === is) return { degraded: s.degraded };
  return { degraded: is ? [...s.degraded, e.depth] : s.degraded.filter((depth) => depth !== e.depth) };
}

/** What a service that is found well takes along: which depths say degraded, and what they say. */
const found = (s: ServiceState, e: Checked): Pick<ServiceState, 'degraded' | 'verdict'> => ({
  ...flagged(s, e),
  verdict: e.verdict.outcome === 'degraded' ? e.verdict : null,
});

const answer = (verdict: Verdict): string =>
  verdict.outcome === 'pass' ? `the DeepCheck passes: ${verdict.detail}` : told(verdict);

function checkedHealthy(c: Context, s: ServiceState, e: Checked): Move {
  const { verdict, depth } = e;
  if (verdict.outcome === 'unknown') return couldNotTell(c, s, e);
  if (good(verdict)) return stillWell(c, s, e);
  if (verdict.conclusive && verdict.cause === 'dead') return fallen(c, s, verdict);
  // What is seen on the service itself is no part of coming up: a process that is stopped, say.
  if (s.graceUntil !== null && c.at < s.graceUntil && !verdict.direct) {
    const left = span(s.graceUntil - c.at);
    return ignore(c, s, 'start-grace', `${told(verdict)}; it was just started: not counted for ${left} more`);
  }
  const settling = curable(c.policy, verdict) ? settlingFor(c, s, verdict) : null;
  if (settling !== null) {
    const text = `${told(verdict)}; ${s.settling?.root} has just come back: not counted for ${span(settling)} more`;
    return ignore(c, s, 'settling', text);
  }
  if (depth === 'deep') return doubt(c, s, verdict, `${told(verdict)}; asking again to be sure`, 'deep-failed');
  const fails = s.fails + 1;
  if (fails < c.policy.fall) {
    const text = `${told(verdict)}; failure ${fails} of ${c.policy.fall} in a row`;
    return stay(s, because(c, 'counting', text), { fails, unknowns: known(s, depth), verdict });
  }
  if (verdict.conclusive) return fallen(c, s, verdict);
  return doubt(c, s, verdict, `${told(verdict)}; ${fails} in a row, asking the DeepCheck`, 'fall-reached');
}

/** This depth could tell. The same object if it was not in doubt. */
const known = (s: ServiceState, depth: Depth): ServiceState['unknowns'] => {
  if (s.unknowns[depth] === 0) return s.unknowns;
  const unknowns = { ...s.unknowns, [depth]: 0 };
  return unknowns.quick + unknowns.deep === 0 ? sure : unknowns;
};

/** A good answer to a healthy service: the very same state unless a counter or a flag has to change. */
function stillWell(c: Context, s: ServiceState, e: Checked): Move {
  const { degraded } = flagged(s, e);
  const quick = e.depth === 'quick';
  const unknowns = known(s, e.depth);
  const counting = unknowns !== s.unknowns || (quick && s.fails > 0) || (s.graceUntil !== null && c.at >= s.graceUntil);
  if (!counting && degraded === s.degraded) return ignore(c, s, 'well', e.verdict.detail);
  const changed = degraded !== s.degraded;
  const why = changed
    ? because(c, degraded.length > 0 ? 'degraded' : 'well', told(e.verdict))
    : because(c, 'well', `${told(e.verdict)}; counters start again`);
  return stay(s, why, {
    fails: quick ? 0 : s.fails,
    unknowns,
    degraded,
    ...(changed || s.why.rule === 'unknown' ? { why } : {}),
    ...(s.graceUntil !== null && c.at >= s.graceUntil ? { graceUntil: null } : {}),
    verdict: degraded.length > 0 && e.verdict.outcome === 'degraded' ? e.verdict : null,
  });
}

/** Healthy → suspect. Coming and going is counted here. */
function doubt(c: Context, s: ServiceState, verdict: Verdict, text: string, rule: string): Move {
  return confirm(c, s, because(c, rule, text), { verdict, ...flipped(c, s) });
}

/** Healthy → straight to the gates: the evidence is conclusive. */
export function fallen(c: Context, s: ServiceState, verdict: Verdict): Move {
  return act(
    c,
    { ...s, ...flipped(c, s), awaiting: c.root ? s.awaiting : verdict.cause === 'dead' ? [] : c.stands },
    verdict,
  );
}

function flipped(c: Context, s: ServiceState): Pick<ServiceState, 'flips' | 'frozenUntil'> {
  const flips = [...within(s.flips, c.policy.flap.windowMs, c.at), c.at].slice(-c.policy.flap.changes);
  const frozenUntil = flips.length >= c.policy.flap.changes ? c.at + c.policy.flap.calmMs : s.frozenUntil;
  return { flips, frozenUntil };
}

/** `unknown` alerts and never acts. It is counted up to the alarm and no further. */
function couldNotTell(c: Context, s: ServiceState, { verdict, depth }: Checked): Move {
  if (s.unknowns[depth] >= c.policy.unknowns) return ignore(c, s, 'unknown', told(verdict));
  const unknowns = unsure(c, s, depth);
  const text = `${told(verdict)}; could not tell, ${unknowns[depth]} in a row, nothing is done about it`;
  const why = because(c, 'unknown', text);
  return stay(s, why, { unknowns, ...(unknowns[depth] >= c.policy.unknowns ? { why } : {}) });
}

function checkedSuspect(c: Context, s: ServiceState, e: Checked): Move {
  const { verdict } = e;
  if (verdict.outcome === 'fail' && verdict.conclusive && verdict.cause === 'dead') return act(c, s, verdict);
  if (e.depth !== 'deep') return ignore(c, s, 'ignored', 'the DeepCheck is awaited');
  if (good(verdict)) {
    const rule = s.incident !== null ? 'recovered' : s.verdict ? 'false-alarm' : 'well';
    const before = s.verdict ? ` (before: ${s.verdict.detail})` : '';
    return well(c, s, because(c, rule, `${answer(verdict)}${before}`), found(s, e));
  }
  return verdict.outcome === 'unknown' ? couldNotTell(c, s, e) : act(c, s, verdict);
}

function checkedVerifying(c: Context, s: ServiceState, e: Checked): Move {
  const { verdict } = e;
  if (e.depth !== 'deep') return ignore(c, s, 'ignored', 'the DeepCheck is awaited');
  if (good(verdict)) {
    const rule = s.rung === null ? 'confirmed' : 'repaired';
    return well(c, s, because(c, rule, answer(verdict)), found(s, e));
  }
  const left = (s.graceUntil ?? c.at) - c.at;
  if (left > 0) {
    const text = `${told(verdict)}; it has ${span(left)} more to come up`;
    return verifyLater(c, s, because(c, 'coming-up', text), verdict);
  }
  return verifyOver(c, verdict.outcome === 'fail' ? { ...s, verdict, fails: s.fails + 1 } : s);
}

/** The time to come up is over. No verdict is not a fail: without one, a person is needed. */
export function verifyOver(c: Context, s: ServiceState): Move {
  if (s.fails === 0) {
    const text = 'after the repair the DeepCheck could not tell: no verdict, so nothing more is done';
    return giveUp(c, s, because(c, 'cannot-verify', text), null);
  }
  if (s.rung === null) return act(c, s, s.verdict ?? { outcome: 'fail', detail: 'no verdict', check: '' });
  return nextAttempt(
    c,
    s,
    'still-failing',
    `after "${s.rung}" it still fails: ${s.verdict ? told(s.verdict) : 'no word'}`,
  );
}

/** Nothing is done about it now, and its QuickChecks pass: `rise` in a row ask for the DeepCheck, which decides. */
function lookingBetter(c: Context, s: ServiceState, verdict: Verdict): Move {
  if (!good(verdict))
    return verdict.outcome === 'unknown' || s.passes === 0
      ? ignore(c, s, 'ignored', `still ${s.phase}`)
      : stay(s, because(c, 'still-failing', told(verdict)), { passes: 0 });
  if (s.passes >= c.policy.rise) return ignore(c, s, 'ignored', 'the DeepCheck decides');
  const passes = s.passes + 1;
  const effects =
    passes === c.policy.rise ? [{ kind: 'check', service: c.name, depth: 'deep', epoch: s.epoch } as const] : [];
  const text = `QuickCheck passes, ${passes} of ${c.policy.rise}`;
  return stay(s, because(c, 'looking-better', text), { passes }, { effects });
}

/** It was not started because that is not safe, or because somebody is at work on it: of course it fails. */
const NOT_STARTED: ReadonlySet<string> = new Set(['not-safe-to-start', 'by-hand']);

/** Given up for a reason that is over: the cause was none that a repair cures, or only observed, or not verified. The
 *  end of the ladder or of a budget is no such reason: it has its own time (againMs), which a verdict never changes. */
function goesOn(c: Context, s: ServiceState, verdict: Verdict): boolean {
  if (c.observe || c.policy.observe || !curable(c.policy, verdict)) return false;
  switch (s.why.rule) {
    case 'cause-not-curable':
    case 'observe-only':
    case 'cannot-verify':
      return true;
    case 'switchover-failed':
      return (
        causeOf(s.verdict) !== causeOf(verdict) &&
        nextRung(c.policy, s, verdict) !== null &&
        serviceBudget(c.policy, s, c.strict !== null, c.at) > 0
      );
    default:
      return false;
  }
}

export function checkedFailed(c: Context, s: ServiceState, e: Checked): Move {
  const { verdict } = e;
  if (e.depth === 'deep' && good(verdict))
    return well(c, s, because(c, 'recovered', `it works again: ${answer(verdict)}`), found(s, e));
  if (good(verdict)) return lookingBetter(c, s, verdict);
  if (verdict.outcome === 'unknown') return ignore(c, s, 'ignored', 'could not tell');
  const changed = causeOf(verdict) !== causeOf(s.verdict);
  const sure = e.depth === 'deep' || verdict.conclusive === true;
  if (sure && goesOn(c, s, verdict)) return act(c, { ...s, awaiting: [] }, verdict);
  if (NOT_STARTED.has(s.why.rule)) return ignore(c, s, 'ignored', 'it was not started, and a person is needed');
  if (s.passes > 0) return stay(s, because(c, 'still-failing', told(verdict)), { passes: 0 });
  if (changed && sure) return stay(s, because(c, 'still-failing', told(verdict)), { verdict });
  return ignore(c, s, 'ignored', 'still failing');
}
