import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type History, type HistoryError, type HistoryEvent, openHistory } from '../../src/daemon/history.ts';
import { type Clock, clock } from '../../src/ports/clock.ts';

const test = suite('history');
const dir = mkdtempSync(join(tmpdir(), 'wk-history-'));
const DAY = 86_400_000;
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** The real clock with a hand on the wall time, and a shorter wait before writing is tried again. */
function makeClock(retryMs = 5000): Clock & { at: number } {
  return {
    ...clock,
    at: Date.UTC(2026, 10, 22),
    wall() {
      return this.at;
    },
    after: (ms, run) => clock.after(ms === 5000 ? retryMs : ms, run),
  };
}

interface Opened {
  readonly history: History;
  readonly troubles: (string | null)[];
  readonly time: Clock & { at: number };
}

function open(path: string, time = makeClock(), maxBytes?: number): Opened {
  const troubles: (string | null)[] = [];
  const onTrouble = (detail: string | null): void => void troubles.push(detail);
  const size = maxBytes === undefined ? {} : { maxBytes };
  return { history: openHistory({ path, keepMs: 90 * DAY, clock: time, onTrouble, ...size }), troubles, time };
}

const event = (wall: number, detail: string): HistoryEvent => ({
  ...{ wall, at: 1, service: 'mta', kind: 'change', outcome: null, cause: null, detail, incident: null },
});

test('results become minutes, events stay whole, and both outlive the daemon', async () => {
  const path = join(dir, 'one.db');
  const { history, troubles, time } = open(path);
  for (let second = 0; second < 90; second++) {
    history.result({ service: 'mta', depth: 'quick', outcome: second < 80 ? 'pass' : 'fail', ms: second + 1 });
    time.at += 1000;
  }
  history.event(event(time.at, 'went bad'));
  const range = { from: 0, to: time.at + DAY, stepMs: 60_000 };
  const rows = await history.rollups(range);
  assert.equal(
    rows.map(({ counts, minMs, maxMs, avgMs }) => [counts.pass, counts.fail, minMs, maxMs, avgMs]),
    [
      [60, 0, 1, 60, 30.5],
      [20, 10, 61, 90, 75.5],
    ],
  );
  history.result({ service: 'mta', depth: 'quick', outcome: 'pass', ms: 1 });
  assert.is(await history.close(), 'closed');
  history.event(event(time.at, 'too late'));
  const again = open(path, time);
  assert.is((await again.history.rollups(range))[1]?.counts.pass, 21, 'the open minute was written at the end');
  assert.equal(
    (await again.history.events({})).map(({ detail }) => detail),
    ['went bad'],
  );
  time.at += 200 * DAY;
  assert.is(await again.history.purge(), 3);
  await again.history.close();
  assert.equal([...troubles, ...again.troubles], []);
});

test('without a row there is no thread and no file, and closing twice is fine', async () => {
  const { history } = open(join(dir, 'none.db'));
  assert.is(await history.close(), 'closed');
  assert.is(await history.close(), 'closed');
  assert.not.ok(existsSync(join(dir, 'none.db')));
  const said = await history.events({}).catch((error: HistoryError) => error.code);
  assert.is(said, 'closed');
});

test('a damaged file is set aside, once, and the history goes on', async () => {
  const path = join(dir, 'damaged.db');
  writeFileSync(path, 'this is no database; '.repeat(500));
  const { history, troubles } = open(path);
  history.event(event(1, 'first'));
  assert.equal(
    (await history.events({})).map(({ detail }) => detail),
    ['first'],
  );
  assert.match(troubles[0] ?? '', /^a damaged history database was set aside: SQLITE_NOTADB/);
  assert.equal(troubles.slice(1), [null]);
  assert.match(readFileSync(`${path}.damaged`, 'utf8'), 'this is no database');
  await history.close();
});

test('a file that is damaged while it is open is set aside too', async () => {
  const path = join(dir, 'torn.db');
  const { history, troubles } = open(path);
  for (let count = 0; count < 2000; count++) history.event(event(count, 'x'.repeat(500)));
  await history.events({ limit: 1 });
  await history.close();
  const bytes = readFileSync(path);
  writeFileSync(path, Buffer.concat([bytes.subarray(0, 8192), Buffer.alloc(bytes.length - 8192, 0x5a)]));
  const again = open(path);
  again.history.event(event(1, 'after'));
  const rows = await again.history.events({});
  assert.is(rows[0]?.detail, 'after');
  assert.ok(existsSync(`${path}.damaged`));
  await again.history.close();
  assert.equal(troubles, []);
});

test('what cannot be written waits, is told once, and is written when it can be', async () => {
  const path = join(dir, 'later', 'late.db');
  const { history, troubles } = open(path, makeClock(100));
  history.event(event(1, 'kept'));
  await pause(350);
  assert.is(troubles.length, 1, String(troubles));
  assert.match(troubles[0] ?? '', /cannot be written: .*ENOENT/);
  mkdirSync(join(dir, 'later'));
  await pause(400);
  assert.equal(troubles.slice(1), [null]);
  assert.equal(
    (await history.events({})).map(({ detail }) => detail),
    ['kept'],
  );
  await history.close();
});

test('the queue is bounded: the oldest rows go, are counted, and it is told once', async () => {
  const { history, troubles } = open(join(dir, 'never', 'x.db'));
  for (let count = 0; count < 25_000; count++) history.event(event(count, 'x'));
  await pause(200);
  for (let count = 0; count < 1000; count++) history.event(event(count, 'x'));
  assert.ok(history.dropped >= 15_000 && history.dropped <= 16_000, String(history.dropped));
  assert.ok(troubles.length <= 2, String(troubles));
  assert.ok(troubles.some((text) => text?.includes('dropped')));
  await history.close();
});

test('a disk that hangs holds up nothing but the history', async () => {
  const path = join(dir, 'fifo.db');
  spawnSync('mkfifo', [path]);
  // In a process of its own: the stuck thread would keep this one from ending.
  const module = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
  const script = `
    const { openHistory } = await import(${module('../../src/daemon/history.js')});
    const { clock } = await import(${module('../../src/ports/clock.js')});
    const quick = { ...clock, after: (ms, run) => clock.after(Math.min(ms, 300), run) };
    const onTrouble = (detail) => console.log('trouble', detail);
    const history = openHistory({ path: ${JSON.stringify(path)}, keepMs: 1, clock: quick, onTrouble });
    history.event({ wall: 1, at: 1, service: null, kind: 'change', outcome: null, cause: null, detail: 'x', incident: null });
    let late = 0; let last = performance.now();
    const beat = setInterval(() => { late = Math.max(late, performance.now() - last - 20); last = performance.now(); }, 20);
    console.log('asked', await history.events({}).catch((error) => error.code));
    console.log('closed', await history.close());
    clearInterval(beat);
    console.log('late', late < 200);
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (data: Buffer) => (said += data.toString()));
  await new Promise((done) => child.on('close', done));
  assert.match(said, 'trouble the history database did not answer within 10 s\n');
  assert.match(said, 'asked timeout\nclosed stuck\nlate true\n');
});

test('on a full disk rows wait, and questions are still answered', async () => {
  const { history, troubles } = open(join(dir, 'small.db'), makeClock(50), 20 * 4096);
  history.event(event(1, 'x'.repeat(100_000)));
  assert.is((await history.events({})).length, 1);
  assert.is((await history.events({}))[0]?.detail.length, 4096, 'a long text is cut');
  for (let count = 0; count < 100; count++) history.event(event(count, 'y'.repeat(4000)));
  await pause(200);
  assert.match(troubles[0] ?? '', /full/);
  assert.is((await history.events({})).length > 0, true, 'questions are answered while writing fails');
  assert.is(await history.close(), 'closed');
});

test.after(() => rmSync(dir, { recursive: true, force: true }));
test.run();
