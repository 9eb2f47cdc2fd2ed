import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/disk.ts';
import type { CheckResult } from '../../src/define.ts';
import { type ExecResult, exec } from '../../src/ports/exec.ts';
import { proc } from '../../src/ports/proc.ts';
import { mountAt, parseMounts } from '../../src/host/mounts.ts';
import { ask, hostPorts } from '../support/host.ts';

const test = suite('check disk');
const dir = mkdtempSync(join(tmpdir(), 'wk-disk-'));
test.after(() => rmSync(dir, { recursive: true }));
const short = (got: CheckResult): string => [got.outcome, got.cause].filter(Boolean).join(' ');
const slow = { 'average-warn': '10s', 'max-warn': '10s' };
const none = { 'free-warn': '0%', 'free-crit': '0%', 'inodes-warn': 0, 'inodes-crit': 0 };

/** Ports on which the children say what the test wants: `stat -f` this, the probe that. */
function saying(space: string, probe: Partial<ExecResult> = {}) {
  const ended: ExecResult = {
    code: 0,
    signal: null,
    stdout: '',
    stderr: '',
    timedOut: false,
    failed: null,
    truncated: false,
    ms: 1,
  };
  const argvs: (readonly string[])[] = [];
  const ports = hostPorts({
    exec: {
      run(argv) {
        argvs.push(argv);
        if (argv[0] !== 'stat') return Promise.resolve({ ...ended, ...probe });
        return Promise.resolve({ ...ended, stdout: argv[1] === '-f' ? `${space} mark\n` : '/\nmark' });
      },
    },
  });
  return { ports, argvs };
}
/** 1,000 blocks of 1 MiB and 1,000 inodes. */
const space = (blocks: number, inodes = 900): string => `1048576 1000 ${blocks} 1000 ${inodes}`;
const probe = (answer: object): Partial<ExecResult> => ({ stdout: JSON.stringify(answer) });

test('a real folder: room, and real writes that leave nothing behind', async () => {
  writeFileSync(join(dir, '.watchkeeper-probe'), 'left by a crash');
  const quick = await ask(check, { path: dir, ...none }, hostPorts());
  assert.is(quick.outcome, 'pass', quick.detail);
  assert.match(quick.detail, /iB \([\d.]+ %\) free on/);
  const deep = await ask(check, { path: dir, ...none, ...slow }, hostPorts(), { depth: 'deep', timeoutMs: 20_000 });
  assert.is(deep.outcome, 'pass', deep.detail);
  assert.match(deep.detail, /5 synced writes took [\d.]+ ms on average/);
  assert.equal(readdirSync(dir), []);
});

test('a folder that is not there, and somebody else’s file in the way', async () => {
  assert.is(short(await ask(check, { path: '/no/such/folder' }, hostPorts())), 'fail misconfigured');
  const target = join(dir, 'target');
  writeFileSync(target, 'precious');
  symlinkSync(target, join(dir, '.watchkeeper-probe'));
  const got = await ask(check, { path: dir, ...none }, hostPorts(), { depth: 'deep', timeoutMs: 20_000 });
  assert.is(short(got), 'unknown');
  assert.ok(existsSync(target));
  rmSync(join(dir, '.watchkeeper-probe'));
  rmSync(target);
});

test('free space and inodes against shares and sizes', async () => {
  const on = async (text: string, options: object = {}): Promise<string> =>
    short(await ask(check, { path: '/', ...options }, saying(text).ports));
  assert.is(await on(space(500)), 'pass');
  assert.is(await on(space(99)), 'degraded no-space');
  assert.is(await on(space(29)), 'fail no-space');
  assert.is(await on(space(500, 90)), 'degraded no-space');
  assert.is(await on(space(500, 20)), 'fail no-space');
  assert.is(await on(space(500), { 'free-warn': '600M' }), 'degraded no-space');
  assert.is(await on(space(500), { 'free-crit': '0.5G' }), 'fail no-space');
  assert.is(await on('4096 100 90 0 0'), 'pass', 'a file system without a number of inodes');
  assert.is(await on('4096 0 0 0 0'), 'pass', 'one without blocks');
  for (const odd of ['', 'x y z a b', '1 2', '-1 -1 -1 -1 -1', '4096 NaN 1 1 1'])
    assert.is(await on(odd), 'unknown', odd);
});

test('what the probe found decides', async () => {
  const on = async (answer: object, options: object = {}): Promise<string> =>
    short(await ask(check, { path: '/', ...options }, saying(space(500), probe(answer)).ports, { depth: 'deep' }));
  const fault = (code: string) => ({ ok: false, code, doing: 'fsync' });
  assert.is(await on({ ok: true, samplesMs: [1, 2, 3] }), 'pass');
  assert.is(await on({ ok: true, samplesMs: [19, 21, 25] }), 'degraded overloaded', 'average above 20 ms');
  assert.is(await on({ ok: true, samplesMs: [1, 1, 41] }), 'degraded overloaded', 'one above 40 ms');
  for (const code of ['ENOSPC', 'EDQUOT', 'EROFS']) assert.is(await on(fault(code)), 'fail no-space', code);
  for (const code of ['EIO', 'EBADMSG', 'ESTALE']) assert.is(await on(fault(code)), 'fail dependency', code);
  for (const code of ['EACCES', 'ELOOP', 'EMFILE']) assert.is(await on(fault(code)), 'unknown', code);
  assert.is(
    short(await ask(check, { path: '/' }, saying(space(500), { code: 1 }).ports, { depth: 'deep' })),
    'unknown',
  );
});

test('our own trouble is unknown', async () => {
  const ports = hostPorts({
    exec: { run: async () => ({ ...(await exec.run(['/bin/true'], { timeoutMs: 1000 })), failed: 'EMFILE' }) },
  });
  assert.is(short(await ask(check, { path: '/' }, ports)), 'unknown');
});

test('storage that does not answer is a fault of what the service needs, and no second child is started while one waits', async () => {
  let runs = 0;
  let there = true;
  let mark = '';
  const ports = hostPorts({
    exec: {
      run(argv) {
        runs += 1;
        mark = /wk-disk-\d+-\d+/.exec(argv.join(' '))?.[0] ?? '';
        return exec.run(['/bin/sleep', '5'], { timeoutMs: 60 });
      },
    },
    proc: {
      ...proc,
      byArgv: (pattern) => {
        assert.ok(pattern.test(`stat -f ${mark} /`), 'it looks for its own child');
        const facts = proc.facts(process.pid);
        return there && facts ? [facts] : [];
      },
    },
  });
  const memory = new Map<string, unknown>();
  const look = (): Promise<CheckResult> => ask(check, { path: '/' }, ports, { memory, timeoutMs: 1000 });
  const first = await look();
  assert.is(short(first), 'fail dependency');
  assert.match(first.detail, /^the storage at \/ does not answer, for 0\.\d s now$/);
  assert.is(short(await look()), 'fail dependency');
  assert.is(runs, 1);
  there = false;
  await look();
  assert.is(runs, 2);
});

test('the kernel’s table of mounts', () => {
  const text = [
    '22 27 0:21 / /proc rw,relatime - proc proc rw',
    '27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw',
    '40 27 0:50 / /srv/my\\040mail rw,relatime - ext4 /dev/vdb ro,errors=remount-ro',
    '41 40 0:51 / /srv/my\\040mail rw - tmpfs none rw',
    'garbage',
    '',
  ].join('\n');
  const mounts = parseMounts(text);
  assert.is(mounts.length, 4);
  assert.is(mounts[2]?.readOnly, true, 'the file system itself went read-only');
  assert.is(mountAt(mounts, '/srv/my mail')?.kind, 'tmpfs', 'the newest one shows');
  assert.is(mountAt(mounts, '/nowhere'), null);
});

test('read-only and not mounted', async () => {
  const { ports } = saying(space(500));
  const table = (text: string) => ({ ...ports, files: { ...ports.files, readText: () => text } });
  const readOnly = table('27 1 254:0 / / ro,relatime - ext4 /dev/vda ro\n');
  assert.is(short(await ask(check, { path: '/' }, readOnly)), 'fail no-space');
  const got = await ask(check, { path: '/srv/mail/', mounted: true }, table('27 1 254:0 / / rw - ext4 /dev/vda rw\n'));
  assert.is(short(got), 'fail dependency');
  assert.match(got.detail, 'nothing is mounted at /srv/mail/');
});

test.run();
