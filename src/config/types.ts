// The effective configuration: kits expanded, defaults filled, durations in ms. What load.ts makes and the daemon runs.
// It holds references to secrets, never secrets.
import type { Depth, LogSign, Policy, ServicePolicy } from '../core/types.ts';
import type { Plugins } from '../registry.ts';
import type { Tree } from './tree.ts';

export interface CheckConfig {
  /** Unique within the service; the type's name, numbered when a type is used twice, or given as `name:`. */
  readonly name: string;
  readonly type: string;
  readonly depths: readonly Depth[];
  /** Parsed by the plugin's own schema. */
  readonly options: unknown;
  /** A slower beat than the service's own, for costly questions; null = each time. */
  readonly everyMs: number | null;
}

export interface Beat {
  readonly everyMs: number;
  readonly timeoutMs: number;
}

export interface ManagerConfig {
  readonly type: string;
  readonly options: unknown;
}

export interface ServiceConfig {
  readonly name: string;
  readonly kit: string | null;
  readonly checks: readonly CheckConfig[];
  readonly quick: Beat;
  readonly deep: Beat;
  /** Null: watched only, never repaired. */
  readonly manager: ManagerConfig | null;
  readonly policy: ServicePolicy;
  /** Lines of its log that say what is wrong with it. */
  readonly logSigns: readonly LogSign[];
}

export interface ChannelConfig {
  readonly type: string;
  readonly options: unknown;
  /** How fast it may be told; null: as suits its kind. */
  readonly limit?: { readonly burst: number; readonly everyMs: number } | null;
}

/** Hours of the calendar: when they begin (crontab(5)), how long they last, in which time zone (null: the
 *  machine's). */
export interface HoursConfig {
  readonly at: string;
  readonly forMs: number;
  readonly zone: string | null;
}

export interface MaintenanceConfig extends HoursConfig {
  readonly services: readonly string[];
  readonly comment: string;
}

/** The agent that managers poll: a sub-agent of the machine's own SNMP daemon. */
export interface AgentConfig {
  readonly master: { readonly path: string } | { readonly host: string; readonly port: number };
  /** Where our tree begins. */
  readonly base: string;
  /** The longest pause before it connects again. */
  readonly reconnectMs: number;
}

export interface Config {
  readonly node: string;
  readonly services: Readonly<Record<string, ServiceConfig>>;
  readonly policy: Policy;
  readonly alerts: Readonly<Record<string, ChannelConfig>>;
  readonly quietHours?: Readonly<Record<string, HoursConfig>>;
  readonly maintenance?: Readonly<Record<string, MaintenanceConfig>>;
  /** Absent: nobody polls. */
  readonly agent?: AgentConfig;
  /** Journal, snapshots, history. Default /var/lib/watchkeeper. */
  readonly stateDir: string;
  /** Control socket and lock. Default /run/watchkeeper. */
  readonly runDir: string;
  /** How long the history database keeps rolled-up results. */
  readonly historyMs: number;
  /** Calendar of reports and purges: cron text for node-schedule. */
  readonly purgeAt: string;
  /** True when the services are the sandbox of `npm start`. */
  readonly sandbox: boolean;
  /** Every file that was read, for `reload` and the watcher. */
  readonly files: readonly { readonly path: string; readonly sha256: string }[];
}

/** One problem of a configuration: `file:line:col: error: text [rule]`. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly level: 'error' | 'warning';
  readonly text: string;
  readonly rule: string;
  readonly hint?: string;
}

/** A good configuration, with the two trees that `config show` prints: as written (files merged), and with kits and
 *  defaults filled in. Each value in them knows its origin. */
export interface Good {
  readonly config: Config;
  /** All that it may name: shipped ones, and its own. */
  readonly plugins: Plugins;
  /** Where its own come from, by `kind/name`: a file, or `package NAME`. */
  readonly origins: ReadonlyMap<string, string>;
  readonly warnings: readonly Problem[];
  readonly written: Tree;
  effective(): Tree;
}

export type Loaded = Good | { readonly problems: readonly Problem[] };
