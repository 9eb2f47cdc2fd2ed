// What was seen: answers of checks, what is made of them, and the facts beside them. Part of types.ts.
import type { Cause } from './causes.ts';

/** `unknown` means that we could not tell. It alerts; it never restarts or moves anything. */
export type Outcome = 'pass' | 'degraded' | 'fail' | 'unknown';

export type Depth = 'quick' | 'deep';

/** One step of a dialogue, for `check --deep` and for explain. */
export interface Step {
  readonly name: string;
  readonly ms: number;
  readonly ok: boolean;
  readonly detail?: string;
}

/** A measured value. `unit` as in the Nagios plugin guidelines: s, ms, %, B, c, or nothing. */
export interface Metric {
  readonly name: string;
  readonly value: number;
  readonly unit?: string;
  readonly warn?: string;
  readonly crit?: string;
  readonly min?: number;
  readonly max?: number;
}

/** What one check says. Expected trouble is a value: a check never throws to say "down". */
export interface CheckResult {
  readonly outcome: Outcome;
  readonly cause?: Cause;
  /** One sentence, without a final full stop. Text from outside is quoted and cleaned by the runner. */
  readonly detail: string;
  /** Seen on the service itself, not inferred from how it answers. */
  readonly direct?: boolean;
  /** The part of the service that is at fault, if the check can tell: `auth`, `qmgr`. */
  readonly part?: string;
  readonly metrics?: readonly Metric[];
  readonly steps?: readonly Step[];
}

/** What a depth of a service says: its checks of that depth, combined. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly cause?: Cause;
  readonly detail: string;
  /** The check that decided, by its name in the configuration. */
  readonly check: string;
  /** Needs no second opinion: the process is gone, or two connections at once got no answer. */
  readonly conclusive?: boolean;
  /** Seen on the service itself, not inferred from how it answers: its main process is stopped, say. */
  readonly direct?: boolean;
  /** The part of the service that is at fault: its manager may be able to repair that part alone. */
  readonly part?: string;
  /** How long the service has been running by then, where that is known: it may not be up yet. */
  readonly ageMs?: number;
  /** How much the cause is worth: seen, or concluded from what else is known. Absent: as the check said it. */
  readonly confidence?: 'certain' | 'likely';
  /** The evidence that made this of what the checks said, and what they said: the same failure is known again by it. */
  readonly seen?: { readonly by: keyof Facts; readonly check: string; readonly cause: Cause };
  /** Evidence that could say more, and that could not be gathered: it refutes nothing that was seen before. */
  readonly unseen?: readonly (keyof Facts)[];
}

/** What is known of a service beside what its checks say. Gathered when something is wrong, judged in diagnose.ts.
 *  Everywhere null means that it could not be gathered, or that nobody can be asked: it is no evidence of absence. */
export interface Facts {
  /** What its manager says of it, with the sentence. */
  readonly run: {
    readonly state: 'running' | 'stopped' | 'failed' | 'changing' | 'unknown';
    readonly detail: string;
  } | null;
  /** Its living processes. `state` as in proc(5): T is stopped, D waits for a device. */
  readonly processes:
    | readonly {
        readonly pid: number;
        readonly name: string;
        readonly state: string;
        readonly main: boolean;
        /** The part of the service that this process is, where the configuration of its manager names one. */
        readonly part: string | null;
      }[]
    | null;
  /** Who listens on its ports; `own`: one of its processes does, or PID 1 for it. */
  readonly listeners: readonly { readonly port: number; readonly who: string; readonly own: boolean }[] | null;
  /** Ports of its own that nobody listens on. */
  readonly unheld: readonly number[] | null;
  /** How long its main process has been running. */
  readonly ageMs: number | null;
  /** Does the machine's own resolver answer at all? */
  readonly resolver: 'answers' | 'silent' | null;
  /** The newest lines of its own log since the failure began, oldest first. */
  readonly log: readonly string[] | null;
  /** Older lines of its log, of the signs that stay true for a while (`LogSign.stays`): the newest of each. */
  readonly older?: readonly string[];
}

/** A line of a service's own log that says what is wrong with it. Data of its kit. */
export interface LogSign {
  /** The whole line; `*` stands for any text. */
  readonly line: string;
  readonly cause: Cause;
  /** What it means, for a person. */
  readonly says: string;
  /** The part of the service that the line is about. */
  readonly part?: string;
  /** Its main process says it once and then not again for so long, however long it lasts. Such a line counts also when
   *  it is older than the failure, while as many processes of that name run as the last number in the line says. */
  readonly stays?: { readonly forMs: number; readonly processes: string };
}
