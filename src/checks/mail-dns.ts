// Are the records there by which others find and trust the mail of a domain: MX, SPF, DKIM, DMARC?
// A record that is wrong breaks mail as surely as a dead server, and no restart mends it.
import { type CheckContext, type CheckResult, defineCheck, degraded, opt, pass, z } from '../define.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { domainName, ResolverTrouble, records, resolver } from '../dialogues/records.ts';
import { converse, type Session } from '../dialogues/session.ts';
import { judgeSpf } from '../dialogues/spf.ts';

const options = z.strictObject({
  domain: domainName('The domain of your mail.'),
  mx: z
    .array(domainName('A host.'))
    .max(20)
    .optional()
    .describe('These hosts, and no others, must be its MX. Default: there must be one, with an address.'),
  spf: opt.flag('There must be an SPF record that receivers can follow.').default(true),
  dkim: z.array(domainName('A selector.')).max(20).default([]).describe('Selectors that must have a DKIM key.'),
  dmarc: opt.flag('There must be a DMARC record.').default(true),
  server: resolver,
});
type Context = CheckContext<z.output<typeof options>>;

type Ask = (name: string, type: 'A' | 'AAAA' | 'MX' | 'TXT') => Promise<readonly string[]>;

/** Each rule gives a sentence about what is wrong, or null. */
type Rule = (context: Context, session: Session, ask: Ask) => Promise<string | null>;

const MAX_HOSTS = 10;

const mx: Rule = async ({ options: { domain, mx: wanted } }, _session, ask) => {
  const values = await ask(domain, 'MX');
  const hosts = values.map((value) => value.replace(/^\d+ /, '').replace(/\.$/, '').toLowerCase());
  if (hosts.length === 0) return `${domain} has no MX`;
  if (wanted) {
    const expected = wanted.map((host) => host.toLowerCase());
    const missing = expected.filter((host) => !hosts.includes(host));
    const strange = hosts.filter((host) => !expected.includes(host));
    if (missing.length > 0) return `the MX of ${domain} lack ${quote(missing.join(', '), 120)}`;
    if (strange.length > 0) return `${domain} has the strange MX ${quote(strange.join(', '), 120)}`;
  }
  for (const host of hosts.slice(0, MAX_HOSTS)) {
    if (host === '') return `the MX of ${domain} says that it takes no mail`;
    if ((await ask(host, 'A')).length === 0 && (await ask(host, 'AAAA')).length === 0)
      return `the MX ${plain(host, 120)} of ${domain} has no address`;
  }
  return null;
};

const spf: Rule = async ({ options: { domain } }, session, ask) => {
  const { wrong, lookups } = await judgeSpf(domain, (name) => ask(name, 'TXT'));
  session.measure('spf-lookups', lookups, '');
  return wrong;
};

/** `k=v; k=v`, as DKIM and DMARC write it. */
const tags = (record: string): ReadonlyMap<string, string> =>
  new Map(
    record
      .split(';')
      .slice(0, 50)
      .map((part) => /^\s*([A-Za-z]\w*)\s*=(.*)$/s.exec(part))
      .map((found) => [found?.[1]?.toLowerCase() ?? '', found?.[2]?.trim() ?? '']),
  );

const dkim: Rule = async ({ options: { domain, dkim: selectors } }, _session, ask) => {
  for (const selector of selectors) {
    const keys = (await ask(`${selector}._domainkey.${domain}`, 'TXT')).filter((one) =>
      /^\s*v\s*=\s*DKIM1\b/.test(one),
    );
    if (keys.length === 0) return `${domain} has no DKIM key for the selector ${selector}`;
    if (keys.length > 1) return `the DKIM selector ${selector} of ${domain} has ${keys.length} keys`;
    if (!tags(keys[0] ?? '').get('p')) return `the DKIM key of the selector ${selector} of ${domain} is withdrawn`;
  }
  return null;
};

const dmarc: Rule = async ({ options: { domain } }, _session, ask) => {
  const found = (await ask(`_dmarc.${domain}`, 'TXT')).filter((one) => /^\s*v\s*=\s*DMARC1\b/.test(one));
  if (found.length === 0) return `${domain} has no DMARC record`;
  if (found.length > 1) return `${domain} has ${found.length} DMARC records, and receivers ignore them all`;
  const policy = tags(found[0] ?? '').get('p') ?? '';
  return /^(none|quarantine|reject)$/i.test(policy) ? null : `the DMARC policy of ${domain} is ${quote(policy, 40)}`;
};

async function judge(context: Context, session: Session): Promise<CheckResult> {
  const { domain, server, spf: wantsSpf, dmarc: wantsDmarc } = context.options;
  const ask: Ask = (name, type) => records(session, server, name, type);
  const rules: readonly Rule[] = [mx, ...(wantsSpf ? [spf] : []), dkim, ...(wantsDmarc ? [dmarc] : [])];
  const wrong: string[] = [];
  for (const rule of rules) {
    const told = await rule(context, session, ask);
    if (told !== null) wrong.push(told);
  }
  if (wrong.length === 0) return pass(`the mail records of ${domain} are in order`, session.seen);
  return degraded('misconfigured', plain(wrong.join('; '), 400), session.seen);
}

export default defineCheck({
  about: 'Looks up the mail records of a domain: MX and their addresses, SPF and its look-ups, DKIM keys, DMARC.',
  depth: 'deep',
  options,
  example: { domain: 'example.org', mx: ['mail.example.org'], dkim: ['s2026'] },
  async run(context) {
    return converse(context, context.options.domain, async (session) => {
      try {
        return await judge(context, session);
      } catch (error) {
        if (!(error instanceof ResolverTrouble)) throw error;
        return degraded('dependency', error.message, session.seen);
      }
    });
  },
});
