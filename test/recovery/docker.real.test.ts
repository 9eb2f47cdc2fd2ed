// A real podman of Debian, with a root of nothing but busybox, in a store of the test's own. Needs root.
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Ports, Recovery, RecoveryContext } from '../../src/define.ts';
import { exec } from '../../src/ports/exec.ts';
import { proc } from '../../src/ports/proc.ts';
import docker from '../../src/recovery/docker.ts';
import { until } from '../support/host.ts';
import { recoveryContext, watchedProc } from '../support/recover.ts';
import { newFolder } from '../support/server.ts';

const test = suite('docker, real podman');
const recovery = docker as unknown as Recovery;
const folder = newFolder('podman');
const name = `wk-${process.pid}`;
const store = ['--root', join(folder, 'store'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'];
// runc, because crun refuses machines with both kinds of control groups.
const own = ['podman', ...store, '--cgroup-manager', 'cgroupfs', '--events-backend', 'none', '--runtime', 'runc'];

/** The podman of this test, wherever one is asked for. */
const run: typeof exec.run = (argv, how) => {
  const at = argv.indexOf('podman');
  return exec.run([...argv.slice(0, at), ...own, ...argv.slice(at + 1)], how);
};
const podman = (...words: string[]) => run(['podman', ...words], { timeoutMs: 60_000 });
const context = (more: object = {}, container = name, ports: Partial<Ports> = {}): RecoveryContext<never> =>
  recoveryContext(recovery, { container, engine: 'podman', ...more }, { exec: { run }, ...ports });
const stateNow = async (): Promise<string> => (await recovery.inspect(context())).state;

test.before(async () => {
  const root = join(folder, 'root');
  mkdirSync(join(root, 'bin'), { recursive: true });
  copyFileSync('/usr/bin/busybox', join(root, 'bin', 'busybox'));
  for (const one of ['sh', 'sleep']) symlinkSync('busybox', join(root, 'bin', one));
  // It ignores its stop signal.
  const body = "trap '' TERM; sleep 301 & while :; do sleep 1; done";
  const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1000:1000'];
  const made = await podman(
    'create',
    '--name',
    name,
    '--network',
    'none',
    ...limits,
    '--rootfs',
    root,
    '/bin/sh',
    '-c',
    body,
  );
  assert.is(made.code, 0, made.stderr);
});
test.after(async () => {
  await podman('rm', '-f', '-t', '0', name);
  assert.ok(
    await until(() => !existsSync('/proc') || proc.byArgv(new RegExp(`conmon .*${folder}`)).length === 0, 20_000),
  );
  rmSync(folder, { recursive: true, force: true });
});

test('created, started, seen, killed for not stopping, started and killed by force', async () => {
  assert.is(await stateNow(), 'stopped');
  const started = await recovery.start(context());
  assert.is(started.ok, true, started.detail);
  const seen = await recovery.inspect(context());
  assert.equal([seen.state, seen.evidence['status']], ['running', 'running']);
  const main = seen.main;
  assert.ok(main && proc.alive(main), 'its main process is on this machine');
  assert.ok(await until(() => proc.tree(main.pid).length >= 2));
  const family = proc.tree(main.pid).flatMap((pid) => proc.facts(pid) ?? []);
  const stopped = await recovery.stop(context({ 'stop-timeout': '1s' }), { force: false });
  assert.is(stopped.ok, true, stopped.detail);
  assert.ok(await until(() => !family.some((one) => proc.alive(one))));
  const after = await recovery.inspect(context());
  assert.equal([after.state, after.evidence['exit-code']], ['failed', '137']);
  assert.is((await recovery.start(context())).ok, true);
  assert.is((await recovery.stop(context(), { force: true })).ok, true);
  assert.ok(await until(() => !proc.byArgv(/^sleep 301$/).some((one) => one.state !== 'Z')));
});

test('a restart is another process; a death and a start are told', async () => {
  assert.is((await recovery.start(context())).ok, true);
  const first = (await recovery.inspect(context())).main;
  const told: string[] = [];
  const own = watchedProc();
  const watched = context({}, name, { proc: own.proc });
  const watch = await recovery.watch?.(watched, (change) => told.push(change.kind));
  assert.ok(await until(() => own.watched() > 0, 60_000));
  const restarted = await recovery.restart?.(context({ 'stop-timeout': '1s' }));
  assert.is(restarted?.ok, true, restarted?.detail);
  const second = (await recovery.inspect(context())).main;
  assert.ok(second && second.pid !== first?.pid);
  assert.ok(await until(() => told.includes('started'), 60_000));
  assert.equal(told, ['died', 'started']);
  watch?.close();
  assert.is((await recovery.stop(context(), { force: true })).ok, true);
});

test('a container that is not there', async () => {
  const none = context({}, 'nobody');
  assert.is((await recovery.inspect(none)).state, 'unknown');
  assert.is((await recovery.start(none)).cause, 'misconfigured');
});

test.run();
