import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addResult, emptyRollup } from '../../src/core/rollup.ts';
import {
  type HistoryEvent,
  isDamage,
  openHistoryStore,
  type SeriesRollup,
  setAside,
} from '../../src/ports/history-store.ts';

const test = suite('history-store');
const dir = mkdtempSync(join(tmpdir(), 'wk-store-'));
const BIG = 1e9;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;
const T0 = Date.UTC(2026, 10, 22);

const row = (wall: number, ms: number, service = 'mta'): SeriesRollup => ({
  service,
  depth: 'quick',
  wall,
  rollup: addResult(emptyRollup, 'pass', ms),
});
const event = (wall: number, detail: string, more: Partial<HistoryEvent> = {}): HistoryEvent => ({
  ...{ wall, at: 5.5, service: 'mta', kind: 'change', outcome: null, cause: null, detail, incident: null },
  ...more,
});

test('keeps rows over a restart, and merges a minute that comes in parts', () => {
  const path = join(dir, 'one.db');
  const store = openHistoryStore(path, BIG);
  assert.is(statSync(path).mode & 0o777, 0o600);
  store.write(
    [row(T0, 10), row(T0 + MINUTE, 30)],
    [event(T0, 'first', { outcome: 'fail', cause: 'hung', incident: 'mta-1' })],
  );
  store.close();
  const again = openHistoryStore(path, BIG);
  again.write([row(T0, 20), row(T0, 5, 'store')], [event(T0 + 1, "it's; DROP TABLE event; --")]);
  assert.equal(again.rollups({ service: 'mta', from: T0, to: T0 + HOUR, stepMs: MINUTE }), [
    {
      ...{ service: 'mta', depth: 'quick', wall: T0, counts: { pass: 2, degraded: 0, fail: 0, unknown: 0 } },
      ...{ avgMs: 15, minMs: 10, maxMs: 20, p95Ms: 20 },
    },
    {
      ...{ service: 'mta', depth: 'quick', wall: T0 + MINUTE, counts: { pass: 1, degraded: 0, fail: 0, unknown: 0 } },
      ...{ avgMs: 30, minMs: 30, maxMs: 30, p95Ms: 30 },
    },
  ]);
  assert.is(again.rollups({ from: T0, to: T0 + HOUR, stepMs: HOUR }).length, 2, 'one row a service');
  assert.is(again.rollups({ from: T0, to: T0 + MINUTE, stepMs: 1 }).length, 2, 'to is not within');
  assert.equal(
    again.events({}).map(({ detail }) => detail),
    ["it's; DROP TABLE event; --", 'first'],
  );
  assert.equal(again.events({ incident: 'mta-1' }), [
    event(T0, 'first', { outcome: 'fail', cause: 'hung', incident: 'mta-1' }),
  ]);
  assert.equal(again.events({ service: 'store' }), []);
  assert.is(again.events({ limit: 1 }).length, 1);
  again.close();
});

test('purge deletes the old, makes hours of old minutes, and loses no result', () => {
  const store = openHistoryStore(join(dir, 'purge.db'), BIG);
  for (let minute = 0; minute < 180; minute++) store.write([row(T0 + minute * MINUTE, minute)], []);
  store.write([], [event(T0 - 2 * DAY, 'old'), event(T0, 'new')]);
  assert.is(store.purge(T0 - DAY, T0 + 2 * HOUR + 5 * MINUTE), 1 + 120);
  assert.equal(
    store.events({}).map(({ detail }) => detail),
    ['new'],
  );
  const hours = store.rollups({ from: T0, to: T0 + DAY, stepMs: HOUR });
  assert.equal(
    hours.map(({ counts }) => counts.pass),
    [60, 60, 60],
  );
  assert.equal(
    hours.map(({ minMs, maxMs }) => [minMs, maxMs]),
    [
      [0, 59],
      [60, 119],
      [120, 179],
    ],
  );
  assert.is(
    store.rollups({ from: T0 + 2 * HOUR, to: T0 + DAY, stepMs: MINUTE }).length,
    60,
    'the new ones are minutes',
  );
  assert.is(store.purge(T0 - DAY, T0 + 2 * HOUR), 0);
  store.close();
});

test('a wall clock that jumped by ten years empties a week, not all', () => {
  const store = openHistoryStore(join(dir, 'jump.db'), BIG);
  for (let day = 0; day < 30; day++) store.write([row(T0 + day * DAY, 1)], []);
  store.purge(T0 + 3650 * DAY, 0);
  assert.is(store.rollups({ from: 0, to: T0 + DAY * 100, stepMs: DAY }).length, 23);
  store.close();
});

test('a file that is no database, damaged, or of the future is known as such and can be set aside', () => {
  const path = join(dir, 'bad.db');
  const refused = (): unknown => {
    try {
      openHistoryStore(path, BIG).close();
    } catch (error) {
      return error;
    }
    return null;
  };
  writeFileSync(path, 'no database at all, but long enough to be looked at. '.repeat(100));
  assert.ok(isDamage(refused()), String(refused()));
  setAside(path);
  assert.ok(existsSync(`${path}.damaged`));
  assert.is(refused(), null);
  const future = new Database(path);
  future.exec('UPDATE schema SET version = 99');
  future.close();
  assert.ok(isDamage(refused()), String(refused()));
  setAside(path);
  assert.is(refused(), null);
});

test('a folder that is not there, and a disk that is full, are no damage', () => {
  let code: unknown = null;
  try {
    openHistoryStore(join(dir, 'none', 'x.db'), BIG);
  } catch (error) {
    code = (error as { code?: string }).code;
    assert.not.ok(isDamage(error));
  }
  assert.is(code, 'ENOENT');
  const store = openHistoryStore(join(dir, 'full.db'), 40 * 4096);
  let trouble: unknown = null;
  try {
    for (let count = 0; count < 1000; count++) store.write([], [event(T0, 'x'.repeat(4000))]);
  } catch (error) {
    trouble = error;
  }
  assert.match(String((trouble as { code?: string }).code), /^SQLITE_FULL/);
  assert.not.ok(isDamage(trouble));
  assert.ok(store.events({}).length > 10, 'it can still be read');
  store.close();
});

test.after(() => rmSync(dir, { recursive: true }));
test.run();
