// What managers may poll of a daemon, as it stands now: status, alarms, channels, and the newest answer of every check.
// Reads only, and asks nobody.
import type { Known, KnownCheck } from '../core/mib-rows.ts';
import type { Depth } from '../core/types.ts';
import { alertsOf } from './control-telling.ts';
import type { Daemon } from './daemon.ts';

const DEPTHS: readonly Depth[] = ['quick', 'deep'];

function checksOf({ services, loop }: Daemon, service: string): readonly KnownCheck[] {
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

export function knownOf(daemon: Daemon): Known {
  const { node, time, services, daemon: facts } = daemon.status();
  const { alarms, channels } = alertsOf(daemon, Date.parse(time));
  const checks = services.flatMap(({ name }) => checksOf(daemon, name));
  return { node, time, services, daemon: facts, alarms, channels, checks };
}
