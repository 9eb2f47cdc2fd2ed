// Which alert goes to whom, and what holds it back. Pure: it answers for one alert; notices.ts remembers what was told.
import { span } from './move.ts';
import { asSevere } from './severity.ts';
import type { Maintenance, Match, NotifyState, Route, Routing } from './telling.ts';
import type { Alarm, Notice, ServiceState } from './types.ts';

/** What is looked at beside the alert itself. */
export interface View {
  readonly routing: Routing;
  readonly notify: NotifyState;
  readonly alarms: Readonly<Record<string, Alarm>>;
  readonly services: Readonly<Record<string, ServiceState>>;
  readonly at: number;
}

/** A channel that should hear of it. */
export interface Target {
  readonly channel: string;
  readonly route: Route;
  /** Why it has to wait, or null. */
  readonly held: string | null;
  /** When to ask again, where that is known. */
  readonly until: number | null;
}

/** Does a name fit a pattern with `*`? Linear in both: patterns come from people. */
export function fits(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === name;
  const last = rest.pop() ?? '';
  if (!name.startsWith(first) || name.length < first.length + last.length || !name.endsWith(last)) return false;
  const end = name.length - last.length;
  let from = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, from);
    if (found < 0 || found + part.length > end) return false;
    from = found + part.length;
  }
  return true;
}

const some = (patterns: readonly string[] | null, name: string | null): boolean =>
  patterns === null || (name !== null && patterns.some((pattern) => fits(pattern, name)));

type Subject = Pick<Notice, 'severity' | 'service' | 'event' | 'cause' | 'key'>;

export const matches = (match: Match, subject: Subject): boolean =>
  (match.severity === null || asSevere(subject.severity, match.severity)) &&
  some(match.services, subject.service) &&
  some(match.events, subject.event) &&
  some(match.keys, subject.key) &&
  (match.causes === null || (subject.cause !== null && match.causes.includes(subject.cause)));

/** The first route that fits, and those after it as long as they are told to go on. */
export function routesFor(routing: Routing, subject: Subject): readonly Route[] {
  const found: Route[] = [];
  for (const route of routing.routes) {
    if (!matches(route.match, subject)) continue;
    found.push(route);
    if (!route.goOn) break;
  }
  return found;
}

/** Each channel once: the first route that names it counts. */
export function whereTo(view: View, notice: Notice): readonly Target[] {
  if (notice.event === 'heartbeat')
    return (view.routing.heartbeat?.to ?? []).map((channel) => ({ channel, route: PLAIN, held: null, until: null }));
  const found = new Map<string, Target>();
  for (const route of routesFor(view.routing, notice))
    for (const channel of route.to)
      if (!found.has(channel)) found.set(channel, { channel, route, ...heldBy(view, route, notice) });
  return [...found.values()];
}

type Held = Pick<Target, 'held' | 'until'>;
const FREE: Held = { held: null, until: null };
const until = (held: string, at: number | null = null): Held => ({ held, until: at });

export function heldBy(view: View, route: Route, notice: Notice): Held {
  if (route.group !== 'none' && notice.kind === 'raise' && notice.event === 'service-blocked') {
    const root = rootOf(view, notice);
    if (root !== null) return until(`told with ${root}, which it depends on`);
  }
  if (route.group === 'all' && notice.kind === 'once' && notice.incident !== null && notice.severity !== 'critical')
    return until('a step of its incident: told with its alarm');
  if (!route.record) {
    const work = workOn(view, notice.service);
    if (work) return until(`maintenance ${work.name}`, work.until);
    const silence = silenceOf(view, notice);
    if (silence) return until(`silenced by ${silence.by} (${silence.id})`, silence.until);
    if (flaps(view, notice)) return until('it comes and goes: told when that is over');
    const quietUntil = route.quiet === null ? undefined : view.notify.quiet[route.quiet.during];
    if (route.quiet !== null && quietUntil !== undefined && quietUntil > view.at)
      if (!asSevere(notice.severity, route.quiet.below))
        return until(`quiet hours (${route.quiet.during})`, quietUntil);
  }
  const dueAt = notice.raisedAt + route.waitMs;
  if (notice.kind === 'raise' && dueAt > view.at) return until(`told if it lasts ${span(route.waitMs)}`, dueAt);
  return FREE;
}

/** The maintenance that covers a service now, the longest of several. */
export const workOn = ({ notify, at }: Pick<View, 'notify' | 'at'>, service: string | null): Maintenance | null =>
  Object.values(notify.maintenance)
    .filter((one) => service !== null && one.until > at && one.services.includes(service))
    .sort((a, b) => b.until - a.until)[0] ?? null;

const silenceOf = (view: Pick<View, 'notify' | 'at'>, subject: Subject): NotifyState['silences'][string] | null =>
  Object.values(view.notify.silences).find((one) => one.until > view.at && matches(one.match, subject)) ?? null;

/** The service that is at fault for a blocked one, if that one's own alarm is active: its alarm tells of both. */
function rootOf({ services, alarms }: View, { service }: Notice): string | null {
  const root = service === null ? null : (services[service]?.blockedBy ?? null);
  if (root === null) return null;
  const told = ['failing', 'given-up', 'degraded'].some((kind) => `service/${root}/${kind}` in alarms);
  return told ? root : null;
}

/** Of what comes and goes only that is told, and what is at its end. */
const flaps = ({ alarms }: View, { service, event }: Notice): boolean =>
  service !== null &&
  `service/${service}/flapping` in alarms &&
  event !== 'service-flapping' &&
  event !== 'service-given-up';

const PLAIN: Route = {
  match: { severity: null, services: null, events: null, causes: null, keys: null },
  to: [],
  goOn: false,
  waitMs: 0,
  remindMs: null,
  escalate: [],
  quiet: null,
  group: 'none',
  record: false,
};
