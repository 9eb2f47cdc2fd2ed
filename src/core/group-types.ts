// The nouns of groups: who owns one, what moves with it, who may take it. Types without code; plain JSON, as in
// types.ts. Times named `at`, `since`, `until` are milliseconds on the daemon's own timeline, but in ownership.ts,
// where they are milliseconds of the monotonic clock that the right itself is measured by.

// ------------------------------------------------------------------------------------------------------------ policy

/** Times of the right to be active. */
export interface Timing {
  /** T: what is silent for so long may be taken over. */
  readonly silenceMs: number;
  /** R: the owner writes so often. */
  readonly renewMs: number;
  /** The owner gives up so long before T is over, counted from the sending of its last good write. */
  readonly marginMs: number;
  /** Without an answer for so long, the other members are asked for their promise (failsafe). */
  readonly failsafeMs: number;
}

export interface NodePolicy {
  readonly site: string | null;
  /** How much it can carry: the sum of the weights of its groups. Null: whatever comes. */
  readonly capacity: number | null;
  /** Addresses of its comm paths. */
  readonly paths: readonly string[];
}

export interface ClusterPolicy {
  readonly timing: Timing;
  readonly nodes: Readonly<Record<string, NodePolicy>>;
}

/** What is asked of the copy before a node may take over. `within`: units of the queue; `rpo`: time behind. */
export type Gate =
  | { readonly kind: 'none' }
  | { readonly kind: 'lossless' }
  | { readonly kind: 'within'; readonly units: number }
  | { readonly kind: 'rpo'; readonly ms: number };

export interface StepPolicy {
  readonly name: string;
  readonly type: string;
  readonly scope: 'node' | 'shared';
  readonly pivot: boolean;
  readonly exclusive: boolean;
  readonly prepares: boolean;
  /** While it is in place something new may be written here. */
  readonly takesIn?: true;
  readonly timeoutMs: number;
  /** Tries before it counts as failed; after the pivot it is tried for ever. */
  readonly tries: number;
}

export interface GroupPolicy {
  readonly services: readonly string[];
  /** Its services on nodes that are not active. */
  readonly standby: 'stopped' | 'running';
  /** Who may have it, the most wanted first. */
  readonly nodes: readonly string[];
  readonly weight: number;
  readonly failover: {
    readonly mode: 'automatic' | 'confirm' | 'manual';
    /** Beyond T: the owner must have been silent for so long. */
    readonly afterMs: number;
    /** `confirm`: how long a person has, and what is done then. */
    readonly confirmMs: number;
    readonly otherwise: 'move' | 'stay';
  };
  readonly switchback: {
    readonly mode: 'manual' | 'automatic';
    /** The wanted node was ready for so long. */
    readonly dwellMs: number;
  };
  /** After a failover no other one by itself for so long, unless somebody acknowledged it. */
  readonly blockMs: number;
  readonly gate: Gate;
  /** In the order of coming; a group leaves in the reverse order. */
  readonly steps: readonly StepPolicy[];
  /** Sources of replication. None: there is no copy that could be behind, and any node's data is as good. */
  readonly sources: readonly string[];
  /** One of them can bring nothing up to date before a planned move: the gate asks of it what a failover is asked. */
  readonly noFlush?: true;
  /** One of them loses by a move what is written here after it was brought up to date: that is done once more when no
   *  step takes anything in any more. */
  readonly flushLast?: true;
  readonly objectives: { readonly rtoMs: number | null; readonly rpoMs: number | null };
  /** Facts of another node that are older than this are no facts. */
  readonly factsMs: number;
}

// ------------------------------------------------------------------------------------------------- shared by all nodes

/** The record of a group's owner at the coordinator: what is compared, renewed and taken over. */
export interface OwnerRecord {
  readonly schema: 1;
  readonly node: string;
  /** The revision that took the group; 0 in the write that takes it. */
  readonly epoch: number;
  /** Random, new with every start of a daemon: two lives of one node are two owners. */
  readonly instance: string;
  /** T as the owner counts it: who waits for less by its own configuration waits for this. */
  readonly silenceMs?: number;
  /** The boot of the node: the kernel that holds its addresses. */
  readonly boot: string;
  /** How it was taken: the first time, again by the same node, handed over, or from one that fell silent. */
  readonly taken: 'first' | 'resumed' | 'planned' | 'failover';
  /** Counts the owner's writes: it knows its own earlier tries by it. */
  readonly write: number;
  /** `held`; `released`: everything was taken back, anybody may take it; `stuck`: given up, but something could not be
   *  proved stopped: only who fences that node may take it. */
  readonly state: 'held' | 'released' | 'stuck';
  /** Released for this node; null: for anybody. */
  readonly to: string | null;
  /** Why it was released; absent while held. */
  readonly reason?: 'planned' | 'failover';
  /** Nodes that tried and could not, since the group was last active somewhere. */
  readonly failed: readonly string[];
  /** The newest epoch under which the group was really active somewhere (its steps were done up to the pivot), and
   *  where: the newest data is there. */
  readonly data: { readonly epoch: number; readonly node: string } | null;
}

/** A move that somebody asked for, at the coordinator until it ended. */
export interface MoveRequest {
  readonly id: string;
  readonly verb: 'switchover' | 'failover' | 'drill' | 'switchback';
  readonly to: string | null;
  readonly by: string;
  /** Gates that are not asked, each by its rule's name: `data-loss`, `block`, `site`. */
  readonly force: readonly string[];
  readonly comment: string;
}

export type ReplicationState = 'healthy' | 'initializing' | 'synchronizing' | 'suspended' | 'failed' | 'service-down';

export interface Measure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
}

/** What one source says about this node's copy (on the active node: about what leaves it). */
export interface ReplicationFacts {
  readonly state: ReplicationState;
  /** Units that wait; null: not known. */
  readonly queue: number | null;
  /** How old the newest thing is that has not arrived, ms; 0: nothing waits; null: not known. */
  readonly lagMs: number | null;
  readonly detail: string;
  readonly measures?: readonly Measure[];
}

/** What one node says of itself about one group, as the others see it. */
export interface Candidate {
  readonly node: string;
  /** Its daemon was heard within the age limit, and the age in ms. */
  readonly reachable: boolean;
  readonly ageMs: number | null;
  readonly maintenance: boolean;
  /** Its configuration says that it only looks on: it would do nothing that it is asked for. */
  readonly observes?: boolean;
  /** Its first round of checks is over, and it has seen the cluster for T at least. */
  readonly settled: boolean;
  /** Steps and services that could not be done there, each with its reason; empty: ready. */
  readonly unready: readonly string[];
  /** How its services are, where they run on standby nodes too; `unknown` where nothing could be asked. */
  readonly health: 'ok' | 'degraded' | 'unknown' | 'failing';
  /** Worst of its sources; null: there are none. */
  readonly replication: ReplicationFacts | null;
  /** The epoch whose data it has: it was active under it, or its copy was healthy under it. 0: none. */
  readonly dataEpoch: number;
  /** Weights of the groups that it carries, without this one. */
  readonly load: number;
  /** Something of the group may be in place there although it is not active. */
  readonly dirty: boolean;
  /** It is not merely looking on: active, coming, leaving, or unable to leave. */
  readonly holding?: boolean;
  /** It tried to take this group and failed, so long ago; null: never. */
  readonly failedMsAgo: number | null;
}

/** Everything that an election looks at: gathered at one moment, so that the decision can be told and repeated. */
export interface Survey {
  readonly candidates: readonly Candidate[];
  /** Who answers over a comm path now, although the coordinator does not show it. */
  readonly answering: readonly string[];
}

// ------------------------------------------------------------------------------------------------------------- state

export type Role = 'standby' | 'activating' | 'active' | 'deactivating' | 'blocked';

export type StepAct = 'prepare' | 'unprepare' | 'flush' | 'do' | 'undo';

/** One step's way through a saga. */
export interface StepState {
  readonly name: string;
  /** `doubt`: an act was begun and its end is not known, or it failed. Written before the act begins. */
  readonly place: 'in' | 'out' | 'doubt';
  readonly prepared: boolean;
  /** Tries of the act that is due. */
  readonly tries: number;
  /** How long its newest act took, ms on the timeline; null: none has ended. */
  readonly ms: number | null;
  readonly detail: string;
}

/** The steps of a group on their way: `up`, it comes here; `down`, it leaves. */
export interface Saga {
  readonly kind: 'up' | 'down';
  readonly epoch: number;
  readonly startedAt: number;
  /** `back`: what was begun is taken back. */
  readonly direction: 'forward' | 'back';
  /** `up`: clients reach this node; from now on only forward. */
  readonly passedPivot: boolean;
  readonly from: string | null;
  readonly to: string | null;
  /** Whoever had it gave it up by itself. */
  readonly planned: boolean;
  /** The right is gone: whatever it takes, and without looking back. */
  readonly force: boolean;
  readonly flushed: boolean;
  /** And once more, when nothing was taken in any more. */
  readonly flushedLast?: true;
  readonly steps: readonly StepState[];
  /** The act that is under way; null: none. */
  readonly acting: { readonly step: string; readonly act: StepAct; readonly since: number } | null;
  readonly retryAt: number | null;
  /** Why it turned back; null: it did not. */
  readonly fault: string | null;
}

/** How a move ended that was asked for, or that happened. Kept for status, reports and objectives. */
export interface MoveReport {
  readonly id: string;
  readonly verb: MoveRequest['verb'] | 'takeover';
  readonly at: number;
  readonly ok: boolean;
  readonly text: string;
  readonly from: string | null;
  readonly to: string | null;
  /** From the first act here until clients reached this node, ms. */
  readonly ms: number | null;
  readonly steps: readonly { readonly name: string; readonly ms: number | null }[];
  readonly loss: { readonly units: number | null; readonly ms: number | null } | null;
}

export interface GroupState {
  readonly role: Role;
  /** Raised by every change of role or saga: an answer under an old turn is ignored. */
  readonly turn: number;
  readonly since: number;
  readonly why: { readonly rule: string; readonly text: string };
  /** The right that this node holds; null: none. */
  readonly epoch: number | null;
  /** Was the record seen since the start of this daemon, and what it said. */
  readonly known: boolean;
  readonly owner: OwnerRecord | null;
  readonly vacantSince: number | null;
  readonly saga: Saga | null;
  /** Something of the group may be in place here although this node is not active. */
  readonly dirty: boolean;
  /** The epoch whose data is here. */
  readonly dataEpoch: number;
  readonly surveying: 'vacant' | 'request' | 'switchback' | null;
  /** Asked a person, who has until then. */
  readonly ask: { readonly until: number; readonly said: 'yes' | 'no' | null } | null;
  readonly request: MoveRequest | null;
  /** No failover by itself until then. */
  readonly block: { readonly epoch: number; readonly until: number } | null;
  /** The epoch whose failover somebody acknowledged. */
  readonly acked: number;
  /** When this node failed to bring it up; null: it did not. */
  readonly failedAt: number | null;
  /** Since when the node that is wanted more could have it: for the automatic switchback. */
  readonly backSince: number | null;
  /** Refusals of the newest election, for explain. */
  readonly refused: readonly { readonly node: string; readonly rule: string; readonly text: string }[];
  /** This node speaks for the group while nobody has it: one alarm, not one from each. */
  readonly speaks: boolean;
  readonly loss: { readonly units: number | null; readonly ms: number | null } | null;
  readonly wakeAt: number | null;
  readonly last: MoveReport | null;
}
