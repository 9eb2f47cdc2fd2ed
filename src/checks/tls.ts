// Is the certificate that a server shows trusted, for the right name, and good for some days yet?
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, z } from '../define.ts';
import { address, place, placeText, tlsOptions } from '../dialogues/endpoint.ts';
import { plain } from '../dialogues/quote.ts';
import { converse, type Session } from '../dialogues/session.ts';
import { askForTls, STARTTLS } from '../dialogues/starttls.ts';
import type { PeerCertificate } from '../ports/net.ts';

const DAY_MS = 86_400_000;

const options = z.strictObject({
  ...place(443),
  starttls: z.enum(STARTTLS).optional().describe('Ask for TLS in this protocol first. Default: TLS at once.'),
  servername: opt.host('The name that the certificate must be for, if it is not `host`.').optional(),
  ca: opt.path('PEM file of authorities to trust instead of the well-known ones.').optional(),
  warn: opt.duration('Degraded when the certificate ends sooner than this.').prefault('14d'),
});
type Context = CheckContext<z.output<typeof options>>;

const day = (wallMs: number): string =>
  Number.isNaN(wallMs) ? 'an unknown day' : new Date(wallMs).toISOString().slice(0, 10);

function facts(seen: PeerCertificate, left: number): string {
  const names = plain(seen.names.slice(0, 5).join(', '), 120) || 'no name';
  const more = seen.names.length > 5 ? ` and ${seen.names.length - 5} more` : '';
  const days = left < 0 ? `ended ${-left} days ago` : `${left} days left`;
  const from = plain(seen.issuer, 60) || 'nobody';
  return `certificate for ${names}${more}, from ${from}, until ${day(seen.notAfter)} (${days})`;
}

function judge(seen: PeerCertificate, name: string, context: Context, session: Session): CheckResult {
  const now = context.ports.clock.wall();
  const left = Math.floor((seen.notAfter - now) / DAY_MS);
  session.measure('days', left, '');
  const told = facts(seen, left);
  if (now > seen.notAfter) return fail('expired', `expired: ${told}`, session.seen);
  if (now < seen.notBefore) {
    return fail('misconfigured', `not valid before ${day(seen.notBefore)}: ${told}`, session.seen);
  }
  // The server's own certificate is in its time, so it is one of those above it.
  if (seen.error === 'CERT_HAS_EXPIRED')
    return fail('expired', `an authority of it has expired: ${told}`, session.seen);
  if (seen.error === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return fail('misconfigured', `not for ${name}: ${told}`, session.seen);
  }
  if (seen.error !== null) return fail('misconfigured', `not trusted (${plain(seen.error)}): ${told}`, session.seen);
  if (seen.notAfter - now < context.options.warn) return degraded('expired', `ends soon: ${told}`, session.seen);
  return pass(told, session.seen);
}

export default defineCheck({
  about: 'Shakes hands in TLS, at once or after STARTTLS: chain, name, days to the end of the certificate.',
  depth: 'both',
  options,
  example: { host: 'mail.example.org', port: 25, starttls: 'smtp', warn: '21d' },
  async run(context) {
    const { starttls, ...use } = context.options;
    const where = placeText(use);
    const name = use.servername ?? use.host;
    const result = await converse(context, where, async (session) => {
      const tls = tlsOptions(context.ports, { ...use, tls: 'required', verify: false }, use);
      const at = address(use);
      const open = { ...at, ...(starttls ? {} : { tls }) };
      const dialogue = await session.step(starttls ? 'connect' : 'connect and TLS', () => session.open(open));
      session.measure('connect', dialogue.connectMs, 'ms');
      if (!starttls) return judge(dialogue.certificate as PeerCertificate, name, context, session);
      const bad = await askForTls(session, dialogue, starttls);
      if (bad) return { ...bad, detail: `${where}: ${bad.detail}` };
      const seen = await session.step(
        'TLS',
        () => dialogue.startTls(tls),
        (found) => found.protocol,
      );
      return judge(seen, name, context, session);
    });
    return result.detail.startsWith(where) ? result : { ...result, detail: `${where}: ${result.detail}` };
  },
});
