// What the outside is shown of groups, nodes and the coordinator: plain objects made from the loop's state, the guard's
// record and what the other nodes said, each with its age. Reads only.
import type { GroupFacts, NodeFacts } from '../../core/facts.ts';
import type { Candidate, GroupPolicy, GroupState, MoveReport, OwnerRecord } from '../../core/group-types.ts';
import { boundInventory } from '../../core/inventory.ts';
import { measuredOf } from '../../core/measured.ts';
import { canLose, type Scene, spareMembers } from '../../core/outlook.ts';
import type { ClusterPolicy } from '../../core/group-types.ts';
import type { Clustered } from './cluster-doors.ts';
import type { Loop } from '../loop.ts';

const wallAt = (loop: Loop, wallNow: number, at: number): string => new Date(wallNow - (loop.now() - at)).toISOString();

export interface Sources {
  readonly cluster: Clustered;
  readonly loop: Loop;
  readonly wallNow: number;
}

/** Everything that a decision about this group would look at now. Null: there is no such group here. */
export function sceneOf({ cluster, loop }: Pick<Sources, 'cluster' | 'loop'>, group: string): Scene | null {
  const { groups = {}, cluster: rules } = loop.policy;
  const policy = Object.hasOwn(groups, group) ? groups[group] : undefined;
  const state = loop.node.groups?.[group];
  if (!policy || !state || !rules) return null;
  const owner = cluster.guardOf(group)?.owner ?? state.owner;
  return { policy, cluster: rules, survey: cluster.survey(group), state, owner, at: loop.now() };
}

export const handsOf = ({ node, policy }: Loop): 'free' | 'tilt' | 'observe' =>
  node.tilt ? 'tilt' : policy.observe ? 'observe' : 'free';

function nodeRow(candidate: Candidate, facts: GroupFacts | undefined, may: boolean, owner: string | null) {
  const { node, ageMs, reachable, maintenance, health, replication, dataEpoch, unready } = candidate;
  return {
    ...{ node, ageMs, reachable, maintenance, health, replication, dataEpoch, unready, ready: may },
    owner: node === owner,
    role: facts?.role ?? null,
    saga: facts?.saga ?? null,
    progress: facts?.progress ?? '',
    why: facts?.why ?? '',
    last: facts?.last ?? null,
  };
}

/** Without an owner nobody is served; without somebody who could take it, the next fault is an outage. */
function healthOf(owner: string | null, rows: readonly ReturnType<typeof nodeRow>[]): 'ok' | 'degraded' | 'failing' {
  const holder = rows.find((one) => one.owner);
  if (owner === null) return 'failing';
  const spare = rows.length === 1 || rows.some(({ ready }) => ready);
  return holder?.role === 'active' && spare ? 'ok' : 'degraded';
}

const heardOf = ({ cluster, loop }: Pick<Sources, 'cluster' | 'loop'>): ReadonlyMap<string, NodeFacts> => {
  const heard = new Map([...cluster.view.heard].map(([node, { facts }]) => [node, facts]));
  heard.set(loop.policy.node, cluster.facts());
  return heard;
};

/** In one word for people: who has it, or why nobody. */
function standing(state: GroupState, owner: OwnerRecord | null): 'held' | 'released' | 'stuck' | 'silent' | 'none' {
  if (owner === null) return 'none';
  return owner.state === 'held' && state.vacantSince !== null ? 'silent' : owner.state;
}

export function groupShown(sources: Sources, name: string) {
  const { cluster, loop, wallNow } = sources;
  const scene = sceneOf(sources, name);
  if (!scene) return null;
  const { policy, cluster: rules, survey, state, owner } = scene;
  const heard = heardOf(sources);
  const wall = (at: number): string => wallAt(loop, wallNow, at);
  const holder = owner?.state === 'held' && state.vacantSince === null ? owner.node : null;
  const may = new Set(
    canLose(scene, 'free')
      .nodes.filter((one) => one.may)
      .map(({ node }) => node),
  );
  const { view } = cluster;
  const nodes = survey.candidates.map((one) =>
    nodeRow(one, heard.get(one.node)?.groups[name], may.has(one.node), holder),
  );
  return {
    ...{ name, health: healthOf(holder, nodes) },
    ...{ role: state.role, owner: holder, epoch: owner?.epoch ?? null, state: standing(state, owner) },
    ...{ since: wall(state.since), why: state.why, services: policy.services, standby: policy.standby },
    taken: owner?.taken ?? null,
    nodes,
    vacant: state.vacantSince === null ? null : { since: wall(state.vacantSince) },
    ask: askOf(heard, name, state.ask && { until: wall(state.ask.until), said: state.ask.said }),
    block: blockOf(state, loop.now(), wall),
    request: view.requests.get(name) ?? state.request,
    timed: view.timed.get(name) ?? null,
    answer: view.answers.get(name) ?? null,
    ...{ last: state.last && { ...state.last, at: wall(state.last.at) }, refused: state.refused },
    objectives: {
      ...policy.objectives,
      measured: measured(policy, rules, owner, [...heard.values()], name),
    },
  };
}

/** A person is asked: here, or by another node. */
function askOf(
  heard: ReadonlyMap<string, NodeFacts>,
  group: string,
  own: { until: string; said: string | null } | null,
) {
  const by = [...heard].filter(([, facts]) => facts.groups[group]?.ask === true).map(([node]) => node);
  return by.length === 0 && own === null ? null : { by, until: own?.until ?? null, said: own?.said ?? null };
}

const blockOf = ({ block, acked }: GroupState, now: number, wall: (at: number) => string) =>
  block && block.until > now && block.epoch > acked ? { epoch: block.epoch, until: wall(block.until) } : null;

function measured(
  policy: GroupPolicy,
  { timing }: ClusterPolicy,
  owner: OwnerRecord | null,
  heard: readonly NodeFacts[],
  group: string,
) {
  const reports = heard
    .map(({ groups }) => groups[group]?.last)
    .filter((one): one is MoveReport => one !== null && one !== undefined);
  return measuredOf(policy, timing, owner, reports);
}

export type GroupShown = NonNullable<ReturnType<typeof groupShown>>;

export function nodesShown(sources: Sources) {
  const { cluster, loop } = sources;
  const now = cluster.monotonic();
  const heard = heardOf(sources);
  return Object.keys(loop.policy.cluster?.nodes ?? {}).map((node) => {
    const facts = heard.get(node);
    const at = cluster.view.heard.get(node)?.at;
    const own = node === loop.policy.node;
    return {
      node,
      own,
      ageMs: own ? 0 : at === undefined ? null : Math.max(0, Math.round(now - at)),
      version: facts?.version ?? null,
      maintenance: cluster.view.maintenance.get(node) ?? null,
      groups: Object.entries(facts?.groups ?? {}).map(([group, { role }]) => ({ group, role })),
    };
  });
}

/** Groups, nodes and members as `status` shows them; nothing of them where this node stands alone. */
export function clusterShown(sources: Sources) {
  const { cluster, loop } = sources;
  const names = Object.keys(loop.policy.groups ?? {});
  const { members } = cluster;
  return {
    groups: names.map((name) => groupShown(sources, name)).filter((one): one is GroupShown => one !== null),
    nodes: nodesShown(sources),
    coordinator: { members, spare: spareMembers(members) },
  };
}

/** "Can we lose this node now?" */
export function groupExplained(sources: Sources, name: string) {
  const { cluster, loop } = sources;
  const scene = sceneOf(sources, name);
  const shown = groupShown(sources, name);
  if (!scene || !shown) return null;
  const { members } = cluster;
  const spare = spareMembers(members);
  return {
    group: name,
    shown,
    lose: canLose(scene, handsOf(loop)),
    coordinator: { members, spare, oneFaultFromSilence: spare !== null && spare < 1 && members.length > 1 },
    story: loop.recent.filter(({ rule, text }) => rule.startsWith('group-') && text.startsWith(`${name}: `)).slice(-30),
  };
}

export type GroupExplained = NonNullable<ReturnType<typeof groupExplained>>;

/** What each other node says of its installation, with the age of its word. */
export function inventoriesShown({ cluster, loop }: Sources) {
  const now = cluster.monotonic();
  return [...cluster.view.heard]
    .filter(([node]) => node !== loop.policy.node)
    .map(([node, { facts, at }]) => ({
      ...{ node, ageMs: Math.max(0, Math.round(now - at)), time: String(facts.time) },
      inventory: boundInventory(facts.inventory),
    }));
}

export type InventoryShown = ReturnType<typeof inventoriesShown>[number];
