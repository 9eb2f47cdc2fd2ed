// What doveadm(1) says: the table of `service status`, the lines of `log errors`, its exit codes (sysexits(3)).
import { type CheckResult, fail, unknown } from '../define.ts';
import type { ExecResult } from '../ports/exec.ts';
import { lineReader } from './queue.ts';
import { plain } from './quote.ts';
import type { Session } from './session.ts';
import { complaint } from './tool.ts';

export interface ServiceRow {
  readonly name: string;
  readonly count: number;
  readonly avail: number;
  readonly limit: number;
  readonly throttleSecs: number;
  readonly failures: number;
  /** Seconds since 1970 of the last connection that found no room, or 0. */
  readonly dropped: number;
  /** Connections wait to be taken. */
  readonly pending: boolean;
  /** The master itself listens, and would start a process. */
  readonly listening: boolean;
  readonly stopped: boolean;
}

const MAX_ROWS = 500;
const NAME = /^[\w.-]{1,60}$/;

/** The table of `doveadm -f tab service status`, by its header, so that a new column does no harm. */
export function serviceRows(text: string): readonly ServiceRow[] {
  const [head = '', ...lines] = text.split('\n');
  const columns = head.trim().split('\t');
  if (columns[0] !== 'name') return [];
  return lines.slice(0, MAX_ROWS).flatMap((line) => {
    const cells = line.trim().split('\t');
    const cell = (name: string): string => cells[columns.indexOf(name)] ?? '';
    const number = (name: string): number => {
      const value = Number(cell(name));
      return Number.isFinite(value) ? value : 0;
    };
    const row: ServiceRow = {
      name: cell('name'),
      count: number('process_count'),
      avail: number('process_avail'),
      limit: number('process_limit'),
      throttleSecs: number('throttle_secs'),
      failures: number('exit_failures_in_sec'),
      dropped: number('last_drop_warning'),
      pending: cell('listen_pending') === 'y',
      listening: cell('listening') === 'y',
      stopped: cell('doveadm_stop') === 'y',
    };
    return NAME.test(row.name) ? [row] : [];
  });
}

export interface LogErrors {
  readonly count: number;
  /** The newest line of the authentication, and the newest of a process that crashed with the service it was. */
  readonly auth: string | null;
  readonly crash: { readonly part: string | null; readonly text: string } | null;
  readonly last: string | null;
}

const LINE = /^\w{3} +\d+ [\d:]{8} (?:Error|Fatal|Panic): (.*)$/;

/** Sums up `doveadm log errors`, as it comes. */
export function logErrors(): { readonly add: (piece: Buffer) => void; end(): LogErrors } {
  let seen: LogErrors = { count: 0, auth: null, crash: null, last: null };
  const reader = lineReader((line) => {
    const text = LINE.exec(line)?.[1];
    if (text === undefined) return;
    const crashed = /killed with signal \d+|^[\w-]+: Panic:/.test(text) || / Panic: /.test(line.slice(0, 40));
    const part = /service\(([\w-]{1,60})\)/.exec(text)?.[1] ?? /^([\w-]{1,60})[:(]/.exec(text)?.[1] ?? null;
    seen = {
      count: seen.count + 1,
      auth: /^auth(-worker)?\b/.test(text) ? text : seen.auth,
      crash: crashed ? { part, text } : seen.crash,
      last: text,
    };
  });
  return {
    add: reader.add,
    end() {
      reader.end();
      return seen;
    },
  };
}

/** What it means that doveadm could not reach its server at all. Null when it could. */
export function unreachable(result: ExecResult, session: Session): CheckResult | null {
  const { seen } = session;
  const said = result.stderr;
  if (result.timedOut) return fail('hung', `doveadm got no answer in ${Math.round(result.ms)} ms`, seen);
  const why = plain(complaint(result), 200);
  if (/Interrupted system call|timed out/i.test(said)) return fail('hung', `the master does not answer: ${why}`, seen);
  if (/Permission denied/i.test(said)) return unknown(`doveadm may not ask: ${why}`, seen);
  // A socket that is there and is served by nobody, or one that went away with its master.
  if (/(connect|net_connect_unix|read|write)\b.*(Connection refused|Connection reset|Broken pipe)/i.test(said))
    return fail('refusing', `nobody serves Dovecot's own socket: ${why}`, seen);
  if (/net_connect_unix.*No such file/i.test(said))
    return fail('refusing', `Dovecot's own socket is not there: ${why}`, seen);
  if (/configuration|doveconf/i.test(said) || result.code === 78 || result.code === 89)
    return fail('misconfigured', `its configuration cannot be read: ${why}`, seen);
  return result.code === 0 ? null : unknown(`doveadm exits ${result.code}: ${why}`, seen);
}
