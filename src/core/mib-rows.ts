// From what is known of services, checks, alarms and channels to the rows of the tables. Pure: times become ages, words
// stay words; what is not known is null, and then has no instance.
import { catalogue, type EventName } from './catalogue.ts';
import type { TableName, StandardName } from './mib-tables.ts';
import { DEPTH, type HEALTH, type OPER_STATUS, type scalars } from './mib-tables.ts';
import { highest, ituCause, perceivedSeverity } from './severity.ts';
import type { Cause, Depth, Metric, Outcome, Phase, Severity } from './types.ts';

/** A date is a moment of the wall clock; `ago` becomes a moment of the agent's clock, in milliseconds before now. */
export type Value = string | number | boolean | null | { readonly date: number } | { readonly ago: number };
export type Row = Readonly<Record<string, Value>>;

interface Answered {
  readonly outcome: Outcome;
  readonly ms: number;
  readonly at: number;
}

/** What `watchkeeper status` shows of a service. Moments are those of the wall clock, in milliseconds. */
interface KnownService {
  readonly name: string;
  readonly kit: string | null;
  readonly phase: Phase;
  readonly health: keyof typeof HEALTH;
  readonly since: number;
  readonly incident: string | null;
  readonly cause: Cause | null;
  readonly blockedBy: string | null;
  readonly why: { readonly text: string };
  readonly attempts: number;
  readonly quick: Answered | null;
  readonly deep: Answered | null;
}

interface KnownAlarm {
  readonly key: string;
  readonly event: string;
  readonly severity: Exclude<Severity, 'cleared'>;
  readonly service: string | null;
  readonly incident: string | null;
  readonly cause: Cause | null;
  readonly raised: number;
  readonly summary: string;
  readonly count: number;
  readonly ack: { readonly by: string } | null;
  readonly told: readonly { readonly channel: string }[];
}

export interface KnownCheck {
  readonly service: string;
  readonly name: string;
  readonly type: string;
  readonly depth: Depth;
  readonly ageMs: number;
  readonly ms: number;
  readonly outcome: Outcome;
  readonly cause: Cause | null;
  readonly detail: string;
  readonly metrics: readonly Metric[];
}

export interface Known {
  readonly node: string;
  readonly time: number;
  readonly services: readonly KnownService[];
  readonly daemon: {
    readonly version: string;
    readonly observe: boolean;
    readonly tilt: unknown;
    readonly startedAt: number;
  };
  readonly alarms: readonly KnownAlarm[];
  readonly channels: readonly { readonly name: string; readonly waiting: number; readonly trouble: string | null }[];
  readonly checks: readonly KnownCheck[];
}

export interface Rows {
  readonly tables: Readonly<Record<TableName, readonly Row[]>>;
  readonly scalars: Readonly<Record<keyof typeof scalars, Value>>;
  readonly standard: Readonly<Record<StandardName, readonly Row[]>>;
}

const INDEX_MAX = 2_147_483_647;

/** FNV-1a: a number of 1 to 2^31-1 that depends on nothing but the name. */
function hash(name: string): number {
  let h = 0x811c9dc5;
  for (let at = 0; at < name.length; at++) h = Math.imul(h ^ name.charCodeAt(at), 0x01000193) >>> 0;
  return (h % INDEX_MAX) + 1;
}

/** A number for each name, the same whoever else is there, after every start; the few that meet give way by name. */
export function indexesOf(names: readonly string[]): ReadonlyMap<string, number> {
  const taken = new Set<number>();
  return new Map(
    names.toSorted().map((name) => {
      let index = hash(name);
      while (taken.has(index)) index = (index % INDEX_MAX) + 1;
      taken.add(index);
      return [name, index];
    }),
  );
}

const dateOf = (date: number): Value => ({ date });
const seconds = (ms: number): number => Math.max(0, Math.round(ms / 1000));

/** The same key as in notifications: that of a NOC that sees several nodes through one relay. */
const notified = (node: string, key: string): string =>
  `${node}/${key.startsWith(`node/${node}/`) ? key.slice(`node/${node}/`.length) : key}`;

// Plain literals: there may be tens of thousands of these rows a second.
const serviceRow = (s: KnownService, index: number, now: number): Row => ({
  wkServiceName: s.name,
  wkServiceIndex: index,
  wkServiceKit: s.kit ?? '',
  wkServicePhase: s.phase,
  wkServiceHealth: s.health,
  wkServiceSince: dateOf(s.since),
  wkServiceIncident: s.incident ?? '',
  wkServiceCause: s.cause ?? '',
  wkServiceBlockedBy: s.blockedBy ?? '',
  wkServiceWhy: s.why.text,
  wkServiceAttempts: s.attempts,
  wkServiceQuickOutcome: s.quick && s.quick.outcome,
  wkServiceQuickLatency: s.quick && Math.round(s.quick.ms),
  wkServiceQuickAge: s.quick && seconds(now - s.quick.at),
  wkServiceDeepOutcome: s.deep && s.deep.outcome,
  wkServiceDeepLatency: s.deep && Math.round(s.deep.ms),
  wkServiceDeepAge: s.deep && seconds(now - s.deep.at),
});

const checkRow = (check: KnownCheck, index: number): Row => ({
  wkServiceIndex: index,
  wkCheckDepth: DEPTH[check.depth],
  wkCheckName: check.name,
  wkCheckService: check.service,
  wkCheckType: check.type,
  wkCheckOutcome: check.outcome,
  wkCheckCause: check.cause ?? '',
  wkCheckLatency: Math.round(check.ms),
  wkCheckAge: seconds(check.ageMs),
  wkCheckDetail: check.detail,
});

const alarmRow = (alarm: KnownAlarm, node: string): Row => ({
  ...{ wkAlarmIndex: alarm.key, wkAlarmNotified: notified(node, alarm.key), wkAlarmEvent: alarm.event },
  wkAlarmNumber: catalogue[alarm.event as EventName]?.number ?? null,
  ...{ wkAlarmPerceivedSeverity: perceivedSeverity[alarm.severity], wkAlarmService: alarm.service ?? '' },
  ...{ wkAlarmIncident: alarm.incident ?? '', wkAlarmCause: alarm.cause ?? '' },
  ...{ wkAlarmProbableCause: ituCause(alarm.cause).number, wkAlarmRaised: dateOf(alarm.raised) },
  ...{ wkAlarmSummary: alarm.summary, wkAlarmAcknowledgedBy: alarm.ack?.by ?? '', wkAlarmCount: alarm.count },
  wkAlarmTold: alarm.told.map(({ channel }) => channel).join(','),
});

type OperStatus = keyof typeof OPER_STATUS;
const BY_HEALTH = { ok: 'up', degraded: 'up', failing: 'down', unknown: null } as const;

/** applOperStatus; null when nobody can tell. */
export function operStatus({ phase, health, cause }: KnownService): OperStatus | null {
  if (phase === 'restarting' || phase === 'verifying') return 'restarting';
  if (phase === 'switching') return 'quiescing';
  if ((phase === 'paused' || phase === 'relinquished') && health !== 'ok') return 'halted';
  return health === 'degraded' && cause === 'overloaded' ? 'congested' : BY_HEALTH[health];
}

function applRow(s: KnownService, index: number, now: number): Row {
  const status = operStatus(s);
  const ago = Math.max(0, now - s.since);
  return {
    ...{ applIndex: index, applName: s.name, applDescription: s.why.text, applOperStatus: status },
    // What runs is asked how it is, not which version it is.
    applVersion: '',
    // RFC 2788: it says nothing while the application is down.
    applUptime: s.phase === 'healthy' ? { ago } : null,
    applLastChange: { ago },
  };
}

/** Which numbers of which checks are queues: the number of messages, and how long its oldest waits. */
const QUEUES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'postfix-queue': {
    incoming: 'incoming-oldest',
    active: 'active-oldest',
    deferred: 'deferred-oldest',
    hold: 'hold-oldest',
    maildrop: 'maildrop-oldest',
  },
  'exim-queue': { queued: 'oldest', frozen: '' },
};
/** What all of it takes, in bytes. */
const VOLUME = 'size';
/** Parts of another number of the same check: counted once in the sum. */
const WITHIN: ReadonlySet<string> = new Set(['frozen']);

interface Queue {
  readonly name: string;
  readonly count: number;
  readonly oldestMs: number | null;
}

function queuesOf({ type, metrics }: KnownCheck): readonly Queue[] {
  const known = Object.hasOwn(QUEUES, type) ? (QUEUES[type] ?? {}) : {};
  const value = (name: string): number | null => metrics.find((metric) => metric.name === name)?.value ?? null;
  return Object.entries(known).flatMap(([name, oldest]) => {
    const count = value(name);
    const age = value(oldest);
    return count === null ? [] : [{ name, count, oldestMs: age === null ? null : age * 1000 }];
  });
}

function mailRows(known: Known, indexes: ReadonlyMap<string, number>): Pick<Rows['standard'], 'mta' | 'mtaGroup'> {
  const mta: Row[] = [];
  const mtaGroup: Row[] = [];
  // A DeepCheck counts more than a QuickCheck: of one kind, it speaks.
  const newest = new Map<string, KnownCheck>();
  for (const check of known.checks) {
    if (!Object.hasOwn(QUEUES, check.type) || queuesOf(check).length === 0) continue;
    const key = `${check.service} ${check.name}`;
    if (check.depth === 'deep' || !newest.has(key)) newest.set(key, check);
  }
  for (const service of new Set([...newest.values()].map((check) => check.service))) {
    const index = indexes.get(service);
    if (index === undefined) continue;
    const own = [...newest.values()].filter((check) => check.service === service);
    const queues = own.flatMap(queuesOf);
    const sizes = own.flatMap(({ metrics }) => metrics.filter(({ name }) => name === VOLUME));
    const volume = sizes.length === 0 ? null : Math.ceil(sizes.reduce((sum, { value }) => sum + value, 0) / 1024);
    const stored = queues.reduce((sum, { name, count }) => (WITHIN.has(name) ? sum : sum + count), 0);
    mta.push({ applIndex: index, mtaStoredMessages: Math.round(stored), mtaStoredVolume: volume });
    mtaGroup.push(
      ...queues.map(
        ({ name, count, oldestMs }, at): Row => ({
          ...{ applIndex: index, mtaGroupIndex: at + 1, mtaGroupName: name, mtaGroupStoredMessages: Math.round(count) },
          mtaGroupOldestMessageStored: oldestMs === null ? null : Math.round(Math.min(oldestMs / 10, INDEX_MAX)),
        }),
      ),
    );
  }
  return { mta, mtaGroup };
}

export function rowsOf(known: Known): Rows {
  const { node, time: now, services, daemon, alarms, channels, checks } = known;
  const indexes = indexesOf(services.map(({ name }) => name));
  const of = (name: string): number => indexes.get(name) ?? 0;
  return {
    tables: {
      services: services.map((service) => serviceRow(service, of(service.name), now)),
      checks: checks.filter(({ service }) => indexes.has(service)).map((check) => checkRow(check, of(check.service))),
      alarms: alarms.map((alarm) => alarmRow(alarm, node)),
      nodes: [{ wkNodeName: node, wkNodeRole: 'standalone', wkNodeServices: services.length }],
      groups: [],
      channels: channels.map(({ name, waiting, trouble }) => ({
        ...{ wkChannelName: name, wkChannelWaiting: waiting, wkChannelProblem: trouble ?? '' },
      })),
    },
    scalars: {
      wkDaemonVersion: daemon.version,
      wkObserveOnly: daemon.observe,
      wkInTilt: Boolean(daemon.tilt),
      wkAlarmsActive: alarms.length,
      wkAlarmsHighest: perceivedSeverity[highest(alarms.map(({ severity }) => severity))],
      wkDaemonSince: dateOf(daemon.startedAt),
    },
    standard: { appl: services.map((service) => applRow(service, of(service.name), now)), ...mailRows(known, indexes) },
  };
}
