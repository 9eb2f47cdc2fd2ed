// Whether this node takes a group over, or lets it go: after a survey, by elect.ts and the rules about when. A hand
// that is not sure takes nothing; every reason why not is kept.
import { elect, type Election } from './elect.ts';
import type { MoveRequest, Survey } from './group-types.ts';
import { answer, because, become, type GroupWork, set, survey, wake, advance } from './group-work.ts';
import { begin } from './saga.ts';
import { span } from './move.ts';

/** It is vacant, or may have become so: look who could take it. */
export function consider(g: GroupWork): void {
  const { role, saga, vacantSince } = g.state;
  if (role !== 'standby' || saga || vacantSince === null) return;
  survey(g, 'vacant');
}

/** Our own right of before this daemon's start: everything is where it was, and nobody is asked. */
export function takeAgain(g: GroupWork): void {
  if (g.state.role !== 'standby' || g.state.saga) return;
  because(g, 'take-again', 'it was active here, and still is by the record');
  g.effects.push({ kind: 'group-take', group: g.name, turn: g.state.turn, failed: g.state.owner?.failed ?? [] });
}

/** A move was asked for, and this node does not have the group: it may be the one that takes it. */
export function considerRequest(g: GroupWork): void {
  if (g.state.vacantSince !== null) consider(g);
}

export function onSurvey(g: GroupWork, seen: Survey, hours: boolean): void {
  const { surveying } = g.state;
  set(g, { surveying: null });
  if (surveying === 'vacant') return onVacant(g, seen);
  if (g.state.role !== 'active') return;
  if (g.state.saga) {
    const step = g.state.saga.steps.find(({ place }) => place !== 'in')?.name ?? 'a step';
    if (surveying === 'request') answer(g, false, `it has not wholly arrived here yet: ${step} is not in place`);
    return;
  }
  if (surveying === 'request') return onRequested(g, seen);
  if (surveying === 'switchback') return onSwitchback(g, seen, hours);
}

// -------------------------------------------------------------------------------------------------- nobody has it

function onVacant(g: GroupWork, seen: Survey): void {
  const { role, vacantSince, owner, request } = g.state;
  if (role !== 'standby' || vacantSince === null) return;
  const election = elect({
    ...{ policy: g.policy, nodes: g.cluster.nodes, survey: seen, owner, kind: 'failover' },
    ...{ to: request?.to ?? handed(g), force: request?.force ?? [], without: failedLately(g, seen) },
    flushed: flushed(g) ? g.node : null,
  });
  set(g, { refused: election.refused, speaks: speaks(g, election) });
  const { silenceMs } = g.cluster.timing;
  if (election.chosen !== g.node) {
    const text = election.chosen === null ? 'no node may take it' : `${election.chosen} is to take it`;
    because(g, election.chosen === null ? 'nobody' : 'another', text, election);
    // What cannot be done is not waited for, and does not keep others from doing what can. Whom it was handed to says
    // so at once: others only look on until T. What is only too young for it may be old enough in a moment.
    const young = election.refused.some(({ node, rule }) => node === g.node && rule === 'settling');
    const ours = (handed(g) !== null && !young) || (request?.to && g.state.speaks);
    if (election.chosen === null && ours) answer(g, false, refusals(election));
    return wake(g, silenceMs);
  }
  const wait = waitFor(g, seen);
  if (wait) {
    if (wait.rule !== g.state.why.rule) because(g, wait.rule, wait.text, election);
    return wake(g, wait.ms);
  }
  const loss = flushed(g) ? NOTHING : election.loss;
  if (loss && (loss.units !== 0 || loss.ms !== 0)) {
    const { units, ms } = loss;
    const text = `what is lost by it: ${units ?? 'unknown'} units, ${ms === null ? 'unknown' : span(ms)} at the most`;
    g.once.push({ event: 'data-loss-accepted', summary: `${g.name}: ${text}`, action: 'it is taken over' });
  }
  set(g, { loss, speaks: false });
  because(g, 'take', 'this node is to take it', election);
  g.effects.push({ kind: 'group-take', group: g.name, turn: g.state.turn, failed: owner?.failed ?? [] });
}

/** Whoever let go has chosen this node: it does not go back to one that is wanted more. Others look on until T. */
function handed({ state: { owner }, node }: GroupWork): string | null {
  return owner?.state === 'released' && owner.to === node ? node : null;
}

/** Whoever let go in order brought the copy here up to date before: what it says of its age was measured earlier. */
function flushed(g: GroupWork): boolean {
  const { sources, noFlush } = g.policy;
  return handed(g) !== null && g.state.owner?.reason === 'planned' && sources.length > 0 && !noFlush;
}

const NOTHING = { units: 0, ms: 0 } as const;

/** Who tried and could not is not asked again for as long as another failover would be held back. */
function failedLately(g: GroupWork, seen: Survey): readonly string[] {
  const ago = (node: string): number => seen.candidates.find((one) => one.node === node)?.failedMsAgo ?? 0;
  return (g.state.owner?.failed ?? []).filter((node) => ago(node) < g.policy.blockMs);
}

const refusals = ({ refused }: Election): string =>
  refused
    .filter(({ rule }) => rule !== 'not-asked-for' && rule !== 'is-active')
    .map(({ node, text }) => `${node}: ${text}`)
    .join('; ') || 'no node may take it';

/** One node tells of a group that nobody has: who is to take it, else the first that lives. */
function speaks(g: GroupWork, { chosen, refused }: Election): boolean {
  const lives = (node: string): boolean => !refused.some((one) => one.node === node && one.rule === 'unreachable');
  return (chosen ?? g.policy.nodes.find(lives)) === g.node;
}

interface Wait {
  readonly rule: string;
  readonly text: string;
  readonly ms: number;
}

const LOOK_AGAIN_MS = 5000;
const BACK_MS = 60_000;

/** Why it is not taken yet, although this node is the one; null: now. */
function waitFor(g: GroupWork, seen: Survey): Wait | null {
  const { owner, request, vacantSince, ask } = g.state;
  const { failover } = g.policy;
  const stuck = stuckFault(g, seen);
  if (stuck) return stuck;
  // The first time, our own of before, handed over, or asked for by a person: nobody is passed over by it.
  if (owner === null || owner.node === g.node || (request && !isService(request))) return null;
  if (owner.state === 'released' && owner.reason !== 'failover') return null;
  // Handed over to this node by one that asked all of this before it let go: now nobody has it.
  if (owner.state === 'released' && owner.to === g.node) return null;
  // It could not be brought up there, and goes back to where it was.
  if (owner.state === 'released' && owner.data?.node === g.node) return null;
  if (g.hands === 'tilt') return { rule: 'tilt', text: 'the observer distrusts its eyes', ms: LOOK_AGAIN_MS };
  if (g.hands === 'observe')
    return { rule: 'observe', text: 'it would be taken now; it is only looked on', ms: 60_000 };
  const silentMs = g.at - (vacantSince ?? g.at) + g.cluster.timing.silenceMs;
  if (silentMs < failover.afterMs && owner.state === 'held') {
    const text = `${owner.node} must be silent for ${span(failover.afterMs)} before it is taken`;
    return { rule: 'too-early', text, ms: failover.afterMs - silentMs };
  }
  return held(g) ?? (failover.mode === 'automatic' ? null : asked(g, ask));
}

/** Another failover so soon needs a person's word. */
function held(g: GroupWork): Wait | null {
  const { block, acked } = g.state;
  if (!block || block.until <= g.at || block.epoch <= acked) return null;
  const left = block.until - g.at;
  const text = `a failover was ${span(g.policy.blockMs - left)} ago: no other one by itself for ${span(left)}, unless it is acknowledged`;
  return { rule: 'block', text, ms: Math.min(left, 60_000) };
}

function asked(g: GroupWork, ask: GroupWork['state']['ask']): Wait | null {
  const { failover } = g.policy;
  if (failover.mode === 'manual') return { rule: 'manual', text: 'it is taken over by a person only', ms: 60_000 };
  if (!ask) {
    set(g, { ask: { until: g.at + failover.confirmMs, said: null } });
    const then = failover.otherwise === 'move' ? 'it is taken then' : 'it stays down then';
    return {
      rule: 'confirm',
      text: `a person has ${span(failover.confirmMs)} to say yes or no; ${then}`,
      ms: failover.confirmMs,
    };
  }
  if (ask.said === 'yes') return null;
  if (ask.said === 'no') return { rule: 'declined', text: 'somebody said no', ms: 60_000 };
  if (ask.until > g.at) return { rule: 'confirm', text: 'a person is asked', ms: ask.until - g.at };
  return failover.otherwise === 'move'
    ? null
    : { rule: 'unanswered', text: 'nobody answered, and it stays down then', ms: 60_000 };
}

/** Something is in place elsewhere still: at whoever had it last and could not stop it or has not yet, or at a node
 *  that had it before, whatever the record says now (somebody may have taken it away). Only a fence opens this, and
 *  only that of the owner. */
function stuckFault(g: GroupWork, seen: Survey): Wait | null {
  const { owner } = g.state;
  const held = seen.candidates.find(
    ({ node, holding }) => holding && node !== g.node && node !== owner?.node && seen.answering.includes(node),
  );
  if (held) return { rule: 'not-stopped', text: `${held.node} answers, and has not stopped it yet`, ms: 500 };
  if (!owner || owner.node === g.node) return null;
  const fence = g.policy.steps.some(({ type }) => type === 'fence');
  if (fence) return null;
  if (owner.state === 'stuck')
    return { rule: 'not-stopped', text: `${owner.node} could not stop it, and there is no fence`, ms: LOOK_AGAIN_MS };
  const left = seen.candidates.find(({ node }) => node === owner.node);
  // What was released was proved to be gone before.
  if (owner.state === 'held' && left?.dirty && seen.answering.includes(owner.node))
    return { rule: 'not-stopped', text: `${owner.node} answers, and has not stopped it yet`, ms: 500 };
  return null;
}

// --------------------------------------------------------------------------------------------------- it leaves us

function onRequested(g: GroupWork, seen: Survey): void {
  const { request } = g.state;
  if (!request) return;
  const own = isService(request);
  const election = elect({
    ...{ policy: g.policy, nodes: g.cluster.nodes, survey: seen, owner: g.state.owner, kind: 'move' },
    ...{ to: request.to, force: request.force, without: [] },
  });
  set(g, { refused: election.refused });
  if (election.chosen === null) {
    because(g, 'nobody', `it is not moved: no node may take it`, election);
    return answer(g, false, refusals(election));
  }
  const wait = own
    ? (handsFault(g) ?? held(g) ?? (g.policy.failover.mode === 'automatic' ? null : asked(g, g.state.ask)))
    : null;
  if (wait) {
    because(g, wait.rule, wait.text, election);
    if (wait.rule !== 'confirm') return answer(g, false, wait.text);
    return wake(g, wait.ms);
  }
  leave(g, election.chosen, request, election);
}

/** A service that gave up asks for it by itself: the rules for what happens by itself hold. */
const isService = ({ by }: MoveRequest): boolean => by.startsWith('service ');

function handsFault(g: GroupWork): Wait | null {
  if (g.hands === 'free') return null;
  return {
    rule: g.hands,
    text: g.hands === 'tilt' ? 'the observer distrusts its eyes' : 'it is only looked on',
    ms: 0,
  };
}

function leave(g: GroupWork, to: string, request: MoveRequest, election: Election): void {
  const epoch = g.state.epoch ?? 0;
  const saga = begin(g.policy, { kind: 'down', epoch, from: g.node, to, planned: true, force: false }, g.at);
  become(g, 'deactivating', { saga, request });
  if (g.policy.standby === 'stopped') g.services = 'evicted';
  because(g, 'leave', `${request.verb} to ${to}, asked for by ${request.by}`, election);
  g.once.push({
    event: 'switchover',
    summary: `${g.name} moves from ${g.node} to ${to}: ${request.by}`,
    action: 'its steps are undone',
  });
  // Nothing to undo: the conclusion is drawn when it wakes.
  if (advance(g)) wake(g, 1);
}

/** The node that is wanted most is well again, for long enough, and now is a good time. */
function onSwitchback(g: GroupWork, seen: Survey, hours: boolean): void {
  const [home = ''] = g.policy.nodes;
  const election = elect({
    ...{ policy: g.policy, nodes: g.cluster.nodes, survey: seen, owner: g.state.owner, kind: 'move' },
    ...{ to: home, force: [], without: [] },
  });
  const { dwellMs } = g.policy.switchback;
  if (election.chosen !== home) {
    set(g, { backSince: null });
    return wake(g, BACK_MS);
  }
  const since = g.state.backSince ?? g.at;
  set(g, { backSince: since });
  if (!hours || g.at - since < dwellMs || g.hands !== 'free') return wake(g, BACK_MS);
  const id = `switchback-${g.state.epoch}`;
  const request: MoveRequest = { id, verb: 'switchback', to: home, by: 'switchback', force: [], comment: '' };
  leave(g, home, request, election);
}
