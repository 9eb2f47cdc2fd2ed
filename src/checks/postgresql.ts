// Does a PostgreSQL answer, and can somebody log in, ask and write there? What the probe does, it does in transactions
// that are rolled back.
import type { Client } from 'pg';
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, unknown, z } from '../define.ts';
import { address, isLoopback, place, placeText, tlsUse } from '../dialogues/endpoint.ts';
import { lent } from '../dialogues/lent.ts';
import { judgeSql, knock, secure } from '../dialogues/postgresql.ts';
import { newToken } from '../dialogues/probe-mail.ts';
import { quote } from '../dialogues/quote.ts';
import { converse, OwnTrouble, type Session, secret } from '../dialogues/session.ts';
import type { Dialogue, Loan } from '../ports/net.ts';

const options = z.strictObject({
  ...place(5432),
  ...tlsUse,
  tls: z.enum(['off', 'offered', 'required']).default('offered').describe('TLS: never, if offered, or else fail.'),
  user: z.string().min(1).max(63).optional().describe('Log in as this role in a DeepCheck.'),
  password: opt.secret('Password of `user`, where the server asks for one.').optional(),
  database: z.string().min(1).max(63).default('postgres').describe('The database to log in to.'),
  query: opt.text('An own question, asked in a transaction that is read only.').optional(),
  expect: opt.text('The first value that `query` must give.').optional(),
  write: opt.flag('Write to a temporary table and read it back. A standby is not written to.').default(false),
  role: z.enum(['any', 'primary', 'replica']).default('any').describe('What it must be.'),
  lag: opt.duration('Degraded when a standby is behind for longer.').prefault('60s'),
});
type Context = CheckContext<z.output<typeof options>>;

/** A session on the server, led by the library. */
interface Database {
  readonly session: Session;
  readonly client: Client;
  readonly loan: Loan;
}

interface SqlAnswer extends Error {
  readonly code: string;
  readonly severity: string;
}
/** An error that the server sent has a severity; all others are of the net, of the library, or our own. */
const isSql = (error: unknown): error is SqlAnswer =>
  typeof (error as { severity?: unknown } | null)?.severity === 'string' &&
  typeof (error as { code?: unknown }).code === 'string';
const isAnswer = (error: unknown): boolean => isSql(error) || error instanceof OwnTrouble;

/** One call of the library. What the server refuses is a verdict. */
async function call<T>(
  on: Database,
  step: string,
  work: () => Promise<T>,
): Promise<{ readonly answer: T } | CheckResult> {
  try {
    return { answer: await lent(on.session, on.loan, step, work, isAnswer) };
  } catch (error) {
    if (!isSql(error)) throw error;
    return judgeSql({ code: error.code, text: error.message }, step, on.session);
  }
}

type Row = readonly (string | null)[];

/** The first row, its values as texts. */
async function ask(on: Database, step: string, text: string): Promise<Row | CheckResult> {
  const asked = await call(on, step, () => on.client.query<(string | null)[]>({ text, rowMode: 'array' }));
  return 'answer' in asked ? (asked.answer.rows[0] ?? []) : asked;
}

const isVerdict = (found: Row | CheckResult): found is CheckResult => 'outcome' in found;

/** In a transaction that ends with the session's time on the server too, and leaves nothing. */
async function inTransaction(
  on: Database,
  kind: 'READ ONLY' | 'READ WRITE',
  work: () => Promise<CheckResult | null>,
): Promise<CheckResult | null> {
  const limit = Math.max(1, Math.round(on.session.left()));
  for (const text of [`BEGIN ${kind}`, `SET LOCAL statement_timeout = ${limit}`]) {
    const begun = await ask(on, text.split(' ')[0] ?? '', text);
    if (isVerdict(begun)) return begun;
  }
  const bad = await work();
  const over = await ask(on, 'ROLLBACK', 'ROLLBACK');
  return bad ?? (isVerdict(over) ? over : null);
}

/** Seconds behind: none if all that came is done and somebody sends; else since the last change that was done, or since
 *  its start. */
const STATE = `SELECT pg_is_in_recovery(), CASE WHEN NOT pg_is_in_recovery() THEN NULL
  WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0
  ELSE extract(epoch FROM clock_timestamp() - coalesce(pg_last_xact_replay_timestamp(), pg_postmaster_start_time())) END`;

async function state(context: Context, on: Database): Promise<boolean | CheckResult> {
  const { role, lag } = context.options;
  const row = await ask(on, 'state', STATE);
  if (isVerdict(row)) return row;
  const replica = row[0] === 't';
  const { seen } = on.session;
  if (role !== 'any' && replica !== (role === 'replica')) {
    return fail('misconfigured', `it is a ${replica ? 'standby' : 'primary'}, not a ${role}`, seen);
  }
  const behind = Number(row[1] ?? Number.NaN);
  if (Number.isNaN(behind)) return replica;
  on.session.measure('behind', behind, 's');
  if (behind * 1000 <= lag) return replica;
  return degraded('dependency', `this standby is ${behind.toFixed(0)} s behind its primary`, seen);
}

async function own(context: Context, on: Database): Promise<CheckResult | null> {
  const { query, expect } = context.options;
  if (query === undefined) return null;
  const row = await ask(on, 'query', query);
  if (isVerdict(row)) return row;
  if (expect === undefined || row[0] === expect) return null;
  const got = row.length === 0 ? 'no row' : quote(row[0] ?? 'NULL', 60);
  return fail('misconfigured', `the query gives ${got}, not ${quote(expect, 60)}`, on.session.seen);
}

async function write(on: Database): Promise<CheckResult | null> {
  const token = newToken();
  for (const [step, text] of [
    ['CREATE', 'CREATE TEMPORARY TABLE watchkeeper_probe (token text) ON COMMIT DROP'],
    ['INSERT', `INSERT INTO watchkeeper_probe VALUES ('${token}')`],
  ] as const) {
    const done = await ask(on, step, text);
    if (isVerdict(done)) return done;
  }
  const row = await ask(on, 'read back', 'SELECT token FROM watchkeeper_probe');
  if (isVerdict(row)) return row;
  if (row[0] === token) return null;
  return fail('misconfigured', 'the row that was just written is not there', on.session.seen);
}

async function login(
  context: Context,
  session: Session,
  dialogue: Dialogue,
  user: string,
): Promise<Database | CheckResult> {
  const { password, database } = context.options;
  if (password !== undefined && dialogue.certificate === null && !isLoopback(context.options)) {
    return unknown('the probe sends no password over a connection without TLS', session.seen);
  }
  const word = (): string => {
    if (password === undefined) throw new OwnTrouble('the server asks for a password, and the probe has none');
    return secret(context.ports, password);
  };
  const { Client: PgClient } = await import('pg');
  const loan = dialogue.lend({ first: /^[RENv]/ });
  const { socket } = loan;
  // It is connected already, and the library waits to hear so.
  const connect = (): typeof socket => {
    queueMicrotask(() => socket.emit('connect'));
    return socket;
  };
  const client = new PgClient({
    stream: () => Object.assign(socket, { connect }),
    // Every word is said: what is left out the library takes from the environment.
    ...{ host: '127.0.0.1', port: 5432, user, database, password: word, ssl: false, options: '' },
    application_name: 'watchkeeper',
    types: { getTypeParser: () => (text: unknown) => text } as never,
  });
  client.on('error', () => undefined);
  const on = { session, client, loan };
  const entered = await call(on, 'login', () => client.connect());
  return 'answer' in entered ? on : entered;
}

async function deep(context: Context, session: Session, dialogue: Dialogue, user: string): Promise<CheckResult | null> {
  const on = await login(context, session, dialogue, user);
  if ('outcome' in on) return on;
  let replica = false;
  const bad = await inTransaction(on, 'READ ONLY', async () => {
    const one = await ask(on, 'SELECT 1', 'SELECT 1');
    if (isVerdict(one)) return one;
    const found = await state(context, on);
    if (typeof found !== 'boolean') return found;
    replica = found;
    return own(context, on);
  });
  const written =
    bad === null && context.options.write && !replica ? await inTransaction(on, 'READ WRITE', () => write(on)) : null;
  // Its goodbye goes out before the connection is closed; nobody waits for the end.
  on.client.end().catch(() => undefined);
  return bad ?? written;
}

async function talk(context: Context, session: Session): Promise<CheckResult | null> {
  const { options: asked } = context;
  const { user, database } = asked;
  const dialogue = await session.step('connect', () => session.open(address(asked)));
  // Over a unix socket there is no TLS. Without TLS and with a login nothing is asked before it.
  if (asked.path === undefined && (asked.tls !== 'off' || user === undefined)) {
    const refused = await secure(session, dialogue, asked, asked);
    if (refused) return refused;
  }
  if (user === undefined) return null;
  if (context.depth === 'deep') return deep(context, session, dialogue, user);
  const error = await session.step('startup', () => knock(dialogue, user, database));
  // A login that would be refused is for the DeepCheck to tell: the server is well.
  return error === null || error.code.startsWith('28') ? null : judgeSql(error, 'startup', session);
}

export default defineCheck({
  about: 'Quick: a PostgreSQL begins to talk. Deep: log in, SELECT 1, a question, a write, standby and lag.',
  depth: 'both',
  options,
  example: { host: '127.0.0.1', port: 5432, user: 'watchkeeper', password: 'file:/etc/watchkeeper/postgresql' },
  async run(context) {
    const where = placeText(context.options);
    return converse(context, where, async (session) => {
      const started = context.ports.clock.monotonic();
      const bad = await talk(context, session);
      const ms = context.ports.clock.monotonic() - started;
      session.measure('time', ms, 'ms');
      if (bad) return { ...bad, detail: `${where}: ${bad.detail}`, ...session.seen };
      const did = context.depth === 'deep' && context.options.user !== undefined ? 'answers a login' : 'answers';
      return pass(`${where} ${did} (${ms.toFixed(0)} ms)`, session.seen);
    });
  },
});
