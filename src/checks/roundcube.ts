// Can people use Roundcube? It has no process of its own, and it answers 200 when its database is gone: so the login
// form is looked for, and where there is none its own log says why. With an account it logs in, lists a mailbox, and
// logs out: only that shows whether it reaches the message store.
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, unknown, z } from '../define.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { formToken, keepCookies, mailList, messageIn, reasonIn, requestToken } from '../dialogues/roundcube.ts';
import { authorities, converse, type Session, secret } from '../dialogues/session.ts';
import { isRun, runTool } from '../dialogues/tool.ts';
import type { HttpAnswer } from '../ports/http.ts';
import { NetError } from '../ports/net-fault.ts';

const options = z.strictObject({
  url: z
    .string()
    .max(300)
    .regex(/^https?:\/\/[^\s@?#]+\/$/, 'expected http://…/ or https://…/, with a slash at its end')
    .describe('Where it is, as a browser opens it.'),
  user: opt.text('Logs in with this user in a DeepCheck. Give the probe an account of its own.').optional(),
  password: opt.secret('Password of `user`.').optional(),
  server: opt.text('The IMAP server to choose, where the login page offers several.').optional(),
  mailbox: opt.text('The mailbox that is listed.').default('INBOX'),
  log: opt.path('Its own log: where it shows no login form, this says why.').default('/var/log/roundcube/errors.log'),
  slow: opt.duration('Degraded when the login page takes longer.').optional(),
  verify: opt.flag('https: the certificate must be trusted and for this name.').default(true),
  ca: opt.path('https: PEM file of authorities to trust instead of the well-known ones.').optional(),
});
type Context = CheckContext<z.output<typeof options>>;

/** A browser, as far as Roundcube can tell. */
interface Browser {
  readonly context: Context;
  readonly session: Session;
  readonly cookies: Map<string, string>;
  /** How long the login page took. */
  pageMs: number;
}
interface Call {
  readonly query: string;
  readonly form?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
}

const FIRST = 'the login page';
const LOG_BYTES = 16_384;
/** The clock of a file system may be a little behind, and its entries are of whole seconds. */
const LOG_SLACK_MS = 1000;

async function ask(browser: Browser, name: string, { query, form, headers = {} }: Call): Promise<HttpAnswer> {
  const { context, session, cookies } = browser;
  const { url, verify, ca } = context.options;
  const posted = form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' };
  const cookie = [...cookies].map(([key, value]) => `${key}=${value}`).join('; ');
  const answer = await session.step(
    name,
    () =>
      session.ports.http.request({
        url: `${url}${query}`,
        method: form === undefined ? 'GET' : 'POST',
        // Its messages are known in this language.
        headers: { 'accept-language': 'en-US,en', ...(cookie === '' ? {} : { cookie }), ...posted, ...headers },
        ...(form === undefined ? {} : { body: new URLSearchParams(form).toString() }),
        tls: { verify, ...authorities(session.ports, ca) },
        signal: session.signal,
        timeoutMs: session.left(),
      }),
    (seen) => String(seen.status),
  );
  keepCookies(cookies, answer.cookies);
  return answer;
}

/** What its log says since this moment. The log is on the machine that runs Roundcube; elsewhere nothing is known. */
async function reason(browser: Browser, sinceWall: number): Promise<ReturnType<typeof reasonIn>> {
  const { context, session } = browser;
  const { log } = context.options;
  const facts = session.ports.files.facts(log);
  if (!facts || facts.kind !== 'file' || facts.modifiedMs < sinceWall - LOG_SLACK_MS) return null;
  const result = await runTool(session, 'its log', ['tail', '-c', String(LOG_BYTES), '--', log]);
  return isRun(result) && result.code === 0 ? reasonIn(result.stdout, sinceWall - LOG_SLACK_MS) : null;
}

/** An answer that is none of those that are expected: of the web server, of PHP, or of Roundcube's own trouble. */
async function trouble(browser: Browser, answer: HttpAnswer, what: string, sinceWall: number): Promise<CheckResult> {
  const { seen } = browser.session;
  const { status, headers, body } = answer;
  const told = `${what} gives ${status}`;
  const behind = what === FIRST ? 'what runs PHP does not answer' : 'PHP waits for something, mostly for IMAP';
  if (status === 502 || status === 504) return fail('dependency', `${told}: ${behind}`, seen);
  if (status === 503) return fail('overloaded', told, seen);
  if (status >= 300 && status < 400)
    return fail('misconfigured', `${told}, to ${quote(headers['location'] ?? '', 80)}`, seen);
  const without = what === FIRST ? ' and no login form' : ', which is not what was asked for';
  const why = await reason(browser, sinceWall);
  if (why) return fail(why.cause, `${told}${without}: ${quote(why.text, 240)}`, seen);
  const oops = /something went wrong|Internal Error/i.test(body) ? ', it says that something went wrong' : '';
  return fail('misconfigured', `${told}${without}${oops}`, seen);
}

/** The login page; gives its token. */
async function page(browser: Browser): Promise<CheckResult | string> {
  const { context, session } = browser;
  const began = context.ports.clock.wall();
  const answer = await ask(browser, 'login page', { query: '?_task=login' });
  session.measure('time', answer.ms, 'ms');
  const token = formToken(answer.body);
  if (token === null) return trouble(browser, answer, FIRST, began);
  browser.pageMs = answer.ms;
  return token;
}

/** Told only if nothing worse is to be told. */
function late({ context, session, pageMs }: Browser): CheckResult | null {
  const { slow } = context.options;
  if (slow === undefined || pageMs <= slow) return null;
  return degraded('overloaded', `the login page takes ${Math.round(pageMs)} ms, more than ${slow}`, session.seen);
}

/** What it says of a login that did not succeed. */
async function refused(browser: Browser, answer: HttpAnswer, sinceWall: number): Promise<CheckResult> {
  const { seen } = browser.session;
  const message = messageIn(answer.body);
  if (!message?.bad) return trouble(browser, answer, 'the login', sinceWall);
  const said = quote(message.text, 120);
  const why = await reason(browser, sinceWall);
  const logged = why ? `, its log: ${quote(why.text, 200)}` : '';
  if (/storage server|server error/i.test(message.text))
    return fail('dependency', `nobody can log in: ${said}${logged}`, seen);
  // It takes a fault of its database for a wrong password.
  if (why?.database) return fail(why.cause, `nobody can log in: ${said}${logged}`, seen);
  // It could not keep the session from one request to the next: its database, or cookies that are for another name.
  if (/session|request check|invalid request/i.test(message.text))
    return fail('misconfigured', `nobody can log in: ${said}`, seen);
  return degraded('credentials', `the login of the probe is refused: ${said}`, seen);
}

async function listed(browser: Browser, token: string): Promise<CheckResult | null> {
  const { context, session } = browser;
  const query = new URLSearchParams({ _task: 'mail', _action: 'list', _mbox: context.options.mailbox, _remote: '1' });
  const began = context.ports.clock.wall();
  const headers = { 'x-roundcube-request': token, 'x-requested-with': 'XMLHttpRequest' };
  const answer = await ask(browser, 'list', { query: `?${query.toString()}`, headers });
  const list = mailList(answer.body);
  if (list === null) return trouble(browser, answer, 'the list of mail', began);
  session.measure('messages', list.messages, '');
  if (!list.message?.bad) return null;
  return fail('dependency', `the mailbox cannot be listed: ${quote(list.message.text)}`, session.seen);
}

async function login(browser: Browser, token: string): Promise<CheckResult | null> {
  const { context } = browser;
  const { user, password, server } = context.options;
  if (user === undefined || password === undefined) return null;
  const form = {
    ...{ _token: token, _task: 'login', _action: 'login', _timezone: 'UTC', _url: '', _user: user },
    ...{ _pass: secret(context.ports, password), ...(server === undefined ? {} : { _host: server }) },
  };
  const began = context.ports.clock.wall();
  const answer = await ask(browser, 'login', { query: '?_task=login', form });
  const to = /[?&]_task=(\w+).*?_token=([\w-]{1,200})/.exec(answer.headers['location'] ?? '');
  if (answer.status !== 302 || to === null) return refused(browser, answer, began);
  try {
    const mail = await ask(browser, 'mail page', { query: '?_task=mail' });
    const ticket = requestToken(mail.body);
    return ticket === null ? await trouble(browser, mail, 'the mail page', began) : await listed(browser, ticket);
  } finally {
    await ask(browser, 'logout', { query: `?_task=logout&_token=${to[2]}` }).catch(() => undefined);
  }
}

/** The login page came, so that the web server, PHP and the database are well: who is silent now is behind them. */
async function behind(session: Session, work: Promise<CheckResult | null>): Promise<CheckResult | null> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof NetError) || error.code !== 'timeout') throw error;
    return fail(
      'dependency',
      'the login page comes, and a login gets no answer: it waits, mostly for IMAP',
      session.seen,
    );
  }
}

export default defineCheck({
  about:
    "Quick: Roundcube's login form; its log says why there is none. Deep: with an account a login and a list of mail.",
  depth: 'both',
  options,
  example: { url: 'https://webmail.example.org/', user: 'probe@example.org', password: 'file:/etc/watchkeeper/probe' },
  async run(context) {
    const { url, user, password } = context.options;
    if ((user === undefined) !== (password === undefined)) return unknown('user and password are needed both');
    const where = plain(url, 120);
    return converse(context, where, async (session) => {
      const browser: Browser = { context, session, cookies: new Map(), pageMs: 0 };
      const token = await page(browser);
      if (typeof token !== 'string') return { ...token, detail: plain(token.detail, 400) };
      const deep = context.depth === 'deep' ? await behind(session, login(browser, token)) : null;
      const bad = deep ?? late(browser);
      if (bad) return { ...bad, detail: plain(bad.detail, 400) };
      const more = context.depth === 'deep' && user !== undefined ? ', and users can log in and see mail' : '';
      return pass(`${where} shows its login page${more}`, session.seen);
    });
  },
});
