// `config routes`: where an alert would go, by the routes of a configuration. Pure: no daemon is asked.
import { CAUSES, type Cause } from '../core/causes.ts';
import { catalogue, type EventKind } from '../core/catalogue.ts';
import { span } from '../core/move.ts';
import { routesFor } from '../core/route.ts';
import { SEVERITIES } from '../core/severity.ts';
import type { Route, Routing } from '../core/telling.ts';
import type { Severity } from '../core/types.ts';

export interface Wish {
  readonly event?: string;
  readonly service?: string;
  readonly severity?: string;
  readonly cause?: string;
}

export interface Way {
  readonly event: string;
  readonly severity: Severity;
  readonly service: string | null;
  /** Each channel with what may hold it back, or null. */
  readonly to: readonly { readonly channel: string; readonly note: string | null }[];
}

const events: Readonly<Record<string, EventKind>> = catalogue;

/** What is wrong with a wish, or null. */
export function wishFault({ event, service, severity, cause }: Wish, services: readonly string[]): string | null {
  if (event !== undefined && !Object.hasOwn(events, event)) return `--event ${event}: there is no such event`;
  if (service !== undefined && !services.includes(service)) return `--service ${service}: there is no such service`;
  if (severity !== undefined && !SEVERITIES.some((one) => one === severity))
    return `--severity ${severity}: one of ${SEVERITIES.join(', ')}`;
  if (cause !== undefined && !CAUSES.some((one) => one === cause))
    return `--cause ${cause}: one of ${CAUSES.join(', ')}`;
  return null;
}

/** The ways of what is wished for: of every alarm of the catalogue unless an event is named. */
export function waysOf(routing: Routing, wish: Wish, services: readonly string[]): readonly Way[] {
  const names =
    wish.event === undefined ? Object.keys(events).filter((name) => events[name]?.kind === 'alarm') : [wish.event];
  return names.flatMap((event) => {
    const severity = (wish.severity as Severity | undefined) ?? events[event]?.severity ?? 'warning';
    const own = event.startsWith('service-') || event.startsWith('recovery-');
    const about = wish.service === undefined ? (own ? services : [null]) : [wish.service];
    return about.map((service) => ({
      event,
      severity,
      service,
      to: channelsOf(routing, event, severity, service, wish),
    }));
  });
}

function channelsOf(
  routing: Routing,
  event: string,
  severity: Severity,
  service: string | null,
  wish: Wish,
): Way['to'] {
  if (event === 'heartbeat') return (routing.heartbeat?.to ?? []).map((channel) => ({ channel, note: null }));
  const key = service === null ? `node/x/${event}` : `service/${service}/${event.replace(/^service-/, '')}`;
  const found = new Map<string, string | null>();
  const routes = routesFor(routing, {
    event,
    severity,
    service,
    key,
    cause: (wish.cause as Cause | undefined) ?? null,
  });
  for (const route of routes)
    for (const channel of route.to) if (!found.has(channel)) found.set(channel, noteOf(route, event));
  for (const { escalate } of routes)
    for (const { afterMs, to } of escalate)
      for (const channel of to)
        if (!found.has(channel)) found.set(channel, `after ${span(afterMs)}, if nobody takes it on`);
  return [...found].map(([channel, note]) => ({ channel, note }));
}

function noteOf(route: Route, event: string): string | null {
  const notes = [
    route.waitMs > 0 ? `if it lasts ${span(route.waitMs)}` : '',
    route.quiet ? `not during ${route.quiet.during} below ${route.quiet.below}` : '',
    route.group !== 'none' && event === 'service-blocked' ? 'with the alarm of what it depends on' : '',
    route.group === 'all' && event.startsWith('recovery-') ? 'with the alarm of its incident' : '',
  ].filter((note) => note !== '');
  return notes.length === 0 ? null : notes.join('; ');
}

/** One line a way; services that go the same way share one. */
export function waysText(ways: readonly Way[]): string {
  const lines = new Map<string, string[]>();
  for (const { event, severity, service, to } of ways) {
    const where = to.map(({ channel, note }) => (note === null ? channel : `${channel} (${note})`)).join(', ');
    const line = `${event} (${severity})|${where === '' ? 'NOBODY' : where}`;
    lines.set(line, [...(lines.get(line) ?? []), ...(service === null ? [] : [service])]);
  }
  return [...lines]
    .map(([line, services]) => {
      const [event = '', where = ''] = line.split('|');
      const few = services.length > 6 ? [...services.slice(0, 6), `${services.length - 6} more`] : services;
      return `${event}${few.length > 0 ? ` of ${few.join(', ')}` : ''} -> ${where}\n`;
    })
    .join('');
}
