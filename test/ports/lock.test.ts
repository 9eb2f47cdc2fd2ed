import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type LockError, takeLock } from '../../src/ports/lock.ts';

const test = suite('lock');
const dir = mkdtempSync(join(tmpdir(), 'wk-lock-'));
const module = new URL('../../src/ports/lock.js', import.meta.url).href;

/** Another process that takes the lock and says so. */
function other(path: string): Promise<{ said: string; kill(): Promise<void> }> {
  const script = `const { takeLock } = await import(${JSON.stringify(module)});
    const lock = takeLock(${JSON.stringify(path)}, process.pid);
    console.log(lock === 'held' ? 'held' : 'locked');
    if (lock !== 'held') setInterval(() => lock, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  return new Promise((resolve) => {
    child.stdout.once('data', (data: Buffer) =>
      resolve({
        said: data.toString().trim(),
        kill() {
          child.kill('SIGKILL');
          return ended;
        },
      }),
    );
  });
}

test('only one has it, also within one process, and closing gives it back', () => {
  const path = join(dir, 'run', 'one.lock');
  const first = takeLock(path, 4711);
  assert.is.not(first, 'held');
  assert.is(readFileSync(path, 'utf8'), '4711\n');
  assert.is(takeLock(path, 4712), 'held');
  assert.is(readFileSync(path, 'utf8'), '4711\n', 'who was refused wrote nothing');
  if (first !== 'held') {
    first.close();
    first.close();
  }
  const again = takeLock(path, 4713);
  assert.is.not(again, 'held');
  if (again !== 'held') again.close();
});

test('another process holds it until it dies, even by SIGKILL', async () => {
  const path = join(dir, 'two.lock');
  const holder = await other(path);
  assert.is(holder.said, 'locked');
  assert.is(takeLock(path, 1), 'held');
  assert.is((await other(path)).said, 'held');
  await holder.kill();
  const mine = takeLock(path, 1);
  assert.is.not(mine, 'held');
  if (mine !== 'held') mine.close();
});

test('the lock is on the file, not on the text within: a stale pid file locks nobody out', () => {
  const path = join(dir, 'stale.lock');
  writeFileSync(path, '1\n');
  const lock = takeLock(path, 2);
  assert.is.not(lock, 'held');
  assert.is(readFileSync(path, 'utf8'), '2\n');
  if (lock !== 'held') lock.close();
});

test('a child of ours does not inherit the lock', async () => {
  const path = join(dir, 'child.lock');
  const lock = takeLock(path, 1);
  const child = spawn('/bin/sleep', ['30'], { stdio: 'inherit' });
  if (lock !== 'held') lock.close();
  const again = takeLock(path, 1);
  child.kill('SIGKILL');
  assert.is.not(again, 'held');
  if (again !== 'held') again.close();
});

test('a link, and a place that cannot be written, are refused by name', () => {
  const link = join(dir, 'link.lock');
  symlinkSync(join(dir, 'elsewhere'), link);
  for (const [path, code] of [
    [link, 'ELOOP'],
    ['/proc/none/x.lock', 'ENOENT'],
  ] as const) {
    try {
      takeLock(path, 1);
      assert.unreachable(path);
    } catch (error) {
      assert.is((error as LockError).code, code);
      assert.match((error as LockError).message, path);
    }
  }
});

test('a file that is moved away is no longer the lock', () => {
  const path = join(dir, 'moved.lock');
  const first = takeLock(path, 1);
  renameSync(path, `${path}.old`);
  const second = takeLock(path, 2);
  assert.is.not(second, 'held');
  for (const lock of [first, second]) if (lock !== 'held') lock.close();
});

test.after(() => rmSync(dir, { recursive: true }));
test.run();
