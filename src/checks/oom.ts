// Did the kernel kill for want of memory? Counted by the kernel for the service's control group, or for the machine. A
// restart cures nothing here, and may have been done already: it degrades, for a while.
import { type CheckContext, type CheckResult, defineCheck, degraded, opt, pass, unknown, z } from '../define.ts';
import { groupOption, numberOf, readGroup, unitOption } from '../host/control-group.ts';
import { count } from '../host/text.ts';
import { unitName } from '../ports/units.ts';

const options = z
  .strictObject({
    unit: unitOption,
    group: groupOption,
    hold: opt.duration('So long after the last kill it is still said').prefault('10m'),
  })
  .refine((some) => !some.unit || !some.group, 'expected unit or group, not both');
type Context = CheckContext<z.output<typeof options>>;

interface Seen {
  readonly kills: number;
  /** When the last kill was noticed, while it is still said; and how many were since there was none to say. */
  readonly at: number | null;
  readonly fresh: number;
}

/** v2 counts in memory.events, with all groups below; v1 in memory.oom_control. */
const ofGroup = (context: Context, group: string): number | null =>
  numberOf(readGroup(context.ports, 'memory', group, 'memory.events'), 'oom_kill') ??
  numberOf(readGroup(context.ports, 'memory', group, 'memory.oom_control'), 'oom_kill');

const ofMachine = ({ ports }: Context): number | null =>
  numberOf(ports.files.readText('/proc/vmstat', 1_048_576), 'oom_kill');

function judge(context: Context, where: string, kills: number, unitSays: boolean): CheckResult {
  const { memory, ports, options: wanted } = context;
  const now = ports.clock.monotonic();
  const before = memory.get('seen') as Seen | undefined;
  // A group that was made anew begins at 0 again.
  const grown = before ? (kills < before.kills ? kills : kills - before.kills) : 0;
  const told = before?.at ?? null;
  const fresh = Math.max(grown, unitSays && told === null ? 1 : 0);
  const at = fresh > 0 ? now : told !== null && now - told < wanted.hold ? told : null;
  const number = at === null ? 0 : fresh + (before?.fresh ?? 0);
  memory.set('seen', { kills, at, fresh: number } satisfies Seen);
  const metrics = [{ name: 'oom-kills', value: kills, unit: 'c' }];
  if (number > 0)
    return degraded('overloaded', `the kernel killed ${count(number, 'process', 'processes')} of ${where} for memory`, {
      metrics,
    });
  return pass(`no process of ${where} was killed for memory since it is watched`, { metrics });
}

export default defineCheck({
  about: 'Did the kernel kill processes of the service, or of the machine, because memory ran out?',
  depth: 'both',
  options,
  example: { unit: 'dovecot.service' },
  async run(context) {
    const { ports, signal, options: wanted } = context;
    if (wanted.unit === undefined && wanted.group === undefined) {
      const kills = ofMachine(context);
      return kills === null ? unknown('this kernel does not count') : judge(context, 'this machine', kills, false);
    }
    const facts = wanted.unit === undefined ? null : await ports.units.show(wanted.unit, signal);
    if (wanted.unit !== undefined && !facts)
      return unknown('systemd could not be asked: systemctl show gave no answer');
    const where = wanted.unit === undefined ? (wanted.group ?? '') : unitName(wanted.unit);
    const group = wanted.group ?? facts?.['ControlGroup'] ?? '';
    const unitSays = facts?.['Result'] === 'oom-kill';
    const kills = ofGroup(context, group);
    // systemd removes the group of a unit that has come to rest, and still knows how it ended.
    if (kills === null && unitSays) return judge(context, where, 0, true);
    if (kills === null)
      return group === ''
        ? pass(`${where} has no processes that could be killed`)
        : unknown(`the memory of ${where} is not counted on this machine`);
    return judge(context, where, kills, unitSays);
  },
});
