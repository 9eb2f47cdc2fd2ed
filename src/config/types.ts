// The effective configuration: kits expanded, defaults filled, durations in ms. What load.ts makes and the daemon runs.
// It holds references to secrets, never secrets.
import type { ClusterPolicy, GroupPolicy } from '../core/group-types.ts';
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

/** One step of a group, with what its plugin made of its options. */
export interface StepConfig {
  readonly name: string;
  readonly type: string;
  readonly options: unknown;
}

/** One source of replication: how often it is asked, and when its queue is told of. */
export interface SourceConfig {
  readonly name: string;
  readonly type: string;
  readonly options: unknown;
  readonly everyMs: number;
  readonly timeoutMs: number;
  readonly warnUnits: number;
  readonly failUnits: number;
  /** How often the active node proves by a write that it works; null: never. */
  readonly proveMs: number | null;
}

export interface GroupConfig {
  readonly name: string;
  readonly policy: GroupPolicy;
  readonly steps: readonly StepConfig[];
  readonly sources: readonly SourceConfig[];
  /** When an automatic switchback may happen; null: at any time. */
  readonly switchbackHours: HoursConfig | null;
  /** When a drill is held by itself (crontab(5)); null: never. */
  readonly drillAt: string | null;
}

export interface ClusterConfig {
  /** Names the cluster: part of the prefix of all keys. */
  readonly name: string;
  /** A file name in src/cluster. */
  readonly engine: string;
  readonly options: unknown;
  readonly policy: ClusterPolicy;
  /** Words of each node, for `$to.NAME` in the options of steps. */
  readonly words: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Between daemons: where this one listens on each of its paths, and by what they know each other. */
  readonly peers: {
    readonly port: number;
    readonly everyMs: number;
    readonly timeoutMs: number;
    /** Files of PEM. Null: paths are not watched (a cluster of one node). */
    readonly tls: { readonly certificate: string; readonly key: string; readonly authority: string } | null;
  };
  /** The member of etcd that this daemon runs; null: it is run by somebody else. */
  readonly member: MemberConfig | null;
}

export interface MemberConfig {
  readonly name: string;
  readonly dataDir: string;
  readonly clientUrls: readonly string[];
  readonly peerUrls: readonly string[];
  /** All first members, by name, with their peer URLs. */
  readonly initial: Readonly<Record<string, readonly string[]>>;
  readonly token: string;
  readonly heartbeatMs: number;
  readonly electionMs: number;
  readonly tls: {
    readonly certificate: string;
    readonly key: string;
    readonly authority: string;
  } | null;
}

export interface Config {
  readonly node: string;
  readonly services: Readonly<Record<string, ServiceConfig>>;
  readonly policy: Policy;
  readonly alerts: Readonly<Record<string, ChannelConfig>>;
  /** Absent: this node stands alone. */
  readonly cluster?: ClusterConfig;
  readonly groups?: Readonly<Record<string, GroupConfig>>;
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
