// What managers may poll of a daemon, as it stands now: status, alarms, channels, and the newest answer of every check.
// Reads only, and asks nobody.
import type { Known, KnownCheck } from '../core/mib-rows.ts';
import type { Depth } from '../core/types.ts';
import type { Services } from './services.ts';
import { alertsOf, type Status, type Telling } from './status.ts';

/** Of whom it is told. */
interface Shown extends Telling {
  readonly services: Services;
  status(): Status;
}

const DEPTHS: readonly Depth[] = ['quick', 'deep'];

function checksOf({ services, loop }: Shown, service: string): readonly KnownCheck[] {
  const last = services.last(service);
  const types = new Map(services.checks(service).map(({ name, type }) => [name, type]));
  return DEPTHS.flatMap((depth) => {
    const measured = last[depth];
    if (!measured) return [];
    return measured.ran.results.map(({ name, ms, result }): KnownCheck => {
      const { outcome, cause = null, detail, metrics = [] } = result;
      const ageMs = loop.now() - measured.at;
      return { service, name, type: types.get(name) ?? '', depth, ageMs, ms, outcome, cause, detail, metrics };
    });
  });
}

const moment = <T extends { readonly at: string }>(answer: T | null) =>
  answer && { ...answer, at: Date.parse(answer.at) };

export function knownOf(daemon: Shown): Known {
  const { node, time: iso, services, daemon: facts } = daemon.status();
  const time = Date.parse(iso);
  const { alarms, channels } = alertsOf(daemon, time);
  return {
    node,
    time,
    services: services.map(({ since, quick, deep, ...rest }) => ({
      ...rest,
      ...{ since: Date.parse(since), quick: moment(quick), deep: moment(deep) },
    })),
    daemon: { ...facts, startedAt: Date.parse(facts.startedAt) },
    alarms: alarms.map((alarm) => ({ ...alarm, raised: Date.parse(alarm.raised) })),
    channels,
    checks: services.flatMap(({ name }) => checksOf(daemon, name)),
  };
}
