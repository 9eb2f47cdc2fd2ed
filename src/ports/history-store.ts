// The history database on the disk: SQLite through libsql, synchronous, so it runs in a worker thread (see
// daemon/history-worker.ts). It may be lost without harm: no decision reads it.
import { closeSync, openSync, renameSync, rmSync } from 'node:fs';
import Database from 'libsql';
import { countOf, mergeRollups, percentileMs, type Rollup } from '../core/rollup.ts';
import type { Cause, Depth, Outcome } from '../core/types.ts';

/** Something that is kept whole. Times: `wall` in ms since 1970, `at` on the daemon's timeline. */
export interface HistoryEvent {
  readonly wall: number;
  readonly at: number;
  readonly service: string | null;
  /** `change`, `failure`, `decision` … */
  readonly kind: string;
  readonly outcome: Outcome | null;
  readonly cause: Cause | null;
  readonly detail: string;
  readonly incident: string | null;
}

/** The results of one depth of one service in one minute (or hour), that begins at `wall`. */
export interface SeriesRollup {
  readonly service: string;
  readonly depth: Depth;
  readonly wall: number;
  readonly rollup: Rollup;
}

export interface RollupQuery {
  readonly service?: string;
  readonly depth?: Depth;
  /** ms since 1970; from is within, to is not. */
  readonly from: number;
  readonly to: number;
  /** Width of a row of the answer; at least a minute. */
  readonly stepMs: number;
  readonly limit?: number;
}

export interface EventQuery {
  readonly service?: string;
  readonly incident?: string;
  readonly from?: number;
  readonly to?: number;
  readonly limit?: number;
}

/** A row of a chart. Times in ms. */
export interface ChartRow {
  readonly service: string;
  readonly depth: Depth;
  readonly wall: number;
  readonly counts: Readonly<Record<Outcome, number>>;
  readonly avgMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  readonly p95Ms: number;
}

export interface HistoryStore {
  write(rollups: readonly SeriesRollup[], events: readonly HistoryEvent[]): void;
  /** Oldest first. */
  rollups(query: RollupQuery): ChartRow[];
  /** Newest first. */
  events(query: EventQuery): HistoryEvent[];
  /** Deletes what is older, and merges old minutes into hours. Returns how many rows went. */
  purge(beforeWall: number, minutesBeforeWall: number): number;
  close(): void;
}

const VERSION = 1;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** A wall clock that jumped ahead by years must not empty the history at one stroke. */
const MOST_AT_ONCE_MS = 7 * DAY_MS;
const MAX_ROWS = 5000;
const MAX_DETAIL = 4096;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS schema (version INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, service TEXT NOT NULL, depth TEXT NOT NULL, UNIQUE (service, depth));
  CREATE TABLE IF NOT EXISTS rollup (
    series INTEGER NOT NULL, step INTEGER NOT NULL, wall INTEGER NOT NULL,
    pass INTEGER NOT NULL, degraded INTEGER NOT NULL, fail INTEGER NOT NULL, unknown INTEGER NOT NULL,
    sum REAL NOT NULL, min REAL NOT NULL, max REAL NOT NULL, buckets TEXT NOT NULL,
    PRIMARY KEY (series, step, wall)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY, wall INTEGER NOT NULL, at REAL NOT NULL, service TEXT, kind TEXT NOT NULL,
    outcome TEXT, cause TEXT, detail TEXT NOT NULL, incident TEXT);
  CREATE INDEX IF NOT EXISTS event_wall ON event (wall);
  CREATE INDEX IF NOT EXISTS event_service ON event (service, wall);
  CREATE INDEX IF NOT EXISTS event_incident ON event (incident, wall);
`;

interface RollupRow {
  readonly series: number;
  readonly wall: number;
  readonly pass: number;
  readonly degraded: number;
  readonly fail: number;
  readonly unknown: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly buckets: string;
}

const toRollup = (row: RollupRow): Rollup => ({
  counts: { pass: row.pass, degraded: row.degraded, fail: row.fail, unknown: row.unknown },
  sumMs: row.sum,
  minMs: row.min,
  maxMs: row.max,
  buckets: JSON.parse(row.buckets) as Record<number, number>,
});

function openDatabase(path: string, maxBytes: number): Database.Database {
  // Created here, so that nobody else may read it.
  closeSync(openSync(path, 'a', 0o600));
  const database = new Database(path);
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000;');
    database.exec(`PRAGMA cache_size = -512; PRAGMA journal_size_limit = 4194304;`);
    database.exec(`PRAGMA max_page_count = ${Math.floor(maxBytes / 4096)}; ${SCHEMA}`);
    const known = database.prepare('SELECT version FROM schema').get() as { version: number } | undefined;
    if (!known) database.prepare('INSERT INTO schema (version) VALUES (?)').run(VERSION);
    else if (known.version !== VERSION) throw codeError('SQLITE_SCHEMA_VERSION', `its schema is ${known.version}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

const codeError = (code: string, detail: string): Error => Object.assign(new Error(detail), { code });

/** Faults of the file itself: it is set aside, and a new one begun. */
export function isDamage(error: unknown): boolean {
  const { code = '' } = error as { code?: string };
  return /^SQLITE_(CORRUPT|NOTADB|SCHEMA_VERSION)/.test(code);
}

/** Renames the database to `PATH.damaged`, which replaces an earlier one. */
export function setAside(path: string): void {
  renameSync(path, `${path}.damaged`);
  for (const end of ['-wal', '-shm']) rmSync(path + end, { force: true });
}

/** Opens or creates the database. Throws an Error with a `code`; for those of `isDamage` the file can be set aside. */
export function openHistoryStore(path: string, maxBytes: number): HistoryStore {
  const database = openDatabase(path, maxBytes);
  const all = <R>(sql: string, ...values: unknown[]): R[] => database.prepare(sql).all(...values) as R[];
  const write = statements(database);
  return {
    write: (rollups, events) =>
      atomically(database, () => {
        for (const row of rollups) write.merge(write.series(row.service, row.depth), MINUTE_MS, row.wall, row.rollup);
        for (const event of events) write.event(event);
      }),
    rollups: (query) => charts(all, query),
    events(query) {
      const { service, incident, from = 0, to = Number.MAX_SAFE_INTEGER, limit = 500 } = query;
      return all<HistoryEvent>(
        `SELECT wall, at, service, kind, outcome, cause, detail, incident FROM event
         WHERE wall >= ? AND wall < ? AND (? IS NULL OR service = ?) AND (? IS NULL OR incident = ?)
         ORDER BY wall DESC, id DESC LIMIT ?`,
        ...[from, to, service ?? null, service ?? null, incident ?? null, incident ?? null, Math.min(limit, MAX_ROWS)],
      );
    },
    purge: (before, minutesBefore) => purge(database, write.merge, before, minutesBefore),
    close: () => void database.close(),
  };
}

function atomically<R>(database: Database.Database, work: () => R): R {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    // A full disk has rolled back by itself.
    if (database.inTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

type Merge = (series: number, step: number, wall: number, rollup: Rollup) => void;

function statements(database: Database.Database) {
  const findSeries = database.prepare('SELECT id FROM series WHERE service = ? AND depth = ?');
  const addSeries = database.prepare('INSERT INTO series (service, depth) VALUES (?, ?)');
  const find = database.prepare('SELECT * FROM rollup WHERE series = ? AND step = ? AND wall = ?');
  const put = database.prepare('INSERT OR REPLACE INTO rollup VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)');
  const addEvent = database.prepare(
    'INSERT INTO event (wall, at, service, kind, outcome, cause, detail, incident) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const merge: Merge = (series, step, wall, rollup) => {
    const old = find.get(series, step, wall) as RollupRow | undefined;
    const { counts, sumMs, minMs, maxMs, buckets } = old ? mergeRollups(toRollup(old), rollup) : rollup;
    const { pass, degraded, fail, unknown } = counts;
    put.run(series, step, wall, pass, degraded, fail, unknown, sumMs, minMs, maxMs, JSON.stringify(buckets));
  };
  return {
    series(service: string, depth: Depth): number {
      const found = findSeries.get(service, depth) as { id: number } | undefined;
      return found ? found.id : Number(addSeries.run(service, depth).lastInsertRowid);
    },
    merge,
    event(event: HistoryEvent): void {
      const { wall, at, service, kind, outcome, cause, detail, incident } = event;
      addEvent.run(wall, at, service, kind, outcome, cause, detail.slice(0, MAX_DETAIL), incident);
    },
  };
}

/** Merges the stored minutes and hours to rows as wide as asked for. */
function charts(all: <R>(sql: string, ...values: unknown[]) => R[], query: RollupQuery): ChartRow[] {
  const { service = null, depth = null, from, to } = query;
  const step = Math.max(MINUTE_MS, query.stepMs);
  const limit = Math.min(query.limit ?? MAX_ROWS, MAX_ROWS);
  const series = all<{ id: number; service: string; depth: Depth }>(
    'SELECT id, service, depth FROM series WHERE (? IS NULL OR service = ?) AND (? IS NULL OR depth = ?) ORDER BY 2, 3',
    ...[service, service, depth, depth],
  );
  const rows: ChartRow[] = [];
  for (const { id, ...name } of series) {
    const merged = new Map<number, Rollup>();
    const stored = all<RollupRow>(
      'SELECT * FROM rollup WHERE series = ? AND step IN (?, ?) AND wall >= ? AND wall < ?',
      id,
      MINUTE_MS,
      HOUR_MS,
      from,
      to,
    );
    for (const row of stored) {
      const wall = Math.floor(row.wall / step) * step;
      const before = merged.get(wall);
      merged.set(wall, before ? mergeRollups(before, toRollup(row)) : toRollup(row));
    }
    for (const [wall, rollup] of merged)
      rows.push({
        ...name,
        wall,
        counts: rollup.counts,
        avgMs: rollup.sumMs / countOf(rollup),
        minMs: rollup.minMs,
        maxMs: rollup.maxMs,
        p95Ms: percentileMs(rollup, 0.95),
      });
  }
  return rows.sort((one, other) => one.wall - other.wall).slice(-limit);
}

function purge(database: Database.Database, merge: Merge, before: number, minutesBefore: number): number {
  const oldest = database
    .prepare(
      'SELECT min(wall) AS wall FROM (SELECT min(wall) AS wall FROM rollup UNION ALL SELECT min(wall) FROM event)',
    )
    .get() as { wall: number | null };
  if (oldest.wall === null) return 0;
  const edge = Math.min(before, oldest.wall + MOST_AT_ONCE_MS);
  const gone = atomically(database, () => {
    const rollups = database.prepare('DELETE FROM rollup WHERE wall < ?').run(edge).changes;
    return rollups + database.prepare('DELETE FROM event WHERE wall < ?').run(edge).changes;
  });
  return gone + mergeMinutes(database, merge, minutesBefore);
}

/** Minutes before `edge` become hours: one transaction an hour, so that a crash loses and doubles nothing. */
function mergeMinutes(database: Database.Database, merge: Merge, edge: number): number {
  // The numbers stand in the text: bound ones would be floating point, and divide as such.
  const hours = database
    .prepare(`SELECT DISTINCT wall / ${HOUR_MS} * ${HOUR_MS} AS hour FROM rollup WHERE step = ? AND wall < ? LIMIT 400`)
    .all(MINUTE_MS, Math.floor(edge / HOUR_MS) * HOUR_MS) as { hour: number }[];
  const minutes = database.prepare('SELECT * FROM rollup WHERE step = ? AND wall >= ? AND wall < ?');
  const remove = database.prepare('DELETE FROM rollup WHERE step = ? AND wall >= ? AND wall < ?');
  let gone = 0;
  for (const { hour } of hours)
    atomically(database, () => {
      const range = [MINUTE_MS, hour, hour + HOUR_MS] as const;
      for (const row of minutes.all(...range) as RollupRow[]) merge(row.series, HOUR_MS, hour, toRollup(row));
      gone += remove.run(...range).changes;
    });
  return gone;
}
