// What was seen, which rule decided, what was refused and why, and what comes next: the answers that status, explain,
// alerts and the live table show. Pure; the sentences about what comes next are made here and nowhere else.
import { nextRung, roomAt, serviceBudget } from './ladder.ts';
import { type Refusal, span, told } from './move.ts';
import type { NodeState, Policy, ServicePolicy, ServiceState } from './types.ts';

export interface Next {
  /** One word: check, repair, switchover, thaw, forget, resume, person or nothing. */
  readonly what: string;
  /** When, on the daemon's timeline; null when it hangs on something else than time. */
  readonly at: number | null;
  readonly text: string;
}

export interface Explained {
  readonly seen: string;
  readonly rule: string;
  readonly text: string;
  readonly refused: readonly Refusal[];
  readonly next: Next;
  readonly attempts: number;
  readonly budget: { readonly left: number; readonly of: number; readonly windowMs: number };
  readonly blockedBy: string | null;
  readonly dependsOn: readonly string[];
}

export function explain(policy: Policy, node: NodeState, name: string, at: number): Explained {
  const rules = policy.services[name];
  const s = node.services[name];
  if (!rules || !s) throw new Error(`no service ${name}`);
  const strict = node.strict !== null;
  return {
    seen: seen(s),
    rule: s.why.rule,
    text: s.why.text,
    refused: s.why.refused ?? [],
    next: nextOf(policy, node, name, at),
    attempts: s.attempts,
    budget: {
      left: Math.max(0, serviceBudget(rules, s, strict, at)),
      of: strict ? 1 : rules.attempts,
      windowMs: rules.windowMs,
    },
    blockedBy: s.blockedBy,
    dependsOn: rules.depends,
  };
}

function seen(s: ServiceState): string {
  if (s.phase === 'paused' || s.phase === 'relinquished') return `not judged while ${s.phase}`;
  if (s.verdict) return told(s.verdict);
  return s.degraded.length > 0 || s.why.rule === 'unknown' ? s.why.text : 'nothing is wrong with it';
}

/** What comes next for a service, and when. */
export function nextOf(policy: Policy, node: NodeState, name: string, at: number): Next {
  const rules = policy.services[name];
  const s = node.services[name];
  if (!rules || !s) return { what: 'nothing', at: null, text: '' };
  const inTime = s.wakeAt === null ? '' : span(Math.max(0, s.wakeAt - at));
  switch (s.phase) {
    case 'healthy':
      return healthy(rules, s, at, inTime);
    case 'suspect':
      return { what: 'check', at: s.wakeAt, text: suspect(s, inTime) };
    case 'restarting':
      return { what: 'check', at: s.wakeAt, text: `"${s.rung}" is under way; it has ${inTime} more to end` };
    case 'verifying':
      return { what: 'check', at: s.wakeAt, text: verifying(s, at, inTime) };
    case 'waiting':
      return { what: 'repair', at: s.wakeAt, text: waiting(rules, s, inTime) };
    case 'switching':
      return { what: 'switchover', at: s.wakeAt, text: `a switchover is wanted; it has ${inTime} more` };
    case 'failed':
      return failed(rules, s, node.strict !== null, at, inTime);
    case 'paused':
      return { what: 'resume', at: s.wakeAt, text: `the pause ends in ${inTime}` };
    case 'relinquished':
      return { what: 'nothing', at: null, text: 'another node has it' };
  }
}

function healthy(rules: ServicePolicy, s: ServiceState, at: number, inTime: string): Next {
  if (s.fails > 0) {
    const left = rules.fall - s.fails;
    const text = `${left} more failing QuickCheck${left === 1 ? '' : 's'} in a row and the DeepCheck is asked`;
    return { what: 'check', at: null, text };
  }
  if (s.graceUntil !== null && at < s.graceUntil)
    return {
      what: 'check',
      at: s.graceUntil,
      text: `it was just started: failures count in ${span(s.graceUntil - at)}`,
    };
  if (s.frozenUntil !== null)
    return {
      what: 'thaw',
      at: s.frozenUntil,
      text: `repairs are possible again in ${span(Math.max(0, s.frozenUntil - at))}`,
    };
  if (s.settling !== null && at < s.settling.until) {
    const text = `${s.settling.root} has just come back: failures count in ${span(s.settling.until - at)}`;
    return { what: 'check', at: s.settling.until, text };
  }
  if (s.attempts > 0)
    return { what: 'forget', at: s.wakeAt, text: `attempts are forgotten after ${inTime} more of health` };
  return { what: 'nothing', at: null, text: '' };
}

const HELD: Readonly<Record<string, string>> = {
  dependencies: 'what it depends on is asked first',
  round: 'waits for the first round of checks',
  tilt: 'looked at again when the observer trusts its eyes',
  start: 'it has just been started and is given time to come up',
  settle: 'left to come to itself, as what it depends on has just come back',
};

function suspect(s: ServiceState, inTime: string): string {
  const text =
    s.waitsFor === 'root'
      ? `looked at again when ${s.blockedBy ?? 'its dependency'} works`
      : (HELD[s.waitsFor ?? ''] ?? 'the DeepCheck is awaited');
  return `${text}; asked again in ${inTime} at the latest`;
}

function verifying(s: ServiceState, at: number, inTime: string): string {
  const left = (s.graceUntil ?? at) - at;
  return left > 0
    ? `the DeepCheck decides; it has ${span(left)} more to pass`
    : `the last DeepCheck is awaited, for ${inTime} more`;
}

function waiting(rules: ServicePolicy, s: ServiceState, inTime: string): string {
  const rung = nextRung(rules, s, s.verdict);
  const then = rung ? `"${rung.name}" if it still fails` : 'the end of its ladder if it still fails';
  if (s.waitsFor === 'turn')
    return `a fresh look when the other repair is done, in ${inTime} at the latest; then ${then}`;
  if (s.waitsFor === 'hand') return `looked at again in ${inTime}, if nobody started it by then`;
  return `a fresh look in ${inTime}, then ${then}`;
}

/** Given up, by the rule that gave up: what could still happen without a person. */
const AFTER: Readonly<Record<string, string>> = {
  'observe-only': 'nothing is done while it is only observed',
  'by-hand': 'left alone until somebody starts it',
  'not-safe-to-start': 'a person has to mend its configuration and start it',
};

function failed(rules: ServicePolicy, s: ServiceState, strict: boolean, at: number, inTime: string): Next {
  const needed = AFTER[s.why.rule] ?? 'a person is needed';
  if (s.wakeAt !== null) return { what: 'repair', at: s.wakeAt, text: `${needed}; one more attempt in ${inTime}` };
  const spent = serviceBudget(rules, s, strict, at) <= 0;
  const budget = spent ? `; the budget has room again in ${span(roomAt(s.repairs, rules.windowMs, at) - at)}` : '';
  const text = `${needed}; checks go on and will notice when it works${budget}`;
  return { what: s.why.rule === 'observe-only' ? 'nothing' : 'person', at: null, text };
}
