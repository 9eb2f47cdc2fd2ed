// `alert list|test`, `silence`, `ack`, `maintenance`: who was told of what, and what people say about it.
import Table from 'cli-table3';
import { clean } from '../core/clean.ts';
import type { Alerts } from '../daemon/status.ts';
import { durationMs } from '../define.ts';
import { ask, body, ClientError, socketOf } from './client.ts';
import { EXIT, type Io } from './io.ts';
import { by, effectText } from './operate.ts';
import { ago, paint, plainBorders } from './status.ts';

export interface Common {
  readonly socket?: string;
  readonly output: 'table' | 'json';
  readonly dryRun?: boolean;
}

const spanOf = (text: string): number => {
  const ms = durationMs(text);
  if (ms === null || ms < 1000) throw new ClientError(EXIT.usage, `--for ${text}: a duration such as 30m or 2h`);
  return ms;
};

const said = (comment: string | undefined): string => {
  if (comment === undefined || comment.trim() === '')
    throw new ClientError(EXIT.usage, '--comment is missing: whoever reads it later wants to know why');
  return comment;
};

interface Answer {
  readonly why: { readonly text: string } | null;
  readonly effects?: readonly Parameters<typeof effectText>[0][];
}

async function tell(path: string, words: object, options: Common, io: Io): Promise<number> {
  const dryRun = options.dryRun === true;
  const told = await body<Answer>(ask(socketOf(io, options.socket), 'POST', path, { ...words, by: by(io), dryRun }));
  if (options.output === 'json') io.out(`${JSON.stringify(told)}\n`);
  else {
    io.out(`${clean(told.why?.text ?? 'nothing to do', 600)}\n`);
    for (const effect of told.effects ?? []) {
      const text = effectText(effect);
      if (text !== null) io.out(`  ${text}\n`);
    }
    if (dryRun) io.err('nothing was changed (--dry-run)\n');
  }
  return EXIT.done;
}

const alerts = (options: Common, io: Io): Promise<Alerts> =>
  body<Alerts>(ask(socketOf(io, options.socket), 'GET', '/api/v1/alerts'));

const tableOf = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const table = new Table({ head: [...head], style: { head: [], border: [] }, ...plainBorders });
  for (const row of rows) table.push([...row]);
  return `${table.toString()}\n`;
};

// ------------------------------------------------------------------------------------------------------------ alerts

export async function list(options: Common, io: Io): Promise<number> {
  const all = await alerts(options, io);
  if (options.output === 'json') io.out(`${JSON.stringify(all, null, 2)}\n`);
  else showAlerts(all, io);
  return EXIT.done;
}

function showAlerts(all: Alerts, io: Io): void {
  if (all.alarms.length === 0) io.out('no alarm is active\n');
  for (const alarm of all.alarms) {
    const colour = alarm.severity === 'critical' || alarm.severity === 'major' ? 'red' : 'yellow';
    io.out(`${paint(io, colour, alarm.severity)} ${clean(alarm.key, 200)}, for ${ago(alarm.raised, all.time)}\n`);
    io.out(`  ${clean(alarm.summary, 400)}\n`);
    const told = alarm.told.map(({ channel }) => clean(channel, 60)).join(', ');
    io.out(
      `  told: ${told === '' ? 'nobody' : told}${alarm.reminders > 0 ? `, ${alarm.reminders} times again` : ''}\n`,
    );
    for (const { channel, why } of alarm.held) io.out(`  not yet ${clean(channel, 60)}: ${clean(why, 200)}\n`);
    if (alarm.ack) {
      const remark = alarm.ack.comment === '' ? '' : `: ${clean(alarm.ack.comment, 200)}`;
      io.out(`  taken on by ${clean(alarm.ack.by, 60)}${remark}\n`);
    }
  }
  for (const one of all.silences) io.out(`${silenceLine(one, all.time)}\n`);
  for (const one of all.maintenance) io.out(`${workLine(one, all.time)}\n`);
  for (const one of all.quiet) io.out(`quiet hours ${clean(one.name, 60)} for ${ago(all.time, one.until)} more\n`);
  const rows = all.channels.map(({ name, waiting, trouble }) => [
    clean(name, 60),
    waiting === 0 ? '' : `${waiting} waiting`,
    trouble === null ? 'delivers' : clean(trouble, Math.max(20, io.width - 40)),
  ]);
  if (rows.length > 0) io.out(tableOf(['channel', 'queue', 'state'], rows));
}

interface Tested {
  readonly ok: boolean;
  readonly detail: string;
  readonly ms: number;
}

/** Sends a test to one channel, and waits until its receiver has taken it: the inform's answer, the 250, the 2xx. */
export async function testChannel(channel: string, options: Common, io: Io): Promise<number> {
  const path = '/api/v1/alert-test';
  const told = await body<Tested>(ask(socketOf(io, options.socket), 'POST', path, { channel }));
  if (options.output === 'json') io.out(`${JSON.stringify(told)}\n`);
  else if (told.ok) io.out(`${clean(channel, 60)}: sent in ${told.ms} ms\n`);
  else io.out(`${clean(channel, 60)}: ${clean(told.detail, 600)}\n`);
  return told.ok ? EXIT.done : EXIT.failed;
}

// ---------------------------------------------------------------------------------------------------------- silences

export interface SilenceOptions extends Common {
  readonly for: string;
  readonly comment?: string;
  readonly severity?: string;
  readonly event: readonly string[];
  readonly key: readonly string[];
  readonly cause: readonly string[];
}

const orNull = (words: readonly string[]): readonly string[] | null => (words.length > 0 ? words : null);

export function silence(services: readonly string[], options: SilenceOptions, io: Io): Promise<number> {
  const { severity = null, event, key, cause } = options;
  if (services.length + event.length + key.length + cause.length === 0 && severity === null)
    throw new ClientError(EXIT.usage, 'silence what? name services, or --severity, --event, --key or --cause');
  return tell(
    '/api/v1/silence',
    {
      ...{ severity, services: orNull(services), events: orNull(event), keys: orNull(key), causes: orNull(cause) },
      ...{ forMs: spanOf(options.for), comment: said(options.comment) },
    },
    options,
    io,
  );
}

type Silence = Alerts['silences'][number];

const silenceLine = (one: Silence, now: string): string => {
  const { severity, services, events, keys, causes } = one.match;
  const parts = [
    ...(services ?? []),
    ...(events ?? []),
    ...(keys ?? []),
    ...(causes ?? []),
    ...(severity === null ? [] : [`${severity} and above`]),
  ];
  const what = clean(parts.join(' '), 200);
  const who = `${clean(one.by, 60)}: ${clean(one.comment, 200)}`;
  return `silence ${clean(one.id, 60)}: ${what}, for ${ago(now, one.until)} more, by ${who}`;
};

export async function silences(options: Common, io: Io): Promise<number> {
  const { silences: all, time } = await alerts(options, io);
  if (options.output === 'json') io.out(`${JSON.stringify({ schemaVersion: 1, silences: all }, null, 2)}\n`);
  else if (all.length === 0) io.out('nothing is silenced\n');
  else for (const one of all) io.out(`${silenceLine(one, time)}\n`);
  return EXIT.done;
}

export const endSilence = (name: string, options: Common, io: Io): Promise<number> =>
  tell('/api/v1/silence/end', { name }, options, io);

export const acknowledge = (what: string, options: Common & { readonly comment?: string }, io: Io): Promise<number> =>
  tell('/api/v1/ack', { what, comment: options.comment ?? '' }, options, io);

// ------------------------------------------------------------------------------------------------------- maintenance

export function maintain(
  name: string,
  services: readonly string[],
  options: Common & { readonly for: string; readonly comment?: string },
  io: Io,
): Promise<number> {
  const words = { name, services, forMs: spanOf(options.for), comment: said(options.comment) };
  return tell('/api/v1/maintenance', words, options, io);
}

type Work = Alerts['maintenance'][number];

const workLine = (one: Work, now: string): string => {
  const what = one.services.length === 0 ? 'no service any more' : clean(one.services.join(' '), 200);
  const who = `${clean(one.by, 60)}: ${clean(one.comment, 200)}`;
  return `maintenance ${clean(one.name, 60)}: ${what}, for ${ago(now, one.until)} more, by ${who}`;
};

export async function works(options: Common, io: Io): Promise<number> {
  const { maintenance: all, time } = await alerts(options, io);
  if (options.output === 'json') io.out(`${JSON.stringify({ schemaVersion: 1, maintenance: all }, null, 2)}\n`);
  else if (all.length === 0) io.out('no maintenance is under way\n');
  else for (const one of all) io.out(`${workLine(one, time)}\n`);
  return EXIT.done;
}

export const endWork = (name: string, options: Common, io: Io): Promise<number> =>
  tell('/api/v1/maintenance/end', { name }, options, io);
