// Is an address of ours on a DNS block list? Others turn our mail away then, and no restart here helps against that.
//
// A list that is gone answers for everything, or for nothing: it is believed only while its test points are right
// (RFC 5782 section 5: 127.0.0.2 is always listed, 127.0.0.1 never).
import { type CheckContext, defineCheck, degraded, pass, unknown, z } from '../define.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { domainName, ResolverTrouble, records, resolver } from '../dialogues/records.ts';
import { converse, type Session } from '../dialogues/session.ts';

const options = z.strictObject({
  addresses: z
    .array(z.union([z.ipv4(), z.ipv6()]))
    .min(1)
    .max(20)
    .describe('Addresses that your mail leaves from.'),
  zones: z
    .array(domainName('A zone.'))
    .min(1)
    .max(20)
    .describe('Lists to ask, such as `zen.example.org`. Mind their terms: many do not answer public resolvers.'),
  server: resolver,
});
type Context = CheckContext<z.output<typeof options>>;

/** So long the test points of a zone need not be asked again. */
const BELIEVED_MS = 3_600_000;

/** The 32 digits of an IPv6 address. */
function nibbles(address: string): string {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const hex = (high: string | undefined, low: string | undefined): string =>
    (Number(high) * 256 + Number(low)).toString(16);
  const plainText = dotted ? `${dotted[1]}${hex(dotted[2], dotted[3])}:${hex(dotted[4], dotted[5])}` : address;
  const [head = '', tail] = plainText.split('::');
  const words = (text: string | undefined): string[] => (text ? text.split(':') : []);
  const missing = 8 - words(head).length - words(tail).length;
  const all = tail === undefined ? words(head) : [...words(head), ...Array<string>(missing).fill('0'), ...words(tail)];
  return all.map((word) => word.padStart(4, '0')).join('');
}

/** The name to ask for (RFC 5782 sections 2.1 and 2.4). */
function question(address: string, zone: string): string {
  const parts = address.includes(':') ? [...nibbles(address)] : address.split('.');
  return `${parts.reverse().join('.')}.${zone}`;
}

/** What a list says: its codes, or nothing. 127.255.255.x is "we do not answer you" by common use. */
async function listed(context: Context, session: Session, address: string, zone: string): Promise<readonly string[]> {
  const found = await records(session, context.options.server, question(address, zone), 'A');
  const refused = found.find((value) => value.startsWith('127.255.255.'));
  if (refused !== undefined) throw new ResolverTrouble(`${zone} does not answer this resolver (${plain(refused, 20)})`);
  return found.filter((value) => value.startsWith('127.'));
}

/** Why a zone is not to be believed, or null. */
async function doubt(context: Context, session: Session, zone: string): Promise<string | null> {
  const key = `believed ${zone}`;
  const now = context.ports.clock.monotonic();
  const since = context.memory.get(key) as number | undefined;
  if (since !== undefined && now - since < BELIEVED_MS) return null;
  context.memory.delete(key);
  const right = await listed(context, session, '127.0.0.2', zone);
  if (right.length === 0) return `${zone} does not list its own test address`;
  const wrong = await listed(context, session, '127.0.0.1', zone);
  if (wrong.length > 0) return `${zone} lists everything, 127.0.0.1 too`;
  context.memory.set(key, now);
  return null;
}

/** The list's own words, if it has any. */
async function reason(context: Context, session: Session, address: string, zone: string): Promise<string> {
  try {
    const [text] = await records(session, context.options.server, question(address, zone), 'TXT');
    return text === undefined ? '' : `: ${quote(text, 120)}`;
  } catch (error) {
    if (error instanceof ResolverTrouble) return '';
    throw error;
  }
}

interface Answer {
  readonly hits: readonly string[];
  readonly doubt: string | null;
}

async function askZone(context: Context, session: Session, zone: string): Promise<Answer> {
  try {
    const doubted = await doubt(context, session, zone);
    if (doubted !== null) return { hits: [], doubt: doubted };
    const hits: string[] = [];
    for (const address of context.options.addresses) {
      const codes = await listed(context, session, address, zone);
      if (codes.length === 0) continue;
      const why = await reason(context, session, address, zone);
      hits.push(`${address} is listed by ${zone} (${plain(codes.join(', '), 60)})${why}`);
    }
    return { hits, doubt: null };
  } catch (error) {
    if (!(error instanceof ResolverTrouble)) throw error;
    return { hits: [], doubt: error.message };
  }
}

export default defineCheck({
  about: 'Asks DNS block lists about addresses of yours, and believes only lists whose test points are right.',
  depth: 'deep',
  options,
  example: { addresses: ['192.0.2.25'], zones: ['bl.example.org'] },
  async run(context) {
    return converse(context, 'block lists', async (session) => {
      const answers = await Promise.all(context.options.zones.map((zone) => askZone(context, session, zone)));
      const hits = answers.flatMap((one) => one.hits);
      const doubts = answers.flatMap((one) => one.doubt ?? []);
      session.measure('listed', hits.length, '');
      if (hits.length > 0) return degraded('dependency', plain(hits.join('; '), 400), session.seen);
      const told = plain(doubts.join('; '), 300);
      if (doubts.length === answers.length) return unknown(`no list can be believed: ${told}`, session.seen);
      const rest = doubts.length > 0 ? ` (not believed: ${told})` : '';
      return pass(`listed by none of ${answers.length - doubts.length} lists${rest}`, session.seen);
    });
  },
});
