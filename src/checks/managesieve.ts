// Does a ManageSieve server greet, and does it let the probe look at its scripts (RFC 5804)? Nothing is stored there.
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, unknown, z } from '../define.ts';
import { address, implicitTls, isLoopback, place, placeText, tlsOptions, tlsUse } from '../dialogues/endpoint.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { converse, type Session, secret } from '../dialogues/session.ts';
import { type Dialogue, NetError } from '../ports/net.ts';

const options = z.strictObject({
  ...place(4190),
  ...tlsUse,
  user: opt.text('Log in as this user in a DeepCheck. Give the probe an account of its own.').optional(),
  password: opt.secret('Password of `user`.').optional(),
});
type Context = CheckContext<z.output<typeof options>>;

/** A short script that every server must find right. */
const SCRIPT = 'keep;';
const SPACE = 1024;
const MAX_LINES = 500;
const MAX_LITERAL = 16_384;

interface Answer {
  readonly status: 'OK' | 'NO' | 'BYE';
  /** What stands in parentheses, in upper case: `TRYLATER`, `QUOTA/MAXSIZE`; '' without. */
  readonly code: string;
  readonly text: string;
  readonly lines: readonly string[];
}

/** One line; the text of a literal takes the place of its announcement. */
async function readLine(dialogue: Dialogue): Promise<string> {
  const line = await dialogue.readLine();
  const found = /\{(\d{1,10})\+?\}$/.exec(line);
  if (!found) return line;
  const size = Number(found[1]);
  if (size > MAX_LITERAL) throw new NetError('too-long', `a literal of ${size} bytes`);
  const literal = await dialogue.readBytes(size);
  return `${line.slice(0, found.index)}"${literal.toString('utf8')}"${await dialogue.readLine()}`;
}

async function readAnswer(dialogue: Dialogue): Promise<Answer> {
  const lines: string[] = [];
  for (;;) {
    const line = await readLine(dialogue);
    const found = /^(OK|NO|BYE)\b ?(?:\(([^)]{1,80})\))?/i.exec(line);
    if (found) {
      const status = found[1]?.toUpperCase() as Answer['status'];
      return { status, code: (found[2] ?? '').toUpperCase(), text: plain(line), lines };
    }
    if (!line.startsWith('"')) throw new NetError('garbled', `not a ManageSieve answer: ${quote(line, 80)}`);
    if (lines.length >= MAX_LINES) throw new NetError('too-long', `an answer of more than ${MAX_LINES} lines`);
    lines.push(line);
  }
}

function ask(session: Session, dialogue: Dialogue, step: string, line = step): Promise<Answer> {
  const call = async (): Promise<Answer> => {
    await dialogue.write(`${line}\r\n`);
    return readAnswer(dialogue);
  };
  return session.step(step, call, (answer) => answer.text);
}

function judge(answer: Answer, step: string, session: Session): CheckResult {
  const said = `${step}: ${quote(answer.text)}`;
  const { seen } = session;
  const { code, text } = answer;
  if (code.startsWith('QUOTA') || /quota|no space|disk full|read-?only/i.test(text))
    return fail('no-space', said, seen);
  if (/too many|limit|busy|overload/i.test(text)) return degraded('overloaded', said, seen);
  if (code.startsWith('TRYLATER') || /internal error|temporary/i.test(text)) return degraded('dependency', said, seen);
  if (/^(ENCRYPT-NEEDED|AUTH-TOO-WEAK|TRANSITION-NEEDED)/.test(code)) return fail('misconfigured', said, seen);
  if (answer.status === 'BYE') return fail('refusing', said, seen);
  if (step === 'AUTHENTICATE') return degraded('credentials', said, seen);
  return fail('misconfigured', said, seen);
}

/** `"SASL" "PLAIN LOGIN"` lines, names and values in upper case. */
const capabilitiesOf = (answer: Answer): ReadonlyMap<string, string> =>
  new Map(
    answer.lines.map((line) => {
      const [, name = '', value = ''] = /^"([^"]*)"(?: "([^"]*)")?/.exec(line) ?? [];
      return [name.toUpperCase(), value.toUpperCase()];
    }),
  );

type Offered = ReadonlyMap<string, string>;
const isVerdict = (found: Offered | CheckResult): found is CheckResult => 'outcome' in found;

/** The greeting: capabilities and an OK. */
async function greeting(session: Session, dialogue: Dialogue, step = 'greeting'): Promise<Offered | CheckResult> {
  const answer = await session.step(
    step,
    () => readAnswer(dialogue),
    (hello) => hello.text,
  );
  if (answer.status !== 'OK') return judge(answer, step, session);
  const offered = capabilitiesOf(answer);
  if (offered.has('SIEVE')) return offered;
  return fail('misconfigured', `${step}: it names no capability SIEVE: ${quote(answer.text)}`, session.seen);
}

async function secure(
  context: Context,
  session: Session,
  dialogue: Dialogue,
  offered: Offered,
): Promise<Offered | CheckResult> {
  const { tls } = context.options;
  if (tls === 'off' || tls === 'implicit') return offered;
  if (!offered.has('STARTTLS')) {
    if (tls === 'offered') return offered;
    return fail('misconfigured', 'STARTTLS is required and the server does not offer it', session.seen);
  }
  const go = await ask(session, dialogue, 'STARTTLS');
  if (go.status !== 'OK') return judge(go, 'STARTTLS', session);
  await session.step(
    'TLS',
    () => dialogue.startTls(tlsOptions(context.ports, context.options, context.options)),
    (seen) => `${seen.protocol} ${seen.subject}`,
  );
  // The server says again what it can do (RFC 5804 section 2.2).
  return greeting(session, dialogue, 'greeting inside');
}

/** LISTSCRIPTS reaches the user's storage: silence there is the storage's. */
async function listed(session: Session, dialogue: Dialogue): Promise<Answer | CheckResult> {
  try {
    return await ask(session, dialogue, 'LISTSCRIPTS');
  } catch (error) {
    if (!(error instanceof NetError) || error.code !== 'timeout') throw error;
    return fail('dependency', 'login is answered, LISTSCRIPTS is not: the storage behind it hangs', session.seen);
  }
}

async function look(session: Session, dialogue: Dialogue, offered: Offered): Promise<CheckResult | null> {
  const scripts = await listed(session, dialogue);
  if ('outcome' in scripts) return scripts;
  if (scripts.status !== 'OK') return judge(scripts, 'LISTSCRIPTS', session);
  session.measure('scripts', scripts.lines.length);
  const space = await ask(session, dialogue, 'HAVESPACE', `HAVESPACE "watchkeeper-probe" ${SPACE}`);
  if (space.status !== 'OK') return judge(space, 'HAVESPACE', session);
  // Servers without a VERSION are older than CHECKSCRIPT.
  if (!offered.has('VERSION')) return null;
  const checked = await ask(session, dialogue, 'CHECKSCRIPT', `CHECKSCRIPT {${SCRIPT.length}+}\r\n${SCRIPT}`);
  return checked.status === 'OK' ? null : judge(checked, 'CHECKSCRIPT', session);
}

async function deep(
  context: Context,
  session: Session,
  dialogue: Dialogue,
  greeted: Offered,
): Promise<CheckResult | null> {
  const offered = await secure(context, session, dialogue, greeted);
  if (isVerdict(offered)) return offered;
  const { user, password } = context.options;
  if (user === undefined || password === undefined) return null;
  if (!/\bPLAIN\b/.test(offered.get('SASL') ?? '')) {
    return fail('misconfigured', 'the server offers no PLAIN login on this connection', session.seen);
  }
  if (dialogue.certificate === null && !isLoopback(context.options)) {
    return unknown('the probe sends no password over a connection without TLS', session.seen);
  }
  const token = Buffer.from(`\0${user}\0${secret(context.ports, password)}`, 'utf8').toString('base64');
  const inside = await ask(session, dialogue, 'AUTHENTICATE', `AUTHENTICATE "PLAIN" "${token}"`);
  return inside.status === 'OK' ? look(session, dialogue, offered) : judge(inside, 'AUTHENTICATE', session);
}

export default defineCheck({
  about: 'Quick: the greeting of a ManageSieve server. Deep: STARTTLS, log in, LISTSCRIPTS, HAVESPACE, CHECKSCRIPT.',
  depth: 'both',
  options,
  example: { host: '127.0.0.1', port: 4190, user: 'probe@example.org', password: 'file:/etc/watchkeeper/probe' },
  async run(context) {
    const where = placeText(context.options);
    return converse(context, where, async (session) => {
      const started = context.ports.clock.monotonic();
      const tls = implicitTls(context.ports, context.options, context.options);
      const dialogue = await session.step('connect', () => session.open({ ...address(context.options), ...tls }));
      const greeted = await greeting(session, dialogue);
      const bad = isVerdict(greeted)
        ? greeted
        : context.depth === 'deep'
          ? await deep(context, session, dialogue, greeted)
          : null;
      const ms = context.ports.clock.monotonic() - started;
      session.measure('time', ms, 'ms');
      await dialogue.write('LOGOUT\r\n').catch(() => undefined);
      if (bad) return { ...bad, detail: `${where}: ${bad.detail}`, ...session.seen };
      const did = context.depth === 'deep' && context.options.user !== undefined ? 'shows scripts' : 'greets';
      return pass(`${where} ${did} (${ms.toFixed(0)} ms)`, session.seen);
    });
  },
});
