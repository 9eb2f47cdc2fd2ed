// Criteria about time: no decision hangs on the wall clock, but logs, certificates and calendars do.
import { criterion, type Criterion, error, missing, NO_DAEMON, sameEverywhere, warning } from './criterion.ts';

const SERVICES = ['chrony.service', 'systemd-timesyncd.service', 'ntpsec.service', 'ntp.service'];
const APART_MS = 2000;

export const clocks: readonly Criterion[] = [
  criterion(
    'clocks.service',
    'Something keeps the clock right',
    async ({ run }) => {
      const found = await run(['systemctl', 'is-active', ...SERVICES]);
      if (found.missing) return missing('systemctl');
      if (found.out.split('\n').includes('active')) return [];
      const known = await run(['systemctl', 'list-unit-files', '--no-legend', ...SERVICES]);
      // A masked one is not wanted.
      const there = SERVICES.find((unit) =>
        known.out.split('\n').some((line) => new RegExp(`^${unit}\\s+(en|dis)abled`).test(line)),
      );
      if (there === undefined) return [warning('no time service is active', 'apt-get install chrony')];
      const fix = { argv: ['systemctl', 'enable', '--now', there] };
      return [warning('no time service is active', `systemctl enable --now ${there}`, fix)];
    },
    true,
  ),
  criterion(
    'clocks.boot',
    'What keeps the clock right starts at boot',
    async ({ run }) => {
      const found = await run(['systemctl', 'is-active', ...SERVICES]);
      if (found.missing) return missing('systemctl');
      const unit = SERVICES[found.out.split('\n').indexOf('active')];
      if (unit === undefined) return 'no time service is active';
      const state = (await run(['systemctl', 'is-enabled', unit])).out.trim();
      if (state !== 'disabled') return [];
      const fix = { argv: ['systemctl', 'enable', unit] };
      return [warning(`${unit} is active, and disabled`, `systemctl enable ${unit}`, fix)];
    },
    true,
  ),
  criterion(
    'clocks.synchronised',
    'The clock is synchronised',
    async ({ run }) => {
      const found = await run(['timedatectl', 'show', '-p', 'NTPSynchronized', '--value']);
      if (!found.ok) return 'timedatectl does not tell';
      if (found.out.trim() === 'yes') return [];
      return [warning('it is not', 'timedatectl set-ntp true', { argv: ['timedatectl', 'set-ntp', 'true'] })];
    },
    true,
  ),
  criterion('clocks.apart', 'The clocks of all nodes agree to two seconds', ({ cluster }) => {
    if (!cluster) return NO_DAEMON;
    return Object.entries(cluster.offsets)
      .filter(([, ms]) => Math.abs(ms) > APART_MS)
      .map(([node, ms]) =>
        warning(
          `${node} is ${(ms / 1000).toFixed(1)} s ${ms > 0 ? 'ahead' : 'behind'}`,
          'synchronise both with the same source',
        ),
      );
  }),
  sameEverywhere(
    'clocks.zone',
    'zone',
    'All nodes are in one time zone',
    'warning',
    'timedatectl set-timezone: logs of two nodes are read together',
  ),
  criterion('clocks.sane', 'The clock is not behind the configuration that it reads', (look) => {
    const built = Date.parse('2024-01-01T00:00:00Z');
    return look.wallMs > built
      ? []
      : [error(new Date(look.wallMs).toISOString(), 'set the clock; a dead battery of the board?')];
  }),
  criterion('clocks.source', 'The kernel has a steady source of time', ({ read }) => {
    const source = read('/sys/devices/system/clocksource/clocksource0/current_clocksource')?.trim();
    if (source === undefined) return 'the kernel does not tell';
    return source === 'jiffies'
      ? [warning('it is jiffies', 'choose tsc, kvm-clock or hpet: the right to be active is measured by it')]
      : [];
  }),
];
