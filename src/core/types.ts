// Every noun of the domain, as types without code. All of it is plain JSON: what is written here is what the journal
// holds, what the command line prints and what a replay reads. Times named `at`, `since`, `until` are milliseconds on
// the daemon's own timeline (see daemon/timeline.ts): it never goes back and never jumps with the wall clock.

import type { Cause } from './causes.ts';
import type { GroupEffect, GroupEvent } from './group-events.ts';
import type { ClusterPolicy, GroupPolicy, GroupState } from './group-types.ts';
import type { Match, NotifyState, Routing } from './telling.ts';
import type { Depth, Step, Verdict } from './verdict.ts';

export type { Cause };
export type { Outcome, Depth, Step, Metric, CheckResult, Verdict, Facts, LogSign } from './verdict.ts';

export type RungName = 'reload' | 'part' | 'start' | 'restart' | 'kill-and-start' | 'command';

/** One repair of a ladder. `cures` says what it can help against; the default stands in ladder.ts. */
export interface Rung {
  readonly name: RungName;
  readonly cures: readonly Cause[];
  /** argv of an own command, for `command`. */
  readonly run?: readonly string[];
  /** Names of the parts that can be repaired alone, for `part`. */
  readonly parts?: readonly string[];
}

export interface Backoff {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

/** The rules for one service. Plain JSON: it is journalled, so that a replay needs nothing else. */
export interface ServicePolicy {
  readonly depends: readonly string[];
  /** QuickChecks in a row that must fail before a service is suspect, and pass before it is well. */
  readonly fall: number;
  readonly rise: number;
  /** `unknown` verdicts in a row before an alarm. */
  readonly unknowns: number;
  /** How long to wait for the confirming DeepCheck before asking again. */
  readonly confirmMs: number;
  readonly ladder: readonly Rung[];
  /** Repairs allowed within `windowMs`, and rungs to climb before the end of the ladder. */
  readonly attempts: number;
  readonly windowMs: number;
  readonly backoff: Backoff;
  /** How long one repair may take before it counts as failed. */
  readonly repairMs: number;
  /** How long a repaired service may need until its DeepCheck passes. */
  readonly verifyMs: number;
  /** After this much health, attempts are forgotten. */
  readonly stableMs: number;
  /** After a start by somebody else, failures that are not conclusive do not count for this long; a repaired service
   *  has at least this long to pass its DeepCheck. */
  readonly graceMs: number;
  /** After something that it depends on came back, it has this long to come to itself: what it shows meanwhile is
   *  repaired only when it is dead, or seen on the service itself. */
  readonly settleMs: number;
  /** A service that somebody stopped by hand is left alone for this long; null = for ever. */
  readonly byHandMs: number | null;
  /** What comes after the ladder. */
  readonly then: 'switchover' | 'give-up';
  readonly switchMs: number;
  /** After giving up, try one repair again after this time; null = never. */
  readonly againMs: number | null;
  /** Look, alert and record what would have been done. */
  readonly observe: boolean;
  readonly flap: { readonly changes: number; readonly windowMs: number; readonly calmMs: number };
  readonly runbook?: string;
}

/** The rules for the whole node. */
export interface Policy {
  readonly node: string;
  readonly services: Readonly<Record<string, ServicePolicy>>;
  readonly observe: boolean;
  /** At most this many repairs on this node in the window, and this many at once. */
  readonly repairs: { readonly max: number; readonly windowMs: number; readonly parallel: number };
  readonly tilt: {
    /** After a stall the observer only looks, for this long. */
    readonly stallMs: number;
    /** This share of all services failing at once, for one outside reason, means the observer is suspect. */
    readonly share: number;
    readonly least: number;
    readonly windowMs: number;
    /** The doubt ends after this long even if the share does not fall. */
    readonly limitMs: number;
  };
  /** Absent: everything is told to every channel. */
  readonly routing?: Routing;
  /** Absent: this node stands alone. */
  readonly cluster?: ClusterPolicy;
  readonly groups?: Readonly<Record<string, GroupPolicy>>;
}

export type Phase =
  | 'healthy'
  | 'suspect'
  | 'restarting'
  | 'verifying'
  | 'waiting'
  | 'switching'
  | 'relinquished'
  | 'failed'
  | 'paused';

/** Why something was decided: a rule's name and a sentence. The same one goes to log, alert, status and explain. */
export interface Why {
  readonly service: string | null;
  readonly rule: string;
  readonly text: string;
  /** What could have been done and was not, each with its own rule. */
  readonly refused?: readonly { readonly what: string; readonly rule: string; readonly text: string }[];
}

export interface ServiceState {
  readonly phase: Phase;
  /** Raised by every change of phase. A late result with an old epoch is ignored. */
  readonly epoch: number;
  readonly since: number;
  readonly why: Why;
  readonly fails: number;
  readonly passes: number;
  /** Verdicts in a row that could not tell, a depth each: a QuickCheck says nothing for a blind DeepCheck. */
  readonly unknowns: Readonly<Record<Depth, number>>;
  /** The verdict that made the service suspect, or the newest that confirmed it. */
  readonly verdict: Verdict | null;
  /** The depths that last said `degraded`. */
  readonly degraded: readonly Depth[];
  /** Rungs climbed since the service was last stable. */
  readonly attempts: number;
  /** Which they were, oldest first (`keyOf` in ladder.ts). Absent in states of older journals. */
  readonly tried?: readonly string[];
  /** When repairs were started: the budget's memory. */
  readonly repairs: readonly number[];
  readonly rung: RungName | null;
  readonly incident: string | null;
  readonly incidents: number;
  /** Dependencies whose fresh verdict is still awaited before anything is done. */
  readonly awaiting: readonly string[];
  /** The dependency that is at fault, if one is. */
  readonly blockedBy: string | null;
  /** When this service became suspect, newest last: flapping is counted from these. */
  readonly flips: readonly number[];
  readonly frozenUntil: number | null;
  /** Verifying: the deadline of the DeepCheck. Healthy: until then failures that are not conclusive do not count. */
  readonly graceUntil: number | null;
  /** What it depends on came back, and it may need until then to notice. */
  readonly settling: { readonly root: string; readonly until: number } | null;
  /** The one armed alarm clock of a busy phase. */
  readonly wakeAt: number | null;
  /** What a service that fails waits for: suspect for the first four, waiting for the rest (and for the doubt's end
   *  after a repair). */
  readonly waitsFor:
    | 'dependencies'
    | 'root'
    | 'round'
    | 'tilt'
    | 'settle'
    | 'start'
    | 'maintenance'
    | 'backoff'
    | 'turn'
    | 'calm'
    | 'budget'
    | 'hand'
    | null;
  readonly pause: { readonly until: number; readonly by: string; readonly comment: string } | null;
}

export type Severity = 'critical' | 'major' | 'minor' | 'warning' | 'indeterminate' | 'cleared';

export interface Alarm {
  readonly key: string;
  /** The event of the catalogue that raised it. */
  readonly event: string;
  readonly severity: Exclude<Severity, 'cleared'>;
  readonly service: string | null;
  readonly incident: string | null;
  readonly raisedAt: number;
  readonly summary: string;
  readonly cause: Cause | null;
  readonly count: number;
}

/** Something to tell: a raise, a clear or a one-shot. Made by the core, numbered and kept by the journal. */
export interface Notice {
  readonly event: string;
  readonly kind: 'raise' | 'clear' | 'once';
  readonly key: string;
  readonly severity: Severity;
  readonly service: string | null;
  readonly incident: string | null;
  readonly at: number;
  readonly raisedAt: number;
  readonly summary: string;
  readonly action: string;
  readonly cause: Cause | null;
  readonly count: number;
  readonly runbook: string | null;
  /** A group has come, or could not: after a move that was asked for, or after its node was lost. */
  readonly move?: { readonly group: string; readonly how: 'planned' | 'failover' };
}

export interface TiltState {
  readonly until: number;
  readonly since: number;
  readonly reason: 'stalled' | 'majority' | 'state-lost';
}

export interface NodeState {
  readonly services: Readonly<Record<string, ServiceState>>;
  readonly alarms: Readonly<Record<string, Alarm>>;
  readonly repairs: readonly number[];
  readonly tilt: TiltState | null;
  /** Failures that might have one outside reason: newest per service. */
  readonly doubts: Readonly<Record<string, { readonly at: number; readonly cause: Cause }>>;
  /** Services whose first verdict since the start is still awaited: nothing is repaired before. */
  readonly round: readonly string[];
  /** Set while the journal cannot be written or was lost: budgets are one repair per service. */
  readonly strict: string | null;
  readonly notify: NotifyState;
  /** Absent in states of older journals. */
  readonly groups?: Readonly<Record<string, GroupState>>;
}

interface At {
  readonly at: number;
}
interface Of extends At {
  readonly service: string;
}
/** What somebody said, until when it holds. */
interface Word extends At {
  readonly until: number;
  readonly by: string;
  readonly comment: string;
}
/** A result of something that was asked under an epoch. */
interface Reply extends Of {
  readonly epoch: number;
}

export type Event =
  | (Reply & { readonly kind: 'checked'; readonly depth: Depth; readonly verdict: Verdict })
  | (Reply & { readonly kind: 'repaired'; readonly result: RepairResult })
  | (Reply & { readonly kind: 'switched'; readonly ok: boolean; readonly detail: string })
  | (Reply & { readonly kind: 'woke' })
  | (Of & { readonly kind: 'died'; readonly detail: string })
  | (Of & { readonly kind: 'started'; readonly detail: string })
  | (Of & { readonly kind: 'paused'; readonly until: number; readonly by: string; readonly comment: string })
  | (Of & { readonly kind: 'resumed'; readonly by: string })
  | (Of & { readonly kind: 'reset'; readonly by: string })
  | (Of & { readonly kind: 'acquired' })
  /** `keep`: whoever says so stops it by itself. */
  | (Of & { readonly kind: 'evicted'; readonly detail: string; readonly keep?: boolean })
  | GroupEvent
  | (At & { readonly kind: 'booted'; readonly fresh: boolean })
  | (At & { readonly kind: 'stopping' })
  | (At & { readonly kind: 'configured'; readonly policy: Policy })
  | (At & { readonly kind: 'stalled'; readonly ms: number })
  | (At & { readonly kind: 'stepped'; readonly ms: number })
  /** A drill of the group of this name ended. */
  | (At & { readonly kind: 'drilled'; readonly name: string; readonly ok: boolean; readonly text: string })
  /** A comm path to another node works from now on, or does not. */
  | (At & {
      readonly kind: 'path';
      readonly peer: string;
      readonly address: string;
      readonly up: boolean;
      readonly detail: string;
    })
  | (At & { readonly kind: 'tick' })
  | (Word & { readonly kind: 'silenced'; readonly id: string; readonly match: Match })
  | (At & { readonly kind: 'unsilenced'; readonly id: string; readonly by: string })
  | (At & { readonly kind: 'acked'; readonly key: string; readonly by: string; readonly comment: string })
  | (Word & { readonly kind: 'maintained'; readonly name: string; readonly services: readonly string[] })
  | (At & { readonly kind: 'maintenance-over'; readonly name: string; readonly by: string })
  | (At & { readonly kind: 'quiet'; readonly name: string; readonly until: number })
  | (At & { readonly kind: 'rang' })
  | (At & { readonly kind: 'heartbeat' })
  /** Whoever these channels tell may have forgotten what was told. */
  | (At & { readonly kind: 'retell'; readonly channels: readonly string[]; readonly reason: string })
  /** How one source of replication of a group is, told when it changes. */
  | (At & {
      readonly kind: 'copy';
      readonly of: string;
      readonly source: string;
      readonly level: 'ok' | 'warn' | 'fail';
      readonly detail: string;
    })
  | (At & { readonly kind: 'condition'; readonly name: ConditionName; readonly bad: boolean; readonly detail: string });

/** Conditions of the daemon itself that are alarms of their own. */
export type ConditionName =
  | 'configuration'
  | 'journal'
  | 'state-lost'
  | 'history'
  | 'secrets'
  | 'plugin'
  | 'outbox'
  | 'channel'
  | 'agent'
  | 'coordinator'
  | 'member';

export interface RepairResult {
  readonly ok: boolean;
  /** `held`: nothing was done, because somebody is at work on the service by hand.
   *  `adopted`: nothing was done, because it runs again. */
  readonly did: 'done' | 'failed' | 'held' | 'adopted' | 'refused';
  /** Held, and it is changing this very moment: look again soon. */
  readonly soon?: boolean;
  readonly cause?: Cause;
  readonly detail: string;
  readonly steps?: readonly Step[];
}

export type Effect =
  | GroupEffect
  | { readonly kind: 'check'; readonly service: string; readonly depth: Depth; readonly epoch: number }
  | {
      readonly kind: 'repair';
      readonly service: string;
      readonly rung: Rung;
      readonly cause: Cause;
      /** The part at fault, for the rung `part`. */
      readonly part?: string;
      readonly attempt: number;
      readonly epoch: number;
      readonly timeoutMs: number;
    }
  | { readonly kind: 'switchover'; readonly service: string; readonly epoch: number; readonly incident: string | null }
  | { readonly kind: 'stop'; readonly service: string; readonly epoch: number }
  | { readonly kind: 'wake'; readonly service: string; readonly at: number; readonly epoch: number }
  /** The alarm clock of telling: one, a newer one takes its place. */
  | { readonly kind: 'ring'; readonly at: number }
  | {
      readonly kind: 'notice';
      readonly notice: Notice;
      /** The channels that it is for; absent: all. */
      readonly to?: readonly string[];
      /** Why it is told again; absent: it is new. */
      readonly again?: 'reminder' | 'escalation' | 'restart' | 'held';
    };

/** What the core answers: the next state, what is to be done, and why (a reason for each service it touched). */
export type Decision = readonly [NodeState, readonly Effect[], readonly Why[]];

/** Who a process is: a pid alone may be used again. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, field 22 of /proc/PID/stat (proc(5)). */
  readonly startTicks: number;
  readonly exe: string | null;
}
