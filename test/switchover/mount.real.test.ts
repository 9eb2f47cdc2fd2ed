// Real file systems on a folder of the test's own: ext4 in a file, tmpfs, a bind; in use, covered, broken.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseMounts } from '../../src/host/mounts.ts';
import { proc } from '../../src/ports/proc.ts';
import mount from '../../src/switchover/mount.ts';
import { stepContext, stepFolder } from '../support/step.ts';

const test = suite('step mount, real file systems');
const folder = stepFolder();
const on = join(folder.path, 'm n*t');
const image = join(folder.path, 'image');
mkdirSync(on);
const mine = () =>
  parseMounts(readFileSync('/proc/self/mountinfo', 'utf8')).filter(({ point }) => point.startsWith(on));
const tmpfs = { device: 'wk-test', on, type: 'tmpfs', options: ['size=1m'] };
const ext4 = { device: image, on, type: 'ext4', options: ['loop', 'noatime'], fsck: true };
const context = (options: object = tmpfs, more: object = {}) => stepContext(mount, options, more);
const holding: number[] = [];
async function holder(where: string): Promise<number> {
  const made = await proc.spawn(['sleep', '600'], { cwd: where });
  if ('failed' in made) throw new Error(made.failed);
  holding.push(made.pid);
  return made.pid;
}
test.after.each(() => {
  for (const pid of holding.splice(0)) proc.signal(pid, 'SIGKILL');
  for (let tries = 0; tries < 50 && mine().length > 0; tries++) {
    try {
      execFileSync('umount', ['-c', '--', mine().at(-1)?.point ?? on], { stdio: 'ignore' });
    } catch {
      execFileSync('sleep', ['0.1']);
    }
  }
});
test.after(() => folder.remove());

test('tmpfs: there, again, away, again', async () => {
  assert.is((await mount.ready?.(context()))?.ok, true);
  assert.is((await mount.probe(context())).state, 'undone');
  for (const _ of [1, 2]) {
    const done = await mount.do(context());
    assert.is(done.ok, true, done.detail);
  }
  assert.is(mine().length, 1);
  assert.is((await mount.probe(context())).state, 'done');
  for (const force of [false, true]) {
    const got = await mount.undo(context(), { force });
    assert.is(got.ok, true, got.detail);
  }
  assert.is((await mount.probe(context())).state, 'undone');
});

test('ext4 from a file, checked before; a broken one is not mounted', async () => {
  writeFileSync(image, '');
  truncateSync(image, 8 * 1024 * 1024);
  execFileSync('mkfs.ext4', ['-q', '-F', image]);
  const done = await mount.do(context(ext4));
  assert.is(done.ok, true, done.detail);
  writeFileSync(join(on, 'mail'), 'here');
  const gone = await mount.undo(context(ext4), { force: false });
  assert.is(gone.ok, true, gone.detail);
  writeFileSync(image, Buffer.alloc(8 * 1024 * 1024, 0x5a));
  const broken = await mount.do(context(ext4));
  assert.is(broken.ok, false, broken.detail);
  assert.is(mine().length, 0);
});

test('a bind', async () => {
  const bind = { device: folder.path, on, type: 'none', options: ['bind'] };
  assert.is((await mount.do(context(bind))).ok, true);
  assert.is((await mount.probe(context(bind))).state, 'done');
  assert.is((await mount.undo(context(bind), { force: false })).ok, true);
});

test('who uses it is named, and killed only by force', async () => {
  assert.is((await mount.do(context())).ok, true);
  const pid = await holder(on);
  const polite = await mount.undo(context({ ...tmpfs, busy: '300ms' }), { force: false });
  assert.equal([polite.ok, polite.detail.includes(`in use by pid ${pid} sleep`)], [false, true], polite.detail);
  assert.ok(proc.facts(pid));
  assert.is(mine().length, 1, 'never lazily');
  const forced = await mount.undo(context(), { force: true });
  assert.is(forced.ok, true, forced.detail);
  assert.is(mine().length, 0);
});

test('what lies below and on it goes by force', async () => {
  assert.is((await mount.do(context())).ok, true);
  mkdirSync(join(on, 'below'));
  execFileSync('mount', ['-t', 'tmpfs', 'wk-below', join(on, 'below')]);
  assert.is((await mount.undo(context({ ...tmpfs, busy: '200ms' }), { force: false })).ok, false);
  const got = await mount.undo(context(), { force: true });
  assert.is(got.ok, true, got.detail);
  assert.is(mine().length, 0);
});

test('something else at that place is neither done nor undone', async () => {
  execFileSync('mount', ['-t', 'tmpfs', 'somebody-else', on]);
  assert.is((await mount.probe(context())).state, 'unknown');
  assert.is((await mount.do(context())).ok, false);
  assert.is((await mount.ready?.(context()))?.ok, false);
});

test('what another namespace keeps is not gone', async () => {
  assert.is((await mount.do(context())).ok, true);
  const made = await proc.spawn(['unshare', '-m', '--propagation', 'private', 'sleep', '600'], {});
  if ('failed' in made) throw new Error(made.failed);
  holding.push(made.pid);
  for (let tries = 0; tries < 100 && proc.facts(made.pid)?.comm !== 'sleep'; tries++) execFileSync('sleep', ['0.05']);
  const got = await mount.undo(context(), { force: true });
  assert.equal([got.ok, /namespace of its own/.test(got.detail)], [false, true], got.detail);
  proc.signal(made.pid, 'SIGKILL');
  for (let tries = 0; tries < 100 && proc.facts(made.pid)?.state === 'S'; tries++) execFileSync('sleep', ['0.05']);
  assert.is((await mount.undo(context(), { force: true })).ok, true);
});

test('without the right, and without a device', async () => {
  const lease = { epoch: 7, untilMs: () => Number.NEGATIVE_INFINITY };
  assert.is((await mount.do(context(tmpfs, { lease }))).ok, false);
  assert.is(mine().length, 0);
  const none = context({ device: '/dev/no-such-disk', on, type: 'ext4' });
  assert.is((await mount.ready?.(none))?.ok, false);
  assert.is((await mount.do(none)).ok, false);
});

test.run();
