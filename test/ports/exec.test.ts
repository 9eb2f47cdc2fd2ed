import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exec } from '../../src/ports/exec.ts';

const test = suite('exec');
const node = process.execPath;

test('gives code, output and time', async () => {
  const got = await exec.run([node, '-e', 'console.log("out"); console.error("err"); process.exit(3)'], {
    timeoutMs: 5000,
  });
  assert.is(got.code, 3);
  assert.is(got.stdout, 'out\n');
  assert.is(got.stderr, 'err\n');
  assert.is(got.timedOut, false);
});

test('a program that is not there is a value, not a throw', async () => {
  assert.is((await exec.run(['/no/such/program'], { timeoutMs: 1000 })).failed, 'ENOENT');
  const plain = join(mkdtempSync(join(tmpdir(), 'wk-exec-')), 'plain');
  writeFileSync(plain, 'no program', { mode: 0o600 });
  assert.is((await exec.run([plain], { timeoutMs: 1000 })).failed, 'EACCES');
  rmSync(dirname(plain), { recursive: true });
});

test('a grandchild that holds stdout and ignores TERM costs no more than the limit', async () => {
  const script = 'trap "" TERM; (trap "" TERM; sleep 30) & sleep 30';
  const started = performance.now();
  const got = await exec.run(['/bin/sh', '-c', script], { timeoutMs: 200 });
  assert.ok(performance.now() - started < 1000);
  assert.is(got.timedOut, true);
  assert.is(got.code, null);
});

test('a loop that is busy when a program ends still reads what it said', async () => {
  const busy = (ms: number): void => {
    for (const until = performance.now() + ms; performance.now() < until; );
  };
  const word = exec.run(['/bin/sh', '-c', 'sleep 0.3; echo word'], { timeoutMs: 9000 });
  // Output and end of this one are seen in the same turn of the loop. While its output is taken, the other one speaks
  // and ends too: its end is seen in that turn, its output only in the next.
  setTimeout(() => busy(200), 50);
  const onStdout = (): void => {
    busy(500);
    setImmediate(() => busy(200));
  };
  await exec.run(['/bin/sh', '-c', 'sleep 0.1; echo first'], { timeoutMs: 9000, onStdout });
  assert.is((await word).stdout, 'word\n');
});

test('a parent that leaves a child behind ends with its child', async () => {
  const got = await exec.run(['/bin/sh', '-c', 'sleep 30 & echo $!'], { timeoutMs: 5000 });
  assert.is(got.code, 0);
  await new Promise((done) => setTimeout(done, 60));
  const stat = existsSync(`/proc/${got.stdout.trim()}/stat`)
    ? readFileSync(`/proc/${got.stdout.trim()}/stat`, 'utf8')
    : 'Z';
  assert.match(stat, 'Z', 'gone, or dead and not yet collected');
});

test('100 MB of output stays 64 KiB', async () => {
  const got = await exec.run(['/bin/sh', '-c', 'yes | head -c 100000000'], { timeoutMs: 20_000 });
  assert.is(got.code, 0);
  assert.is(got.stdout.length, 65_536);
  assert.is(got.truncated, true);
});

test('no shell, and an environment of its own', async () => {
  process.env['WK_SECRET'] = 'leak';
  const got = await exec.run(['/usr/bin/env'], { timeoutMs: 1000 });
  delete process.env['WK_SECRET'];
  assert.not.match(got.stdout, 'leak');
  const echoed = await exec.run(['/bin/echo', '$(id)'], { timeoutMs: 1000 });
  assert.is(echoed.stdout, '$(id)\n');
});

test('input goes in, and a reader that does not read is no error', async () => {
  assert.is((await exec.run(['/bin/cat'], { timeoutMs: 1000, input: 'hello' })).stdout, 'hello');
  assert.is((await exec.run(['/bin/true'], { timeoutMs: 1000, input: 'x'.repeat(1_000_000) })).code, 0);
});

test('abort ends it at once', async () => {
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 50);
  const got = await exec.run(['/bin/sleep', '30'], { timeoutMs: 20_000, signal: stop.signal });
  assert.ok(got.ms < 1000);
});

test.run();
