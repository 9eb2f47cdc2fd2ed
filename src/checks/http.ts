// Does a web server answer, with the right status and the right words, and soon enough?
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, z } from '../define.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { authorities, converse, type Session } from '../dialogues/session.ts';
import type { HttpAnswer } from '../ports/http.ts';

const options = z.strictObject({
  url: z
    .string()
    .max(2048)
    .regex(/^https?:\/\/[^\s@]+$/, 'expected http://… or https://… without a user name')
    .describe('What to ask for.'),
  method: z.enum(['GET', 'HEAD']).default('GET').describe('`HEAD` gets no text.'),
  headers: z
    .record(z.string().regex(/^[A-Za-z0-9-]+$/), z.string().max(1024))
    .default({})
    .describe('Sent along, such as `host`.'),
  status: z
    .array(z.number().int().min(100).max(599))
    .min(1)
    .optional()
    .describe('The right answers. Default: 200 to 399. A redirect is an answer; it is not followed.'),
  text: opt.text('The answer must contain this text.').optional(),
  slow: opt.duration('Degraded when the whole answer takes longer.').optional(),
  verify: opt.flag('https: the certificate must be trusted and for this name.').default(true),
  servername: opt.host('https: the name that the certificate must be for, if it is not the one in `url`.').optional(),
  ca: opt.path('PEM file of authorities to trust instead of the well-known ones.').optional(),
  max: opt.size('How much of the answer is read to find the text.').prefault('256K'),
});
type Context = CheckContext<z.output<typeof options>>;

/** A page that says 500 is not mended by a restart of the web server in front of it. */
function badStatus(answer: HttpAnswer, where: string, session: Session): CheckResult {
  const to = answer.headers['location'] ? `, to ${quote(answer.headers['location'], 80)}` : '';
  const said = `${where} answers ${answer.status}${to}`;
  if (answer.status === 502 || answer.status === 504)
    return fail('dependency', `${said}: what is behind it fails`, session.seen);
  if (answer.status === 503) return fail('overloaded', said, session.seen);
  if (answer.status === 429) return degraded('overloaded', said, session.seen);
  return fail('misconfigured', said, session.seen);
}

function judge(answer: HttpAnswer, where: string, context: Context, session: Session): CheckResult {
  const { status, text, slow } = context.options;
  const right = status ? status.includes(answer.status) : answer.status >= 200 && answer.status < 400;
  if (!right) return badStatus(answer, where, session);
  if (text !== undefined && !answer.body.includes(text)) {
    const cut = answer.truncated ? ' (as far as it was read)' : '';
    const begins = answer.body === '' ? 'it is empty' : `it begins with ${quote(answer.body, 60)}`;
    return fail(
      'misconfigured',
      `${where} answers ${answer.status} without ${quote(text, 60)}${cut}; ${begins}`,
      session.seen,
    );
  }
  const told = `${where} answers ${answer.status} in ${answer.ms.toFixed(0)} ms`;
  if (slow !== undefined && answer.ms > slow)
    return degraded('overloaded', `${told}, more than ${slow} ms`, session.seen);
  return pass(told, session.seen);
}

export default defineCheck({
  about: 'One HTTP request: status, a text in the answer, time; redirects are not followed.',
  depth: 'both',
  options,
  example: { url: 'https://webmail.example.org/login', text: 'Password' },
  async run(context) {
    const { url, method, headers, verify, servername, ca, max } = context.options;
    const where = plain(url, 120);
    return converse(context, where, async (session) => {
      const tls = { verify, ...(servername === undefined ? {} : { servername }), ...authorities(context.ports, ca) };
      const { signal, timeoutMs } = session;
      const call = { url, method, headers, tls, signal, timeoutMs, maxBytes: max };
      const answer = await session.step(
        method,
        () => context.ports.http.request(call),
        (seen) => String(seen.status),
      );
      session.measure('time', answer.ms, 'ms');
      session.measure('first-byte', answer.firstByteMs, 'ms');
      session.measure('size', answer.body.length, 'B');
      return judge(answer, where, context, session);
    });
  },
});
