// `watchkeeper history [SERVICE]`: what happened, newest last; `--chart STEP` for counts and response times.
import Table from 'cli-table3';
import { clean } from '../core/clean.ts';
import { durationMs } from '../define.ts';
import type { ChartRow, HistoryEvent } from '../ports/history-store.ts';
import { ask, body, ClientError, socketOf } from './client.ts';
import { EXIT, type Io } from './io.ts';
import { plainBorders } from './status.ts';

export interface HistoryOptions {
  readonly service?: string;
  readonly since: string;
  readonly chart?: string;
  readonly limit: string;
  readonly output: 'table' | 'json';
  readonly socket?: string;
  readonly now: number;
}

const span = (option: string, text: string): number => {
  const ms = durationMs(text);
  if (ms === null) throw new ClientError(EXIT.usage, `${option} ${text}: a duration such as 30m, 12h or 7d`);
  return ms;
};

export async function run(options: HistoryOptions, io: Io): Promise<number> {
  if (!/^[1-9]\d{0,3}$/.test(options.limit))
    throw new ClientError(EXIT.usage, `--limit ${options.limit}: a number from 1 to 9999`);
  const question = new URLSearchParams({
    from: String(options.now - span('--since', options.since)),
    limit: options.limit,
  });
  if (options.service !== undefined) question.set('service', options.service);
  if (options.chart !== undefined) question.set('rollups', String(span('--chart', options.chart)));
  const { rows } = await body<{ readonly rows: readonly object[] }>(
    ask(socketOf(io, options.socket), 'GET', `/api/v1/history?${question.toString()}`),
  );
  if (options.output === 'json') io.out(`${JSON.stringify({ schemaVersion: 1, rows }, null, 2)}\n`);
  else if (options.chart === undefined) events(rows as readonly HistoryEvent[], io);
  else chart(rows as readonly ChartRow[], io);
  return EXIT.done;
}

function events(rows: readonly HistoryEvent[], io: Io): void {
  for (const row of [...rows].sort((a, b) => a.wall - b.wall))
    io.out(
      `${new Date(row.wall).toISOString()} ${clean(row.service ?? '-', 40).padEnd(12)} ${clean(row.detail, 400)}\n`,
    );
}

function chart(rows: readonly ChartRow[], io: Io): void {
  const head = ['from', 'service', 'depth', 'pass', 'degraded', 'fail', 'unknown', 'avg ms', 'p95 ms', 'max ms'];
  const table = new Table({ head, style: { head: [], border: [] }, ...plainBorders });
  const ms = (value: number): string => value.toFixed(1);
  for (const row of rows) {
    const { pass, degraded, fail, unknown } = row.counts;
    table.push([
      new Date(row.wall).toISOString().slice(0, 16),
      clean(row.service, 40),
      row.depth,
      pass,
      degraded,
      fail,
      unknown,
      ms(row.avgMs),
      ms(row.p95Ms),
      ms(row.maxMs),
    ]);
  }
  io.out(`${table.toString()}\n`);
}
