// DNS as a source of facts about mail: one question, and whether its answer is "nothing" or "nobody could tell".
import { z } from '../define.ts';
import type { DnsAnswer, DnsType } from '../ports/dns.ts';
import { plain } from './quote.ts';
import { OwnTrouble, type Session } from './session.ts';

/** The resolver did not tell. Who asks about records gives a verdict of its own for that. */
export class ResolverTrouble extends Error {}

export const resolver = z
  .string()
  .regex(
    /^(?:[0-9.]+(?::\d{1,5})?|[0-9A-Fa-f:.]+|\[[0-9A-Fa-f:.]+\](?::\d{1,5})?)$/,
    'expected an address, or address:port',
  )
  .optional()
  .describe('Whom to ask: `10.0.0.53`, `127.0.0.1:5353`, `[::1]:5353`. Default: the first resolver of this machine.');

export const domainName = (about: string) =>
  z
    .string()
    .max(253)
    .regex(/^(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*$/, 'expected a domain name')
    .describe(about);

/** At most this share of the time for one question, so that a slow one leaves some for the rest. */
const PATIENCE = 0.5;

function trouble(answer: DnsAnswer, what: string): Error {
  const from = answer.server || 'the resolver';
  switch (answer.code) {
    case 'local':
      return new OwnTrouble(`${what} could not be asked from here`);
    case 'timeout':
      return new ResolverTrouble(`${from} does not answer (${what})`);
    case 'closed':
      return new ResolverTrouble(`nobody listens at ${from} (${what})`);
    case 'server-failure':
      return new ResolverTrouble(`${from} could not find out about ${what} (SERVFAIL)`);
    case 'refused':
      return new ResolverTrouble(`${from} refuses to answer ${what} (REFUSED)`);
    default:
      return new ResolverTrouble(`${from} does not answer in DNS (${what})`);
  }
}

/** The records; none when the name or the type is not there. Throws when nobody could tell. */
export async function records(
  session: Session,
  server: string | undefined,
  name: string,
  type: DnsType,
): Promise<readonly string[]> {
  const what = `${plain(name, 120)} ${type}`;
  const answer = await session.step(
    what,
    () =>
      session.ports.dns.ask({
        ...{ name, type, signal: session.signal },
        timeoutMs: Math.max(1, session.left() * PATIENCE),
        ...(server === undefined ? {} : { server }),
      }),
    (got) => `${got.code} ${got.values.join(', ')}`,
  );
  if (answer.code === 'ok') return answer.values;
  if (answer.code === 'no-name' || answer.code === 'no-data') return [];
  throw trouble(answer, what);
}
