// Which alarms ought to be active is a function of the state (of those that are active, one: given up stays until the
// service is well); raises and clears are the difference to those that are. So an alarm is raised once and cleared
// once, whatever path led there.
import { catalogue, type EventName } from './catalogue.ts';
import { wantedOfGroups } from './groups.ts';
import type { Alarm, Cause, NodeState, Notice, Policy, ServicePolicy, ServiceState } from './types.ts';

interface Wanted {
  readonly key: string;
  readonly event: EventName;
  readonly service: string | null;
  readonly incident: string | null;
  readonly summary: string;
  readonly cause: Cause | null;
}

type Alarms = Readonly<Record<string, Alarm>>;

/** The alarms that one service's state calls for. */
function wantedOf(name: string, s: ServiceState, policy: ServicePolicy, held: Alarms): readonly Wanted[] {
  const wanted: Wanted[] = [];
  const add = (kind: string, event: EventName, summary: string, cause: Cause | null): void => {
    wanted.push({ key: `service/${name}/${kind}`, event, service: name, incident: s.incident, summary, cause });
  };
  const cause = s.verdict?.cause ?? null;
  const detail = s.verdict ? s.verdict.detail : s.why.text;
  if (s.blockedBy !== null && s.incident !== null)
    add('blocked', 'service-blocked', `${name}: ${detail}; ${s.blockedBy} is at fault`, 'dependency');
  else if (s.incident !== null) add('failing', 'service-failing', `${name}: ${detail}`, cause);
  // One more attempt, or somebody who starts it, is no good news yet: the critical alarm ends with the incident.
  const still = `service/${name}/given-up` in held && s.incident !== null && s.phase !== 'paused';
  if (s.phase === 'failed' || still) add('given-up', 'service-given-up', `${name}: ${s.why.text}`, cause);
  if (s.incident === null && s.degraded.length > 0 && s.phase !== 'paused')
    add('degraded', 'service-degraded', `${name}: ${s.verdict?.detail ?? s.why.text}`, cause);
  if (Math.max(s.unknowns.quick, s.unknowns.deep) >= policy.unknowns)
    add('unknown', 'service-unknown', `${name}: ${s.why.text}`, null);
  if (s.frozenUntil !== null)
    add('flapping', 'service-flapping', `${name}: came and went ${s.flips.length} times; repairs are frozen`, cause);
  return wanted;
}

function wantedOfNode(policy: Policy, node: NodeState): readonly Wanted[] {
  const nobody = { service: null, incident: null, cause: null } as const;
  const groups = wantedOfGroups(policy, node).map((one): Wanted => ({ ...one, ...nobody }));
  return [...groups, ...observer(policy, node)];
}

function observer(policy: Policy, node: NodeState): readonly Wanted[] {
  if (!node.tilt) return [];
  const summary = `the observer is suspect (${node.tilt.reason}): it looks and alerts, and repairs nothing`;
  return [
    {
      key: `node/${policy.node}/observer`,
      event: 'observer-suspect',
      service: null,
      incident: null,
      summary,
      cause: null,
    },
  ];
}

const BY_SERVICE = 'service/';
const BY_GROUP = 'group/';
const BY_OBSERVER = '/observer';

/** Alarms that reconcile() owns: those of services and of the observer. The others come from conditions. */
const derived = (alarm: Alarm): boolean =>
  alarm.key.startsWith(BY_SERVICE) || alarm.key.startsWith(BY_GROUP) || alarm.key.endsWith(BY_OBSERVER);

/** Alarms and notices that bring `node.alarms` to what the state calls for. `only`: look at this service alone. */
export function reconcile(
  policy: Policy,
  node: NodeState,
  at: number,
  only: string | null,
): readonly [Alarms, readonly Notice[]] {
  const names = only === null ? Object.keys(node.services) : [only];
  const wanted = names.flatMap((name) => {
    const rules = policy.services[name];
    const state = node.services[name];
    return rules && state ? wantedOf(name, state, rules, node.alarms) : [];
  });
  if (only === null) wanted.push(...wantedOfNode(policy, node));
  const scope = Object.values(node.alarms).filter((a) => (only === null ? derived(a) : a.service === only));
  return difference(node.alarms, scope, wanted, at, policy);
}

function difference(
  alarms: Alarms,
  scope: readonly Alarm[],
  wanted: readonly Wanted[],
  at: number,
  policy: Policy,
): readonly [Alarms, readonly Notice[]] {
  let next: Record<string, Alarm> | null = null;
  const notices: Notice[] = [];
  const keys = new Set(wanted.map((one) => one.key));
  // Clears first: where one alarm takes the place of another, the receiver sees the old one end before the new begins.
  for (const alarm of scope) {
    if (keys.has(alarm.key)) continue;
    next ??= { ...alarms };
    delete next[alarm.key];
    notices.push(clearOf(alarm, at, policy));
  }
  for (const one of wanted) {
    const held = (next ?? alarms)[one.key];
    if (held && held.event === one.event) continue;
    next ??= { ...alarms };
    const alarm: Alarm = {
      ...one,
      severity: catalogue[one.event].severity,
      raisedAt: at,
      count: (held?.count ?? 0) + 1,
    };
    next[one.key] = alarm;
    notices.push(raiseOf(alarm, policy));
  }
  return [next ?? alarms, notices];
}

const runbookOf = (policy: Policy, service: string | null): string | null =>
  (service === null ? undefined : policy.services[service]?.runbook) ?? null;

export const raiseOf = (alarm: Alarm, policy: Policy): Notice => ({
  event: alarm.event,
  kind: 'raise',
  key: alarm.key,
  severity: alarm.severity,
  service: alarm.service,
  incident: alarm.incident,
  at: alarm.raisedAt,
  raisedAt: alarm.raisedAt,
  summary: alarm.summary,
  action: '',
  cause: alarm.cause,
  count: alarm.count,
  runbook: runbookOf(policy, alarm.service),
});

export const clearOf = (alarm: Alarm, at: number, policy: Policy): Notice => ({
  ...raiseOf(alarm, policy),
  kind: 'clear',
  severity: 'cleared',
  at,
});

/** A condition of the daemon itself becomes an alarm, or ends as one. */
export function condition(
  policy: Policy,
  alarms: Alarms,
  event: EventName,
  bad: boolean,
  detail: string,
  at: number,
): readonly [Alarms, readonly Notice[]] {
  return conditionAt(`node/${policy.node}/${event}`, policy, alarms, event, bad, detail, at);
}

/** The same under a key of its own: a path, another node. */
export function conditionAt(
  key: string,
  policy: Policy,
  alarms: Alarms,
  event: EventName,
  bad: boolean,
  detail: string,
  at: number,
): readonly [Alarms, readonly Notice[]] {
  const held = alarms[key];
  if (bad === (held !== undefined)) return [alarms, []];
  const wanted: Wanted = { key, event, service: null, incident: null, summary: detail, cause: null };
  return difference(alarms, held ? [held] : [], bad ? [wanted] : [], at, policy);
}

/** An alarm with a key of its own that comes as another event when it gets worse. Null: it ends. */
export function keyed(
  policy: Policy,
  alarms: Alarms,
  key: string,
  event: EventName | null,
  summary: string,
  at: number,
): readonly [Alarms, readonly Notice[]] {
  const held = alarms[key];
  if ((held?.event ?? null) === event) return [alarms, []];
  const nobody = { service: null, incident: null, cause: null } as const;
  return difference(alarms, held ? [held] : [], event === null ? [] : [{ key, event, summary, ...nobody }], at, policy);
}

/** The node has another name: alarms of conditions end under the old key and begin under the new one. */
export function renamed(from: Policy, to: Policy, alarms: Alarms, at: number): readonly [Alarms, readonly Notice[]] {
  const prefix = `node/${from.node}/`;
  const old = Object.values(alarms).filter((alarm) => alarm.key.startsWith(prefix) && !derived(alarm));
  if (from.node === to.node || old.length === 0) return [alarms, []];
  const wanted = old.map((alarm): Wanted => {
    const event = alarm.event as EventName;
    return { ...alarm, event, key: `node/${to.node}/${alarm.key.slice(prefix.length)}` };
  });
  return difference(alarms, old, wanted, at, to);
}
