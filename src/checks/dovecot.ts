// What Dovecot's own master says of the services below it, and whether somebody can log in at all, asked past IMAP.
// A service that is at fault is named, so that it alone can be repaired.
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, unknown, z } from '../define.ts';
import { type LogErrors, logErrors, type ServiceRow, serviceRows, unreachable } from '../dialogues/doveadm.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { converse, type Session, secret } from '../dialogues/session.ts';
import { otherAddress } from '../dialogues/silent-login.ts';
import { isRun, runTool } from '../dialogues/tool.ts';

const name = z.string().regex(/^[\w-]{1,60}$/, 'expected the name of a Dovecot service such as imap-login');

const options = z.strictObject({
  doveadm: opt.path('The program.').default('/usr/bin/doveadm'),
  config: opt.path('Configuration file, if it is not the usual one (`doveadm -c`).').optional(),
  services: z.array(name).max(50).default([]).describe('These must be served: `imap-login`, `lmtp`, `auth`.'),
  user: z
    .string()
    .max(320)
    .regex(/^[^\s-][^\s]*$/, 'expected a user name')
    .optional()
    .describe('`doveadm auth test` with this user in a DeepCheck. Give the probe an account of its own.'),
  password: opt
    .secret('Password of `user`. doveadm reads it from its standard input, so no list of processes shows it.')
    .optional(),
  errors: opt.count('Degraded when more errors a minute are logged than this, since the last DeepCheck.').default(30),
});
type Context = CheckContext<z.output<typeof options>>;

/** So long after a connection found no room a service still counts as too full. */
const DROP_MS = 60_000;
const MINUTE_MS = 60_000;

const doveadm = ({ options: o }: Context, ...words: readonly string[]): readonly string[] => [
  o.doveadm,
  ...(o.config === undefined ? [] : ['-c', o.config]),
  ...words,
];

/** Connections that wait are usual for a moment: it counts when two looks in a row see them. */
function waiting(context: Context, rows: readonly ServiceRow[]): ServiceRow | null {
  const before = (context.memory.get('pending') as ReadonlySet<string> | undefined) ?? new Set();
  const now = rows.filter((row) => row.pending);
  context.memory.set('pending', new Set(now.map((row) => row.name)));
  return now.find((row) => before.has(row.name)) ?? null;
}

function judgeRows(context: Context, rows: readonly ServiceRow[], session: Session): CheckResult | null {
  const { seen } = session;
  const late = waiting(context, rows);
  const wall = context.ports.clock.wall();
  for (const wanted of context.options.services) {
    const row = rows.find((one) => one.name === wanted);
    if (!row) return fail('misconfigured', `Dovecot has no service ${wanted}`, seen);
    if (row.stopped)
      return { ...degraded('dead', `somebody stopped ${wanted} with doveadm service stop`, seen), part: wanted };
  }
  const unserved = rows.find((row) => !row.listening && row.count === 0 && !row.stopped && row.throttleSecs > 0);
  if (unserved) {
    const { name: part, throttleSecs } = unserved;
    const detail = `${part} fails whenever it is started; the master waits ${throttleSecs} s before each try`;
    return { ...fail('refusing', detail, seen), part };
  }
  const full = rows.find(
    (row) => row.count >= row.limit && row.avail === 0 && (row.pending || wall - row.dropped * 1000 < DROP_MS),
  );
  if (full) {
    const detail = `${full.name} is at its process_limit (${full.limit}) and connections are dropped`;
    return { ...degraded('overloaded', detail, seen), part: full.name };
  }
  if (late) return { ...degraded('overloaded', `connections to ${late.name} wait to be taken`, seen), part: late.name };
  return null;
}

async function services(context: Context, session: Session): Promise<CheckResult | null> {
  const result = await runTool(session, 'service status', doveadm(context, '-f', 'tab', 'service', 'status'));
  if (!isRun(result)) return result;
  const bad = unreachable(result, session);
  if (bad) return bad;
  const rows = serviceRows(result.stdout);
  if (rows.length === 0) return unknown(`doveadm lists no services: ${quote(result.stdout, 80)}`, session.seen);
  session.measure(
    'processes',
    rows.reduce((sum, row) => sum + row.count, 0),
    '',
  );
  return judgeRows(context, rows, session);
}

/** What was logged since then; null when the log could not be asked. */
async function errorsSince(context: Context, session: Session, wallMs: number): Promise<LogErrors | null> {
  const seen = logErrors();
  const argv = doveadm(context, 'log', 'errors', '-s', String(Math.max(0, Math.floor(wallMs / 1000))));
  const result = await runTool(session, 'log errors', argv, { onStdout: seen.add });
  return isRun(result) && result.code === 0 && !result.timedOut ? seen.end() : null;
}

/** So long after a login that failed the next one comes from an address that was never refused. */
const AVOID_MS = 60_000;

/** doveadm itself is made to wait after refused logins, also those of somebody who tries by hand. */
function source({ memory, ports }: Context): readonly string[] {
  const failed = memory.get('login-failed') as number | undefined;
  const lately = failed !== undefined && ports.clock.monotonic() - failed < AVOID_MS;
  return lately ? ['-x', `rip=${otherAddress()}`] : [];
}

/** doveadm exits with the same code for a wrong password and for a table of users that cannot be read: only the log
 *  tells them apart. */
async function login(context: Context, session: Session): Promise<CheckResult | null> {
  const { user, password } = context.options;
  if (user === undefined || password === undefined) return null;
  const input = `${secret(context.ports, password)}\n`;
  const began = context.ports.clock.wall();
  const argv = doveadm(context, 'auth', 'test', ...source(context), user);
  const result = await runTool(session, 'auth test', argv, { input });
  if (!isRun(result)) return result;
  if (result.code !== 0) context.memory.set('login-failed', context.ports.clock.monotonic());
  const part = 'auth';
  const { seen } = session;
  if (result.code === 0) return null;
  if (result.timedOut) return { ...fail('hung', 'auth does not answer a login in time', seen), part };
  if (/connect\(.*failed/.test(result.stderr))
    return { ...fail('refusing', `auth cannot be asked: ${quote(result.stderr)}`, seen), part };
  if (result.code === 75) return { ...degraded('dependency', 'auth cannot tell now (exit 75)', seen), part };
  if (result.code !== 77 && result.code !== 67) {
    return unknown(`doveadm auth test exits ${result.code}: ${quote(result.stderr)}`, seen);
  }
  const logged = await errorsSince(context, session, began);
  if (logged?.auth) return { ...fail('dependency', `nobody can log in: ${quote(logged.auth, 200)}`, seen), part };
  const who = `${quote(user, 80)}`;
  return degraded('credentials', `the login of ${who} is refused: wrong password, or no such user`, seen);
}

async function log(context: Context, session: Session): Promise<CheckResult | null> {
  const now = context.ports.clock.wall();
  const before = context.memory.get('looked') as number | undefined;
  context.memory.set('looked', now);
  // Nothing is said about what was before the first look: somebody may have repaired it.
  if (before === undefined || before > now) return null;
  const logged = await errorsSince(context, session, before);
  if (!logged) return null;
  const rate = (logged.count * MINUTE_MS) / Math.max(MINUTE_MS, now - before);
  session.measure('errors', rate, '');
  if (logged.crash) {
    const { part, text } = logged.crash;
    return { ...degraded('dead', `a process crashed: ${quote(text, 200)}`, session.seen), ...(part ? { part } : {}) };
  }
  if (rate <= context.options.errors) return null;
  const newest = quote(logged.last ?? '', 200);
  return degraded('dependency', `${Math.round(rate)} errors a minute are logged, at last: ${newest}`, session.seen);
}

export default defineCheck({
  about: 'Quick: what Dovecot says of its services. Deep: a login past IMAP and the rate of logged errors too.',
  depth: 'both',
  options,
  example: { services: ['imap-login', 'lmtp'], user: 'probe@example.org', password: 'file:/etc/watchkeeper/probe' },
  async run(context) {
    return converse(context, 'dovecot', async (session) => {
      const deep = async (): Promise<CheckResult | null> =>
        context.depth === 'deep' ? ((await login(context, session)) ?? (await log(context, session))) : null;
      const bad = (await services(context, session)) ?? (await deep());
      if (bad) return { ...bad, detail: plain(bad.detail, 400) };
      const logs = context.depth === 'deep' && context.options.user !== undefined ? ', and users can log in' : '';
      return pass(`Dovecot's services are served${logs}`, session.seen);
    });
  },
});
