// The nouns of telling: which alert goes to whom, what holds one back, and what was told so far. Types without code;
// plain JSON, as in types.ts.
import type { Cause, Severity } from './types.ts';

/** What an alert must be like. Null: whatever it is. Names may hold `*`. */
export interface Match {
  /** At least so severe. */
  readonly severity: Exclude<Severity, 'cleared'> | null;
  readonly services: readonly string[] | null;
  readonly events: readonly string[] | null;
  readonly causes: readonly Cause[] | null;
  /** Keys of alarms. */
  readonly keys: readonly string[] | null;
}

export interface Route {
  readonly match: Match;
  readonly to: readonly string[];
  /** The routes after it are looked at too. */
  readonly goOn: boolean;
  /** An alarm that ends within this time is told to nobody of this route. */
  readonly waitMs: number;
  /** While an alarm is active and nobody took it on, it is told again after this time; null: never. */
  readonly remindMs: number | null;
  /** Who else is told when nobody took it on for so long. */
  readonly escalate: readonly { readonly afterMs: number; readonly to: readonly string[] }[];
  /** While these hours last, what is less severe waits for their end. */
  readonly quiet: { readonly during: string; readonly below: Severity } | null;
  /** What is told with the alarm of its incident and not by itself: services that are blocked by it (`children`), and
   *  the steps of its repair besides (`all`). */
  readonly group: 'none' | 'children' | 'all';
  /** Told whatever is silenced, quiet or flapping: a record, and nobody is woken by it. */
  readonly record: boolean;
}

export interface Routing {
  readonly routes: readonly Route[];
  readonly heartbeat: { readonly everyMs: number; readonly to: readonly string[] } | null;
}

/** Somebody's word that some alerts are not wanted for a time. It stops notices; never a repair, never a clear. */
export interface Silence {
  readonly id: string;
  readonly match: Match;
  readonly since: number;
  readonly until: number;
  readonly by: string;
  readonly comment: string;
}

/** Work on some services: they are paused meanwhile, so that nothing is done and nothing is told about them. */
export interface Maintenance {
  readonly name: string;
  readonly services: readonly string[];
  readonly since: number;
  readonly until: number;
  readonly by: string;
  readonly comment: string;
}

export interface Acknowledgement {
  readonly at: number;
  readonly by: string;
  readonly comment: string;
}

/** What was told of one active alarm. */
export interface ToldAlarm {
  /** Channels that have heard of it, each with when it was told last. */
  readonly to: Readonly<Record<string, number>>;
  /** Channels that should hear of it and have to wait, each with why. */
  readonly held: Readonly<Record<string, string>>;
  readonly reminders: number;
  /** Steps of escalation that were taken. */
  readonly steps: number;
  readonly ack: Acknowledgement | null;
}

export interface NotifyState {
  /** By the key of the alarm. */
  readonly told: Readonly<Record<string, ToldAlarm>>;
  readonly silences: Readonly<Record<string, Silence>>;
  readonly maintenance: Readonly<Record<string, Maintenance>>;
  /** Quiet hours that are open, each with its end. */
  readonly quiet: Readonly<Record<string, number>>;
  /** When something of all this is due: the one alarm clock of telling. */
  readonly ringAt: number | null;
}
