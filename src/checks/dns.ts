// Does a DNS server answer a question, and with what it should?
import { type CheckResult, defineCheck, fail, pass, unknown, z } from '../define.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { converse, type Session } from '../dialogues/session.ts';
import { DNS_TYPES, type DnsAnswer } from '../ports/dns.ts';

const options = z.strictObject({
  query: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[^\s\p{Cc}]+$/u, 'expected a domain name')
    .describe('What to ask for.'),
  record: z.enum(DNS_TYPES).default('A').describe('Record type.'),
  server: z
    .string()
    .regex(
      /^(?:[0-9.]+(?::\d{1,5})?|[0-9A-Fa-f:.]+|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?)$/,
      'expected an address, or address:port',
    )
    .optional()
    .describe('Whom to ask: `10.0.0.53`, `127.0.0.1:5353`, `[::1]:5353`. Default: the first resolver of this machine.'),
  expect: z
    .array(z.string().max(512))
    .min(1)
    .optional()
    .describe('These must be among the answers, as `dig +short` shows them.'),
});

const bare = (value: string): string => value.replace(/\.$/, '').toLowerCase();

function judge(answer: DnsAnswer, asked: z.output<typeof options>, session: Session): CheckResult {
  const what = `${asked.query} ${asked.record}`;
  const from = `${answer.server || 'the resolver'}`;
  const { seen } = session;
  // A server that was named is the one that is watched. Without one it is the machine's own resolver, wherever that is:
  // something that the service needs, and that no restart of the service brings back.
  const watched = asked.server !== undefined;
  switch (answer.code) {
    case 'ok':
      break;
    case 'timeout':
      return fail(
        watched ? 'hung' : 'dependency',
        `${from} does not answer (${what}, ${answer.ms.toFixed(0)} ms)`,
        seen,
      );
    case 'closed':
      return fail(watched ? 'refusing' : 'dependency', `nobody listens at ${from} (${what})`, seen);
    case 'server-failure':
      return fail('dependency', `${from} could not find out about ${what} (SERVFAIL)`, seen);
    case 'no-name':
      return fail('misconfigured', `${from} says that ${asked.query} does not exist (NXDOMAIN)`, seen);
    case 'no-data':
      return fail('misconfigured', `${from} has no ${asked.record} record for ${asked.query}`, seen);
    case 'refused':
      return fail('misconfigured', `${from} refuses to answer ${what} (REFUSED)`, seen);
    case 'garbled':
      return fail('misconfigured', `${from} does not answer in DNS`, seen);
    case 'local':
      return unknown(`${what} could not be asked from here`, seen);
  }
  const values = answer.values.map(bare);
  const missing = asked.expect?.filter((value) => !values.includes(bare(value))) ?? [];
  const got = quote(answer.values.join(', '), 120);
  if (missing.length > 0) {
    return fail(
      'misconfigured',
      `${from} answers ${what} with ${got}, without ${quote(missing.join(', '), 120)}`,
      seen,
    );
  }
  return pass(`${from} answers ${what} with ${got} in ${answer.ms.toFixed(0)} ms`, seen);
}

export default defineCheck({
  about: 'Asks one DNS server one question; `expect` names what must be in the answer.',
  depth: 'both',
  options,
  example: { query: 'example.org', record: 'MX', server: '127.0.0.1', expect: ['10 mail.example.org'] },
  async run(context) {
    const { query: name, record: type, server } = context.options;
    return converse(context, server ?? 'the resolver', async (session) => {
      const { signal } = session;
      const question = { name, type, signal, timeoutMs: session.timeoutMs, ...(server ? { server } : {}) };
      const answer = await session.step(
        'ask',
        () => context.ports.dns.ask(question),
        (got) => plain(`${got.code} ${got.values.join(', ')}`),
      );
      session.measure('time', answer.ms, 'ms');
      return judge(answer, context.options, session);
    });
  },
});
