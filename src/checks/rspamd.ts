// Does rspamd answer, does it scan, and would it turn spam away? The probe is GTUBE, the text that every spam filter
// must know; it is scanned and goes nowhere.
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, z } from '../define.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { authorities, converse, type Session, secret } from '../dialogues/session.ts';
import type { HttpAnswer } from '../ports/http.ts';

const base = (about: string) =>
  z
    .string()
    .max(300)
    .regex(/^https?:\/\/[^\s@/?#]+$/, 'expected http://HOST:PORT, without a path')
    .describe(about);

const options = z.strictObject({
  url: base('The worker that scans.').default('http://127.0.0.1:11333'),
  controller: base('The controller, for its counters: they must move from one DeepCheck to the next.').optional(),
  password: opt.secret('Password of the controller, if it asks this address for one.').optional(),
  action: z
    .enum(['reject', 'add header', 'rewrite subject', 'soft reject', 'greylist', 'no action'])
    .default('reject')
    .describe('What rspamd must want to do with the test spam.'),
  ca: opt.path('https: PEM file of authorities to trust instead of the well-known ones.').optional(),
});
type Context = CheckContext<z.output<typeof options>>;

/** From two halves: this file is no spam. */
const TEST_SPAM = ['XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STAND', 'ARD-ANTI-UBE-TEST-EMAIL*C.34X'].join('');
const MESSAGE = [
  'From: <watchkeeper@localhost>',
  'To: <watchkeeper@localhost>',
  'Subject: probe of the spam filter',
  'Message-ID: <watchkeeper-gtube@localhost>',
  '',
  TEST_SPAM,
  '',
].join('\r\n');

interface Call {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const ask = (context: Context, session: Session, name: string, call: Call): Promise<HttpAnswer> =>
  session.step(
    name,
    () =>
      session.ports.http.request({
        ...call,
        tls: authorities(session.ports, context.options.ca),
        signal: session.signal,
        timeoutMs: session.left(),
      }),
    (answer) => String(answer.status),
  );

/** A status that is not 200. */
function badStatus(answer: HttpAnswer, what: string, session: Session): CheckResult | null {
  const { status } = answer;
  if (status === 200) return null;
  const said = `${what}: ${status} ${quote(answer.body, 80)}`;
  if (status === 401 || status === 403) return degraded('credentials', said, session.seen);
  if (status === 503 || status === 429) return degraded('overloaded', said, session.seen);
  return fail('misconfigured', said, session.seen);
}

function record(answer: HttpAnswer): Readonly<Record<string, unknown>> | null {
  try {
    const found: unknown = JSON.parse(answer.body);
    return typeof found === 'object' && found !== null && !Array.isArray(found)
      ? (found as Readonly<Record<string, unknown>>)
      : null;
  } catch {
    return null;
  }
}

async function ping(context: Context, session: Session): Promise<CheckResult | null> {
  const answer = await ask(context, session, 'ping', { url: `${context.options.url}/ping` });
  const bad = badStatus(answer, 'ping', session);
  if (bad) return bad;
  if (answer.body.trim() === 'pong') return null;
  return fail('misconfigured', `not rspamd: it answers ping with ${quote(answer.body, 80)}`, session.seen);
}

async function scan(context: Context, session: Session): Promise<CheckResult | null> {
  const { url, action } = context.options;
  const call = { url: `${url}/checkv2`, method: 'POST', headers: { 'content-type': 'text/plain' }, body: MESSAGE };
  const answer = await ask(context, session, 'checkv2', call);
  const bad = badStatus(answer, 'the scan', session);
  if (bad) return bad;
  const found = record(answer);
  const wanted = found?.['action'];
  if (typeof wanted !== 'string') {
    return fail('misconfigured', `the scan: no result of rspamd: ${quote(answer.body, 80)}`, session.seen);
  }
  const { score, required_score: required } = found ?? {};
  if (typeof score === 'number') session.measure('score', score, '');
  if (wanted === action) return null;
  const figures = `score ${plain(String(score), 12)} of ${plain(String(required), 12)}`;
  const detail = `test spam would get ${quote(wanted, 40)}, not "${action}" (${figures})`;
  return fail('misconfigured', detail, session.seen);
}

interface Counted {
  readonly scanned: number;
  readonly uptime: number;
}

/** The counters must have moved: the DeepCheck before this one handed over a message. A restart begins them anew. */
function judgeCounters(context: Context, session: Session, now: Counted): CheckResult | null {
  const past = context.memory.get('counted') as Counted | undefined;
  context.memory.set('counted', now);
  if (!past || now.uptime < past.uptime || now.scanned < past.scanned) return null;
  session.measure('scanned', now.scanned - past.scanned, 'c');
  if (now.scanned > past.scanned) return null;
  const detail = `no message was counted as scanned since the last look (${now.scanned}), though the probe sent one`;
  return degraded('refusing', detail, session.seen);
}

async function counters(context: Context, session: Session): Promise<CheckResult | null> {
  const { controller, password } = context.options;
  if (controller === undefined) return null;
  const headers: Record<string, string> =
    password === undefined ? {} : { password: secret(context.ports, password).trim() };
  const answer = await ask(context, session, 'stat', { url: `${controller}/stat`, headers });
  const bad = badStatus(answer, 'the controller', session);
  if (bad) return bad;
  const found = record(answer);
  const { scanned, uptime } = found ?? {};
  if (typeof scanned !== 'number' || typeof uptime !== 'number') {
    return fail('misconfigured', `the controller: no counters: ${quote(answer.body, 80)}`, session.seen);
  }
  return judgeCounters(context, session, { scanned, uptime });
}

export default defineCheck({
  about: 'Quick: rspamd answers ping. Deep: it wants test spam to be rejected, and its counters move.',
  depth: 'both',
  options,
  example: { controller: 'http://127.0.0.1:11334', password: 'file:/etc/watchkeeper/rspamd' },
  async run(context) {
    const where = plain(context.options.url, 120);
    return converse(context, where, async (session) => {
      const bad =
        (await ping(context, session)) ??
        (context.depth === 'deep' ? ((await scan(context, session)) ?? (await counters(context, session))) : null);
      if (bad) return { ...bad, detail: `${where}: ${bad.detail}`, ...session.seen };
      return pass(`${where} ${context.depth === 'deep' ? 'scans' : 'answers'}`, session.seen);
    });
  },
});
