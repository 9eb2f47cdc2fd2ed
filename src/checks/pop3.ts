// Does a POP3 server greet, and does it show the probe its mailbox? Nothing is read or deleted there: a POP3 session
// locks the mailbox, so the probe needs an account of its own, and says QUIT.
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, unknown, z } from '../define.ts';
import { address, implicitTls, isLoopback, place, placeText, tlsOptions, tlsUse } from '../dialogues/endpoint.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { converse, type Session, secret } from '../dialogues/session.ts';
import { type Dialogue, NetError } from '../ports/net.ts';

const options = z.strictObject({
  ...place(110),
  ...tlsUse,
  user: opt.text('Log in as this user in a DeepCheck. Give the probe an account of its own.').optional(),
  password: opt.secret('Password of `user`.').optional(),
});
type Context = CheckContext<z.output<typeof options>>;

const MAX_LINES = 2000;
/** Above this LIST asks for one message only. */
const MANY = 1000;

/** Dovecot greets with OK after ten seconds of a dead authentication service, only to say so. */
const WAITING = /Waiting for authentication process/i;
const BUSY = /too many|limit|busy|overload/i;

interface Answer {
  readonly ok: boolean;
  /** What stands in brackets, in upper case: `IN-USE`, `SYS/TEMP`; '' without (RFC 2449, 3206). */
  readonly code: string;
  readonly text: string;
}

async function readAnswer(dialogue: Dialogue): Promise<Answer> {
  const line = await dialogue.readLine();
  const found = /^(\+OK|-ERR)\b ?(?:\[([^\]]{1,40})\])?(.*)$/is.exec(line);
  if (!found) throw new NetError('garbled', `not a POP3 answer: ${quote(line, 80)}`);
  return { ok: found[1] === '+OK', code: (found[2] ?? '').toUpperCase(), text: plain(line) };
}

/** Lines up to the dot. */
async function readList(dialogue: Dialogue): Promise<string[]> {
  const lines: string[] = [];
  for (;;) {
    const line = await dialogue.readLine();
    if (line === '.') return lines;
    if (lines.length >= MAX_LINES) throw new NetError('too-long', `a list of more than ${MAX_LINES} lines`);
    lines.push(line);
  }
}

function ask(session: Session, dialogue: Dialogue, step: string, line = step): Promise<Answer> {
  const call = async (): Promise<Answer> => {
    if (/[\r\n]/.test(line)) throw new NetError('local', 'a command with an end of line in it');
    await dialogue.write(`${line}\r\n`);
    return readAnswer(dialogue);
  };
  return session.step(step, call, (answer) => answer.text);
}

function judge(answer: Answer, step: string, session: Session): CheckResult {
  const said = `${step}: ${quote(answer.text)}`;
  const { seen } = session;
  const { code, text } = answer;
  if (/quota|no space|disk full|read-?only/i.test(text)) return fail('no-space', said, seen);
  if (code === 'IN-USE' || code === 'LOGIN-DELAY' || /too many/i.test(text)) return degraded('overloaded', said, seen);
  // A part behind the server: the directory behind the login, the storage behind the mailbox.
  if (code === 'SYS/TEMP' || /internal error|temporary/i.test(text)) return degraded('dependency', said, seen);
  if (code === 'AUTH') return degraded('credentials', said, seen);
  if (code === '' && /^(PASS|AUTH)$/.test(step)) return degraded('credentials', said, seen);
  return fail('misconfigured', said, seen);
}

async function greeting(session: Session, dialogue: Dialogue): Promise<CheckResult | null> {
  const answer = await session.step(
    'greeting',
    () => readAnswer(dialogue),
    (hello) => hello.text,
  );
  const said = `greeting: ${quote(answer.text)}`;
  if (WAITING.test(answer.text)) return fail('hung', `its authentication does not answer: ${said}`, session.seen);
  if (answer.ok) return null;
  if (answer.code === 'SYS/TEMP') return degraded('dependency', said, session.seen);
  const busy = BUSY.test(answer.text) || answer.code === 'LOGIN-DELAY';
  return busy ? degraded('overloaded', said, session.seen) : fail('refusing', said, session.seen);
}

/** What the server can do; null when it does not know the question, as servers before RFC 2449. */
async function capabilities(session: Session, dialogue: Dialogue): Promise<ReadonlyMap<string, string> | null> {
  const answer = await ask(session, dialogue, 'CAPA');
  if (!answer.ok) return null;
  const lines = await readList(dialogue);
  return new Map(lines.map((line) => [(line.split(' ')[0] ?? '').toUpperCase(), line.toUpperCase()]));
}

type Offered = ReadonlyMap<string, string> | null;
const isVerdict = (found: Offered | CheckResult): found is CheckResult => found !== null && 'outcome' in found;

async function secure(context: Context, session: Session, dialogue: Dialogue): Promise<Offered | CheckResult> {
  const offered = await capabilities(session, dialogue);
  const { tls } = context.options;
  if (tls === 'off' || tls === 'implicit') return offered;
  if (!offered?.has('STLS')) {
    if (tls === 'offered') return offered;
    return fail('misconfigured', 'STLS is required and the server does not offer it', session.seen);
  }
  const go = await ask(session, dialogue, 'STLS');
  if (!go.ok) return judge(go, 'STLS', session);
  await session.step(
    'TLS',
    () => dialogue.startTls(tlsOptions(context.ports, context.options, context.options)),
    (seen) => `${seen.protocol} ${seen.subject}`,
  );
  // What was offered in plain text does not count inside (RFC 2595 section 4).
  return capabilities(session, dialogue);
}

async function login(
  session: Session,
  dialogue: Dialogue,
  offered: Offered,
  account: { readonly user: string; readonly password: string },
): Promise<CheckResult | null> {
  const { user, password } = account;
  if (/ PLAIN\b/.test(offered?.get('SASL') ?? '')) {
    const token = Buffer.from(`\0${user}\0${password}`, 'utf8').toString('base64');
    const answer = await ask(session, dialogue, 'AUTH', `AUTH PLAIN ${token}`);
    return answer.ok ? null : judge(answer, 'AUTH', session);
  }
  if (offered && !offered.has('USER')) {
    return fail('misconfigured', 'the server allows no login on this connection', session.seen);
  }
  const name = await ask(session, dialogue, 'USER', `USER ${user}`);
  if (!name.ok) return judge(name, 'USER', session);
  const answer = await ask(session, dialogue, 'PASS', `PASS ${password}`);
  return answer.ok ? null : judge(answer, 'PASS', session);
}

/** STAT and LIST, which must agree. */
async function look(session: Session, dialogue: Dialogue): Promise<CheckResult | null> {
  const stat = await ask(session, dialogue, 'STAT');
  if (!stat.ok) return judge(stat, 'STAT', session);
  const count = Number(/^\+OK (\d{1,10}) \d+/i.exec(stat.text)?.[1] ?? Number.NaN);
  if (Number.isNaN(count)) return fail('misconfigured', `STAT: ${quote(stat.text)}`, session.seen);
  session.measure('messages', count);
  const many = count > MANY;
  const list = await ask(session, dialogue, 'LIST', many ? 'LIST 1' : 'LIST');
  if (!list.ok) return judge(list, 'LIST', session);
  const listed = many ? count : (await readList(dialogue)).length;
  if (listed === count) return null;
  return fail('misconfigured', `STAT says ${count} messages, LIST shows ${listed}`, session.seen);
}

/** Silence at this point, after a login that was answered, is the storage's: no restart in front of it helps. */
async function inStore(session: Session, work: () => Promise<CheckResult | null>): Promise<CheckResult | null> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof NetError) || error.code !== 'timeout') throw error;
    return fail('dependency', 'login is answered, the mailbox is not shown: the mail store hangs', session.seen);
  }
}

async function deep(context: Context, session: Session, dialogue: Dialogue): Promise<CheckResult | null> {
  const offered = await secure(context, session, dialogue);
  if (isVerdict(offered)) return offered;
  const { user, password } = context.options;
  if (user === undefined || password === undefined) return null;
  if (dialogue.certificate === null && !isLoopback(context.options)) {
    return unknown('the probe sends no password over a connection without TLS', session.seen);
  }
  const refused = await login(session, dialogue, offered, { user, password: secret(context.ports, password) });
  return refused ?? inStore(session, () => look(session, dialogue));
}

export default defineCheck({
  about: 'Quick: the greeting of a POP3 server. Deep: STLS, log in, STAT, LIST.',
  depth: 'both',
  options,
  example: { host: '127.0.0.1', port: 110, user: 'probe@example.org', password: 'file:/etc/watchkeeper/probe' },
  async run(context) {
    const where = placeText(context.options);
    return converse(context, where, async (session) => {
      const started = context.ports.clock.monotonic();
      const tls = implicitTls(context.ports, context.options, context.options);
      const dialogue = await session.step('connect', () => session.open({ ...address(context.options), ...tls }));
      const bad =
        (await greeting(session, dialogue)) ??
        (context.depth === 'deep' ? await deep(context, session, dialogue) : null);
      const ms = context.ports.clock.monotonic() - started;
      session.measure('time', ms, 'ms');
      await dialogue.write('QUIT\r\n').catch(() => undefined);
      if (bad) return { ...bad, detail: `${where}: ${bad.detail}`, ...session.seen };
      const did = context.depth === 'deep' && context.options.user !== undefined ? 'shows a mailbox' : 'greets';
      return pass(`${where} ${did} (${ms.toFixed(0)} ms)`, session.seen);
    });
  },
});
