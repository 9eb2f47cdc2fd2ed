// The mount check on file systems of the test's own: away, read-only, of another kind, and a server in user space that
// does not answer. Needs root.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/mount.ts';
import type { CheckResult } from '../../src/define.ts';
import { proc } from '../../src/ports/proc.ts';
import { ask, hostPorts, until } from '../support/host.ts';

const test = suite('check mount, real');
const dir = mkdtempSync(join(tmpdir(), 'wk-real-mount-'));
const point = join(dir, 'point');
const run = (...argv: string[]): void => {
  execFileSync(argv[0] ?? '', argv.slice(1), { stdio: 'ignore', timeout: 20_000 });
};
const quietly = (...argv: string[]): void => {
  try {
    run(...argv);
  } catch {
    // Not mounted: as wanted.
  }
};
const short = (got: CheckResult): string => [got.outcome, got.cause].filter(Boolean).join(' ');
const look = async (more: object = {}, timeoutMs = 20_000, memory = new Map<string, unknown>()): Promise<string> =>
  short(await ask(check, { path: point, ...more }, hostPorts(), { timeoutMs, memory }));

test.before(() => {
  mkdirSync(point);
});
test.after(() => {
  quietly('umount', '-l', point);
  rmSync(dir, { recursive: true });
});

test('away, there, of another kind, read-only', async () => {
  assert.is(await look(), 'fail dependency');
  run('mount', '-t', 'tmpfs', '-o', 'size=64k', 'wk-mount', point);
  assert.is(await look({ kinds: ['tmpfs'], source: 'wk-mount' }), 'pass');
  assert.is(await look({ kinds: ['nfs4'] }), 'fail dependency');
  run('mount', '-o', 'remount,ro', point);
  assert.is(await look(), 'fail no-space');
  assert.is(await look({ 'read-only': true }), 'pass');
  run('umount', point);
});

test('one whose server does not answer: in time, one child, and well once it is gone', async () => {
  // A file system in user space of which nobody serves the requests: the first of them is never answered.
  const mounter = spawn(
    '/bin/sh',
    [
      '-c',
      `exec 9<>/dev/fuse; mount -i -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 wk ${point} && exec sleep 60`,
    ],
    { stdio: 'ignore' },
  );
  try {
    const mounted = (): boolean => {
      try {
        run('grep', '-q', point, '/proc/self/mountinfo');
        return true;
      } catch {
        return false;
      }
    };
    assert.ok(await until(mounted), 'a file system in user space');
    const memory = new Map<string, unknown>();
    const started = performance.now();
    assert.is(await look({}, 1500, memory), 'fail dependency');
    assert.ok(performance.now() - started < 10_000);
  } finally {
    mounter.kill('SIGKILL');
    quietly('umount', '-l', point);
  }
  assert.ok(await until(() => !proc.byArgv(/stat .*wk-disk-/).some((one) => one.state !== 'Z')));
  run('mount', '-t', 'tmpfs', '-o', 'size=64k', 'wk-mount', point);
  assert.is(await look(), 'pass');
});

test.run();
