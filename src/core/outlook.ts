// What would come of a move that somebody asks for, said before anything is done: who would have it, every reason
// against it, which of them could be forced, what would be lost, and the plan. The election itself is that of elect.ts.
import { type Election, elect, type Loss, type Question } from './elect.ts';
import type { ClusterPolicy, GroupPolicy, GroupState, MoveRequest, OwnerRecord, Survey } from './group-types.ts';
import { span } from './move.ts';
import { type PlanLine, planOf } from './plan.ts';

export interface Scene {
  readonly policy: GroupPolicy;
  readonly cluster: ClusterPolicy;
  readonly survey: Survey;
  readonly state: GroupState;
  readonly owner: OwnerRecord | null;
  readonly at: number;
}

export interface Against {
  /** Null: it is about the group, and not about one node. */
  readonly node: string | null;
  readonly rule: string;
  readonly text: string;
}

export interface Outlook {
  readonly ok: boolean;
  readonly kind: 'move' | 'failover';
  readonly from: string | null;
  readonly to: string | null;
  /** What stands against it; with `ok`, what stands against other nodes. */
  readonly refused: readonly Against[];
  /** Rules that would have to be forced for it; empty: nothing that could be forced would help. */
  readonly force: readonly string[];
  readonly busy: boolean;
  readonly loss: Loss | null;
  readonly plan: readonly PlanLine[];
}

type Asked = Pick<MoveRequest, 'verb' | 'to' | 'force'>;

/** Everything that the election lets a person force is asked for at once: what remains stands whatever is said. */
const ALL = ['old-data', 'data-loss', 'site', 'failed-before', 'capacity', 'block'];

/** Whoever has it has fallen silent, given it up, or never was. */
export const isVacant = ({ state, owner }: Pick<Scene, 'state' | 'owner'>): boolean =>
  state.role !== 'active' && (state.vacantSince !== null || owner === null || owner.state !== 'held');

export function outlookOf(scene: Scene, asked: Asked): Outlook {
  const { policy, cluster, survey, owner } = scene;
  const kind = isVacant(scene) ? 'failover' : 'move';
  const question: Question = {
    ...{ policy, nodes: cluster.nodes, survey, owner, kind, to: asked.to, force: asked.force },
    without: kind === 'failover' ? (owner?.failed ?? []) : [],
  };
  const election = elect(question);
  const whole = groupFaults(scene, asked, kind);
  const busy = whole.some(({ rule }) => rule === 'busy');
  const ok = election.chosen !== null && whole.length === 0;
  const from = owner?.state === 'held' ? owner.node : null;
  return {
    ...{ ok, kind, from, to: election.chosen, busy, loss: kind === 'failover' ? election.loss : null },
    refused: [...whole, ...relevant(election, asked.to)],
    force: ok ? [] : forceable(scene, asked, question),
    plan: ok ? planOf(policy, election, from, election.chosen, kind) : [],
  };
}

/** That another node was asked for is no reason worth telling. */
const relevant = ({ refused }: Election, to: string | null): readonly Against[] =>
  refused.filter(({ node, rule }) => rule !== 'not-asked-for' && (to === null || node === to));

function forceable(scene: Scene, asked: Asked, question: Question): readonly string[] {
  const { kind } = question;
  const forced = elect({ ...question, force: ALL });
  if (forced.chosen === null || groupFaults(scene, { ...asked, force: ALL }, kind).length > 0) return [];
  const against = [...elect(question).refused.filter(({ node }) => node === forced.chosen)];
  const whole = groupFaults(scene, asked, kind);
  return [...new Set([...against, ...whole].map(({ rule }) => rule))];
}

/** What speaks against a move of the group at all, wherever it would go. */
function groupFaults(scene: Scene, { verb, to, force }: Asked, kind: 'move' | 'failover'): readonly Against[] {
  const { policy, state, owner, at } = scene;
  const faults: Against[] = [];
  const say = (rule: string, text: string): void => void faults.push({ node: null, rule, text });
  if (to !== null && !policy.nodes.includes(to)) say('not-a-node', `${to} is no node of this group`);
  if (state.saga || scene.survey.candidates.length === 0) say('busy', 'a move is under way');
  if (!state.known) say('busy', 'it is not known yet who owns it');
  if (verb === 'switchover' && kind === 'failover')
    say('vacant', 'nobody has it in service: there is nothing to hand over (failover takes it)');
  if (kind === 'move') return faults;
  if (owner?.state === 'stuck' && !policy.steps.some(({ type }) => type === 'fence'))
    say('not-stopped', `${owner.node} could not stop it, and there is no fence`);
  const { block, acked } = state;
  if (block && block.until > at && block.epoch > acked && !force.includes('block'))
    say('block', `a failover was ${span(policy.blockMs - (block.until - at))} ago, and nobody acknowledged it`);
  return faults;
}

// ------------------------------------------------------------------------------------- what if its node were lost now

export interface CanLose {
  /** The node that has it. */
  readonly owner: string | null;
  readonly yes: boolean;
  readonly text: string;
  readonly nodes: readonly {
    readonly node: string;
    readonly may: boolean;
    readonly reasons: readonly { readonly rule: string; readonly text: string }[];
    readonly loss: Loss | null;
  }[];
  /** What would hold back a failover although a node may take it. */
  readonly holds: readonly { readonly rule: string; readonly text: string }[];
  readonly plan: readonly PlanLine[];
}

/** Without the owner: could another node take it, and would it do so by itself? */
export function canLose(scene: Scene, hands: 'free' | 'tilt' | 'observe'): CanLose {
  const { policy, cluster, survey, owner } = scene;
  const lost = owner?.state === 'held' ? owner.node : null;
  const rest: Survey = {
    candidates: survey.candidates.filter(({ node }) => node !== lost),
    answering: survey.answering.filter((node) => node !== lost),
  };
  const nodes = policy.nodes.filter((node) => node !== lost);
  const election = elect({
    ...{ policy: { ...policy, nodes }, nodes: cluster.nodes, survey: rest, owner, kind: 'failover', to: null },
    ...{ force: [], without: owner?.failed ?? [] },
  });
  const holds = holdsOf(scene, hands);
  const yes = election.chosen !== null && holds.length === 0;
  return {
    ...{ owner: lost, yes, text: answerText(lost, election, holds), holds },
    nodes: nodes.map((node) => ({
      node,
      may: election.order.includes(node),
      reasons: election.refused.filter((one) => one.node === node).map(({ rule, text }) => ({ rule, text })),
      loss: lossAt(rest, node),
    })),
    plan: planOf(policy, election, lost, election.chosen, 'failover'),
  };
}

const lossAt = ({ candidates }: Survey, name: string): Loss | null => {
  const copy = candidates.find(({ node }) => node === name)?.replication ?? null;
  return copy && { units: copy.queue, ms: copy.lagMs };
};

function answerText(lost: string | null, { chosen }: Election, holds: CanLose['holds']): string {
  const what = lost === null ? 'nobody has it' : `if ${lost} is lost now`;
  if (chosen === null) return `${what}: no other node may take it`;
  if (holds.length === 0) return `${what}: ${chosen} takes it`;
  return `${what}: ${chosen} could take it, but not by itself: ${holds.map(({ text }) => text).join('; ')}`;
}

function holdsOf({ policy, state, at }: Scene, hands: 'free' | 'tilt' | 'observe'): CanLose['holds'] {
  const holds: { rule: string; text: string }[] = [];
  const { block, acked } = state;
  if (block && block.until > at && block.epoch > acked)
    holds.push({ rule: 'block', text: `no other failover by itself for ${span(block.until - at)}` });
  if (policy.failover.mode === 'confirm')
    holds.push({ rule: 'confirm', text: `a person is asked first, for ${span(policy.failover.confirmMs)}` });
  if (policy.failover.mode === 'manual') holds.push({ rule: 'manual', text: 'it is taken over by a person only' });
  if (hands === 'tilt') holds.push({ rule: 'tilt', text: 'the daemon here distrusts its eyes' });
  if (hands === 'observe') holds.push({ rule: 'observe', text: 'the daemon here only looks on' });
  return holds;
}

/** How many members may still fail before nothing can be agreed upon. */
export function spareMembers(members: readonly { readonly ok: boolean }[]): number | null {
  if (members.length === 0) return null;
  return members.filter(({ ok }) => ok).length - (Math.floor(members.length / 2) + 1);
}
