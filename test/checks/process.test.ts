import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/process.ts';
import type { CheckResult } from '../../src/define.ts';
import { proc } from '../../src/ports/proc.ts';
import { ask, hostPorts, until } from '../support/host.ts';

const test = suite('check process');
const dir = mkdtempSync(join(tmpdir(), 'wk-check-'));
const exe = join(dir, 'maild');
const pidFile = join(dir, 'pid');
copyFileSync('/bin/sleep', exe);
const ports = hostPorts();
const children: ChildProcess[] = [];
const start = (program: string, ...words: string[]): number => {
  const child = spawn(program, words, { stdio: 'ignore' });
  children.push(child);
  return child.pid ?? 0;
};
const run = (options: object, asked: { memory?: Map<string, unknown> } = {}): Promise<CheckResult> =>
  ask(check, options, ports, asked);
const short = (got: CheckResult): string => [got.outcome, got.cause].filter(Boolean).join(' ');
const ended = (pid: number): Promise<boolean> => until(() => proc.facts(pid) === null);
test.after.each(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGKILL');
    await ended(child.pid ?? 0);
  }
});
test.after(() => rmSync(dir, { recursive: true }));

test('by executable, by pattern, by both', async () => {
  assert.is(short(await run({ exe })), 'fail dead');
  const pid = start(exe, '30.5');
  const got = await run({ exe });
  assert.is(got.outcome, 'pass');
  assert.match(got.detail, `it runs as pid ${pid} (${exe})`);
  assert.is((await run({ pattern: 'maild 30\\.5$' })).outcome, 'pass');
  assert.is((await run({ exe, pattern: '30\\.5' })).outcome, 'pass');
  assert.is(short(await run({ exe, pattern: '30\\.6' })), 'fail dead');
  assert.is(short(await run({ exe, least: 2 })), 'fail dead');
});

test('a new process in its place is noted', async () => {
  const memory = new Map<string, unknown>();
  const first = start(exe, '30');
  await run({ exe }, { memory });
  process.kill(first, 'SIGKILL');
  await ended(first);
  start(exe, '30');
  const got = await run({ exe }, { memory });
  assert.match(got.detail, `before it was pid ${first}`);
  assert.is(got.outcome, 'pass');
});

test('a stopped one is hung', async () => {
  const pid = start(exe, '30');
  process.kill(pid, 'SIGSTOP');
  assert.ok(await until(() => proc.facts(pid)?.state === 'T'));
  assert.is(short(await run({ exe })), 'fail hung');
  writeFileSync(pidFile, String(pid));
  assert.is(short(await run({ 'pid-file': pidFile })), 'fail hung');
});

test('a zombie is dead', async () => {
  const pid = start('/bin/sh', '-c', `${exe} 0.02 & echo $! > ${pidFile}; exec sleep 30`);
  assert.ok(await until(() => proc.tree(pid).some((one) => proc.facts(one)?.state === 'Z')));
  const got = await run({ 'pid-file': pidFile });
  assert.is(short(got), 'fail dead');
  assert.match(got.detail, 'is a zombie');
});

test('a pid file tells who it is, and a stale one whose number is somebody else’s is dead', async () => {
  const pid = start(exe, '30');
  writeFileSync(pidFile, `${pid}\nmore lines\n`);
  assert.is((await run({ 'pid-file': pidFile, exe })).outcome, 'pass');
  assert.is((await run({ 'pid-file': pidFile })).outcome, 'pass');
  writeFileSync(pidFile, String(process.pid));
  const got = await run({ 'pid-file': pidFile, exe });
  assert.is(short(got), 'fail dead');
  assert.match(got.detail, `is another program by now: ${process.execPath}`);
  writeFileSync(pidFile, '999999999');
  assert.is(short(await run({ 'pid-file': pidFile })), 'fail dead');
  rmSync(pidFile);
  assert.is(short(await run({ 'pid-file': pidFile })), 'fail dead');
});

test('a pid file that says nothing is unknown, and leaves the other ways', async () => {
  start(exe, '30');
  for (const text of ['', '\n', '\u0000\u0001\u00ff', '-1', '0', '1e3', 'x'.repeat(4000), '12 34', '99999999999']) {
    writeFileSync(pidFile, text);
    assert.is((await run({ 'pid-file': pidFile })).outcome, 'unknown', JSON.stringify(text.slice(0, 20)));
  }
  assert.is((await run({ 'pid-file': pidFile, exe })).outcome, 'pass');
  truncateSync(pidFile, 1024 ** 3);
  const started = performance.now();
  const huge = await run({ 'pid-file': pidFile });
  assert.ok(performance.now() - started < 200);
  assert.match(huge.detail, 'has 1073741824 bytes');
  rmSync(pidFile);
  symlinkSync('/etc/passwd', pidFile);
  assert.match((await run({ 'pid-file': pidFile })).detail, 'is no plain file but a link');
  assert.is((await run({ 'pid-file': dir })).outcome, 'unknown');
});

test('an executable that cannot be seen says nothing', async () => {
  const hidden = { pid: 7, startTicks: 1, exe: null, ppid: 1, group: 7, session: 7, state: 'S', comm: 'maild' };
  const blind = hostPorts({ proc: { ...proc, byExe: () => [], byArgv: () => [hidden] } });
  assert.is(short(await ask(check, { exe }, blind)), 'unknown');
  const kernelThread = { ...hidden, comm: 'kworker' };
  const other = hostPorts({ proc: { ...proc, byExe: () => [], byArgv: () => [kernelThread] } });
  assert.is(short(await ask(check, { exe }, other)), 'fail dead');
});

test('options that cannot work are refused', () => {
  for (const bad of [{}, { pattern: '(' }, { exe: 'maild' }, { exe, typo: 1 }])
    assert.is(check.options.safeParse(bad).success, false, JSON.stringify(bad));
});

test.run();
