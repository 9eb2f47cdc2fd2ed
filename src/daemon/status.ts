// What the outside is shown: plain objects made from the loop's state and the newest measurements. Reads only.
import { catalogue, type EventName } from '../core/catalogue.ts';
import { nextOf } from '../core/explain.ts';
import type { Cause, Depth, Outcome, ServiceState } from '../core/types.ts';
import type { Config } from '../config/types.ts';
import type { Cluster } from './groups/cluster.ts';
import type { Comm } from './groups/comm.ts';
import type { Loop } from './loop.ts';
import type { Outbox } from './outbox.ts';
import type { Measured, Services } from './services.ts';
import { clusterShown } from './groups/show-groups.ts';

export const SCHEMA_VERSION = 1;

export type Health = 'ok' | 'degraded' | 'failing' | 'unknown';

export interface ShownCheck {
  readonly outcome: Outcome;
  readonly cause: Cause | null;
  readonly detail: string;
  readonly check: string;
  readonly ms: number;
  readonly at: string;
}

export interface DaemonFacts {
  readonly pid: number;
  readonly version: string;
  readonly configuration: string;
  readonly startedAt: number;
  readonly durable: boolean;
  readonly loopLagMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly dropped: number;
}

/** Wall clock of a moment on the timeline, as the machine's clock now counts. */
export const wallOf = (loop: Loop, wallNow: number, at: number): string =>
  new Date(wallNow - (loop.now() - at)).toISOString();

/** How a service is, in one word of four: what `status` and `check` answer with. */
export function healthOf(s: ServiceState, unknowns: number, last: Measured | null): Health {
  if (s.phase === 'healthy')
    return Math.max(s.unknowns.quick, s.unknowns.deep) >= unknowns
      ? 'unknown'
      : s.degraded.length > 0
        ? 'degraded'
        : 'ok';
  if (s.phase === 'suspect' && s.incident === null) return s.verdict ? 'failing' : 'unknown';
  if (s.phase === 'paused' || s.phase === 'relinquished') {
    const outcome = last?.ran.verdict.outcome;
    return outcome === 'pass' ? 'ok' : outcome === 'fail' ? 'failing' : (outcome ?? 'unknown');
  }
  return 'failing';
}

const WORST: readonly Health[] = ['ok', 'degraded', 'unknown', 'failing'];

/** How these services are together: as the worst of them. */
export function healthNow(loop: Loop, services: Services, names: readonly string[]): Health {
  const each = names.map((name) => {
    const state = loop.node.services[name];
    const last = services.last(name);
    return state ? healthOf(state, loop.policy.services[name]?.unknowns ?? 3, last.quick ?? last.deep) : 'unknown';
  });
  return each.reduce<Health>((worst, one) => (WORST.indexOf(one) > WORST.indexOf(worst) ? one : worst), 'ok');
}

export interface Seen {
  readonly config: Config;
  readonly loop: Loop;
  readonly services: Services;
  readonly cluster: Cluster;
  readonly comm: Comm;
}

export function statusOf({ config, loop, services, cluster, comm }: Seen, wallNow: number, facts: DaemonFacts) {
  const shown = (measured: Measured | null): ShownCheck | null =>
    measured && {
      outcome: measured.ran.verdict.outcome,
      cause: measured.ran.verdict.cause ?? null,
      detail: measured.ran.verdict.detail,
      check: measured.ran.verdict.check,
      ms: Math.round(measured.ran.ms * 10) / 10,
      at: wallOf(loop, wallNow, measured.at),
    };
  const { node, policy } = loop;
  return {
    schemaVersion: SCHEMA_VERSION,
    node: policy.node,
    time: new Date(wallNow).toISOString(),
    services: Object.entries(node.services).map(([name, s]) => {
      const last = services.last(name);
      const next = nextOf(policy, node, name, loop.now());
      return {
        name,
        kit: config.services[name]?.kit ?? null,
        phase: s.phase,
        health: healthOf(s, policy.services[name]?.unknowns ?? 3, last.quick ?? last.deep),
        since: wallOf(loop, wallNow, s.since),
        incident: s.incident,
        cause: s.verdict?.cause ?? null,
        blockedBy: s.blockedBy,
        attempts: s.attempts,
        why: s.why,
        quick: shown(last.quick),
        deep: shown(last.deep),
        next: { ...next, at: next.at === null ? null : wallOf(loop, wallNow, next.at) },
      };
    }),
    ...clusterShown({ cluster, loop, wallNow }),
    paths: comm.shown(wallNow),
    alarms: Object.values(node.alarms).map((alarm) => ({
      ...alarm,
      raised: wallOf(loop, wallNow, alarm.raisedAt),
      about: catalogue[alarm.event as EventName]?.about ?? '',
    })),
    daemon: {
      ...facts,
      startedAt: wallOf(loop, wallNow, facts.startedAt),
      observe: policy.observe,
      tilt: node.tilt,
      strict: node.strict,
    },
  };
}

export type Status = ReturnType<typeof statusOf>;

/** Who tells, and to whom. */
export interface Telling {
  readonly loop: Loop;
  channels(): ReturnType<Outbox['channelsNow']>;
}

export function alertsOf(telling: Telling, wallNow: number) {
  const { loop } = telling;
  const { alarms, notify } = loop.node;
  const wall = (at: number): string => wallOf(loop, wallNow, at);
  const ended = <T extends { readonly since: number; readonly until: number }>(one: T) => ({
    ...one,
    ...{ since: wall(one.since), until: wall(one.until) },
  });
  return {
    schemaVersion: SCHEMA_VERSION,
    node: loop.policy.node,
    time: new Date(wallNow).toISOString(),
    alarms: Object.values(alarms).map((alarm) => {
      const told = notify.told[alarm.key];
      return {
        ...alarm,
        raised: wall(alarm.raisedAt),
        about: catalogue[alarm.event as EventName]?.about ?? '',
        told: Object.entries(told?.to ?? {}).map(([channel, at]) => ({ channel, at: wall(at) })),
        held: Object.entries(told?.held ?? {}).map(([channel, why]) => ({ channel, why })),
        reminders: told?.reminders ?? 0,
        ack: told?.ack ? { ...told.ack, at: wall(told.ack.at) } : null,
      };
    }),
    silences: Object.values(notify.silences).map(ended),
    maintenance: Object.values(notify.maintenance).map(ended),
    quiet: Object.entries(notify.quiet).map(([name, until]) => ({ name, until: wall(until) })),
    channels: telling.channels(),
  };
}

export type Alerts = ReturnType<typeof alertsOf>;

/** The last answers of one service, check by check, with steps and numbers. */
export const checksOf = (services: Services, service: string, depth: Depth) =>
  services.last(service)[depth]?.ran.results ?? [];
