// decide(policy, state, event) → [state, effects, why]: the whole node, pure. It hands each event to the machine of the
// service that it concerns, and looks after what no single service can: dependencies, the node's budget, one thing at
// a time, the observer's doubt, the alarms that follow from the state, and who is told of them.
import { reconcile } from './alarms.ts';
import type { GroupEvent } from './group-events.ts';
import { bootGroups, configureGroups, onGroup } from './groups.ts';
import { standingOn, standsOn } from './graph.ts';
import { span } from './move.ts';
import { booted, configured, onCondition, onCopy } from './node-events.ts';
import { nothingTold, tellAll } from './notices.ts';
import { configurePaths, onPath } from './path-alarms.ts';
import { doubted, settled, stalled } from './tilt.ts';
import type { Decision, Event, NodeState, Policy, ServiceState } from './types.ts';
import { type Heard, heard, leaveMaintenance } from './word-events.ts';
import { move, nudgeAll, put, say, tell, type Work } from './work.ts';

export const emptyNode: NodeState = {
  services: {},
  alarms: {},
  repairs: [],
  tilt: null,
  doubts: {},
  round: [],
  strict: null,
  notify: nothingTold,
};

export function decide(policy: Policy, node: NodeState, event: Event): Decision {
  const rules = event.kind === 'configured' ? event.policy : policy;
  return tellAll(rules, node, judge(policy, node, event), event);
}

function judge(policy: Policy, node: NodeState, event: Event): Decision {
  const work: Work = { policy, at: event.at, node, own: false, effects: [], whys: [], touched: new Set() };
  work.node = settled(policy, work.node, event.at);
  if (node.tilt && !work.node.tilt) trusted(work);
  switch (event.kind) {
    case 'configured':
      configured(work, event.policy);
      configureGroups(work, event.policy);
      configurePaths(work, event.policy);
      return finish({ ...work, policy: event.policy }, node, 'all');
    case 'booted':
      booted(work, event);
      word(work, () => bootGroups(work));
      break;
    case 'stopping':
      say(work, 'stopping', 'told to stop; services stay as they are');
      tell(work, null, null, { event: 'daemon-stopping', summary: 'nobody looks any more', action: 'none' });
      break;
    case 'stalled':
      work.node = stalled(policy, work.node, event.at);
      say(
        work,
        'stalled',
        `this daemon stood still for ${span(event.ms)}: it only looks for ${span(policy.tilt.stallMs)}`,
      );
      for (const name of Object.keys(work.node.services)) move(work, name, event);
      break;
    case 'stepped':
      say(
        work,
        'clock-stepped',
        `the wall clock jumped by ${(event.ms / 1000).toFixed(0)} s; no decision depends on it`,
      );
      tell(work, null, null, {
        event: 'clock-stepped',
        summary: `jump of ${(event.ms / 1000).toFixed(0)} s`,
        action: 'none',
      });
      break;
    case 'condition':
      onCondition(work, event);
      break;
    case 'copy':
      onCopy(work, event);
      break;
    case 'drilled':
      say(work, 'drilled', event.text);
      tell(work, null, null, {
        ...{ event: 'drill-ended', summary: event.text, key: `group/${event.name}` },
        action: event.ok ? 'none' : 'look why: a failover would have met the same',
      });
      break;
    case 'path':
      onPath(work, event);
      break;
    case 'tick':
      break;
    default:
      if ('service' in event) concern(work, event);
      else if ('group' in event) word(work, () => onGroup(work, event satisfies GroupEvent));
      else word(work, () => heard(work, event satisfies Heard));
  }
  const single = 'service' in event && work.node.tilt === node.tilt ? null : 'all';
  return finish(work, node, single);
}

// ------------------------------------------------------------------------------------------------------- one service

function concern(work: Work, event: Extract<Event, { service: string }>): void {
  const before = work.node.services[event.service];
  if (!before) return; // It was taken out of the configuration while the answer was on its way.
  const roundWasOpen = work.node.round.length > 0;
  const late = 'epoch' in event && event.epoch !== before.epoch;
  if (event.kind === 'resumed') leaveMaintenance(work, event.service);
  if (event.kind === 'checked' && !late) {
    work.node = doubted(work.policy, work.node, event.service, event.verdict, event.at);
    if (event.depth === 'deep') leaveRound(work, event.service);
  } else if (event.kind === 'woke' && !late) leaveRound(work, event.service);
  if (!(event.kind === 'checked' && uneventful(work.node, event, before))) move(work, event.service, event);
  // Paused, or no longer ours: its first word is not waited for.
  if (work.node.services[event.service]?.phase !== 'suspect') leaveRound(work, event.service);
  // First what its recovery means: a verdict from the time of its failure must not be acted upon because it answers
  // now.
  follow(work, event.service, before);
  if (event.kind === 'checked' && !late && event.verdict.outcome !== 'fail') answered(work, event.service);
  if (roundWasOpen) roundOver(work);
}

/** What is about no single service, and what it means for those that it moved. */
function word(work: Work, hear: () => void): void {
  const before = work.node.services;
  const roundWasOpen = work.node.round.length > 0;
  hear();
  for (const name of work.touched) {
    const was = before[name];
    if (work.node.services[name]?.phase !== 'suspect') leaveRound(work, name);
    if (was) follow(work, name, was);
  }
  if (roundWasOpen) roundOver(work);
}

function roundOver(work: Work): void {
  if (work.node.round.length === 0) nudgeAll(work, (s) => s.waitsFor === 'round', 'the first round is complete');
}

/** The everyday case, a healthy service that passes: decided without looking at anything else. */
function uneventful(node: NodeState, event: Extract<Event, { kind: 'checked' }>, s: ServiceState): boolean {
  const plain =
    s.phase === 'healthy' &&
    s.fails + s.unknowns.quick + s.unknowns.deep + s.degraded.length === 0 &&
    s.graceUntil === null;
  return plain && event.verdict.outcome === 'pass' && node.tilt === null;
}

function leaveRound(work: Work, name: string): void {
  if (!work.node.round.includes(name)) return;
  work.node = { ...work.node, round: work.node.round.filter((other) => other !== name) };
}

/** A dependency answered, and not with a failure: whoever waited for its word may go on. */
function answered(work: Work, name: string): void {
  for (const other of standingOn(work.policy, name)) {
    const state = work.node.services[other];
    if (state?.phase !== 'suspect' || !state.awaiting.includes(name)) continue;
    const awaiting = state.awaiting.filter((one) => one !== name);
    put(work, other, { ...state, awaiting });
    work.touched.add(other);
    if (awaiting.length === 0 && state.waitsFor === 'dependencies')
      move(work, other, { kind: 'nudged', at: work.at, service: other, reason: 'dependencies' });
  }
}

/** What a change of one service means for the others. */
function follow(work: Work, name: string, before: ServiceState): void {
  const after = work.node.services[name];
  if (!after || after.phase === before.phase) return;
  if (after.phase === 'healthy') {
    const below = (other: string): boolean => standsOn(work.policy, other).includes(name);
    if (before.incident !== null) settle(work, name);
    // What a service showed while something below it was at fault says nothing about the service itself.
    const stale = (s: ServiceState, other: string): boolean =>
      before.incident !== null && (s.phase === 'suspect' || s.phase === 'healthy') && below(other);
    nudgeAll(work, (s, other) => s.blockedBy === name || stale(s, other), `${name} works again`);
  }
  // A turn is free, or the one that was asked to take it does not need it any more: the next one is asked.
  const free = before.phase === 'restarting' || (before.phase === 'suspect' && after.phase !== 'restarting');
  if (free) nudgeAll(work, (s) => s.waitsFor === 'turn', `${name} is done`, 1);
}

/** It works again; whoever stands on it may need a while to notice: a connection that is tried again in a minute, a
 *  listener that was put aside for as long. */
function settle(work: Work, name: string): void {
  for (const other of standingOn(work.policy, name)) {
    const state = work.node.services[other];
    const { settleMs = 0 } = work.policy.services[other] ?? {};
    if (!state || settleMs === 0) continue;
    put(work, other, { ...state, settling: { root: name, until: work.at + settleMs } });
    work.touched.add(other);
  }
}

/** The doubt is over: who was held back by it is looked at again at once. */
function trusted(work: Work): void {
  say(work, 'tilt-over', 'the observer trusts its eyes again');
  nudgeAll(work, (s) => s.waitsFor === 'tilt', 'the doubt is over');
}

/** Alarms follow from the state. An event that changed nothing leaves the very same state object. */
function finish(work: Work, before: NodeState, scope: 'all' | null): Decision {
  if (work.node !== before) {
    const services = scope === 'all' || work.touched.size > 3 ? [null] : [...work.touched];
    const all = work.node.tilt !== before.tilt ? [null] : services;
    for (const only of all) {
      const [alarms, notices] = reconcile(work.policy, work.node, work.at, only);
      if (alarms === work.node.alarms) continue;
      work.node = { ...work.node, alarms };
      for (const notice of notices) work.effects.push({ kind: 'notice', notice });
    }
  }
  return [work.node, work.effects, work.whys];
}
