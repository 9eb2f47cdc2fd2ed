// One decision under way: the state so far and what it gathered, and the small acts that change it. decide.ts says what
// an event means; here is how a service moves, how others are asked again, and how something is said.
import { catalogue } from './catalogue.ts';
import { escalate, type ServiceEvent } from './escalate.ts';
import { standsOn } from './graph.ts';
import { nodeBudget, roomAt, within } from './ladder.ts';
import type { Context, Move, Once } from './move.ts';
import { workOn } from './route.ts';
import type { Effect, NodeState, Notice, Policy, ServiceState, Why } from './types.ts';

/** One decision under way: the state so far, and what it gathered. */
export interface Work {
  readonly policy: Policy;
  readonly at: number;
  node: NodeState;
  /** The services of `node` are a copy of this decision's own: it may be written. */
  own: boolean;
  readonly effects: Effect[];
  readonly whys: Why[];
  readonly touched: Set<string>;
  /** What its services say once is told by something else: thirty pauses are one maintenance. */
  quietly?: boolean;
}

/** Runs one service's machine and takes its move into the node. */
export function move(work: Work, name: string, event: ServiceEvent): void {
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
  if (work.quietly) return;
  for (const once of made.once) tell(work, name, made.state.incident ?? before.incident, once);
}

/** A new state of one service. The services are copied once in a decision, not once for each that changes. */
export function put(work: Work, name: string, state: ServiceState): void {
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
    maintenance: workOn({ notify: node.notify, at }, name),
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

export function nudgeAll(
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

export function say(work: Work, rule: string, text: string): void {
  work.whys.push({ service: null, rule, text });
}

export function tell(work: Work, service: string | null, incident: string | null, once: Once): void {
  const notice: Notice = {
    event: once.event,
    kind: 'once',
    key: once.key ?? (service === null ? `node/${work.policy.node}` : `service/${service}`),
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
    ...(once.move ? { move: once.move } : {}),
  };
  work.effects.push({ kind: 'notice', notice });
}
