// decide(policy, state, event) → [state, effects, why]: the whole node, pure. It hands each event to the machine of the
// service that it concerns, and looks after what no single service can: dependencies, the node's budget, one thing at
// a time, the observer's doubt, and the alarms that follow from the state.
import { condition, reconcile, renamed } from './alarms.ts';
import { catalogue, type EventName } from './catalogue.ts';
import { escalate, type ServiceEvent } from './escalate.ts';
import { standingOn, standsOn } from './graph.ts';
import { nodeBudget, roomAt, within } from './ladder.ts';
import { type Context, initial, isBusy, type Move, type Once, span } from './move.ts';
import { doubted, settled, stalled } from './tilt.ts';
import type { ConditionName, Decision, Effect, Event, NodeState, Notice, Policy, ServiceState, Why } from './types.ts';

export const emptyNode: NodeState = {
  services: {},
  alarms: {},
  repairs: [],
  tilt: null,
  doubts: {},
  round: [],
  strict: null,
};

/** One decision under way: the state so far, and what it gathered. */
interface Work {
  readonly policy: Policy;
  readonly at: number;
  node: NodeState;
  /** The services of `node` are a copy of this decision's own: it may be written. */
  own: boolean;
  readonly effects: Effect[];
  readonly whys: Why[];
  readonly touched: Set<string>;
}

export function decide(policy: Policy, node: NodeState, event: Event): Decision {
  const work: Work = { policy, at: event.at, node, own: false, effects: [], whys: [], touched: new Set() };
  work.node = settled(policy, work.node, event.at);
  if (node.tilt && !work.node.tilt) trusted(work);
  switch (event.kind) {
    case 'configured':
      configured(work, event.policy);
      return finish({ ...work, policy: event.policy }, node, 'all');
    case 'booted':
      booted(work, event);
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
    case 'tick':
      break;
    default:
      concern(work, event);
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
  if (roundWasOpen && work.node.round.length === 0)
    nudgeAll(work, (s) => s.waitsFor === 'round', 'the first round is complete');
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

/** Runs one service's machine and takes its move into the node. */
function move(work: Work, name: string, event: ServiceEvent): void {
  const state = work.node.services[name];
  const policy = work.policy.services[name];
  if (!state || !policy) return;
  take(work, name, escalate(contextOf(work, name), state, event), state);
}

function take(work: Work, name: string, made: Move, before: ServiceState): void {
  if (made.state === before && made.effects.length === 0 && made.once.length === 0) {
    if (work.whys.length === 0) work.whys.push(made.why);
    return;
  }
  const repairs =
    made.repairs === 1
      ? [...within(work.node.repairs, work.policy.repairs.windowMs, work.at), work.at]
      : made.repairs === -1
        ? without(work.node.repairs, before.repairs.at(-1))
        : work.node.repairs;
  if (repairs !== work.node.repairs) work.node = { ...work.node, repairs };
  put(work, name, made.state);
  work.effects.push(...made.effects);
  work.whys.push(made.why);
  work.touched.add(name);
  for (const once of made.once) tell(work, name, made.state.incident ?? before.incident, once);
}

/** A new state of one service. The services are copied once in a decision, not once for each that changes. */
function put(work: Work, name: string, state: ServiceState): void {
  if (!work.own) work.node = { ...work.node, services: { ...work.node.services } };
  work.own = true;
  (work.node.services as Record<string, ServiceState>)[name] = state;
}

/** The list without one entry of this time. */
function without(times: readonly number[], time: number | undefined): readonly number[] {
  const index = times.findIndex((one) => one === time);
  return index < 0 ? times : times.toSpliced(index, 1);
}

function contextOf(work: Work, name: string): Context {
  const { policy, node, at } = work;
  const rules = policy.services[name];
  if (!rules) throw new Error(`no policy for ${name}`);
  return {
    name,
    at,
    policy: rules,
    observe: policy.observe,
    tilt: node.tilt,
    roundOpen: node.round.length > 0,
    nodeBudget: nodeBudget(policy, node, at),
    nodeRoomAt: roomAt(node.repairs, policy.repairs.windowMs, at),
    get acting() {
      return Object.keys(node.services).filter(
        (other) => other !== name && node.services[other]?.phase === 'restarting',
      );
    },
    parallel: policy.repairs.parallel,
    strict: node.strict,
    root: rootOf(work, name),
    stands: standsOn(policy, name),
  };
}

/** The deepest of its dependencies that is known to be at fault. */
function rootOf(work: Work, name: string): Context['root'] {
  const bad = standsOn(work.policy, name).filter((other) => {
    const state = work.node.services[other];
    return state !== undefined && (state.incident !== null || state.phase === 'paused');
  });
  // Of several, the one that stands on no other bad one.
  const deepest = bad.find((other) => !standsOn(work.policy, other).some((below) => bad.includes(below))) ?? bad[0];
  const state = deepest === undefined ? undefined : work.node.services[deepest];
  return deepest !== undefined && state ? { name: deepest, phase: state.phase, incident: state.incident } : null;
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

function nudgeAll(
  work: Work,
  which: (state: ServiceState, name: string) => boolean,
  reason: string,
  most = Number.POSITIVE_INFINITY,
): void {
  const names = Object.keys(work.node.services).filter((name) => {
    const state = work.node.services[name];
    return state !== undefined && which(state, name);
  });
  for (const name of names.slice(0, most)) move(work, name, { kind: 'nudged', at: work.at, service: name, reason });
}

// ---------------------------------------------------------------------------------------------------------- the node

function booted(work: Work, event: Extract<Event, { kind: 'booted' }>): void {
  const names = Object.keys(work.policy.services);
  const away = Object.values(work.node.services).filter((s) => !isBusy(s.phase) && s.phase !== 'healthy').length;
  work.node = { ...work.node, round: names, tilt: null, doubts: {} };
  if (event.fresh) say(work, 'booted', `started with ${names.length} services; nothing is known yet`);
  else say(work, 'booted', `started again with ${names.length} services, ${away} of them kept as they were`);
  tell(work, null, null, { event: 'daemon-started', summary: `watching ${names.length} services`, action: 'looking' });
  for (const name of names) move(work, name, event);
  // Who is kept as it was (paused, failed, switching) is not asked for a first word.
  const asked = names.filter((name) => work.node.services[name]?.phase === 'suspect');
  work.node = { ...work.node, round: asked };
}

/** A new policy: new services are looked at, gone ones end with their alarms, the rest stay as they are. */
function configured(work: Work, policy: Policy): void {
  const next: Work = { ...work, policy };
  const known = work.node.services;
  const services: Record<string, ServiceState> = {};
  for (const name of Object.keys(policy.services))
    services[name] = Object.hasOwn(known, name) ? (known[name] as ServiceState) : { ...initial(name), since: work.at };
  const round = work.node.round.filter((name) => name in services);
  const doubts = Object.fromEntries(Object.entries(work.node.doubts).filter(([name]) => name in services));
  const [alarms, notices] = renamed(work.policy, policy, work.node.alarms, work.at);
  next.node = { ...work.node, services, round, doubts, alarms };
  next.own = true;
  const added = Object.keys(services).filter((name) => !(name in known));
  const gone = Object.keys(known).filter((name) => !(name in services));
  const text = [
    `${Object.keys(services).length} services`,
    added.length > 0 ? `new: ${added.join(', ')}` : '',
    gone.length > 0 ? `gone: ${gone.join(', ')}` : '',
  ]
    .filter((part) => part !== '')
    .join('; ');
  say(next, 'configured', text);
  tell(next, null, null, { event: 'configuration-loaded', summary: text, action: 'in force' });
  for (const notice of notices) next.effects.push({ kind: 'notice', notice });
  const booting = { kind: 'booted', at: work.at, fresh: true } as const;
  for (const name of added) move(next, name, booting);
  work.node = next.node;
}

const CONDITIONS: Readonly<Record<ConditionName, EventName>> = {
  configuration: 'configuration-refused',
  journal: 'journal-trouble',
  'state-lost': 'state-lost',
  history: 'history-trouble',
  secrets: 'secret-unreadable',
  plugin: 'plugin-trouble',
  outbox: 'outbox-trouble',
  channel: 'channel-trouble',
};

/** While these are bad, budgets are stricter: what was done before may have been forgotten, or will be. */
const STRICT: ReadonlySet<ConditionName> = new Set(['journal', 'state-lost']);

function onCondition(work: Work, event: Extract<Event, { kind: 'condition' }>): void {
  const name = CONDITIONS[event.name];
  const [alarms, notices] = condition(work.policy, work.node.alarms, name, event.bad, event.detail, work.at);
  const before = work.node;
  const strict = STRICT.has(event.name)
    ? event.bad
      ? event.detail
      : anyStrict(alarms)
        ? before.strict
        : null
    : before.strict;
  if (alarms === before.alarms && strict === before.strict) return;
  work.node = { ...before, alarms, strict };
  for (const notice of notices) work.effects.push({ kind: 'notice', notice });
  say(work, name, event.bad ? event.detail : `over: ${event.detail}`);
}

const anyStrict = (alarms: NodeState['alarms']): boolean =>
  Object.values(alarms).some((alarm) => alarm.event === 'journal-trouble' || alarm.event === 'state-lost');

function say(work: Work, rule: string, text: string): void {
  work.whys.push({ service: null, rule, text });
}

function tell(work: Work, service: string | null, incident: string | null, once: Once): void {
  const notice: Notice = {
    event: once.event,
    kind: 'once',
    key: service === null ? `node/${work.policy.node}` : `service/${service}`,
    severity: catalogue[once.event].severity,
    service,
    incident,
    at: work.at,
    raisedAt: work.at,
    summary: once.summary,
    action: once.action,
    cause: (service === null ? null : work.node.services[service]?.verdict?.cause) ?? null,
    count: 1,
    runbook: (service === null ? undefined : work.policy.services[service]?.runbook) ?? null,
  };
  work.effects.push({ kind: 'notice', notice });
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
