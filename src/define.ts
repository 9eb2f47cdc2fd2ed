// The contracts of plugins, and the identity functions that give a plugin file its types. A plugin imports this file,
// core types and the one library that it wraps; everything else of the outside reaches it through its context. People's
// own plugins import it as `watchkeeper/define`, and nothing else of ours.
import { z } from 'zod';
import type { CheckResult, Depth, Facts, Metric, Outcome, ProcessIdentity, Step } from './core/types.ts';
import type { Ports } from './ports/ports.ts';

export { CAUSES } from './core/causes.ts';
export { z };
export * from './define-cluster.ts';
export type { Cause, CheckResult, Depth, Facts, Metric, Notice, Outcome, ProcessIdentity, Step } from './core/types.ts';
export type { Ports } from './ports/ports.ts';

/** An option schema. Every key needs a `.describe()`: the tables of the documentation are made from it. */
export type Shape = z.ZodObject;

// ---------------------------------------------------------------------------------------------------------- checks

export interface CheckContext<O> {
  readonly options: O;
  readonly ports: Ports;
  /** Aborted when the time is over. A check that ends later than this is taken for `unknown`. */
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly depth: Depth;
  /** The service that is asked about, for tokens and texts. */
  readonly service: string;
  /** A small memory from one run to the next (growth, rates). Kept in memory only; lost with the daemon. */
  readonly memory: Map<string, unknown>;
}

export interface Check<S extends Shape = Shape> {
  /** One sentence: what it asks. */
  readonly about: string;
  readonly depth: Depth | 'both';
  readonly options: S;
  /** Options that validate, shown in the documentation. */
  readonly example: z.input<S>;
  run(context: CheckContext<z.output<S>>): Promise<CheckResult>;
}

export const defineCheck = <S extends Shape>(check: Check<S>): Check<S> => check;

// -------------------------------------------------------------------------------------------------------- recovery

export type RunState = 'running' | 'stopped' | 'failed' | 'changing' | 'unknown';

/** What the service manager knows, with evidence: pairs of words that explain shows. */
export interface Inspection {
  readonly state: RunState;
  /** Somebody stopped it, or is starting or stopping it, by hand: leave it alone for now. */
  readonly byHand: boolean;
  readonly detail: string;
  /** Who it is: a process is the same one only if pid, start time and executable are. */
  readonly main?: ProcessIdentity;
  readonly evidence: Readonly<Record<string, string>>;
}

/** How an action ended. Success of the service itself is judged by its checks, never by this. */
export interface ActionResult {
  readonly ok: boolean;
  readonly detail: string;
  readonly cause?: CheckResult['cause'];
  readonly steps?: readonly Step[];
}

export interface RecoveryContext<O> {
  readonly options: O;
  readonly ports: Ports;
  readonly signal: AbortSignal;
  readonly service: string;
  /** What it knows of this service from one call to the next. Lost with the daemon. */
  readonly memory: Map<string, unknown>;
  /** Where it may keep a file of its own (who its child is). */
  readonly stateDir: string;
}

/** What a manager can see of a service; null where it could not look. */
export type Evidence = Omit<Facts, 'run' | 'resolver'>;

export interface EvidenceWanted {
  readonly sinceMs: number;
  /** Lines of its main process, `*` for any text, that count also when they are older: the newest of each that is
   *  within its time. */
  readonly stay: readonly { readonly line: string; readonly forMs: number }[];
}

export type LifeChange = { readonly kind: 'died' | 'started'; readonly detail: string };

export interface Recovery<S extends Shape = Shape> {
  readonly about: string;
  readonly options: S;
  readonly example: z.input<S>;
  inspect(context: RecoveryContext<z.output<S>>): Promise<Inspection>;
  start(context: RecoveryContext<z.output<S>>): Promise<ActionResult>;
  /** Bounded; ends in SIGKILL of the whole tree or control group. `force`: SIGKILL at once. */
  stop(context: RecoveryContext<z.output<S>>, how: { readonly force: boolean }): Promise<ActionResult>;
  /** A restart of its own kind; without it: stop, sweep, start. */
  restart?(context: RecoveryContext<z.output<S>>): Promise<ActionResult>;
  reload?(context: RecoveryContext<z.output<S>>): Promise<ActionResult>;
  /** Removes what a dead service left behind (orphans, port holders, stale sockets) before a start. */
  sweep?(context: RecoveryContext<z.output<S>>): Promise<ActionResult>;
  /** Names of the parts of the service that `repairPart` can repair alone, read from its options. */
  parts?(options: z.output<S>): readonly string[];
  /** Repairs one part, and leaves the rest of the service alone: its processes are killed, and the service's own master
   *  starts them anew. */
  repairPart?(context: RecoveryContext<z.output<S>>, part: string): Promise<ActionResult>;
  /** What it can see of the service's own processes, ports and log, for the diagnosis of a failure. `sinceMs`: it was
   *  still well so long ago; older lines of its log are of another story, but those that stay true for longer. */
  evidence?(context: RecoveryContext<z.output<S>>, about: EvidenceWanted): Promise<Evidence>;
  /** Reads the configuration of the service as a start would. Not ok with cause `misconfigured`: do not start. */
  validate?(context: RecoveryContext<z.output<S>>): Promise<ActionResult>;
  /** Reports a death, and a start by others, at once. Goes on until closed, over restarts of the service. */
  watch?(context: RecoveryContext<z.output<S>>, onChange: (change: LifeChange) => void): Promise<{ close(): void }>;
  /** The daemon ends. Services stay as they are; only what is meant to end with the daemon is ended here. */
  release?(context: RecoveryContext<z.output<S>>): Promise<void>;
}

export const defineRecovery = <S extends Shape>(recovery: Recovery<S>): Recovery<S> => recovery;

// ---------------------------------------------------------------------------------------------------------- alerts

/** What is known at the moment of sending, for channels that tell a person. */
export interface Background {
  /** The incident's story so far, oldest first and bounded: the sentences of `explain`, with their wall clock. */
  readonly story: readonly {
    readonly time: string;
    readonly service: string | null;
    readonly rule: string;
    readonly text: string;
  }[];
  /** Other services that are blocked by the one that is told of. */
  readonly children: readonly string[];
  /** Services that do not work now: what goes through them does not arrive. */
  readonly failing: readonly string[];
  /** Active alarms of this node, and the highest severity among them. */
  readonly active: { readonly count: number; readonly highest: import('./core/types.ts').Severity };
}

export interface AlertContext<O> {
  readonly options: O;
  readonly ports: Ports;
  readonly signal: AbortSignal;
  readonly node: string;
  /** The name of the channel in the configuration. */
  readonly channel: string;
  /** Where the plugin may keep a file of its own (an engine id, a cursor). */
  readonly stateDir: string;
  /** What is known about the alert now. */
  background(): Background;
  /** What lasts from alert to alert (a session, an identity): made at the first call, closed with the channel. When
   *  making it fails, the next alert tries again. One thing a channel. */
  lasting<T extends { close(): void | Promise<void> }>(make: () => Promise<T>): Promise<T>;
  /** Trouble of the channel's own that does not keep it from sending: an alarm until it is null again. */
  trouble(text: string | null): void;
}

/** A notice on its way out. `id` grows strictly and is the same at every try: receivers can drop repeats by it. */
export interface Alert {
  readonly id: number;
  /** Wall clock of the notice, RFC 3339. */
  readonly time: string;
  readonly notice: import('./core/types.ts').Notice;
  /** The channels that it is for; absent: all. */
  readonly to?: readonly string[];
  /** Why it is told again; absent: it is new. */
  readonly again?: 'reminder' | 'escalation' | 'restart' | 'held';
}

export type SendResult = 'sent' | { readonly retry: string } | { readonly drop: string };

export interface AlertChannel<S extends Shape = Shape> {
  readonly about: string;
  readonly options: S;
  readonly example: z.input<S>;
  /** Who is at its other end, for what it hears unless routes say otherwise: a record hears all and wakes nobody, a
   *  program each alarm by itself, a person one thread an incident. Default: program. */
  readonly reader?: 'record' | 'program' | 'person';
  /** It wants the heartbeat unless the configuration says otherwise: with all else, or nothing else. */
  readonly heartbeat?: 'too' | 'only';
  send(alert: Alert, context: AlertContext<z.output<S>>): Promise<SendResult>;
}

export const defineAlert = <S extends Shape>(alert: AlertChannel<S>): AlertChannel<S> => alert;

// --------------------------------------------------------------------------------------------------- result helpers

type More = { metrics?: readonly Metric[]; steps?: readonly Step[] };
const result = (outcome: Outcome, detail: string, more: More, cause?: CheckResult['cause']): CheckResult => ({
  outcome,
  detail,
  ...(cause ? { cause } : {}),
  ...more,
});
export const pass = (detail: string, more: More = {}): CheckResult => result('pass', detail, more);
export const degraded = (cause: NonNullable<CheckResult['cause']>, detail: string, more: More = {}): CheckResult =>
  result('degraded', detail, more, cause);
export const fail = (cause: NonNullable<CheckResult['cause']>, detail: string, more: More = {}): CheckResult =>
  result('fail', detail, more, cause);
export const unknown = (detail: string, more: More = {}): CheckResult => result('unknown', detail, more);

// ------------------------------------------------------------------------------------------------------ option types

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `500ms 5s 2m 1h 7d` → milliseconds, or null when it is none of these. */
export function durationMs(text: string): number | null {
  const found = DURATION.exec(text);
  if (!found) return null;
  const ms = Number(found[1]) * (UNIT_MS[found[2] ?? ''] ?? Number.NaN);
  return Number.isSafeInteger(Math.round(ms)) ? Math.round(ms) : null;
}

const SIZE = /^(\d+(?:\.\d+)?)(B|K|M|G|T)$/;
const UNIT_BYTES: Readonly<Record<string, number>> = { B: 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

/** Option types that every plugin shares. Input as written in the file, output in base units. */
export const opt = {
  /** A duration such as `5s`; output in ms. */
  duration: (about: string) =>
    z
      .string()
      .regex(DURATION, 'expected a duration such as 500ms, 5s, 2m, 1h or 7d')
      .transform((text) => durationMs(text) ?? Number.NaN)
      .describe(about),
  /** A size such as `512M`; output in bytes. */
  size: (about: string) =>
    z
      .string()
      .regex(SIZE, 'expected a size such as 512M or 2G')
      .transform((text) => {
        const found = SIZE.exec(text);
        return Number(found?.[1]) * (UNIT_BYTES[found?.[2] ?? ''] ?? Number.NaN);
      })
      .describe(about),
  host: (about: string) =>
    z
      .string()
      .min(1)
      .max(255)
      .regex(/^[A-Za-z0-9_.:%-]+$/, 'expected a host name or an address')
      .describe(about),
  port: (about: string) => z.number().int().min(1).max(65535).describe(about),
  count: (about: string) => z.number().int().min(0).max(1_000_000_000).describe(about),
  percent: (about: string) => z.number().min(0).max(100).describe(about),
  text: (about: string) => z.string().max(4096).describe(about),
  /** In the file also `./x`, from the folder of the file; in the plugin always absolute. */
  path: (about: string) =>
    z
      .string()
      .min(1)
      .max(4096)
      .regex(/^\.?\//, 'expected an absolute path, or one from the folder of this file such as ./x')
      .describe(about),
  flag: (about: string) => z.boolean().describe(about),
  /** The name of a service of the same configuration: one that is not there is refused. In the options
   *  of a channel or a step. */
  service: (about: string) => z.string().min(1).max(64).meta({ service: true }).describe(about),
  /** argv, never a shell string. The first word is an absolute path, a program in the fixed PATH, or `node`: the one
   *  that runs this daemon. Words that begin with ./ are made absolute as in `path`. */
  argv: (about: string) => z.array(z.string().max(4096)).min(1).max(64).describe(about),
  /** A reference to a secret: `file:/path`, `env:NAME` or `credential:NAME`. Never the secret itself.
   *  In the plugin it is still the reference; `ports.secrets.read(ref)` gives the value. */
  secret: (about: string) =>
    z
      .string()
      .regex(
        /^(file:\.?\/|env:[A-Za-z_]|credential:[A-Za-z0-9_.-])/,
        'expected file:/PATH, env:NAME or credential:NAME',
      )
      .meta({ secret: true })
      .describe(about),
};
