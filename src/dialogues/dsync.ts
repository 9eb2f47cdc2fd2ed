// Dovecot's dsync as a way of replication: what doveadm is asked, on this side and on the other one, and what it says.
import type { Ports } from '../define.ts';
import type { ExecResult } from '../ports/exec.ts';
import { PROBE_HEADER, PROBE_TEXT } from './probe-mail.ts';
import { plain } from './quote.ts';
import { complaint } from './tool.ts';

/** `tcp:HOST:PORT`. */
export type FarSide = string;

/** This side, and whom it obeys. */
export interface Here {
  readonly ports: Ports;
  readonly signal: AbortSignal;
  readonly config: string | undefined;
}

const MAX_USERS = 100_000;
/** What a shell at the other end of an ssh would not take for its own, and doveadm not for an option. */
const USER = /^[A-Za-z0-9_][\w.+=@%-]{0,200}$/;
const LOCK_S = '20';
const STALL_S = '30';

const local = ({ config }: Here): string[] => ['doveadm', ...(config === undefined ? [] : ['-c', config])];

export const run = ({ ports, signal }: Here, argv: readonly string[], timeoutMs: number, input?: string) =>
  ports.exec.run(argv, { timeoutMs, signal, maxBytes: 8 * 1024 * 1024, ...(input === undefined ? {} : { input }) });

export function why(got: ExecResult): string {
  if (got.failed !== null) return got.failed;
  return `${got.timedOut ? 'over its time' : (got.signal ?? `exit code ${got.code ?? 'none'}`)}: ${complaint(got)}`;
}

/** Doveadm's own server is not there, or does not answer. */
export const isDown = (got: ExecResult): boolean =>
  got.timedOut || /(connect|net_connect_unix)\b.*(refused|No such file|timed out)|Interrupted system/i.test(got.stderr);

export const doveadm = (here: Here, words: readonly string[], input?: string): Promise<ExecResult> =>
  run(here, [...local(here), ...words], 30_000, input);

/** Users by a mask of the userdb; a text: why not. Names that no command line should carry are left out. */
export async function usersOf(here: Here, mask: string): Promise<{ users: string[]; strange: number } | string> {
  const got = await doveadm(here, ['user', mask]);
  if (got.code !== 0) return `doveadm user: ${why(got)}`;
  if (got.truncated) return 'doveadm user: more users than can be read';
  const names = got.stdout.split('\n').map((line) => line.trim());
  const users = [...new Set(names.filter((name) => USER.test(name)))].slice(0, MAX_USERS);
  return { users, strange: names.filter((name) => name !== '' && !USER.test(name)).length };
}

export const isUser = (name: string): boolean => USER.test(name);

export interface Synced {
  readonly ok: boolean;
  /** For the next run: from where it goes on. */
  readonly state: string | null;
  readonly detail: string;
}

const STATE = /^[A-Za-z0-9+/=]{1,100000}$/;

/** Exit code of a run that a change came into: what it brought is there, and once more brings the rest. */
const AGAIN = 2;
const RUNS = 5;

/** All of one user to the other side, and what came there to here. */
export async function sync(here: Here, user: string, far: FarSide, state: string, ms: number): Promise<Synced> {
  let from = state;
  for (let runs = 1; ; runs += 1) {
    const words = ['sync', '-u', user, '-l', LOCK_S, '-T', STALL_S, '-s', from, far];
    const got = await run(here, [...local(here), ...words], ms);
    if (got.code === 0) {
      const fresh = got.stdout.trim().split('\n').at(-1)?.trim() ?? '';
      return { ok: true, state: STATE.test(fresh) ? fresh : null, detail: 'done' };
    }
    if (got.code !== AGAIN || runs === RUNS || here.signal.aborted) return { ok: false, state: null, detail: why(got) };
    from = '';
  }
}

// -------------------------------------------------------------------------------------------------------- probe mails

export interface ProbeBox {
  readonly user: string;
  readonly mailbox: string;
}

/** Saves a mail that carries a token, and until when (wall, ms) all is at the other side. */
export async function saveProbe(
  here: Here,
  { user, mailbox }: ProbeBox,
  token: string,
  until: number,
): Promise<string | null> {
  // It may be there: that is no trouble.
  await doveadm(here, ['mailbox', 'create', '-u', user, mailbox]);
  const head = [`From: Watchkeeper <${user}>`, `To: <${user}>`, 'Subject: Watchkeeper probe of replication'];
  const time = `Date: ${new Date(until).toUTCString().replace('GMT', '+0000')}`;
  const mail = [
    ...head,
    time,
    `Message-ID: <${token}@watchkeeper.invalid>`,
    `${PROBE_HEADER}: ${token}`,
    '',
    PROBE_TEXT,
  ];
  const got = await doveadm(here, ['save', '-u', user, '-m', mailbox], mail.join('\r\n'));
  return got.code === 0 ? null : `doveadm save: ${why(got)}`;
}

const only = ({ mailbox }: ProbeBox, token: string): string[] => ['mailbox', mailbox, 'header', PROBE_HEADER, token];

/** Is it at the other side? A text: it could not be told. */
export async function arrived(here: Here, box: ProbeBox, token: string, far: FarSide): Promise<boolean | string> {
  const words = ['-u', box.user, ...only(box, token)];
  const argv = [...local(here), 'search', '-S', far.replace(/^tcp:/, ''), ...words];
  const got = await run(here, argv, 15_000);
  return got.code === 0 ? got.stdout.trim() !== '' : why(got);
}

/** All but the newest go; a copy that is asked for its newest one always has one. */
export async function tidyProbes(here: Here, box: ProbeBox, token: string): Promise<void> {
  const others = ['mailbox', box.mailbox, 'header', PROBE_HEADER, 'wk-', 'not', 'header', PROBE_HEADER, token];
  await doveadm(here, ['expunge', '-u', box.user, ...others]);
}

/** Until when all has come here, by the newest probe mail (wall, ms); null: none is here. A result: it could not be
 *  told. */
export async function newestProbe(here: Here, box: ProbeBox): Promise<number | null | ExecResult> {
  const query = ['mailbox', box.mailbox, 'header', PROBE_HEADER, 'wk-'];
  const got = await doveadm(here, ['-f', 'tab', 'fetch', '-u', box.user, 'date.sent.unixtime', ...query]);
  // EX_NOHOST of a mailbox that is not there yet: nothing has come.
  if (got.code === 68) return null;
  if (got.code !== 0) return got;
  const times = got.stdout
    .split('\n')
    .slice(1, 1000)
    .map((line) => Number(line.trim() || 'none') * 1000);
  const sound = times.filter((time) => Number.isFinite(time) && time > 0);
  return sound.length === 0 ? null : Math.max(...sound);
}

// --------------------------------------------------------------------------------------------------------- replicator

export interface ReplicatorRow {
  readonly user: string;
  readonly waits: boolean;
  readonly failed: boolean;
  /** How long ago all of the user was well at the other side; null: never, as far as it knows. */
  readonly successMs: number | null;
}

const AGE = /^(\d{1,6}):(\d\d):(\d\d)$/;

/** `doveadm -f tab replicator status '*'`, by its header. */
export function replicatorRows(text: string): readonly ReplicatorRow[] | null {
  const [head = '', ...lines] = text.split('\n');
  const columns = head.trim().split('\t');
  if (columns[0] !== 'username' || !columns.includes('failed')) return null;
  return lines.slice(0, MAX_USERS).flatMap((line) => {
    const cells = line.trim().split('\t');
    const cell = (name: string): string => cells[columns.indexOf(name)] ?? '';
    const user = plain(cell('username'), 100);
    const [, hours, minutes, seconds] = AGE.exec(cell('success sync')) ?? [];
    const successMs =
      hours === undefined ? null : ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
    const row = { user, waits: cell('priority') !== 'none', failed: cell('failed') !== '-', successMs };
    return user === '' ? [] : [row];
  });
}
