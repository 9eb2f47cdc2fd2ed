// Ports for tests of what deals with processes: the real ones of every check, and the real proc; units and sysinfo are
// the test's.
import type { Check } from '../../src/define.ts';
import type { Ports } from '../../src/ports/ports.ts';
import { proc } from '../../src/ports/proc.ts';
import type { UnitFacts } from '../../src/ports/units.ts';
import { checkPorts, type RunOptions, runCheck } from './check.ts';

/** What is given replaces the real port. */
export const hostPorts = (given: Partial<Ports> = {}): Ports => checkPorts({ proc, ...given });

/** One run of a check on these ports; options as in the file. */
export const ask = (check: Check, options: unknown, ports: Ports, how: Omit<RunOptions, 'ports'> = {}) =>
  runCheck(check, options, { ...how, ports });

/** Waits until it holds, at most `limitMs`; says whether it came to hold. */
export async function until(holds: () => boolean, limitMs = 5000): Promise<boolean> {
  const end = performance.now() + limitMs;
  while (!holds()) {
    if (performance.now() > end) return false;
    await new Promise((next) => setTimeout(next, 5));
  }
  return true;
}

/** Facts of a loaded, running unit; what is given replaces. */
export function unitFacts(given: Readonly<Record<string, string>> = {}): UnitFacts {
  return {
    Id: 'mail.service',
    Names: 'mail.service',
    LoadState: 'loaded',
    ActiveState: 'active',
    SubState: 'running',
    Result: 'success',
    Type: 'simple',
    Restart: 'no',
    RemainAfterExit: 'no',
    MainPID: '0',
    ControlPID: '0',
    ControlGroup: '/system.slice/mail.service',
    Job: '',
    NRestarts: '0',
    ExecMainCode: '0',
    ExecMainStatus: '0',
    InactiveEnterTimestampMonotonic: '0',
    InvocationID: '0123456789abcdef0123456789abcdef',
    ConsistsOf: '',
    ...given,
  };
}
