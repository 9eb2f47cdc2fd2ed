import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { appendLine } from '../../src/ports/log-file.ts';

const test = suite('log-file');
const dir = mkdtempSync(join(tmpdir(), 'wk-logfile-'));
const bounds = { maxBytes: 1000, maxFiles: 2 };
const read = (path: string): string => readFileSync(path, 'utf8');

test('appends lines in order, many at once', async () => {
  const path = join(dir, 'order.log');
  const said = await Promise.all(Array.from({ length: 100 }, (_, n) => appendLine(path, `${n}`, bounds)));
  assert.ok(said.every((trouble) => trouble === null));
  assert.is(read(path), Array.from({ length: 100 }, (_, n) => `${n}\n`).join(''));
});

test('sets a full file aside, and keeps so many old ones', async () => {
  const path = join(dir, 'rotate.log');
  for (const letter of 'abcdefgh') assert.is(await appendLine(path, letter.repeat(600), bounds), null);
  assert.is(read(path)[0], 'h');
  assert.is(read(`${path}.1`)[0], 'g');
  assert.is(read(`${path}.2`)[0], 'f');
  assert.not.ok(existsSync(`${path}.3`));
});

test('without old files it begins anew', async () => {
  const path = join(dir, 'single.log');
  for (const letter of 'abc') await appendLine(path, letter.repeat(600), { maxBytes: 1000, maxFiles: 0 });
  assert.is(read(path), `${'c'.repeat(600)}\n`);
  assert.not.ok(existsSync(`${path}.1`));
});

test('goes on after logrotate moved the file', async () => {
  const path = join(dir, 'moved.log');
  await appendLine(path, 'one', bounds);
  renameSync(path, `${path}.old`);
  await appendLine(path, 'two', bounds);
  assert.is(read(path), 'two\n');
});

test('says what is wrong, and works again when it is right', async () => {
  assert.is(await appendLine(join(dir, 'none', 'x.log'), 'x', bounds), 'ENOENT');
  assert.is(await appendLine('/dev/full', 'x', bounds), 'ENOSPC');
  const link = join(dir, 'link.log');
  symlinkSync('/etc/passwd', link);
  assert.is(await appendLine(link, 'x', bounds), 'ELOOP');
  rmSync(link);
  assert.is(await appendLine(link, 'x', bounds), null);
});

test('a FIFO that nobody reads is no place to hang', async () => {
  const fifo = join(dir, 'fifo.log');
  execFileSync('mkfifo', [fifo]);
  const started = performance.now();
  assert.is(await appendLine(fifo, 'x', bounds, 300), 'ENXIO');
  assert.ok(performance.now() - started < 250);
});

test('lines that wait are bounded', async () => {
  const path = join(dir, 'many.log');
  const said = await Promise.all(
    Array.from({ length: 1500 }, () => appendLine(path, 'x', { maxBytes: 1e6, maxFiles: 0 })),
  );
  assert.ok(said.filter((trouble) => trouble === 'EBUSY').length >= 400);
  assert.ok(said.filter((trouble) => trouble === null).length >= 1000);
});

test.after(() => rmSync(dir, { recursive: true }));
test.run();
