// The machine of one service: an event in, a move out. One small function a phase. It asks no clock, draws no lots and
// does nothing; late answers (an old epoch) change nothing.
import { act, giveUp, nextAttempt } from './act.ts';
import { forgotten } from './diagnose.ts';
import { checkedFailed, fallen, onChecked, verifyOver } from './judge.ts';
import {
  because,
  confirm,
  type Context,
  go,
  ignore,
  incidentOf,
  type Move,
  span,
  stay,
  sure,
  unsure,
  verify,
} from './move.ts';
import type { Event, RepairResult, ServiceState, Verdict } from './types.ts';

/** Events that concern one service; the node's own are in decide.ts. */
export type ServiceEvent =
  | Extract<Event, { service: string }>
  | Extract<Event, { kind: 'booted' | 'stalled' }>
  | { readonly kind: 'nudged'; readonly at: number; readonly service: string; readonly reason: string };

type Of<K extends ServiceEvent['kind']> = Extract<ServiceEvent, { kind: K }>;

export function escalate(c: Context, s: ServiceState, e: ServiceEvent): Move {
  if ('epoch' in e && e.epoch !== s.epoch) return ignore(c, s, 'stale', `an answer to an older question (${e.kind})`);
  switch (e.kind) {
    case 'checked':
      return onChecked(c, s, e);
    case 'repaired':
      return s.phase === 'restarting' ? onRepaired(c, s, e.result) : ignore(c, s, 'ignored', 'no repair was asked for');
    case 'woke':
      return s.wakeAt === null || c.at < s.wakeAt ? early(c, s) : onWoke(c, s);
    case 'died':
      return onDied(c, s, e);
    case 'started':
      return onStarted(c, s, e);
    case 'nudged':
      return onNudged(c, s, e);
    case 'stalled':
      return onStalled(c, s, e);
    case 'booted':
      return onBooted(c, s);
    case 'switched':
      return onSwitched(c, s, e);
    default:
      return byOperator(c, s, e);
  }
}

// ---------------------------------------------------------------------------------------------------------- repairs

/** Fewer attempts, and which those were. */
const tries = (s: ServiceState, attempts: number): Pick<ServiceState, 'attempts' | 'tried'> => ({
  attempts,
  ...(s.tried ? { tried: s.tried.slice(0, attempts) } : {}),
});

/** Somebody starts or stops it right now: how long until a fresh look. */
const CHANGING_MS = 5000;
/** After a start that was not safe: how long until its configuration is read again. */
const LOOK_AGAIN_MS = 600_000;

function onRepaired(c: Context, s: ServiceState, result: RepairResult): Move {
  // Nothing was done: neither the ladder nor the budgets are charged for it.
  const unspent = { ...tries(s, s.attempts - 1), repairs: s.repairs.slice(0, -1), rung: null };
  switch (result.did) {
    case 'done': {
      const why = because(c, 'verify', `"${s.rung}" is done (${result.detail}); the DeepCheck decides`);
      return verify(c, s, why);
    }
    case 'adopted': {
      const why = because(c, 'adopted', `it runs again without us: ${result.detail}; the DeepCheck decides`);
      const once = [
        { event: 'service-adopted', summary: `${c.name}: ${result.detail}`, action: 'nothing needed' },
      ] as const;
      return { ...verify(c, s, why, unspent), repairs: -1, once };
    }
    case 'held': {
      // A start or stop that is under way this moment ends soon, one way or the other.
      const { byHandMs } = c.policy;
      const until = result.soon ? Math.min(byHandMs ?? CHANGING_MS, CHANGING_MS) : byHandMs;
      const text = `somebody is at work on it by hand: ${result.detail}`;
      const refused = [{ what: s.rung ?? 'repair', rule: 'by-hand', text }];
      const why = because(
        c,
        'by-hand',
        `${text}; left alone ${until === null ? 'until it runs' : `for ${span(until)}`}`,
        refused,
      );
      if (until === null) return { ...giveUp(c, { ...s, ...unspent }, why, null), repairs: -1 };
      const patch = { waitsFor: 'hand', ...incidentOf(c, s), ...unspent } as const;
      return { ...go(c, s, 'waiting', why, c.at + Math.max(1, until), patch), repairs: -1 };
    }
    case 'refused': {
      const cause = result.cause ?? 'misconfigured';
      const refused = [{ what: s.rung ?? 'repair', rule: 'not-safe-to-start', text: result.detail }];
      const why = because(c, 'not-safe-to-start', `${result.detail} (${cause}); it was not started`, refused);
      const verdict: Verdict = { outcome: 'fail', cause, detail: result.detail, check: 'manager' };
      // Whoever mends the configuration at night need not also know that this daemon has to be told.
      const again = c.policy.againMs === null ? null : c.at + Math.min(c.policy.againMs, LOOK_AGAIN_MS);
      return { ...giveUp(c, { ...s, ...unspent, verdict }, why, again), repairs: -1 };
    }
    case 'failed':
      return nextAttempt(c, s, 'repair-failed', `"${s.rung}" failed: ${result.detail}`);
  }
}

// --------------------------------------------------------------------------------------------------------- time, life

/** An alarm clock that was set for an earlier time, or that goes wrong: it is set again, and nothing else. */
function early(c: Context, s: ServiceState): Move {
  const move = ignore(c, s, 'ignored', 'an alarm clock rang before its time');
  if (s.wakeAt === null) return move;
  return { ...move, effects: [{ kind: 'wake', service: c.name, at: s.wakeAt, epoch: s.epoch }] };
}

function onWoke(c: Context, s: ServiceState): Move {
  switch (s.phase) {
    case 'healthy':
      return calm(c, s);
    case 'suspect':
      if (s.waitsFor === 'dependencies')
        // No word from them in time. If they failed, their own incidents say so (blocked); they are not waited for
        // twice.
        return confirm(c, s, because(c, 'ask-again', `no word from ${s.awaiting.join(', ')} in time; asking anew`), {
          awaiting: [],
        });
      return s.waitsFor !== null
        ? confirm(c, s, because(c, 'ask-again', `${s.why.text}; asking anew`))
        : confirm(c, s, because(c, 'no-verdict', 'no verdict in time: could not tell, asking again'), {
            unknowns: unsure(c, s, 'deep'),
          });
    case 'restarting':
      return nextAttempt(c, s, 'repair-timeout', `"${s.rung}" did not end within ${span(c.policy.repairMs)}`);
    case 'verifying':
      if (s.graceUntil !== null && c.at < s.graceUntil)
        return verify(c, s, because(c, 'coming-up', 'asking the DeepCheck again'));
      // Somebody else started it, and the newest evidence may be as old as its whole time to come up.
      return s.rung === null && s.fails > 0
        ? confirm(c, s, because(c, 'still-failing', 'its time to come up is over; a fresh look first'))
        : verifyOver(c, s);
    case 'waiting':
      return confirm(c, s, because(c, 'wait-over', `the wait (${s.waitsFor ?? 'pause'}) is over; a fresh look first`));
    case 'switching':
      return giveUp(c, s, because(c, 'switchover-timeout', 'the switchover did not end in time'), null);
    case 'failed': {
      const text = `one more attempt, ${span(c.at - s.since)} after giving up; a fresh look first`;
      const left = Math.min(s.attempts, Math.max(0, c.policy.attempts - 1));
      return confirm(c, s, because(c, 'once-more', text), tries(s, left));
    }
    case 'paused':
      return resume(c, s, 'the pause is at its end');
    default:
      return ignore(c, s, 'ignored', `nothing to wake while ${s.phase}`);
  }
}

/** Healthy for long enough: attempts are forgotten, and repairs thaw. */
function calm(c: Context, s: ServiceState): Move {
  const thawed = s.frozenUntil !== null && s.frozenUntil <= c.at;
  const stable = s.attempts > 0 && c.at >= s.since + c.policy.stableMs;
  const attempts = stable ? 0 : s.attempts;
  const frozenUntil = thawed ? null : s.frozenUntil;
  const times = [attempts > 0 ? s.since + c.policy.stableMs : null, frozenUntil].filter((time) => time !== null);
  const wakeAt = times.length > 0 ? Math.max(c.at + 1, Math.min(...times)) : null;
  const text = [stable ? 'stable: attempts are forgotten' : '', thawed ? 'calm: repairs are possible again' : '']
    .filter((part) => part !== '')
    .join('; ');
  const why = because(c, stable ? 'stable' : thawed ? 'calm' : 'ask-again', text || 'not yet stable');
  const effects = wakeAt === null ? [] : [{ kind: 'wake', service: c.name, at: wakeAt, epoch: s.epoch } as const];
  return stay(s, why, { ...tries(s, attempts), frozenUntil, wakeAt }, { effects });
}

function onDied(c: Context, s: ServiceState, e: Of<'died'>): Move {
  const verdict: Verdict = { outcome: 'fail', cause: 'dead', detail: e.detail, check: 'watch', conclusive: true };
  switch (s.phase) {
    case 'healthy':
      return fallen(c, s, verdict);
    case 'suspect':
      return act(c, s, verdict);
    case 'verifying':
      if (s.rung === null) return act(c, s, verdict);
      return nextAttempt(c, { ...s, verdict }, 'died-again', `after "${s.rung}" it died: ${e.detail}`);
    case 'failed':
      return checkedFailed(c, s, { ...e, kind: 'checked', epoch: s.epoch, depth: 'quick', verdict });
    default:
      return ignore(c, s, 'ignored', `it died while ${s.phase}: ${e.detail}`);
  }
}

function onStarted(c: Context, s: ServiceState, e: Of<'started'>): Move {
  const once = [
    { event: 'service-adopted', summary: `${c.name}: ${e.detail}`, action: 'recognised, not touched' },
  ] as const;
  if (s.phase === 'healthy') {
    const why = because(c, 'adopted', `somebody restarted it: ${e.detail}; recognised, not touched`);
    const effects = [{ kind: 'check', service: c.name, depth: 'deep', epoch: s.epoch } as const];
    return stay(s, why, { graceUntil: c.at + c.policy.graceMs, fails: 0 }, { effects, once });
  }
  if (s.phase !== 'suspect' && s.phase !== 'waiting' && s.phase !== 'failed')
    return ignore(c, s, 'ignored', `it was started while ${s.phase}`);
  const why = because(c, 'adopted', `somebody started it: ${e.detail}; the DeepCheck decides`);
  return { ...verify(c, s, why, { rung: null }), once };
}

function onNudged(c: Context, s: ServiceState, e: Of<'nudged'>): Move {
  if (s.phase === 'suspect' && s.waitsFor === 'dependencies' && s.verdict && e.reason === 'dependencies')
    return act(c, { ...s, waitsFor: null, awaiting: [] }, s.verdict);
  if (s.phase === 'healthy') {
    // Answers that are on their way were asked for during the outage: they belong to an epoch that is over.
    const why = because(c, 'asked-anew', `${e.reason}: what was seen before is dropped`);
    const { degraded, unknowns, graceUntil } = s;
    const verdict = forgotten(s.verdict);
    return go(c, s, 'healthy', why, s.wakeAt, { degraded, unknowns, graceUntil, verdict });
  }
  const waits = s.phase === 'waiting' ? s.waitsFor === 'turn' || s.waitsFor === 'tilt' : s.phase === 'suspect';
  if (!waits) return ignore(c, s, 'ignored', 'nothing waits');
  return confirm(c, s, because(c, 'ask-again', `${e.reason}; a fresh look first`));
}

/** We slept: what was asked before the sleep is void, and time that nobody used does not count. */
function onStalled(c: Context, s: ServiceState, e: Of<'stalled'>): Move {
  const why = because(c, 'stalled', `this daemon stood still for ${span(e.ms)}: evidence from before is dropped`);
  if (s.phase === 'healthy')
    return s.fails + s.unknowns.quick + s.unknowns.deep > 0
      ? stay(s, why, { fails: 0, unknowns: sure, verdict: forgotten(s.verdict) })
      : ignore(c, s, 'stalled', why.text);
  if (s.phase === 'suspect') return confirm(c, s, why, { verdict: forgotten(s.verdict) });
  if (s.phase === 'verifying') return verify(c, { ...s, graceUntil: (s.graceUntil ?? c.at) + e.ms }, why);
  if (s.wakeAt === null) return ignore(c, s, 'stalled', why.text);
  const wakeAt = Math.max(c.at + 1, s.wakeAt + (s.phase === 'restarting' || s.phase === 'switching' ? e.ms : 0));
  if (wakeAt === s.wakeAt) return ignore(c, s, 'stalled', why.text);
  return stay(s, why, { wakeAt }, { effects: [{ kind: 'wake', service: c.name, at: wakeAt, epoch: s.epoch }] });
}

/** The daemon started: what was in doubt is looked at again, never blindly redone. Timers are set again. */
function onBooted(c: Context, s: ServiceState): Move {
  const kept = s.phase === 'paused' || s.phase === 'relinquished' || s.phase === 'failed';
  if (kept) {
    if (s.wakeAt === null) return ignore(c, s, 'kept', `${s.phase}, as before the restart`);
    const wakeAt = Math.max(c.at + 1, s.wakeAt);
    const effects = [{ kind: 'wake', service: c.name, at: wakeAt, epoch: s.epoch } as const];
    return stay(s, because(c, 'kept', `${s.phase}, as before the restart`), { wakeAt }, { effects });
  }
  if (s.phase === 'switching')
    return go(
      c,
      s,
      'switching',
      because(c, 'resume-switchover', 'a switchover was under way'),
      c.at + c.policy.switchMs,
      {},
      {
        effects: [{ kind: 'switchover', service: c.name, epoch: 0, incident: s.incident }],
      },
    );
  return confirm(c, s, because(c, 'booted', 'a first look'), { rung: null, graceUntil: null });
}

/** What a service that is no longer ours leaves behind: nothing open. */
const GONE: Partial<ServiceState> = {
  incident: null,
  attempts: 0,
  tried: [],
  rung: null,
  pause: null,
  degraded: [],
  verdict: null,
  blockedBy: null,
  flips: [],
  frozenUntil: null,
  graceUntil: null,
  settling: null,
};

function onSwitched(c: Context, s: ServiceState, e: Of<'switched'>): Move {
  if (s.phase !== 'switching') return ignore(c, s, 'ignored', 'no switchover was asked for');
  if (!e.ok) return giveUp(c, s, because(c, 'switchover-failed', `it could not be moved: ${e.detail}`), null);
  return go(c, s, 'relinquished', because(c, 'switched', e.detail), null, GONE);
}

// --------------------------------------------------------------------------------------------------------- operators

function byOperator(c: Context, s: ServiceState, e: Of<'paused' | 'resumed' | 'reset' | 'acquired' | 'evicted'>): Move {
  switch (e.kind) {
    case 'paused': {
      if (s.phase === 'switching' || s.phase === 'relinquished')
        return ignore(c, s, 'refused', `it cannot be paused while ${s.phase}`);
      if (e.until <= c.at) return ignore(c, s, 'refused', 'a pause needs an end in the future');
      const pause = { until: e.until, by: e.by, comment: e.comment };
      const text = `paused by ${e.by} for ${span(e.until - c.at)}: ${e.comment}`;
      const once = [
        { event: 'service-paused', summary: `${c.name}: ${text}`, action: 'no repair until then' },
      ] as const;
      return go(c, s, 'paused', because(c, 'paused', text), e.until, { pause, rung: null }, { once });
    }
    case 'resumed':
      return s.phase === 'paused' ? resume(c, s, `resumed by ${e.by}`) : ignore(c, s, 'refused', 'it is not paused');
    case 'reset': {
      if (s.phase !== 'failed') return ignore(c, s, 'refused', 'it has not given up');
      const text = `attempts forgotten by ${e.by}; a fresh look first`;
      return confirm(c, s, because(c, 'reset', text), {
        ...{ attempts: 0, tried: [], repairs: [], flips: [], frozenUntil: null, settling: null },
      });
    }
    case 'acquired':
      if (s.phase !== 'relinquished') return ignore(c, s, 'refused', 'this node has it already');
      return verify(c, s, because(c, 'acquired', 'this node took it over'), { attempts: 0, tried: [], rung: null });
    case 'evicted': {
      if (s.phase === 'relinquished') return ignore(c, s, 'refused', 'this node does not have it');
      const effects = e.keep ? [] : [{ kind: 'stop', service: c.name, epoch: 0 } as const];
      return go(c, s, 'relinquished', because(c, 'evicted', e.detail), null, GONE, { effects });
    }
  }
}

function resume(c: Context, s: ServiceState, text: string): Move {
  const move = confirm(c, s, because(c, 'resumed', `${text}; a fresh look first`), { pause: null });
  return { ...move, once: [{ event: 'service-resumed', summary: `${c.name}: ${text}`, action: 'looking' }] };
}
