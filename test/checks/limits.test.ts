import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/limits.ts';
import type { CheckResult } from '../../src/define.ts';
import { files } from '../../src/ports/files.ts';
import { proc } from '../../src/ports/proc.ts';
import { ask, hostPorts, unitFacts, until } from '../support/host.ts';

const test = suite('check limits');
const dir = mkdtempSync(join(tmpdir(), 'wk-limits-'));
const exe = join(dir, 'maild');
copyFileSync('/bin/sleep', exe);
const children: ChildProcess[] = [];
test.after.each(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await until(() => proc.byExe(exe).length === 0);
});
test.after(() => rmSync(dir, { recursive: true }));

/** One with so many files more than its three, under this limit. */
async function start(open: number, limit: number): Promise<number> {
  const opens = Array.from({ length: open }, (_, at) => `exec ${at + 10}</dev/null;`).join(' ');
  // What the test itself was started with is none of its files.
  const closes = 'for f in /proc/$$/fd/*; do f=${f##*/}; [ $f -le 2 ] || eval "exec $f>&-"; done 2>/dev/null;';
  const child = spawn('/bin/bash', ['-c', `${closes} ${opens} ulimit -n ${limit}; exec ${exe} 30`], {
    stdio: 'ignore',
  });
  children.push(child);
  assert.ok(await until(() => proc.byExe(exe).length === children.length));
  // While it begins it reads its libraries.
  assert.ok(await until(() => readdirSync(`/proc/${child.pid}/fd`).length === 3 + open));
  return child.pid ?? 0;
}
const run = (options: object, ports = hostPorts(), depth: 'quick' | 'deep' = 'quick'): Promise<CheckResult> =>
  ask(check, options, ports, { depth });
const short = (got: CheckResult): string => [got.outcome, got.cause].filter(Boolean).join(' ');

test('open files of the process that is nearest to its limit', async () => {
  assert.is(short(await run({ exe })), 'unknown');
  await start(0, 100);
  const idle = await run({ exe });
  assert.is(short(idle), 'pass', idle.detail);
  assert.equal(idle.metrics?.[0]?.value, 3);
  const pid = await start(80, 100);
  const near = await run({ exe });
  assert.is(short(near), 'degraded overloaded');
  assert.is(near.detail, `pid ${pid} (maild) has 83 of 100 open files (83 %)`);
  await start(95, 100);
  assert.is(short(await run({ exe })), 'fail overloaded');
  assert.is(short(await run({ exe, warn: 99, crit: 100 })), 'pass');
});

test('an old kernel tells no size: the names are counted', async () => {
  await start(80, 100);
  const old = { ...files, facts: (path: string) => ({ ...files.facts(path), size: 0 }) as never };
  assert.is(short(await run({ exe }, hostPorts({ files: old }))), 'degraded overloaded');
});

test('by pid file, with its tree', async () => {
  const pidFile = join(dir, 'pid');
  assert.is(short(await run({ 'pid-file': pidFile })), 'unknown');
  writeFileSync(pidFile, String(await start(80, 100)));
  assert.is(short(await run({ 'pid-file': pidFile, exe })), 'degraded overloaded');
});

/** What a machine of another kind would have in its files. */
const pretend = (given: Readonly<Record<string, string>>) => ({
  ...files,
  readText: (path: string, most: number) =>
    path.startsWith('/sys/') ? (given[path] ?? null) : (given[path] ?? files.readText(path, most)),
  list: (path: string) =>
    path === '/proc' ? [...new Set(Object.keys(given).flatMap((one) => /\d+/.exec(one) ?? []))] : [],
});

test('tasks of the unit, on both kinds of control groups', async () => {
  const pid = await start(0, 100);
  const group = '/system.slice/mail.service';
  const units = { show: () => Promise.resolve(unitFacts({ ControlGroup: group })) };
  const within = { ...proc, cgroup: () => [pid] };
  for (const root of ['/sys/fs/cgroup/pids', '/sys/fs/cgroup', '/sys/fs/cgroup/unified']) {
    const at = (used: string, max: string): Promise<CheckResult> => {
      const given = { [`${root}${group}/pids.max`]: max, [`${root}${group}/pids.current`]: used };
      return run({ unit: 'mail' }, hostPorts({ units, proc: within, files: pretend(given) }));
    };
    assert.is((await at('450\n', '512\n')).detail, 'its control group has 450 of 512 tasks (87.9 %)');
    assert.is(short(await at('510\n', '512\n')), 'fail overloaded');
    assert.is(short(await at('450\n', 'max\n')), 'pass');
  }
  const silent = { show: () => Promise.resolve(null) };
  assert.is(short(await run({ unit: 'mail' }, hostPorts({ units: silent }))), 'unknown');
});

test('processes of its user, in a deep check; root has no such limit', async () => {
  const pid = await start(0, 100);
  const limits = 'Max processes             100                  100                  processes\n';
  const machine = (uid: number) => ({
    [`/proc/${pid}/limits`]: limits,
    [`/proc/${pid}/status`]: `Name:\tmaild\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\nThreads:\t10\n`,
    '/proc/999999991/status': `Uid:\t${uid}\t0\t0\t0\nThreads:\t75\n`,
    '/proc/999999992/status': 'Uid:\t12\t0\t0\t0\nThreads:\t500\n',
  });
  const at = (uid: number, depth: 'quick' | 'deep') => run({ exe }, hostPorts({ files: pretend(machine(uid)) }), depth);
  assert.is((await at(8, 'deep')).detail, 'user 8 has 85 of 100 processes (85 %)');
  assert.is(short(await at(8, 'quick')), 'pass');
  assert.is(short(await at(0, 'deep')), 'pass');
});

test('options that cannot work are refused', () => {
  for (const bad of [{}, { exe, warn: 120 }, { unit: '../x' }])
    assert.is(check.options.safeParse(bad).success, false, JSON.stringify(bad));
});

test.run();
