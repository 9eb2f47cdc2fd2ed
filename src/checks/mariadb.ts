// Does a MariaDB (or a MySQL) answer, and can somebody log in, ask and write there? A greeting that nobody answers
// leaves a line in the server's log, and a far server locks out a host that does so too often (max_connect_errors).
// So with an account the QuickCheck logs in as well.
import type { Connection, ConnectionOptions } from 'mysql2';
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, unknown, z } from '../define.ts';
import { address, isLoopback, place, placeText, tlsUse } from '../dialogues/endpoint.ts';
import { lent } from '../dialogues/lent.ts';
import { type Greeting, judgeFault, readGreeting } from '../dialogues/mariadb.ts';
import { newToken } from '../dialogues/probe-mail.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { authorities, converse, type Session, secret } from '../dialogues/session.ts';
import { type Dialogue, type Loan, NetError } from '../ports/net.ts';

const options = z.strictObject({
  ...place(3306),
  ...tlsUse,
  tls: z.enum(['off', 'offered', 'required']).default('offered').describe('TLS: never, if offered, or else fail.'),
  user: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe(
      'Log in as this user, in a QuickCheck too. Without a login a check leaves a line in the log of the server.',
    ),
  password: opt.secret('Password of `user`.').optional(),
  database: z.string().min(1).max(64).optional().describe('The database to log in to. `write` needs one.'),
  query: opt.text('An own question, asked in a transaction that is read only.').optional(),
  expect: opt.text('The first value that `query` must give.').optional(),
  write: opt.flag('Write to a temporary table and read it back. A replica is not written to.').default(false),
  role: z.enum(['any', 'primary', 'replica']).default('any').describe('What it must be.'),
  lag: opt.duration('Degraded when a replica is behind for longer.').prefault('60s'),
});
type Context = CheckContext<z.output<typeof options>>;

/** A session on the server, led by the library. */
interface Database {
  readonly session: Session;
  readonly connection: Connection;
  readonly loan: Loan;
}

interface SqlAnswer extends Error {
  readonly errno: number;
  readonly sqlMessage: string;
}
const isAnswer = (error: unknown): error is SqlAnswer =>
  typeof (error as { sqlMessage?: unknown } | null)?.sqlMessage === 'string';

/** One call of the library. What the server refuses is a verdict, with the number of the error. */
async function call<T>(
  on: Database,
  step: string,
  work: () => Promise<T>,
): Promise<{ readonly answer: T } | { readonly bad: CheckResult; readonly number: number }> {
  try {
    return { answer: await lent(on.session, on.loan, step, work, isAnswer) };
  } catch (error) {
    if (!isAnswer(error)) throw error;
    const bad = judgeFault({ number: error.errno, text: error.sqlMessage }, step, on.session);
    return { bad, number: error.errno };
  }
}

type Row = readonly (string | null)[];
type Named = Readonly<Record<string, string | null>>;

/** All values as texts; rows as lists, because an own question may give its columns any names. */
function run<T extends Row | Named>(connection: Connection, sql: string, rowsAsArray: boolean): Promise<readonly T[]> {
  return new Promise((resolve, reject) => {
    connection.query({ sql, rowsAsArray, typeCast: (field) => field.string() }, (error, rows) =>
      error ? reject(error) : resolve(Array.isArray(rows) ? (rows as unknown as T[]) : []),
    );
  });
}

/** The first row. */
async function ask(on: Database, step: string, sql: string): Promise<Row | CheckResult> {
  const asked = await call(on, step, () => run<Row>(on.connection, sql, true));
  return 'answer' in asked ? (asked.answer[0] ?? []) : asked.bad;
}

const isVerdict = (found: Row | CheckResult): found is CheckResult => 'outcome' in found;

/** The rows of SHOW SLAVE STATUS under the names of either age, or null for a primary. */
async function replicaOf(on: Database): Promise<{ readonly row: Named | null } | CheckResult> {
  const show = (word: string) => () => run<Named>(on.connection, `SHOW ${word} STATUS`, false);
  let shown = await call(on, 'replica status', show('SLAVE'));
  if ('bad' in shown && shown.number === 1064) {
    shown = await call(on, 'replica status', show('REPLICA'));
  }
  return 'answer' in shown ? { row: shown.answer[0] ?? null } : shown.bad;
}

const value = (row: Named, name: RegExp): string => Object.entries(row).find(([key]) => name.test(key))?.[1] ?? '';

function judgeReplica(context: Context, on: Database, row: Named): CheckResult | null {
  const { seen } = on.session;
  const primary = plain(value(row, /^(Master|Source)_Host$/), 60);
  for (const [part, name] of [
    ['does not reach', /_IO_Running$/],
    ['does not follow', /_SQL_Running$/],
  ] as const) {
    if (value(row, name) === 'Yes') continue;
    const why = value(row, name.source.includes('IO') ? /^Last_IO_Error$/ : /^Last_SQL_Error$/);
    const told = why === '' ? '' : `: ${quote(why, 200)}`;
    return degraded('dependency', `this replica ${part} its primary ${primary}${told}`, seen);
  }
  const behind = Number(value(row, /^Seconds_Behind_/) || Number.NaN);
  if (Number.isNaN(behind)) return null;
  on.session.measure('behind', behind, 's');
  if (behind * 1000 <= context.options.lag) return null;
  return degraded('dependency', `this replica is ${behind} s behind its primary ${primary}`, seen);
}

/** Is it a replica? And is it what it must be? Not everybody may ask: then only a wanted role makes that a verdict. */
async function state(context: Context, on: Database, readOnly: boolean): Promise<boolean | CheckResult> {
  const { role } = context.options;
  const found = await replicaOf(on);
  if ('outcome' in found) return role === 'any' && found.cause === 'credentials' ? false : found;
  const { row } = found;
  const { seen } = on.session;
  if (role === 'replica' && row === null) return fail('misconfigured', 'it is no replica', seen);
  if (role === 'primary' && row !== null) return fail('misconfigured', 'it is a replica, not a primary', seen);
  if (role === 'primary' && readOnly) return fail('misconfigured', 'it is a primary that is read only', seen);
  return row === null ? false : (judgeReplica(context, on, row) ?? true);
}

async function own(context: Context, on: Database): Promise<CheckResult | null> {
  const { query, expect } = context.options;
  if (query === undefined) return null;
  const begun = await ask(on, 'START', 'START TRANSACTION READ ONLY');
  if (isVerdict(begun)) return begun;
  const row = await ask(on, 'query', query);
  if (isVerdict(row)) return row;
  const over = await ask(on, 'ROLLBACK', 'ROLLBACK');
  if (isVerdict(over)) return over;
  if (expect === undefined || row[0] === expect) return null;
  const got = row.length === 0 ? 'no row' : quote(row[0] ?? 'NULL', 60);
  return fail('misconfigured', `the query gives ${got}, not ${quote(expect, 60)}`, on.session.seen);
}

async function write(on: Database): Promise<CheckResult | null> {
  const token = newToken();
  for (const [step, sql] of [
    ['CREATE', 'CREATE TEMPORARY TABLE watchkeeper_probe (token varchar(64))'],
    ['INSERT', `INSERT INTO watchkeeper_probe VALUES ('${token}')`],
  ] as const) {
    const done = await ask(on, step, sql);
    if (isVerdict(done)) return done;
  }
  const row = await ask(on, 'read back', 'SELECT token FROM watchkeeper_probe');
  if (isVerdict(row)) return row;
  const gone = await ask(on, 'DROP', 'DROP TEMPORARY TABLE watchkeeper_probe');
  if (isVerdict(gone)) return gone;
  if (row[0] === token) return null;
  return fail('misconfigured', 'the row that was just written is not there', on.session.seen);
}

/** What the library needs for TLS. It checks names only, so an address needs a `servername`. */
function tlsFor(context: Context): Pick<ConnectionOptions, 'host' | 'ssl'> | CheckResult {
  const { host, servername, verify, ca } = context.options;
  const name = servername ?? host;
  if (verify && /^[\d.]+$|:/.test(name)) return unknown('a certificate is checked against a name: set servername');
  return { host: name, ssl: { rejectUnauthorized: verify, verifyIdentity: verify, ...authorities(context.ports, ca) } };
}

/** The library gives its faults in TLS a code of its own, and keeps the words. */
function tlsFault(error: Error): Error {
  if ((error as { code?: string }).code !== 'HANDSHAKE_SSL_ERROR') return error;
  const code = /has expired/i.test(error.message) ? 'CERT_HAS_EXPIRED: ' : '';
  return new NetError('tls', `TLS failed: ${code}${plain(error.message)}`);
}

const connected = (connection: Connection): Promise<void> =>
  new Promise((resolve, reject) => {
    connection.connect((error) => (error ? reject(tlsFault(error)) : resolve()));
  });

async function login(
  context: Context,
  session: Session,
  user: string,
  dialogue: Dialogue,
  greeting: Greeting,
): Promise<Database | CheckResult> {
  const { password, database, tls: wanted, path } = context.options;
  const secure = wanted !== 'off' && greeting.tls && path === undefined;
  if (wanted === 'required' && !secure) {
    return fail('misconfigured', 'TLS is required and the server does not offer it', session.seen);
  }
  if (password !== undefined && !secure && !isLoopback(context.options)) {
    return unknown('the probe sends no password over a connection without TLS', session.seen);
  }
  const word = password === undefined ? '' : secret(context.ports, password);
  const tls = secure ? tlsFor(context) : { host: '127.0.0.1' };
  if ('outcome' in tls) return tls;
  const { createConnection } = await import('mysql2');
  const loan = dialogue.lend({ again: greeting.bytes });
  const connection = createConnection({
    ...{ ...tls, user, password: word, stream: loan.socket, connectTimeout: 0, disableEval: true },
    ...(database === undefined ? {} : { database }),
    connectAttributes: { program_name: 'watchkeeper' },
    // No server may ask for a file of this machine.
    flags: ['-LOCAL_FILES'],
  });
  connection.on('error', () => undefined);
  // It would write a line for each packet out of order.
  connection.on('warn' as 'error', (warning) => {
    throw warning;
  });
  if (secure) {
    const { packetParser } = connection as unknown as { packetParser: { execute(chunk: Buffer): void } };
    const execute = loan.guard((chunk) => packetParser.execute(chunk));
    Object.assign(connection, { packetParser: { execute } });
  }
  const on = { session, connection, loan };
  const entered = await call(on, 'login', () => connected(connection));
  return 'answer' in entered ? on : entered.bad;
}

/** Statements end with the session's time on the server too. MySQL says it otherwise than MariaDB. */
async function limit(on: Database, version: string): Promise<CheckResult | null> {
  const ms = Math.max(1, Math.round(on.session.left()));
  const sql = /mariadb/i.test(version)
    ? `SET SESSION max_statement_time = ${(ms / 1000).toFixed(3)}`
    : `SET SESSION max_execution_time = ${ms}`;
  const set = await ask(on, 'SET', sql);
  return isVerdict(set) ? set : null;
}

async function deep(context: Context, on: Database): Promise<CheckResult | null> {
  const row = await ask(on, 'SELECT 1', 'SELECT 1, VERSION(), @@read_only');
  if (isVerdict(row)) return row;
  const limited = await limit(on, row[1] ?? '');
  if (limited) return limited;
  const replica = await state(context, on, row[2] === '1');
  if (typeof replica !== 'boolean') return replica;
  return (await own(context, on)) ?? (context.options.write && !replica ? await write(on) : null);
}

async function talk(context: Context, session: Session): Promise<CheckResult | null> {
  const { user } = context.options;
  const dialogue = await session.step('connect', () => session.open(address(context.options)));
  const greeting = await session.step(
    'greeting',
    () => readGreeting(dialogue),
    (seen) => ('version' in seen ? seen.version : seen.text),
  );
  if ('number' in greeting) return judgeFault(greeting, 'greeting', session);
  if (user === undefined) return null;
  const on = await login(context, session, user, dialogue, greeting);
  if ('outcome' in on) return on;
  const bad = context.depth === 'deep' ? await deep(context, on) : null;
  // Its goodbye goes out before the connection is closed; nobody waits for the end.
  on.connection.end(() => undefined);
  return bad;
}

export default defineCheck({
  about: 'Quick: the greeting of a MariaDB or MySQL, or a login. Deep: SELECT 1, a question, a write, replica and lag.',
  depth: 'both',
  options,
  example: { host: '127.0.0.1', port: 3306, user: 'watchkeeper', password: 'file:/etc/watchkeeper/mariadb' },
  async run(context) {
    const where = placeText(context.options);
    return converse(context, where, async (session) => {
      const started = context.ports.clock.monotonic();
      const bad = await talk(context, session);
      const ms = context.ports.clock.monotonic() - started;
      session.measure('time', ms, 'ms');
      if (bad) return { ...bad, detail: `${where}: ${bad.detail}`, ...session.seen };
      const did = context.options.user === undefined ? 'greets' : 'answers a login';
      return pass(`${where} ${did} (${ms.toFixed(0)} ms)`, session.seen);
    });
  },
});
