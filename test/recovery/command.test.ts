import { chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { proc } from '../../src/ports/proc.ts';
import recovery from '../../src/recovery/command.ts';
import { hostPorts, until } from '../support/host.ts';

const test = suite('recovery command');
const dir = mkdtempSync(join(tmpdir(), 'wk-command-'));
const exe = join(dir, 'maild');
const pidFile = join(dir, 'pid');
copyFileSync('/bin/sleep', exe);

/** A sloppy init script: its daemon stays in the script's own process group. */
const script = join(dir, 'init');
writeFileSync(
  script,
  `#!/bin/sh
case "$1" in
start) ${exe} 30 & echo $! > ${pidFile};;
stop) kill $(cat ${pidFile}); rm ${pidFile};;
hang) exec sleep 30;;
status)
  test -e ${pidFile} && grep -q '^State:.[RS]' /proc/$(cat ${pidFile})/status && exit 0
  test -e ${pidFile} && exit 1; exit 3;;
reload) echo reloaded >> ${dir}/log;;
no) echo "starting"; echo "fatal: no such user" >&2; exit 1;;
esac
`,
);
chmodSync(script, 0o700);

const word = (name: string): string[] => [script, name];
const context = (more: object = {}) => ({
  options: recovery.options.parse({ start: word('start'), stop: word('stop'), 'stop-timeout': '300ms', ...more }),
  ports: hostPorts(),
  signal: new AbortController().signal,
  service: 'mail',
  memory: new Map<string, unknown>(),
  stateDir: dir,
});
const byFile = { 'pid-file': pidFile, exe: [exe] };
const killAll = (): void => {
  for (const one of proc.byExe(exe)) proc.signal(one.pid, 'SIGKILL');
};
test.after.each(async () => {
  killAll();
  await until(() => proc.byExe(exe).length === 0);
  rmSync(pidFile, { force: true });
});
test.after(() => rmSync(dir, { recursive: true }));
const living = (): number => proc.byExe(exe).filter((one) => one.state !== 'Z').length;

test('starts, is seen, stops', async () => {
  const asked = context(byFile);
  assert.is((await recovery.inspect(asked)).state, 'failed');
  assert.is((await recovery.start(asked)).ok, true);
  assert.ok(await until(() => living() === 1));
  const seen = await recovery.inspect(asked);
  assert.is(seen.state, 'running');
  assert.is(seen.main?.exe, exe);
  assert.match((await recovery.sweep?.(asked))?.detail ?? '', 'nothing to sweep');
  assert.is((await recovery.stop(asked, { force: false })).ok, true);
  assert.is(living(), 0);
});

test('a stop that hangs, or lies, ends in SIGKILL of what is its own', async () => {
  for (const stop of [word('hang'), ['/bin/true']]) {
    const asked = context({ ...byFile, stop });
    await recovery.start(asked);
    await until(() => living() === 1);
    const got = await recovery.stop(asked, { force: false });
    assert.is(got.ok, true, got.detail);
    assert.match(got.detail, 'killed 1 process');
    assert.is(living(), 0);
  }
});

test('evidence: its processes with their states, and who holds its ports', async () => {
  const port = 39_471;
  const asked = context({ ...byFile, ports: [port] });
  const look = () => recovery.evidence?.(asked, { sinceMs: 1000, stay: [] });
  assert.equal((await look())?.processes, [], 'looked for, and not there');
  await recovery.start(asked);
  await until(() => living() === 1);
  const pid = proc.byExe(exe)[0]?.pid ?? 0;
  proc.signal(pid, 'SIGSTOP');
  assert.ok(await until(() => proc.facts(pid)?.state === 'T'));
  const seen = await look();
  assert.equal(seen?.processes, [{ pid, name: 'maild', state: 'T', main: true, part: null }]);
  assert.equal(seen?.unheld, [port]);
  assert.ok((seen?.ageMs ?? -1) >= 0 && (seen?.ageMs ?? 1e9) < 600_000);
  const nobody = await recovery.evidence?.(context(), { sinceMs: 1000, stay: [] });
  assert.equal(
    nobody,
    { processes: null, listeners: null, unheld: null, ageMs: null, log: null },
    'nothing tells them',
  );
});

test('force does not ask', async () => {
  const asked = context({ exe: [exe], stop: word('hang') });
  await recovery.start(asked);
  await until(() => living() === 1);
  for (const one of proc.byExe(exe)) proc.signal(one.pid, 'SIGSTOP');
  const before = performance.now();
  assert.is((await recovery.stop(asked, { force: true })).ok, true);
  assert.ok(performance.now() - before < 250);
  assert.is(living(), 0);
});

test('the status command decides, by the codes of LSB', async () => {
  const asked = context({ status: word('status') });
  assert.is((await recovery.inspect(asked)).state, 'stopped');
  await recovery.start(asked);
  await until(() => living() === 1);
  assert.is((await recovery.inspect(asked)).state, 'running');
  killAll();
  await until(() => living() === 0);
  assert.ok(existsSync(pidFile));
  assert.is((await recovery.inspect(asked)).state, 'failed');
  for (const status of [['/no/such'], ['/bin/sh', '-c', 'exit 4'], ['/bin/sh', '-c', 'kill -9 $$']])
    assert.is((await recovery.inspect(context({ status }))).state, 'unknown');
  assert.is((await recovery.inspect(context())).state, 'unknown', 'nothing tells');
});

test('a command that fails tells its own words', async () => {
  const got = await recovery.start(context({ start: word('no') }));
  assert.is(got.ok, false);
  assert.match(got.detail, 'ended with exit code 1: "fatal: no such user"');
  assert.is((await recovery.start(context({ start: ['/no/such'] }))).cause, 'misconfigured');
  assert.is((await recovery.start(context({ start: word('hang'), 'start-timeout': '100ms' }))).cause, 'hung');
});

test('restart of its own, and without one stop and start; reload', async () => {
  const asked = context(byFile);
  await recovery.start(asked);
  await until(() => living() === 1);
  const first = proc.byExe(exe)[0]?.pid;
  assert.is((await recovery.restart?.(asked))?.ok, true);
  assert.ok(await until(() => living() === 1 && proc.byExe(exe)[0]?.pid !== first));
  assert.is((await recovery.restart?.(context({ restart: word('reload') })))?.ok, true);
  assert.is((await recovery.reload?.(context({ reload: word('reload') })))?.ok, true);
  assert.is(readFileSync(join(dir, 'log'), 'utf8'), 'reloaded\nreloaded\n');
  assert.is((await recovery.reload?.(context()))?.ok, false);
});

test('a death is told at once, and a start by others soon', async () => {
  const told: string[] = [];
  const asked = context(byFile);
  await recovery.start(asked);
  await until(() => living() === 1);
  const watch = await recovery.watch?.(asked, (change) => told.push(change.kind));
  await new Promise((next) => setTimeout(next, 20));
  killAll();
  assert.ok(await until(() => told.length === 1, 200));
  await recovery.start(asked);
  assert.ok(await until(() => told.length === 2));
  assert.equal(told, ['died', 'started']);
  watch?.close();
  (await recovery.watch?.(context(), () => undefined))?.close();
});

test('an interpreter is nobody’s own executable', () => {
  for (const path of ['/usr/bin/python3.11', '/bin/sh', process.execPath, '/usr/bin/perl'])
    assert.is(recovery.options.safeParse({ start: ['x'], stop: ['x'], exe: [path] }).success, false, path);
});

test.run();
