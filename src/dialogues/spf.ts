// SPF as far as it can be judged without a mail (RFC 7208): one record, terms that exist, at most ten look-ups.
import { plain, quote } from './quote.ts';

/** Section 4.6.4: more look-ups than this are an error for ever. */
export const MAX_LOOKUPS = 10;
const MAX_TERMS = 100;
const MECHANISM = /^[+?~-]?(all|include|a|mx|ptr|ip4|ip6|exists)(?:[:/](.*))?$/i;
const MODIFIER = /^([A-Za-z][\w.-]*)=(.*)$/;
const COUNTED = /^(include|a|mx|ptr|exists)$/;

export interface Spf {
  /** Look-ups that its own terms cost. */
  readonly lookups: number;
  /** Domains whose records cost more: of `include` and `redirect`. Those with macros are left out. */
  readonly follow: readonly string[];
  /** What no reader would understand, or null. */
  readonly wrong: string | null;
}

export const isSpf = (record: string): boolean => /^v=spf1(?: |$)/i.test(record);

/** Reads one record. */
export function readSpf(record: string): Spf {
  const terms = record.trim().split(/ +/).slice(1, MAX_TERMS);
  const follow: string[] = [];
  let lookups = 0;
  for (const term of terms) {
    const [, name = '', argument = ''] = MECHANISM.exec(term) ?? [];
    const [, modifier = '', value = ''] = name === '' ? (MODIFIER.exec(term) ?? []) : [];
    const word = (name || modifier).toLowerCase();
    const target = name === '' ? value : argument;
    if (word === '') return { lookups, follow, wrong: `the term ${quote(term, 60)}` };
    if (['include', 'exists', 'redirect', 'ip4', 'ip6'].includes(word) && target === '')
      return { lookups, follow, wrong: `${plain(word)} without a value` };
    if (COUNTED.test(word) || (name === '' && word === 'redirect')) lookups += 1;
    if ((word === 'include' || word === 'redirect') && !target.includes('%')) follow.push(target.toLowerCase());
  }
  return { lookups, follow, wrong: null };
}

export interface SpfVerdict {
  readonly lookups: number;
  readonly wrong: string | null;
}

/** Follows a domain's record. `ask` gives the TXT records of a name. Never asks more than a receiver would. */
export async function judgeSpf(domain: string, ask: (name: string) => Promise<readonly string[]>): Promise<SpfVerdict> {
  const waiting = [domain.toLowerCase()];
  let lookups = 0;
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const found = (await ask(next)).filter(isSpf);
    const where = plain(next, 120);
    if (found.length === 0) return { lookups, wrong: `${where} has no SPF record` };
    if (found.length > 1) return { lookups, wrong: `${where} has ${found.length} SPF records, and only one may be` };
    const read = readSpf(found[0] ?? '');
    if (read.wrong !== null) return { lookups, wrong: `the SPF record of ${where} cannot be read: ${read.wrong}` };
    lookups += read.lookups;
    if (lookups > MAX_LOOKUPS)
      return { lookups, wrong: `the SPF record of ${domain} costs more than ${MAX_LOOKUPS} look-ups` };
    waiting.push(...read.follow);
  }
  return { lookups, wrong: null };
}
