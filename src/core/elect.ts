// Who may take a group, and why each other node may not. Looks at what was gathered at one moment; nothing is asked,
// nothing remembered, so that the same survey always gives the same answer and the answer can be told.
import type { Candidate, Gate, GroupPolicy, NodePolicy, OwnerRecord, ReplicationFacts, Survey } from './group-types.ts';

export type RefusalRule =
  | 'not-a-node'
  | 'is-active'
  | 'unreachable'
  | 'maintenance'
  | 'observe'
  | 'settling'
  | 'not-ready'
  | 'not-well'
  | 'old-data'
  | 'data-loss'
  | 'capacity'
  | 'failed-before'
  | 'site'
  | 'not-stopped'
  | 'not-asked-for';

export interface Refusal {
  readonly node: string;
  readonly rule: RefusalRule;
  readonly text: string;
}

/** What would be lost if this node took over now. Null: not known. */
export interface Loss {
  readonly units: number | null;
  readonly ms: number | null;
}

export interface Election {
  readonly chosen: string | null;
  /** All that may, best first. */
  readonly order: readonly string[];
  /** Every rule that speaks against a node, not the first alone. */
  readonly refused: readonly Refusal[];
  readonly loss: Loss | null;
}

export interface Question {
  readonly policy: GroupPolicy;
  readonly nodes: Readonly<Record<string, NodePolicy>>;
  readonly survey: Survey;
  readonly owner: OwnerRecord | null;
  /** `move`: the owner lives and leaves. `failover`: it is silent. */
  readonly kind: 'move' | 'failover';
  /** The node that was asked for; null: whichever is best. */
  readonly to: string | null;
  /** Rules that are not asked, by name. */
  readonly force: readonly string[];
  /** Who must not be chosen: tried already, or the one that leaves. */
  readonly without: readonly string[];
  /** The node whose copy was brought up to date before it was handed the group, and since when nobody writes. */
  readonly flushed?: string | null;
}

/** These stand whatever is forced: what they forbid is harm, or cannot work. */
const FORCEABLE: ReadonlySet<RefusalRule> = new Set(['old-data', 'data-loss', 'site', 'failed-before', 'capacity']);

export function elect(question: Question): Election {
  const { policy, survey, force } = question;
  const refused: Refusal[] = [];
  const may: string[] = [];
  for (const node of policy.nodes) {
    const candidate = survey.candidates.find((one) => one.node === node);
    const against = objections(question, node, candidate).filter(
      ({ rule }) => !(FORCEABLE.has(rule) && force.includes(rule)),
    );
    refused.push(...against);
    if (against.length === 0) may.push(node);
  }
  const order = ranked(question, may);
  const chosen = order[0] ?? null;
  const won = survey.candidates.find(({ node }) => node === chosen);
  return { chosen, order, refused, loss: won?.replication ? lossOf(won.replication) : null };
}

/** Whoever has it and lives goes on; then near sites, in the order of the group's list. */
function ranked(question: Question, may: readonly string[]): readonly string[] {
  const { policy, nodes, owner } = question;
  const home = homeOf(policy, nodes, owner);
  const far = (node: string): number => (isFar(nodes, node, home) ? 1 : 0);
  const goesOn = (node: string): number => (resumes(question, node) ? 0 : 1);
  return [...may].sort(
    (a, b) => goesOn(a) - goesOn(b) || far(a) - far(b) || policy.nodes.indexOf(a) - policy.nodes.indexOf(b),
  );
}

/** Its daemon began anew, and it is still the owner: nothing moves, and what is in place stays. */
const resumes = ({ kind, owner }: Question, node: string): boolean =>
  kind === 'failover' && owner?.state === 'held' && owner.node === node;

/** The site where the group lives: that of its owner, or of the node that is wanted most. */
function homeOf(policy: GroupPolicy, nodes: Question['nodes'], owner: OwnerRecord | null): string | null {
  const first = owner && policy.nodes.includes(owner.node) ? owner.node : policy.nodes[0];
  return (first === undefined ? undefined : nodes[first])?.site ?? null;
}

const isFar = (nodes: Question['nodes'], node: string, home: string | null): boolean =>
  home !== null && (nodes[node]?.site ?? home) !== home;

function objections(question: Question, node: string, candidate: Candidate | undefined): readonly Refusal[] {
  const { policy, nodes, owner, kind, to, without, survey } = question;
  const against: Refusal[] = [];
  const say = (rule: RefusalRule, text: string): void => void against.push({ node, rule, text });
  if (to !== null && to !== node) say('not-asked-for', `${to} was asked for`);
  if (kind === 'move' && owner?.node === node && owner.state === 'held') say('is-active', 'it is active already');
  if (without.includes(node)) say('failed-before', 'it tried and could not bring the group up');
  const again = resumes(question, node);
  // What a silent owner said before it fell silent is no sign of life.
  const silent = again && candidate?.ageMs !== 0 && !survey.answering.includes(node);
  if (!candidate || !candidate.reachable || silent) {
    const age = candidate?.ageMs ?? null;
    say('unreachable', age === null ? 'nothing is known of it' : `not heard for ${Math.round(age / 1000)} s`);
    return against;
  }
  if (candidate.maintenance && !again) say('maintenance', 'it is in maintenance');
  if (candidate.observes && !again) say('observe', 'it only looks on, by its configuration');
  if (!candidate.settled && !again) say('settling', 'it has just started and does not know enough yet');
  if (owner?.state === 'stuck' && owner.node === node && candidate.dirty)
    say('not-stopped', 'it could not stop it, and has not since');
  for (const text of candidate.unready.slice(0, 8)) say('not-ready', text);
  if (policy.standby === 'running' && (candidate.health === 'failing' || candidate.health === 'unknown'))
    say('not-well', `its services there are ${candidate.health}`);
  const capacity = nodes[node]?.capacity ?? null;
  if (capacity !== null && candidate.load + policy.weight > capacity)
    say('capacity', `it carries ${candidate.load} of ${capacity}, and this group weighs ${policy.weight}`);
  if (candidate.failedMsAgo !== null && candidate.failedMsAgo < policy.blockMs)
    say('failed-before', `it could not bring the group up ${Math.round(candidate.failedMsAgo / 1000)} s ago`);
  against.push(...dataObjections(question, candidate), ...siteObjections(question, candidate));
  return against;
}

/** What would be lost. On a planned move the copy is brought up to date first: what counts is that it can be. */
function dataObjections({ policy, owner, kind, flushed }: Question, candidate: Candidate): readonly Refusal[] {
  if (policy.sources.length === 0) return [];
  const { node, replication, dataEpoch } = candidate;
  const newest = owner?.data ?? null;
  // The node where the newest data was made has it, whatever its copies say.
  if (newest === null || newest.node === node) return [];
  const against: Refusal[] = [];
  if (dataEpoch < newest.epoch)
    against.push({
      ...{ node, rule: 'old-data' },
      text: `its data is of epoch ${dataEpoch}; the newest was made on ${newest.node} under ${newest.epoch}`,
    });
  const fresh = kind === 'move' || flushed === node;
  const fault = gateFault(policy.gate, replication, fresh && !policy.noFlush ? 'move' : 'failover');
  if (fault !== null) against.push({ node, rule: 'data-loss', text: fault });
  return against;
}

const lossOf = ({ queue, lagMs }: ReplicationFacts): Loss => ({
  ...{ units: queue, ms: lagMs === null ? null : Math.round(lagMs) },
});

/** Why this copy is too far behind; null: it is near enough. What is not known is as far as can be. */
export function gateFault(gate: Gate, copy: ReplicationFacts | null, kind: Question['kind']): string | null {
  if (gate.kind === 'none') return null;
  if (copy === null) return 'nothing is known of its copy';
  const able = copy.state === 'healthy' || copy.state === 'synchronizing';
  if (!able) return `its copy is ${copy.state}: ${copy.detail}`;
  // What waits is flushed before the move, and the move ends if that fails.
  if (kind === 'move') return null;
  if (gate.kind === 'rpo') {
    if (copy.lagMs === null) return 'it is not known how far its copy is behind';
    return copy.lagMs <= gate.ms ? null : `its copy is ${copy.lagMs} ms behind; ${gate.ms} ms are allowed`;
  }
  const limit = gate.kind === 'lossless' ? 0 : gate.units;
  if (copy.queue === null) return 'it is not known what its copy lacks';
  return copy.queue <= limit ? null : `its copy lacks ${copy.queue}; ${limit} are allowed`;
}

/** Another site is for the day when a whole site is gone: while any node of the home site answers, it is not. */
function siteObjections({ policy, nodes, survey, owner, to }: Question, candidate: Candidate) {
  const home = homeOf(policy, nodes, owner);
  const { node } = candidate;
  if (!isFar(nodes, node, home) || to === node) return [];
  const alive = policy.nodes.filter(
    (other) =>
      !isFar(nodes, other, home) &&
      (survey.answering.includes(other) || survey.candidates.some((one) => one.node === other && one.reachable)),
  );
  if (alive.length === 0) return [];
  const text = `it is at another site, and ${alive.join(', ')} at ${home} ${alive.length > 1 ? 'live' : 'lives'}`;
  return [{ node, rule: 'site' as const, text }];
}
