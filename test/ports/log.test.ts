import { spawn } from 'node:child_process';
import { fstatSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isJournal, openLog } from '../../src/ports/log.ts';

const test = suite('log');
const turn = (): Promise<void> => new Promise((done) => setImmediate(done));
const lines = (out: PassThrough): string[] =>
  String(out.read() ?? '')
    .split('\n')
    .slice(0, -1);

test('plain lines have a time, a level, a sentence and fields', () => {
  const out = new PassThrough();
  const log = openLog({ level: 'info', underSystemd: false, out });
  log.info('ready', { services: 3, path: '/a b', empty: '', ok: true, none: null });
  log.debug('not now');
  log.setLevel('debug');
  log.debug('now');
  const [first = '', second = '', ...more] = lines(out);
  assert.match(
    first,
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info {2}ready services=3 path="\/a b" empty="" ok=true none=null$/,
  );
  assert.match(second, / debug now$/);
  assert.is(more.length, 0);
});

test('under systemd: a priority, no time', () => {
  const out = new PassThrough();
  const log = openLog({ level: 'debug', underSystemd: true, out });
  log.error('e');
  log.warn('w');
  log.info('i', { a: 1 });
  log.debug('d');
  assert.equal(lines(out), ['<3>e', '<4>w', '<6>i a=1', '<7>d']);
});

test('text from outside forges no line, no priority, no field and no colour', () => {
  const out = new PassThrough();
  const log = openLog({ level: 'info', underSystemd: true, out });
  log.info('said "x"\n<0>all is lost\x1b[2J', { 'bad\nkey': 'a" b="c\n' });
  assert.equal(lines(out), ['<6>said "x"\\n<0>all is lost\\x1b[2J bad\\nkey="a\\" b=\\"c\\\\n"']);
  log.info('%s %d', { x: 'y'.repeat(100_000) });
  assert.ok((lines(out)[0] ?? '').length < 5000);
});

test('a reader that sleeps costs lines, which are counted and told', async () => {
  const kept: string[] = [];
  let go: (() => void) | undefined;
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      kept.push(String(chunk));
      if (go) done();
      else go = done;
    },
  });
  const log = openLog({ level: 'info', underSystemd: true, out });
  for (let count = 0; count < 2000; count++) log.info('x'.repeat(1000));
  assert.ok(out.writableLength < 1_100_000);
  go?.();
  while (out.writableLength > 0) await turn();
  const before = kept.length;
  log.info('awake');
  await turn();
  assert.equal(kept.slice(before), [`<4>${2000 - before} log lines were dropped\n`, '<6>awake\n']);
});

test('a reader that has gone is no reason to end', async () => {
  const out = new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error('gone'), { code: 'EPIPE' }));
    },
  });
  const log = openLog({ level: 'info', underSystemd: true, out });
  log.info('one');
  await turn();
  log.info('two');
  await log.close();
});

test('a file gets the same lines, and its trouble is told once', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'wk-log-'));
  const out = new PassThrough();
  const file = { path: join(dir, 'wk.log'), maxBytes: 1e6, maxFiles: 1 };
  const log = openLog({ level: 'info', underSystemd: true, out, file });
  for (let count = 0; count < 500; count++) log.info(`line ${count}`);
  await log.close();
  const written = readFileSync(file.path, 'utf8').trimEnd().split('\n');
  assert.is(written.length, 500);
  assert.match(written[499] ?? '', /^\d{4}-.*Z info {2}line 499$/);
  log.info('after the end');

  const full = openLog({ level: 'info', underSystemd: true, out, file: { ...file, path: '/dev/full' } });
  lines(out);
  full.info('a');
  full.info('b');
  await new Promise((done) => setTimeout(done, 100));
  assert.equal(lines(out), ['<6>a', '<6>b', '<4>the log file /dev/full cannot be written: ENOSPC']);
  await full.close();
  rmSync(dir, { recursive: true });
});

test('journald is known by the inode that JOURNAL_STREAM names', () => {
  const { dev, ino } = fstatSync(2);
  assert.is(isJournal({ JOURNAL_STREAM: `${dev}:${ino}` }, 1, 2), true);
  assert.is(isJournal({ JOURNAL_STREAM: `${dev}:${ino + 1}`, SYSTEMD_EXEC_PID: '1' }, 1, 2), false);
  assert.is(isJournal({}, 1, 2), false);
  assert.is(isJournal({ JOURNAL_STREAM: '1:2' }, 1, 9999), false);
});

test('a process that ends after close has lost nothing, through a pipe that is read late', async () => {
  const module = new URL('../../src/ports/log.js', import.meta.url).href;
  const script = `const { openLog } = await import(${JSON.stringify(module)});
    const log = openLog({ level: 'info', underSystemd: true, out: process.stderr });
    for (let n = 0; n < 1000; n++) log.info('line ' + n + 'x'.repeat(200));
    await log.close(); process.exit(0);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'ignore', 'pipe'] });
  await new Promise((done) => setTimeout(done, 500));
  let said = '';
  child.stderr.on('data', (data: Buffer) => (said += data.toString()));
  await new Promise((done) => child.on('close', done));
  assert.is(said.trimEnd().split('\n').length, 1000);
});

test.run();
