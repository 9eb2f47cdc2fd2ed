// What the kernel counts for a control group (cgroups(7)), in the hierarchy of its controller (v1) or in the one of all
// (v2). It reads; a group that is not there, or is not counted, is null.
import { opt, z } from '../define.ts';
import type { Ports } from '../ports/ports.ts';
import { UNIT } from '../ports/units.ts';

/** Options that name a service by what it runs in. */
export const unitOption = z
  .string()
  .max(255)
  .regex(UNIT, 'expected the name of one service unit, such as dovecot.service or postfix@-.service')
  .describe('Its systemd unit')
  .optional();
export const groupOption = opt
  .path('Its control group, as /proc/PID/cgroup names it')
  .refine((path) => path.startsWith('/') && path.length > 1 && !path.split('/').includes('..'), 'expected a group')
  .optional();

const MOST_BYTES = 65_536;

/** `memory.events` and the like of a group: the first place that has it. */
export function readGroup(ports: Ports, controller: 'memory' | 'pids', group: string, file: string): string | null {
  if (!/^\/[^/]/.test(group) || group.split('/').includes('..')) return null;
  const roots = [`/sys/fs/cgroup/${controller}`, '/sys/fs/cgroup', '/sys/fs/cgroup/unified'];
  for (const root of roots) {
    try {
      const text = ports.files.readText(`${root}${group}/${file}`, MOST_BYTES);
      if (text !== null) return text;
    } catch {
      // ENODEV: it is being removed. Whoever may not read it knows as little.
    }
  }
  return null;
}

/** The number behind a name, in lines of `name number`. */
export function numberOf(text: string | null, name: string): number | null {
  const found = text?.split('\n').find((line) => line.startsWith(`${name} `));
  const value = Number(found?.slice(name.length + 1) ?? Number.NaN);
  return Number.isFinite(value) ? value : null;
}
