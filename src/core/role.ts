// What this node is for a group, and what it does about it: the machine of a role. Who may take a group over is decided
// in takeover.ts; here a group comes, stays, and leaves, step by step.
import type { GroupEffect, GroupEvent } from './group-events.ts';
import type { OwnerRecord, Saga } from './group-types.ts';
import type { Notice } from './types.ts';
import {
  advance,
  answer,
  because,
  become,
  type GroupWork,
  leftUntil,
  report,
  set,
  survey,
  wake,
  WITHDRAWN,
} from './group-work.ts';
import { acted, begin, troubleOf } from './saga.ts';
import { consider, considerRequest, onSurvey, takeAgain } from './takeover.ts';

export function decideGroup(g: GroupWork, event: GroupEvent): void {
  if ('turn' in event && event.turn !== g.state.turn && event.kind !== 'group-took') return;
  switch (event.kind) {
    case 'group-owner':
      return onOwner(g, event.record);
    case 'group-vacant':
      set(g, { known: true, vacantSince: g.state.vacantSince ?? g.at });
      return event.own ? takeAgain(g) : consider(g);
    case 'group-surveyed':
      if (event.why !== undefined && event.why !== g.state.surveying) return;
      onSurvey(g, event.survey, event.hours);
      // Ours of before, and somebody else is to have it now: what is left here goes, so that it can.
      if (g.state.why.rule === 'another' && g.state.owner?.node === g.node && g.state.dirty && !g.state.saga)
        cleanUp(g, g.state.owner);
      return rest(g);
    case 'group-took':
      return onTook(g, event);
    case 'group-beaten':
      set(g, { surveying: null });
      if (g.state.vacantSince !== null) wake(g, g.cluster.timing.silenceMs);
      return;
    case 'group-lost':
      return onLost(g, event);
    case 'group-released':
      return onReleased(g, event.epoch);
    case 'group-step':
      return onStep(g, event);
    case 'group-requested':
      return onRequest(g, event);
    case 'group-request-gone':
      return onRequestGone(g, event.id);
    case 'group-confirmed':
      return onConfirmed(g, event);
    case 'group-acked':
      if (event.epoch <= g.state.acked) return;
      set(g, { acked: event.epoch });
      because(g, 'acknowledged', `the failover of epoch ${event.epoch} was acknowledged by ${event.by}`);
      return consider(g);
    case 'group-woke':
      return onWoke(g);
    case 'group-copied':
      if (event.epoch > g.state.dataEpoch) set(g, { dataEpoch: event.epoch });
  }
}

/** The daemon started: no right is remembered, and what may be in place here is in doubt until it was looked at. */
export function bootGroup(g: GroupWork): void {
  const { role, saga } = g.state;
  const was = role === 'standby' && !saga ? '' : `; it was ${role} when the daemon ended`;
  become(g, 'standby', {
    ...{ epoch: null, known: false, owner: null, vacantSince: null, saga: null, dirty: true, request: null },
    ...{ refused: [], speaks: false, since: g.at },
  });
  because(g, 'booted', `who owns it is not known yet${was}`);
  if (g.policy.standby === 'stopped') g.services = 'evicted';
  wake(g, g.cluster.timing.failsafeMs);
}

// ----------------------------------------------------------------------------------------------------------- the owner

function onOwner(g: GroupWork, record: OwnerRecord | null): void {
  const before = g.state.owner;
  set(g, { known: true, owner: record, vacantSince: null, speaks: false });
  if (record && (before?.epoch !== record.epoch || before.node !== record.node)) newEpoch(g, record);
  const { role, saga } = g.state;
  if (role !== 'standby') return;
  if (g.state.ask) become(g, 'standby');
  set(g, { surveying: null, refused: [] });
  // Somebody else has it: what is left of it here goes.
  if (record && record.node !== g.node && g.state.dirty && !saga) cleanUp(g, record);
}

function newEpoch(g: GroupWork, record: OwnerRecord): void {
  if (record.state !== 'held') return;
  because(g, 'owner', `${record.node} owns it under epoch ${record.epoch} (${record.taken})`);
  if (record.taken === 'failover' && record.epoch > (g.state.block?.epoch ?? 0))
    set(g, { block: { epoch: record.epoch, until: g.at + g.policy.blockMs } });
}

/** Takes back whatever may be in place here, without a right and without looking back. */
function cleanUp(g: GroupWork, record: OwnerRecord | null): void {
  const start = {
    kind: 'down',
    epoch: record?.epoch ?? 0,
    from: g.node,
    to: null,
    planned: false,
    force: true,
  } as const;
  become(g, 'deactivating', { epoch: null, saga: begin(g.policy, start, g.at), dirty: true });
  if (g.policy.standby === 'stopped') g.services = 'evicted';
  because(g, 'clean-up', 'this node does not own it: whatever of it is in place here is taken back');
  proceed(g);
}

// -------------------------------------------------------------------------------------------------------- coming here

function onTook(g: GroupWork, event: Extract<GroupEvent, { kind: 'group-took' }>): void {
  const { epoch, taken, before } = event;
  if (g.state.saga?.kind === 'down' && g.state.epoch === null) {
    // It is being taken back here: the right stays until that is proved, and goes then.
    set(g, { epoch });
    return because(g, 'taken-in-vain', `taken under epoch ${epoch} while it is taken back here: it is given on then`);
  }
  if (g.state.role !== 'standby' || g.state.saga) {
    // Something else has begun meanwhile: a right that nobody uses is given back.
    const giving = { state: 'released', to: null, failed: g.state.owner?.failed ?? [], reason: 'failover' } as const;
    g.effects.push({ kind: 'group-release', group: g.name, epoch, ...giving });
    because(g, 'given-back', `taken under epoch ${epoch} while something else had begun here: it is given back`);
    return;
  }
  const planned = taken !== 'failover' || before?.state === 'released';
  // Our own take of before that was never used: it was taken from whoever made the newest data.
  const unused = taken === 'failover' && before?.node === g.node;
  const from = (unused ? before.data?.node : before?.node) ?? null;
  const start = { kind: 'up', epoch, from, to: g.node, planned, force: false } as const;
  const saga = begin(g.policy, start, g.at, g.state.dirty);
  become(g, 'activating', { epoch, vacantSince: null, dirty: true, saga });
  because(g, `taken-${taken}`, `taken under epoch ${epoch} (${taken}); its steps are done now`);
  if (taken === 'failover')
    g.once.push({
      event: 'failover',
      summary: `${g.name}: ${from ?? 'nobody'} gave it up or fell silent; ${g.node} takes it`,
      action: 'its steps are done',
    });
  proceed(g);
}

/** Goes on with the saga, and draws the conclusion when it is at its end. */
function proceed(g: GroupWork): void {
  const { saga } = g.state;
  if (!saga) return;
  if (saga.kind === 'up' && saga.passedPivot && g.state.role === 'activating') inService(g, saga);
  if (!advance(g) || !g.state.saga) return;
  if (saga.kind === 'up') {
    if (saga.direction === 'back') return couldNot(g, g.state.saga);
    if (g.state.role === 'activating') inService(g, g.state.saga);
    set(g, { saga: null });
    because(g, 'complete', 'all of its steps are in place');
    return next(g);
  }
  if (saga.direction === 'back') return stays(g, g.state.saga);
  if (saga.force || g.state.epoch === null) return gone(g);
  letGo(g, g.state.saga);
}

/** From one node to another; a group that is taken at a first start, or by who had it, has not moved. */
const moveOf = ({ name }: GroupWork, { from, to, planned }: Saga): { move?: NonNullable<Notice['move']> } =>
  from === null || from === to ? {} : { move: { group: name, how: planned ? 'planned' : 'failover' } };

function inService(g: GroupWork, saga: Saga): void {
  const { epoch } = saga;
  become(g, 'active', {
    saga: g.state.saga,
    dataEpoch: Math.max(g.state.dataEpoch, epoch),
    failedAt: null,
    refused: [],
  });
  report(g, saga, true, `in service on ${g.node}`);
  because(
    g,
    'in-service',
    `in service here under epoch ${epoch}, ${Math.round(g.at - saga.startedAt)} ms after it was taken`,
  );
  g.effects.push({ kind: 'group-active', group: g.name, epoch });
  if (g.policy.standby === 'stopped') g.services = 'acquired';
  const summary = `${g.name} is in service on ${g.node}`;
  g.once.push({ event: 'group-in-service', summary, action: 'none', ...moveOf(g, saga) });
  arrived(g, saga);
}

/** Whoever asked for it to leave this node is not told that all is well when it came back here. */
function arrived(g: GroupWork, saga: Saga): void {
  const { request } = g.state;
  if (!request || (request.to !== null && request.to !== g.node)) return;
  const back = request.to === null && request.verb !== 'failover' && saga.from === g.node;
  answer(g, !back, back ? `it is in service on ${g.node} again: no other node took it` : `in service on ${g.node}`);
}

/** The steps were taken back: another node may try. */
function couldNot(g: GroupWork, saga: Saga): void {
  const text = `it could not be brought up here: ${saga.fault ?? 'unknown'}`;
  report(g, saga, false, text);
  set(g, { failedAt: g.at, saga: null, dirty: false });
  because(g, 'activation-failed', text);
  const action = 'another node may try';
  g.once.push({ event: 'move-failed', summary: `${g.name}: ${text}`, action, ...moveOf(g, saga) });
  const { request } = g.state;
  if (request && (request.to === null || request.to === g.node)) answer(g, false, text);
  const failed = [...new Set([...(g.state.owner?.failed ?? []), g.node])];
  release(g, saga.epoch, { state: 'released', to: null, failed, reason: 'failover' });
}

type Giving = Pick<Extract<GroupEffect, { kind: 'group-release' }>, 'state' | 'to' | 'failed' | 'reason'>;

function release(g: GroupWork, epoch: number, giving: Giving): void {
  become(g, 'deactivating', { saga: null });
  g.effects.push({ kind: 'group-release', group: g.name, epoch, ...giving });
}

// ------------------------------------------------------------------------------------------------------------ leaving

/** Its steps were undone: the right goes to whoever was chosen. This is the pivot of a planned move. */
function letGo(g: GroupWork, saga: Saga): void {
  const reason = g.state.request?.verb === 'failover' ? 'failover' : 'planned';
  report(g, saga, true, `handed over to ${saga.to ?? 'whoever is ready'}`);
  because(g, 'handed-over', `everything of it was taken back here; it goes to ${saga.to ?? 'whoever is ready'}`);
  set(g, { dirty: false });
  release(g, saga.epoch, { state: 'released', to: saga.to, failed: [], reason });
}

/** A move was begun and taken back: it stays. */
function stays(g: GroupWork, saga: Saga): void {
  const text = `it stays here: ${saga.fault ?? 'the move was taken back'}`;
  report(g, saga, false, text);
  answer(g, false, text);
  become(g, 'active', { saga: null });
  if (g.policy.standby === 'stopped') g.services = 'acquired';
  because(g, 'move-failed', text);
  const action = 'it goes on where it was';
  g.once.push({ event: 'move-failed', summary: `${g.name}: ${text}`, action, ...moveOf(g, saga) });
  next(g);
}

function gone(g: GroupWork): void {
  const { epoch, owner } = g.state;
  if (epoch !== null) {
    set(g, { dirty: false });
    because(g, 'given-back', `nothing of it is in place here any more: the right of epoch ${epoch} is given back`);
    return release(g, epoch, { state: 'released', to: null, failed: owner?.failed ?? [], reason: 'failover' });
  }
  become(g, 'standby', { saga: null, dirty: false, epoch: null });
  because(g, 'out-of-service', 'nothing of it is in place here any more');
  consider(g);
}

function onReleased(g: GroupWork, epoch: number): void {
  if (g.state.epoch !== epoch) return;
  // What others ask for stays until it is answered; what only we wanted, or nobody wants any more, is over.
  const { request } = g.state;
  const over = request?.id === WITHDRAWN || request?.verb === 'switchback';
  become(g, 'standby', { epoch: null, request: over ? null : request });
  because(g, 'released', `the right of epoch ${epoch} was given back`);
}

function onLost(g: GroupWork, { epoch, reason }: Extract<GroupEvent, { kind: 'group-lost' }>): void {
  if (g.state.epoch !== epoch) return;
  const text =
    reason === 'silence'
      ? 'no write was good in time: the right of this node ends, and everything is taken back'
      : 'somebody else has it now: everything is taken back here';
  answer(g, false, text);
  const start = { kind: 'down', epoch, from: g.node, to: null, planned: false, force: true } as const;
  become(g, 'deactivating', { epoch: null, dirty: true, saga: begin(g.policy, start, g.at) });
  if (g.policy.standby === 'stopped') g.services = 'evicted';
  because(g, `lost-${reason}`, text);
  g.once.push({ event: 'group-demoted', summary: `${g.name}: ${text}`, action: 'everything is taken back' });
  proceed(g);
}

// -------------------------------------------------------------------------------------------------------------- steps

function onStep(g: GroupWork, event: Extract<GroupEvent, { kind: 'group-step' }>): void {
  const { saga } = g.state;
  if (!saga?.acting || saga.acting.step !== event.step || saga.acting.act !== event.act) return;
  const next = acted(g.policy, saga, event, g.at);
  set(g, { saga: next });
  because(g, event.ok ? 'step' : 'step-failed', `${event.act} ${event.step}: ${event.detail}`);
  if (next.direction === 'back' && saga.direction === 'forward') turned(g, next);
  const stuck = next.force || next.direction === 'back' ? troubleOf(next) : null;
  // Nothing is known to be undone: nobody starts elsewhere by our word, and a person is told.
  const hopeless = g.state.role === 'deactivating' || next.direction === 'back';
  if (stuck && stuck.tries >= 3 && hopeless && g.state.role !== 'blocked') {
    set(g, { role: 'blocked', since: g.at });
    because(g, 'stuck', `${stuck.name} cannot be taken back: ${stuck.detail}`);
    // It is tried for ever; whoever asked does not wait for so long.
    if (g.state.epoch !== null) answer(g, false, `${stuck.name} cannot be taken back on ${g.node}: ${stuck.detail}`);
  }
  proceed(g);
}

function turned(g: GroupWork, saga: Saga): void {
  because(g, 'turned-back', saga.fault ?? 'a step failed');
  const fence = g.policy.steps.some(({ type }) => type === 'fence');
  const ours = saga.kind === 'down' && g.state.request?.verb === 'failover';
  // It cannot be stopped, and it does not work here: who fences this node may have it.
  if (!fence || !ours || !saga.steps.some(({ place, tries }) => place === 'doubt' && tries === 0)) return;
  because(g, 'stuck', 'it cannot be stopped here: only who fences this node may take it');
  set(g, { saga: null });
  release(g, saga.epoch, { state: 'stuck', to: saga.to, failed: [], reason: 'failover' });
}

// ------------------------------------------------------------------------------------------------------- asked of us

function onRequest(g: GroupWork, { request }: Extract<GroupEvent, { kind: 'group-requested' }>): void {
  const { request: held, saga, role } = g.state;
  if (held?.id === request.id) return;
  // Whoever does not have it has nothing to say about it.
  if (g.state.epoch !== null && (held || saga?.kind === 'down')) {
    g.effects.push({
      ...{ kind: 'group-answer', group: g.name, id: request.id, ok: false, text: 'a move is under way' },
    });
    return;
  }
  set(g, { request });
  because(g, 'asked', `${request.verb}${request.to ? ` to ${request.to}` : ''} asked for by ${request.by}`);
  if (role === 'active') return survey(g, 'request');
  considerRequest(g);
}

function onRequestGone(g: GroupWork, id: string): void {
  const { request, saga } = g.state;
  if (request?.id !== id) return;
  const leaving = saga?.kind === 'down' && !saga.force;
  set(g, { request: leaving ? { ...request, id: WITHDRAWN } : null });
}

function onConfirmed(g: GroupWork, { yes, by }: Extract<GroupEvent, { kind: 'group-confirmed' }>): void {
  const { ask } = g.state;
  if (!ask) return;
  because(g, yes ? 'confirmed' : 'declined', `${by} said ${yes ? 'yes' : 'no'}`);
  set(g, { ask: { ...ask, said: yes ? 'yes' : 'no' } });
  if (yes) survey(g, g.state.role === 'active' ? 'request' : 'vacant');
}

function onWoke(g: GroupWork): void {
  set(g, { wakeAt: null });
  if (g.state.saga) {
    because(
      g,
      'goes-on',
      `its steps go on; ${g.state.saga.steps.find(({ tries }) => tries > 0)?.name ?? 'none'} failed before`,
    );
    return proceed(g);
  }
  if (g.state.role === 'active') return next(g);
  if (g.at >= leftUntil(g)) return cleanUp(g, g.state.owner);
  consider(g);
}

/** A survey that was for something else must not end the looking for a way back home. */
function rest(g: GroupWork): void {
  const { role, saga, request, surveying, wakeAt } = g.state;
  if (role === 'active' && !saga && !request && surveying === null && wakeAt === null) next(g);
}

/** Active, and nothing is under way: is there a request that waited, or a way back home to look at? */
function next(g: GroupWork): void {
  if (g.state.request) return survey(g, 'request');
  if (g.policy.switchback.mode === 'automatic' && g.policy.nodes[0] !== g.node) survey(g, 'switchback');
}
