// The contracts of what a cluster is made of: coordinators (where nodes agree), steps (what moves with a group),
// sources of replication (how far the copy is behind). Identity functions give a plugin file its types, as in
// define.ts, which hands all of this on: plugins import that file.
import type { Measure, ReplicationFacts } from './core/group-types.ts';
import type { ActionResult, Inspection, Shape, z } from './define.ts';
import type { Ports } from './ports/ports.ts';

// ------------------------------------------------------------------------------------------------------ coordinators

/** One record of the coordinator. `revision` grows with every write of the whole store. */
export interface CoordRecord {
  readonly key: string;
  readonly value: string;
  /** The revision of its newest write. */
  readonly revision: number;
}

/** What happened to a record. `value` null: it was deleted at this revision. */
export interface CoordChange {
  readonly key: string;
  readonly value: string | null;
  readonly revision: number;
}

/** How a compared write ended. Not ok: somebody else wrote it; what stands there now (null: nothing). */
export type Written =
  | { readonly ok: true; readonly revision: number }
  | { readonly ok: false; readonly current: CoordRecord | null };

export interface MemberHealth {
  readonly name: string;
  readonly endpoint: string;
  /** Answers, and knows a leader. */
  readonly ok: boolean;
  readonly leader: boolean;
  readonly detail: string;
  /** How long it took to answer, in ms; null: it did not. */
  readonly ms: number | null;
}

/** The coordinator cannot be asked (`unreachable`: no quorum or nobody answers) or does not let us (`denied`), or has
 *  a trouble of its own (`failed`: no space left, corrupt). */
export class CoordinationError extends Error {
  readonly code: 'unreachable' | 'denied' | 'failed';
  constructor(code: 'unreachable' | 'denied' | 'failed', detail: string) {
    super(detail);
    this.code = code;
  }
}

/** An open connection to the coordinator: a linearizable store of small records. Keys are those below the cluster's
 *  own prefix and never begin with `/`. Every call ends within its time or throws CoordinationError. */
export interface Coordination {
  /** Writes a record only if its newest revision is `expect` (0: it is not there). All members are asked, and again
   *  every 0.2 s until one answers or the signal is aborted: then it may have been written or not. */
  write(key: string, value: string, expect: number, signal: AbortSignal): Promise<Written>;
  /** Writes or (null) deletes whatever stands there. For what only one node writes. */
  publish(key: string, value: string | null, signal: AbortSignal): Promise<number>;
  /** All records whose key begins so, as they are after everything that was answered before. */
  read(prefix: string, signal: AbortSignal): Promise<{ readonly revision: number; readonly records: CoordRecord[] }>;
  /** All changes below a prefix from `after` on (exclusive), from whichever member knows them first, each once and in
   *  order. `lost`: what was between is compacted: read anew. `silent`: no member has shown a sign of life for so long
   *  (ms); 0: they do again. Goes on until closed. */
  watch(
    prefix: string,
    after: number,
    on: {
      change(change: CoordChange): void;
      lost(): void;
      silent(ms: number): void;
    },
  ): { close(): void };
  members(signal: AbortSignal): Promise<readonly MemberHealth[]>;
  close(): Promise<void>;
}

export interface CoordinatorContext<O> {
  readonly options: O;
  readonly ports: Ports;
  readonly node: string;
  /** Below it all keys live, e.g. `/watchkeeper/mail/v1/`. */
  readonly prefix: string;
}

export interface Coordinator<S extends Shape = Shape> {
  readonly about: string;
  readonly options: S;
  readonly example: z.input<S>;
  open(context: CoordinatorContext<z.output<S>>): Promise<Coordination>;
}

export const defineCoordinator = <S extends Shape>(coordinator: Coordinator<S>): Coordinator<S> => coordinator;

// ------------------------------------------------------------------------------------------------------------- steps

/** The right to be active, as a step may ask for it. */
export interface Lease {
  /** The number of the right; grows strictly from owner to owner. */
  readonly epoch: number;
  /** The moment (`ports.clock.monotonic()`, ms) until which nobody else may begin. It moves on with every good renewal,
   *  and is -Infinity once the right is gone. Look before and after every command that must not be late. */
  untilMs(): number;
}

/** The services of this node as a step may use them: through their managers and their own checks. */
export interface StepServices {
  /** In the order of their dependencies: who is needed comes first. Those of the group, or others of this node. */
  ordered(names: readonly string[]): readonly string[];
  inspect(service: string, signal: AbortSignal): Promise<Inspection>;
  start(service: string, signal: AbortSignal): Promise<ActionResult>;
  /** `force`: SIGKILL of its whole tree. Ok only when it is proved to be down. */
  stop(service: string, force: boolean, signal: AbortSignal): Promise<ActionResult>;
  /** One DeepCheck now. */
  check(service: string, signal: AbortSignal): Promise<{ readonly ok: boolean; readonly detail: string }>;
}

export interface StepContext<O> {
  readonly options: O;
  readonly ports: Ports;
  readonly signal: AbortSignal;
  readonly node: string;
  readonly group: string;
  /** The name of the step, unique in its group. */
  readonly step: string;
  readonly lease: Lease;
  /** Who becomes active, and who was (null: nobody that is known). */
  readonly to: string;
  readonly from: string | null;
  /** The old node released the group by itself, so that nothing of it is left there. */
  readonly planned: boolean;
  /** What `$to.host` and the like stand for: words of each node in the configuration. */
  readonly words: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly services: StepServices;
  /** From one call to the next; lost with the daemon. */
  readonly memory: Map<string, unknown>;
  /** A folder of this daemon's own; names in it begin with the group and the step. */
  readonly stateDir: string;
  /** Told live in the terminal and in the journal's measures. */
  progress(done: number, total: number, text: string): void;
}

export interface Probe {
  /** `unknown`: it could not be told. Nothing is concluded from it. */
  readonly state: 'done' | 'undone' | 'unknown';
  readonly detail: string;
}

/** One thing that is done when a group comes to a node. `do` and `undo` are idempotent: a crash may come at any
 *  moment, and then they are called again. Expected trouble is a value; a throw is a defect and counts as failed. */
export interface SwitchStep<S extends Shape = Shape> {
  readonly about: string;
  readonly options: S;
  readonly example: z.input<S>;
  /** `node`: it is in place on one node and is undone there when the group leaves (an address, a mount, services).
   *  `shared`: all see the same thing (a zone, a directory): changed by who comes; undone only when that fails. */
  readonly scope: 'node' | 'shared';
  /** From here on clients reach the new node: a failure after it is tried again, and nothing is undone. */
  readonly pivot?: boolean;
  /** While it is in place something new may be written on this node. Default: `pivot`. */
  readonly takesIn?: boolean;
  /** It must not be in place twice: what cannot be proved undone blocks a start elsewhere. Default: scope `node`. */
  readonly exclusive?: boolean;
  /** How long `do` and `undo` may take unless the configuration says otherwise. Default 60 s. */
  readonly timeoutMs?: number;
  /** Is it in place here? For scope `shared`: does it say what it ought to say when `to` is active? */
  probe(context: StepContext<z.output<S>>): Promise<Probe>;
  do(context: StepContext<z.output<S>>): Promise<ActionResult>;
  /** `force`: the right is about to end; whatever it takes, at once. Ok only when it is proved to be gone. */
  undo(context: StepContext<z.output<S>>, how: { readonly force: boolean }): Promise<ActionResult>;
  /** On a planned move, on the node that will leave, before anything is stopped: hold, drain, flush. A failure ends the
   *  move; `unprepare` takes it back. */
  prepare?(context: StepContext<z.output<S>>): Promise<ActionResult>;
  unprepare?(context: StepContext<z.output<S>>): Promise<ActionResult>;
  /** After every good renewal while active: extends what ends by itself with the right. Must be quick (tens of ms) and
   *  is never called twice at a time. Not ok: it is asked again at the next renewal. */
  hold?(context: StepContext<z.output<S>>): Promise<ActionResult>;
  /** Could it be done on this node now? Asked on standby nodes now and then, and by preflight. Changes nothing. */
  ready?(context: StepContext<z.output<S>>): Promise<ActionResult>;
}

export const defineStep = <S extends Shape>(step: SwitchStep<S>): SwitchStep<S> => step;

// ------------------------------------------------------------------------------------------------------- replication

export interface ReplicationContext<O> {
  readonly options: O;
  readonly ports: Ports;
  readonly signal: AbortSignal;
  readonly node: string;
  readonly group: string;
  /** The name of the source in its group. */
  readonly source: string;
  /** Is this node the active one now; who is (null: nobody), and the other nodes of the group. */
  readonly active: boolean;
  readonly owner: string | null;
  readonly nodes: readonly string[];
  readonly words: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly memory: Map<string, unknown>;
  readonly stateDir: string;
}

/** How data gets from the active node to the others, and how far they are behind. Each node asks for itself. */
export interface Replication<S extends Shape = Shape> {
  readonly about: string;
  readonly options: S;
  readonly example: z.input<S>;
  /** The receiving side knows how old its copy is, and never how many units it lacks: no gate of units opens for it. */
  readonly ageOnly?: true;
  look(context: ReplicationContext<z.output<S>>): Promise<ReplicationFacts>;
  /** On the active node: a small write that must arrive elsewhere, so that "idle" is proved to be "works". */
  prove?(context: ReplicationContext<z.output<S>>): Promise<ActionResult>;
  /** Brings the copies up to date before a planned move; ends when they are. */
  flush?(context: ReplicationContext<z.output<S>>): Promise<ActionResult>;
  /** False: with these options `flush` has nothing to do it with. A planned move then asks the gate like a failover. */
  flushes?(options: z.output<S>): boolean;
  /** True: what is written on the active node after `flush` would be lost by the move (it goes one way only): it is
   *  asked once more when address and services have gone, and needs none of them. On the other nodes `look` and
   *  `reseed` write what they copy: they are aborted before that, and must have ended when they settle. */
  oneWay?(options: z.output<S>): boolean;
  suspend?(context: ReplicationContext<z.output<S>>): Promise<ActionResult>;
  resume?(context: ReplicationContext<z.output<S>>): Promise<ActionResult>;
  /** Makes the copy on this node anew from the active one. */
  reseed?(context: ReplicationContext<z.output<S>>): Promise<ActionResult>;
  /** The active node is another one, or the daemon began: turns the direction if the engine does not do so by itself.
   *  Asked again at the next look when it failed. */
  direct?(context: ReplicationContext<z.output<S>>): Promise<ActionResult>;
}

export const defineReplication = <S extends Shape>(source: Replication<S>): Replication<S> => source;

export type { Measure, ReplicationFacts };
