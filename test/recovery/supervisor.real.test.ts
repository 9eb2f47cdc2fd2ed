// A real supervisord of Debian, with programs that run, stand still, and end too soon.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Ports, Recovery, RecoveryContext } from '../../src/define.ts';
import { proc } from '../../src/ports/proc.ts';
import supervisor from '../../src/recovery/supervisor.ts';
import { until } from '../support/host.ts';
import { recoveryContext, watchedProc } from '../support/recover.ts';
import { endTree, newFolder } from '../support/server.ts';

const test = suite('supervisor, real');
const recovery = supervisor as unknown as Recovery;
const folder = newFolder('supervisor');
const exe = join(folder, 'maild');
const socket = join(folder, 'socket');
let daemon: ChildProcess;

test.before(async () => {
  copyFileSync('/bin/sleep', exe);
  writeFileSync(join(folder, 'tree'), `#!/bin/sh\n${exe} 300 &\nexec ${exe} 301\n`);
  chmodSync(join(folder, 'tree'), 0o755);
  const program = (name: string, command: string, more = ''): string =>
    `[program:${name}]\ncommand=${command}\nautostart=false\nautorestart=true\nstartsecs=0\nstopwaitsecs=30\n${more}\n`;
  writeFileSync(
    join(folder, 'conf'),
    `[unix_http_server]
file=${socket}
[supervisord]
nodaemon=true
logfile=${folder}/log
pidfile=${folder}/pid
childlogdir=${folder}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://${socket}
${program('mail', join(folder, 'tree'))}
${program('short', '/bin/false', 'startretries=0\nstartsecs=1')}
`,
  );
  daemon = spawn('supervisord', ['-c', join(folder, 'conf')], { stdio: 'ignore' });
  assert.ok(await until(() => existsSync(socket), 60_000));
});
test.after(async () => {
  await endTree(daemon.pid ?? 0);
  for (const one of proc.byExe(exe)) proc.signal(one.pid, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const context = (program = 'mail', more: object = {}, ports: Partial<Ports> = {}): RecoveryContext<never> =>
  recoveryContext(recovery, { program, server: `unix://${socket}`, ...more }, ports);
const living = (): number => proc.byExe(exe).filter((one) => one.state !== 'Z').length;
const startIt = async (): Promise<void> => {
  const got = await recovery.start(context());
  assert.is(got.ok, true, got.detail);
  assert.ok(await until(() => living() === 2, 20_000));
};

test('never started, running, a child that its stop forgets, stopped by hand', async () => {
  const first = await recovery.inspect(context());
  assert.equal([first.state, first.byHand], ['stopped', false], first.detail);
  await startIt();
  const seen = await recovery.inspect(context());
  assert.equal([seen.state, seen.main?.exe], ['running', exe]);
  const got = await recovery.stop(context(), { force: false });
  assert.equal([got.ok, living()], [true, 0], got.detail);
  assert.match(got.detail, 'killed 1 process');
  const after = await recovery.inspect(context());
  assert.equal([after.state, after.byHand], ['stopped', true]);
});

test('one that stands still is killed, with force or without, and is not started again by supervisord', async () => {
  for (const force of [true, false]) {
    await startIt();
    for (const one of proc.byExe(exe)) proc.signal(one.pid, 'SIGSTOP');
    const started = performance.now();
    const got = await recovery.stop(context('mail', { 'stop-timeout': force ? '20s' : '6s' }), { force });
    assert.equal([got.ok, living()], [true, 0], got.detail);
    assert.ok(performance.now() - started < 60_000);
    await until(() => living() > 0, 1500);
    assert.is(living(), 0);
  }
});

test('a death is told, and the start by supervisord that follows', async () => {
  await startIt();
  const told: string[] = [];
  const main = (await recovery.inspect(context())).main;
  const own = watchedProc();
  const watch = await recovery.watch?.(context('mail', {}, { proc: own.proc }), (change) => told.push(change.kind));
  assert.ok(await until(() => own.watched() > 0, 60_000));
  proc.signal(main?.pid ?? 0, 'SIGKILL');
  assert.ok(await until(() => told.includes('started'), 60_000), told.join());
  assert.equal(told, ['died', 'started']);
  watch?.close();
  await recovery.stop(context(), { force: true });
  for (const one of proc.byExe(exe)) proc.signal(one.pid, 'SIGKILL');
});

test('one that ends too soon is no success, and FATAL', async () => {
  assert.is((await recovery.start(context('short'))).ok, false);
  const seen = await recovery.inspect(context('short'));
  assert.equal([seen.state, seen.evidence['status']], ['failed', 'FATAL']);
  assert.is((await recovery.start(context('nobody'))).cause, 'misconfigured');
  assert.is((await recovery.inspect(context('mail', { server: 'unix:///nonexistent' }))).state, 'unknown');
});

test('evidence: the program and what it started; without an answer nothing', async () => {
  await startIt();
  const seen = await recovery.evidence?.(context(), { sinceMs: 1000, stay: [] });
  assert.equal(seen?.processes?.map((one) => `${one.name} ${one.main}`).sort(), ['maild false', 'maild true']);
  const away = await recovery.evidence?.(context('mail', { server: 'unix:///nowhere' }), { sinceMs: 1000, stay: [] });
  assert.is(away?.processes, null);
  assert.is((await recovery.stop(context(), { force: true })).ok, true);
  assert.ok(await until(() => living() === 0, 20_000));
  assert.equal((await recovery.evidence?.(context(), { sinceMs: 1000, stay: [] }))?.processes, []);
});

test.run();
