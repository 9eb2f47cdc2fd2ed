// Routes, maintenance and the heartbeat as the daemon runs them, from what is written; and whether every alarm reaches
// somebody. Channels that nobody routes hear what suits their kind.
import { catalogue, type EventKind, type EventName } from '../core/catalogue.ts';
import { fits, routesFor } from '../core/route.ts';
import type { Match, Route, Routing } from '../core/telling.ts';
import type { Plugins } from '../registry.ts';
import { problemAt } from './issues.ts';
import { quote, suggest } from './problems.ts';
import type { RootInput } from './schema.ts';
import { type Path, placeAt, type Tree } from './tree.ts';
import type { ChannelConfig, MaintenanceConfig, Problem } from './types.ts';

export interface Telling {
  readonly tree: Tree;
  readonly plugins: Plugins;
  readonly problems: Problem[];
  readonly channels: Readonly<Record<string, ChannelConfig>>;
  readonly services: readonly string[];
}

type Written = Pick<RootInput, 'routes' | 'quiet-hours' | 'maintenance' | 'heartbeat'>;
type MatchInput = NonNullable<Written['routes']>[number]['match'];

const DAY_MS = 86_400_000;
const ANY: Match = { severity: null, services: null, events: null, causes: null, keys: null };

export const matchOf = (input: MatchInput): Match => ({
  severity: input.severity ?? null,
  services: input.services ?? null,
  events: input.events ?? null,
  causes: input.causes ?? null,
  keys: input.keys ?? null,
});

const plain = (to: readonly string[], more: Partial<Route>): Route => ({
  ...{ match: ANY, to, goOn: true, waitMs: 0, escalate: [], quiet: null },
  ...{ remindMs: DAY_MS, group: 'children', record: false },
  ...more,
});

/** What every channel hears when no routes are written: records hear all, programs each alarm, persons one thread an
 *  incident. */
function usual({ channels, plugins }: Telling): readonly Route[] {
  const of = (reader: string): readonly string[] =>
    Object.entries(channels)
      .filter(([, { type }]) => {
        const plugin = plugins.alerts.get(type);
        return plugin?.heartbeat !== 'only' && (plugin?.reader ?? 'program') === reader;
      })
      .map(([name]) => name);
  const routes = [
    plain(of('record'), { remindMs: null, group: 'none', record: true }),
    plain(of('program'), {}),
    plain(of('person'), { group: 'all' }),
  ];
  return routes.filter((route) => route.to.length > 0);
}

export function routingOf(telling: Telling, written: Written): Routing {
  const { heartbeat, routes } = written;
  const beats = Object.entries(telling.channels)
    .filter(([, { type }]) => telling.plugins.alerts.get(type)?.heartbeat)
    .map(([name]) => name);
  const to = heartbeat.to ?? beats;
  return {
    routes: routes
      ? routes.map((route) => ({
          match: matchOf(route.match),
          to: route.to,
          goOn: route.continue,
          waitMs: route.wait,
          remindMs: route.remind === undefined ? (route.record ? null : DAY_MS) : route.remind,
          escalate: route.escalate.map(({ after, to }) => ({ afterMs: after, to })),
          quiet: route.quiet ?? null,
          group: route.group ?? (route.record ? 'none' : 'children'),
          record: route.record,
        }))
      : usual(telling),
    heartbeat: heartbeat.every === null || to.length === 0 ? null : { everyMs: heartbeat.every, to },
  };
}

export const maintenanceOf = (
  written: Written,
  services: readonly string[],
): Readonly<Record<string, MaintenanceConfig>> =>
  Object.fromEntries(
    Object.entries(written.maintenance).map(([name, one]) => [
      name,
      {
        ...{ at: one.at, forMs: one.for, zone: one.zone ?? null, comment: one.comment },
        services: services.filter((service) => one.services.some((pattern) => fits(pattern, service))),
      },
    ]),
  );

// --------------------------------------------------------------------------------------------------------- the rules

/** Names that are none, patterns that fit nothing, channels that hear nothing, alarms that nobody hears. */
export function checkTelling(telling: Telling, written: Written): void {
  const say = sayAt(telling);
  const known = Object.keys(telling.channels);
  const channelsAt = (path: Path, names: readonly string[]): void => {
    for (const [index, name] of names.entries())
      if (!known.includes(name))
        say([...path, index], `there is no channel ${quote(name)}`, 'unknown-channel', suggest(name, known));
  };
  for (const [index, route] of (written.routes ?? []).entries()) {
    const path: Path = ['routes', index];
    channelsAt([...path, 'to'], route.to);
    for (const [step, one] of route.escalate.entries()) channelsAt([...path, 'escalate', step, 'to'], one.to);
    const hours = Object.keys(written['quiet-hours']);
    if (route.quiet && !hours.includes(route.quiet.during)) {
      const text = `there are no quiet hours ${quote(route.quiet.during)}`;
      say([...path, 'quiet', 'during'], text, 'unknown-hours', suggest(route.quiet.during, hours));
    }
    patternsAt(telling, [...path, 'match', 'services'], route.match.services, telling.services, 'service');
    patternsAt(telling, [...path, 'match', 'events'], route.match.events, Object.keys(catalogue), 'event');
  }
  for (const [name, one] of Object.entries(written.maintenance))
    patternsAt(telling, ['maintenance', name, 'services'], one.services, telling.services, 'service');
  channelsAt(['heartbeat', 'to'], written.heartbeat.to ?? []);
  if (written.routes && telling.problems.every(({ level }) => level !== 'error')) untold(telling, written);
}

const sayAt =
  ({ tree, problems }: Telling, level: Problem['level'] = 'error') =>
  (path: Path, text: string, rule: string, hint?: string): void => {
    const place = placeAt(tree, path);
    problems.push({ ...problemAt(place.value ?? place.key, `${path.join('.')}: ${text}`, rule, hint), level });
  };

function patternsAt(
  telling: Telling,
  path: Path,
  patterns: readonly string[] | undefined,
  names: readonly string[],
  what: string,
): void {
  for (const [index, pattern] of (patterns ?? []).entries()) {
    if (names.some((name) => fits(pattern, name))) continue;
    const text = pattern.includes('*') ? `no ${what} fits ${quote(pattern)}` : `there is no ${what} ${quote(pattern)}`;
    sayAt(telling)([...path, index], text, `unknown-${what}`, suggest(pattern, names));
  }
}

/** Alarms that no route takes, and channels that no route names: warnings. */
function untold(telling: Telling, written: Written): void {
  const warn = sayAt(telling, 'warning');
  const routing = routingOf(telling, written);
  const lost = Object.entries(catalogue as Readonly<Record<string, EventKind>>).flatMap(
    ([event, { kind, severity }]) => {
      if (kind !== 'alarm') return [];
      const own = event.startsWith('service-');
      const about = own ? telling.services : [null];
      const bad = about.filter((service) => {
        const key = own ? `service/${service}/${event.slice('service-'.length)}` : `node/x/${event}`;
        return routesFor(routing, { severity, service, event, cause: null, key }).length === 0;
      });
      return bad.length === 0 ? [] : [own && bad.length < about.length ? `${event} of ${few(bad)}` : event];
    },
  );
  if (lost.length > 0) warn(['routes'], `no route takes ${few(lost)}: nobody would hear of it`, 'untold');
  const heard = new Set([
    ...routing.routes.flatMap((route) => [...route.to, ...route.escalate.flatMap((step) => step.to)]),
    ...(routing.heartbeat?.to ?? []),
  ]);
  for (const name of Object.keys(telling.channels))
    if (!heard.has(name)) warn(['alerts', name], 'no route names this channel: it hears nothing', 'unused-channel');
}

const few = (names: readonly (string | null)[]): string =>
  names.length > 6 ? `${names.slice(0, 6).join(', ')} and ${names.length - 6} more` : names.join(', ');

/** For `config routes`: an event of the catalogue as it would be routed. */
export const isEvent = (event: string): event is EventName => Object.hasOwn(catalogue, event);
