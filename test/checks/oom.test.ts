import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/oom.ts';
import type { CheckResult } from '../../src/define.ts';
import { clock } from '../../src/ports/clock.ts';
import { files } from '../../src/ports/files.ts';
import { ask, hostPorts, unitFacts } from '../support/host.ts';

const test = suite('check oom');
const GROUP = '/system.slice/mail.service';
const short = (got: CheckResult): string => [got.outcome, got.cause].filter(Boolean).join(' ');

/** A machine whose kernel counts so, asked again and again. */
function machine(options: object) {
  const memory = new Map<string, unknown>();
  return (given: Record<string, string>, now = 0, facts: Record<string, string> = {}): Promise<CheckResult> => {
    const ports = hostPorts({
      files: { ...files, readText: (path) => given[path] ?? null },
      units: { show: () => Promise.resolve(unitFacts({ ControlGroup: GROUP, ...facts })) },
      clock: { ...clock, monotonic: () => now },
    });
    return ask(check, options, ports, { memory });
  };
}
const v2 = (kills: number) => ({ [`/sys/fs/cgroup${GROUP}/memory.events`]: `low 0\noom 5\noom_kill ${kills}\n` });
const v1 = (kills: number) => ({
  [`/sys/fs/cgroup/memory${GROUP}/memory.oom_control`]: `under_oom 0\noom_kill ${kills}\n`,
});

for (const [kind, at] of Object.entries({ v1, v2 }))
  test(`kills since the last look, ${kind}; old ones do not count, and a group made anew begins at 0`, async () => {
    const look = machine({ unit: 'mail', hold: '1m' });
    assert.is(short(await look(at(3))), 'pass');
    assert.is(short(await look(at(3), 1000)), 'pass');
    const killed = await look(at(5), 2000);
    assert.is(short(killed), 'degraded overloaded');
    assert.is(killed.detail, 'the kernel killed 2 processes of mail.service for memory');
    assert.is(short(await look(at(5), 30_000)), 'degraded overloaded', 'it is said for a while');
    assert.is(short(await look(at(5), 70_000)), 'pass');
    assert.match((await look(at(1), 71_000)).detail, 'killed 1 process of');
  });

test('a unit that ended by it has no group any more: systemd knows', async () => {
  const look = machine({ unit: 'mail' });
  const ended = { Result: 'oom-kill', ActiveState: 'failed', ControlGroup: '' };
  assert.is(short(await look({}, 0, ended)), 'degraded overloaded');
  assert.is(short(await look({}, 1000, ended)), 'degraded overloaded');
  assert.is(short(await look(v2(0), 2000)), 'degraded overloaded', 'it was started again');
  assert.is(short(await look(v2(0), 700_000)), 'pass');
});

test('the whole machine; and where nothing is counted', async () => {
  const look = machine({});
  assert.is(short(await look({ '/proc/vmstat': 'nr_free 1\noom_kill 4\n' })), 'pass');
  assert.is(
    (await look({ '/proc/vmstat': 'oom_kill 5\n' })).detail,
    'the kernel killed 1 process of this machine for memory',
  );
  assert.is(short(await machine({})({})), 'unknown');
  assert.is(short(await machine({ unit: 'mail' })({})), 'unknown');
  assert.is(short(await machine({ unit: 'mail' })({}, 0, { ControlGroup: '' })), 'pass');
  for (const bad of [{ unit: 'mail', group: '/a' }, { group: '/' }, { group: '/a/../b' }, { group: './x' }])
    assert.is(check.options.safeParse(bad).success, false, JSON.stringify(bad));
});

test.run();
