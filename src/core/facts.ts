// What each node says of itself to all others, and what an observer makes of it: candidates with the age of what is
// known. Ages are measured by whoever looks, on its own clock; nobody's wall clock is believed.
import type { Inventory } from './inventory.ts';
import type { Candidate, GroupPolicy, MoveReport, OwnerRecord, ReplicationFacts, Role, Saga } from './group-types.ts';

/** One node's word about one group. */
export interface GroupFacts {
  readonly role: Role;
  readonly epoch: number | null;
  readonly since: string;
  readonly why: string;
  readonly settled: boolean;
  readonly dirty: boolean;
  readonly unready: readonly string[];
  readonly health: Candidate['health'];
  readonly replication: ReplicationFacts | null;
  /** The newest forced write of the active node by each source of replication. */
  readonly proofs?: Readonly<Record<string, { readonly n: number; readonly ok: boolean; readonly detail: string }>>;
  /** The active node is about to give it up; the word names this one try. */
  readonly leaving?: string | null;
  /** The `leaving` for whose sake nothing is copied to this node any more. */
  readonly still?: string | null;
  readonly dataEpoch: number;
  readonly failedMsAgo: number | null;
  readonly weight: number;
  /** The way it is on: shown live wherever somebody looks. */
  readonly saga: Pick<Saga, 'kind' | 'direction' | 'from' | 'to' | 'steps' | 'acting' | 'fault'> | null;
  /** What the step under way says of itself. */
  readonly progress: string;
  readonly ask: boolean;
  readonly last: MoveReport | null;
}

export interface NodeFacts {
  readonly schema: 1;
  readonly node: string;
  /** Changes with every start of the daemon. */
  readonly instance: string;
  readonly version: string;
  readonly time: string;
  readonly configuration: string;
  readonly maintenance: boolean;
  /** It only looks on, by its configuration: it would take nothing by itself. */
  readonly observe?: boolean;
  /** What is installed and configured there, to be compared. */
  readonly inventory?: Inventory;
  readonly groups: Readonly<Record<string, GroupFacts>>;
}

/** A node's newest word, and when it was heard (the observer's monotonic clock, ms). */
export interface Heard {
  readonly facts: NodeFacts;
  readonly at: number;
}

export interface Sight {
  readonly group: string;
  readonly policy: GroupPolicy;
  readonly heard: ReadonlyMap<string, Heard>;
  readonly now: number;
  /** How often nodes speak. */
  readonly publishMs: number;
  /** T: an owner that was not seen to write for so long is no sign of its own life. */
  readonly silenceMs: number;
  /** Who answers over a comm path; null: paths are not watched. */
  readonly answering: readonly string[] | null;
  readonly owner: OwnerRecord | null;
  /** When the owner's newest write was seen. */
  readonly ownerAt: number;
  /** Nodes that a person has put into maintenance. */
  readonly maintenance: ReadonlySet<string>;
}

/** A node that carries a group, or is about to or not quite rid of it. */
const CARRIES: ReadonlySet<Role> = new Set(['activating', 'active', 'deactivating', 'blocked']);

export const candidatesOf = (sight: Sight): readonly Candidate[] =>
  sight.policy.nodes.map((node) => candidateOf(sight, node));

const NOTHING: Pick<
  GroupFacts,
  'settled' | 'unready' | 'health' | 'replication' | 'dataEpoch' | 'dirty' | 'failedMsAgo'
> = {
  ...{ settled: false, unready: ['it does not know the group'], health: 'unknown', replication: null },
  ...{ dataEpoch: 0, dirty: false, failedMsAgo: null },
};

function candidateOf(sight: Sight, node: string): Candidate {
  const { group, heard, now, maintenance } = sight;
  const known = heard.get(node);
  const facts = known?.facts.groups[group];
  const ageMs = known ? Math.max(0, Math.round(now - known.at)) : null;
  const { settled, unready, health, replication, dataEpoch, dirty, failedMsAgo } = facts ?? NOTHING;
  return {
    ...{ node, ageMs, settled, unready, health, replication, dataEpoch, dirty },
    holding: facts !== undefined && CARRIES.has(facts.role),
    reachable: known !== undefined && lives(sight, node, known),
    maintenance: maintenance.has(node) || (known?.facts.maintenance ?? false),
    ...(known?.facts.observe === true ? { observes: true } : {}),
    load: known ? loadOf(known.facts, group) : 0,
    failedMsAgo: failedMsAgo === null ? null : failedMsAgo + (ageMs ?? 0),
  };
}

/** Heard of late. Of the owner itself only what is younger than its silence counts: what it said before it fell silent
 *  says nothing about now. */
function lives(
  { policy, now, publishMs, silenceMs, answering, owner, ownerAt }: Sight,
  node: string,
  known: Heard,
): boolean {
  if (now - known.at > policy.factsMs) return false;
  if (owner?.node === node && owner.state === 'held' && known.at <= ownerAt + publishMs)
    return now - ownerAt < Math.min(publishMs, silenceMs);
  // Its word comes by the coordinator, and may be of before its end: a dead node does not answer.
  return answering === null || answering.includes(node) || now - known.at <= 2 * publishMs;
}

const loadOf = ({ groups }: NodeFacts, but: string): number =>
  Object.entries(groups)
    .filter(([name, { role }]) => name !== but && CARRIES.has(role))
    .reduce((sum, [, { weight }]) => sum + weight, 0);
