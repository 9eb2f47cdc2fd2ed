// The disk check on real file systems that are full, read-only and frozen. Needs root: it mounts two small ones of its
// own, and takes them away again.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/disk.ts';
import type { CheckResult, Depth } from '../../src/define.ts';
import { proc } from '../../src/ports/proc.ts';
import { ask, hostPorts, until } from '../support/host.ts';

const test = suite('check disk, real');
const dir = mkdtempSync(join(tmpdir(), 'wk-real-disk-'));
const [small, disk, image] = [join(dir, 'small'), join(dir, 'disk'), join(dir, 'image')];
const run = (program: string, ...words: string[]): void => {
  execFileSync(program, words, { stdio: 'ignore', timeout: 20_000 });
};
const quietly = (program: string, ...words: string[]): void => {
  try {
    run(program, ...words);
  } catch {
    // Not mounted, not frozen: as wanted.
  }
};
const wide = { 'average-warn': '30s', 'max-warn': '30s', 'free-warn': '0%', 'free-crit': '0%' };
const look = (path: string, depth: Depth, timeoutMs = 20_000, memory = new Map<string, unknown>(), more: object = {}) =>
  ask(check, { path, ...wide, 'inodes-warn': 0, 'inodes-crit': 0, ...more }, hostPorts(), { depth, timeoutMs, memory });
const short = (got: CheckResult): string => [got.outcome, got.cause].filter(Boolean).join(' ');

test.before(() => {
  mkdirSync(small);
  mkdirSync(disk);
  run('mount', '-t', 'tmpfs', '-o', 'size=256k,nr_inodes=20', 'wk-small', small);
  run('truncate', '-s', '16M', image);
  run('mkfs.ext4', '-q', '-F', image);
  run('mount', '-o', 'loop', image, disk);
});
test.after(() => {
  quietly('fsfreeze', '-u', disk);
  quietly('umount', disk);
  quietly('umount', small);
  rmSync(dir, { recursive: true });
});

test('full: the quick side counts, the deep side meets it', async () => {
  assert.is(short(await look(small, 'deep')), 'pass');
  try {
    writeFileSync(join(small, 'fill'), Buffer.alloc(1_048_576));
  } catch {
    // ENOSPC, which is what is wanted.
  }
  const met = await look(small, 'deep');
  assert.is(short(met), 'fail no-space');
  assert.match(met.detail, /has no space left \(ENOSPC at write\)/);
  assert.is(short(await look(small, 'quick', 5000, new Map(), { 'free-crit': '3%' })), 'fail no-space');
  rmSync(join(small, 'fill'));
  assert.equal(readdirSync(small), []);
});

test('no inodes left', async () => {
  for (let at = 0; at < 18; at += 1) writeFileSync(join(small, `f${at}`), '');
  const got = await look(small, 'quick', 5000, new Map(), { 'inodes-crit': 10 });
  assert.is(short(got), 'fail no-space');
  assert.match(got.detail, 'inodes');
  for (const name of readdirSync(small)) rmSync(join(small, name));
});

test('read-only is seen without touching it; not mounted is told', async () => {
  const memory = new Map<string, unknown>();
  assert.is(short(await look(disk, 'deep', 20_000, memory)), 'pass');
  run('mount', '-o', 'remount,ro', disk);
  const got = await look(disk, 'quick', 5000, memory);
  assert.is(short(got), 'fail no-space');
  assert.match(got.detail, `${disk} is mounted read-only (ext4 on /dev/loop`);
  run('mount', '-o', 'remount,rw', disk);
  assert.is(short(await look(disk, 'quick', 5000, memory, { mounted: true })), 'pass');
  assert.is(short(await look(join(dir), 'quick', 5000, new Map(), { mounted: true })), 'fail dependency');
});

test('frozen: the look ends in time, one child stays, no second one joins it, and it is well again', async () => {
  const memory = new Map<string, unknown>();
  const probes = (): number => proc.byArgv(/disk-probe\S* .*wk-disk-/).filter((one) => one.state !== 'Z').length;
  run('fsfreeze', '-f', disk);
  try {
    const started = performance.now();
    const first = await look(disk, 'deep', 2000, memory);
    assert.ok(performance.now() - started < 2000);
    assert.is(short(first), 'fail dependency');
    const second = await look(disk, 'deep', 2000, memory);
    assert.is(short(second), 'fail dependency');
    assert.match(second.detail, /does not answer, for \d/);
    assert.is(probes(), 1);
  } finally {
    run('fsfreeze', '-u', disk);
  }
  assert.ok(await until(() => probes() === 0));
  assert.is(short(await look(disk, 'deep', 20_000, memory)), 'pass');
});

test.run();
