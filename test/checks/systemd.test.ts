import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/systemd.ts';
import type { CheckResult } from '../../src/define.ts';
import { clock } from '../../src/ports/clock.ts';
import { type ProcessFacts, proc } from '../../src/ports/proc.ts';
import { ask, hostPorts, unitFacts } from '../support/host.ts';

const test = suite('check systemd');
const maild = (given: Partial<ProcessFacts> = {}): ProcessFacts => ({
  pid: 7,
  startTicks: 70,
  exe: '/usr/sbin/maild',
  ppid: 1,
  group: 7,
  session: 7,
  state: 'S',
  comm: 'maild',
  ...given,
});

/** A machine with these processes in the unit's group, where `systemctl show` says this. */
function machine(facts: Record<string, string> | null, all: ProcessFacts[] = [], now = () => 0) {
  return hostPorts({
    units: { show: () => Promise.resolve(facts && unitFacts(facts)) },
    proc: {
      ...proc,
      cgroup: () => all.map((one) => one.pid),
      facts: (pid) => all.find((one) => one.pid === pid) ?? null,
    },
    clock: { ...clock, monotonic: now },
  });
}
const run = (...all: Parameters<typeof machine>): Promise<CheckResult> => ask(check, { unit: 'mail' }, machine(...all));
const short = (got: CheckResult): string => [got.outcome, got.cause].filter(Boolean).join(' ');

const CASES: [string, string, Record<string, string> | null, ProcessFacts[]][] = [
  ['it runs', 'pass', { MainPID: '7' }, [maild()]],
  ['it is stopped by a signal', 'fail hung', { MainPID: '7' }, [maild({ state: 'T' })]],
  ['active without a process', 'fail dead', { MainPID: '7' }, []],
  ['a oneshot', 'pass', { Type: 'oneshot', RemainAfterExit: 'yes' }, []],
  ['a wrapper', 'unknown', { RemainAfterExit: 'yes', ConsistsOf: 'mail@-.service' }, []],
  ['stopped', 'fail dead', { ActiveState: 'inactive', InactiveEnterTimestampMonotonic: '1' }, []],
  ['failed', 'fail dead', { ActiveState: 'failed', Result: 'exit-code', ExecMainCode: '1', ExecMainStatus: '89' }, []],
  ['start limit', 'fail dead', { ActiveState: 'failed', Result: 'start-limit-hit' }, []],
  ['a crash is cleaned up', 'fail dead', { ActiveState: 'deactivating' }, []],
  ['stopping', 'degraded dead', { ActiveState: 'deactivating', Job: '9' }, [maild()]],
  ['starting', 'degraded dead', { ActiveState: 'activating', SubState: 'start', Job: '9' }, []],
  ['auto-restart', 'degraded dead', { ActiveState: 'activating', SubState: 'auto-restart' }, []],
  ['masked', 'fail misconfigured', { LoadState: 'masked', ActiveState: 'inactive' }, []],
  ['missing', 'fail misconfigured', { LoadState: 'not-found', ActiveState: 'inactive' }, []],
  ['no systemd', 'unknown', null, []],
];
for (const [name, expected, facts, all] of CASES)
  test(name, async () => assert.is(short(await run(facts, all)), expected));

test('the wrapper is told by the unit that it stands for', async () => {
  const got = await run({ RemainAfterExit: 'yes', ConsistsOf: 'mail@-.service' });
  assert.match(got.detail, 'it only starts mail@-.service: name that unit instead');
});

test('a failure is told with what systemd knows', async () => {
  const got = await run({ ActiveState: 'failed', Result: 'exit-code', ExecMainCode: '1', ExecMainStatus: '89' });
  assert.is(got.detail, 'mail.service has failed: systemd says exit-code, the main process ended with exit code 89');
});

test('restarting for too long is down; a new main process is noted', async () => {
  const memory = new Map<string, unknown>();
  const facts = { ActiveState: 'activating', SubState: 'auto-restart', NRestarts: '12' };
  const at = (ms: number, of: Record<string, string>, all: ProcessFacts[] = []) =>
    ask(
      check,
      { unit: 'mail' },
      machine(of, all, () => ms),
      { memory },
    );
  assert.is(short(await at(0, facts)), 'degraded dead');
  assert.is(short(await at(29_000, facts)), 'degraded dead');
  const late = await at(31_000, facts);
  assert.is(short(late), 'fail dead');
  assert.match(late.detail, 'for 31 s now');
  await at(32_000, { MainPID: '7' }, [maild()]);
  assert.is(short(await at(70_000, facts)), 'degraded dead');
  const next = await at(71_000, { MainPID: '8' }, [maild({ pid: 8 })]);
  assert.match(next.detail, 'before it was pid 7');
});

test('a quick look asks systemd only when the main process is not what it was', async () => {
  let asked = 0;
  const memory = new Map<string, unknown>();
  const at = (ms: number, all: ProcessFacts[], depth: 'quick' | 'deep' = 'quick') => {
    const ports = machine({ MainPID: '7' }, all, () => ms);
    const units = { show: (): Promise<typeof facts> => ((asked += 1), Promise.resolve(facts)) };
    const facts = unitFacts({ MainPID: '7' });
    return ask(check, { unit: 'mail' }, hostPorts({ clock: ports.clock, proc: ports.proc, units }), { memory, depth });
  };
  const count = async (...all: Parameters<typeof at>): Promise<string> => {
    asked = 0;
    return `${short(await at(...all))} ${asked}`;
  };
  assert.is(await count(0, [maild()]), 'pass 1');
  assert.is(await count(1000, [maild()]), 'pass 0');
  assert.is(await count(2000, [maild()], 'deep'), 'pass 1');
  assert.is(await count(3000, [maild({ state: 'T' })]), 'fail hung 1');
  assert.is(await count(4000, [maild()]), 'pass 0');
  assert.is(await count(70_000, [maild()]), 'pass 1', 'after a minute it asks');
  assert.is(await count(71_000, [maild({ startTicks: 71 })]), 'pass 1', 'another process of that number');
  assert.is(await count(72_000, []), 'fail dead 1');
  assert.is(await count(73_000, [maild()]), 'pass 1', 'after a bad answer it asks');
});

test.run();
