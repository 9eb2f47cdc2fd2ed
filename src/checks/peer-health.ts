// What does a health page in JSON say? Of another node's daemon, of a store, of a product behind this one. What is not
// here cannot be repaired here: unless told otherwise, a bad word of it only degrades.
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, z } from '../define.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { authorities, converse, secret, type Session } from '../dialogues/session.ts';
import type { HttpAnswer } from '../ports/http.ts';

const options = z.strictObject({
  url: z
    .string()
    .max(2048)
    .regex(/^https?:\/\/[^\s@]+$/, 'expected http://… or https://… without a user name')
    .describe('The health page'),
  field: z
    .string()
    .max(200)
    .regex(/^[^.\s]+(\.[^.\s]+)*$/, 'expected names with dots between them, such as status or checks.db.status')
    .default('status')
    .describe('Where its word stands: names, and numbers of a list, with dots between them'),
  expect: z
    .array(z.union([z.string().max(200), z.number(), z.boolean()]))
    .min(1)
    .max(20)
    .default(['ok', 'pass', 'up', 'healthy', 'green', true])
    .describe('Good words; upper and lower case are the same'),
  poor: z.array(z.string().max(200)).max(20).default(['warn', 'degraded', 'yellow']).describe('Words that degrade'),
  own: opt.flag('It is the health page of this very service: a bad word is its failure').default(false),
  token: opt.secret('Sent as a bearer token').optional(),
  verify: opt.flag('https: the certificate must be trusted and for this name').default(true),
  ca: opt.path('PEM file of authorities to trust instead of the well-known ones').optional(),
});
type Context = CheckContext<z.output<typeof options>>;

const MOST_BYTES = 65_536;

/** The value at this path; undefined: there is none. Own properties only: the page is a stranger's. */
export function at(value: unknown, path: string): unknown {
  let here = value;
  for (const name of path.split('.')) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, name)) return undefined;
    here = (here as Record<string, unknown>)[name];
  }
  return here;
}

function parse(answer: HttpAnswer): unknown {
  try {
    return answer.truncated ? undefined : JSON.parse(answer.body);
  } catch {
    return undefined;
  }
}

const same = (one: unknown, other: unknown): boolean =>
  typeof one === 'string' && typeof other === 'string' ? one.toLowerCase() === other.toLowerCase() : one === other;

function judge(answer: HttpAnswer, where: string, context: Context, { seen }: Session): CheckResult {
  const { field, expect, poor } = context.options;
  if (answer.status === 401 || answer.status === 403)
    return fail('credentials', `${where} refuses the probe (${answer.status})`, seen);
  const page = parse(answer);
  // Some say 503 together with the word that tells why: the word is worth more.
  if (page === undefined && answer.status >= 400) return fail('refusing', `${where} answers ${answer.status}`, seen);
  if (page === undefined)
    return fail('misconfigured', `${where} answers ${answer.status} with no JSON: ${quote(answer.body, 60)}`, seen);
  const found = at(page, field);
  if (found === undefined || (typeof found === 'object' && found !== null))
    return fail('misconfigured', `${where} has no word at ${quote(field, 60)}`, seen);
  const text = `${where} says ${field} ${quote(String(found), 60)}`;
  if (expect.some((one) => same(one, found)) && answer.status < 400) return pass(text, seen);
  if (poor.some((one) => same(one, found))) return degraded('dependency', text, seen);
  return fail('refusing', `${text} (status ${answer.status})`, seen);
}

export default defineCheck({
  about: 'Asks a health page in JSON, and compares one of its fields with good words.',
  depth: 'both',
  options,
  example: { url: 'http://192.0.2.12:8642/health', field: 'status', expect: ['ok'] },
  async run(context) {
    const { url, verify, ca, token, own } = context.options;
    const where = plain(url, 120);
    const result = await converse(context, where, async (session) => {
      const { ports } = context;
      const headers: Record<string, string> = { accept: 'application/json' };
      if (token !== undefined) headers['authorization'] = `Bearer ${secret(ports, token)}`;
      const { signal, timeoutMs } = session;
      const tls = { verify, ...authorities(ports, ca) };
      const call = { url, headers, tls, signal, timeoutMs, maxBytes: MOST_BYTES };
      const answer = await session.step(
        'GET',
        () => ports.http.request(call),
        (got) => String(got.status),
      );
      session.measure('time', answer.ms, 'ms');
      return judge(answer, where, context, session);
    });
    if (own || result.outcome !== 'fail' || result.cause === 'credentials') return result;
    return { ...result, outcome: 'degraded', cause: 'dependency' };
  },
});
