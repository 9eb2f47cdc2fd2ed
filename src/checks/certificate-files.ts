// Are the certificate and the key on the disk sound, and does the server serve just these? A renewed certificate helps
// nobody until the server reads it: the commonest way in which a certificate expires that was renewed in time.
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, unknown, z } from '../define.ts';
import { address, type Place, place, placeText } from '../dialogues/endpoint.ts';
import { plain } from '../dialogues/quote.ts';
import { converse, OwnTrouble, type Session } from '../dialogues/session.ts';
import { askForTls, STARTTLS } from '../dialogues/starttls.ts';
import { type FileCertificate, fileCertificates, keyFits } from '../ports/certificate.ts';
import type { PeerCertificate } from '../ports/net.ts';

const DAY_MS = 86_400_000;
const MAX_FILE = 262_144;

const options = z.strictObject({
  certificate: opt.path('PEM file with the certificate first, and those of its authorities after it.'),
  key: opt.path('PEM file of the private key. Default: not looked at.').optional(),
  served: z
    .array(
      z.strictObject({
        ...place(443),
        starttls: z.enum(STARTTLS).optional().describe('Ask for TLS in this protocol first. Default: TLS at once.'),
        servername: opt.host('The name to ask for (SNI), if it is not `host`.').optional(),
      }),
    )
    .max(20)
    .default([])
    .describe('A DeepCheck looks whether the certificate is served there.'),
  warn: opt.duration('Degraded when a certificate ends sooner than this.').prefault('14d'),
});
type Options = z.output<typeof options>;
type Context = CheckContext<Options>;
type Served = Options['served'][number];

const day = (wallMs: number): string =>
  Number.isFinite(wallMs) ? new Date(wallMs).toISOString().slice(0, 10) : 'an unknown day';

/** Text of the file; a verdict when it is not there. */
function read(context: Context, path: string): string | CheckResult {
  let text: string | null;
  try {
    text = context.ports.files.readText(path, MAX_FILE);
  } catch (error) {
    throw new OwnTrouble(`cannot be read: ${plain((error as Error).message)}`);
  }
  return text ?? degraded('misconfigured', `${plain(path)} is not there: the next start would fail`);
}

function judgeChain(chain: readonly FileCertificate[], session: Session): CheckResult | null {
  const wrong = chain.findIndex((one) => one.issuedByNext === false);
  if (wrong < 0) return null;
  const [one, next] = [chain[wrong], chain[wrong + 1]].map((found) => plain(found?.subject ?? '', 60) || 'no name');
  const detail = `wrong order: certificate ${wrong + 1} (${one}) is not issued by the one after it (${next})`;
  return degraded('misconfigured', detail, session.seen);
}

function judgeDates(context: Context, chain: readonly FileCertificate[], session: Session): CheckResult | null {
  const now = context.ports.clock.wall();
  const { seen } = session;
  const late = chain.reduce((a, b) => (b.notAfter < a.notAfter ? b : a));
  const name = plain(late.subject || late.names[0] || '', 60) || 'no name';
  session.measure('days', Math.floor((late.notAfter - now) / DAY_MS), '');
  if (!Number.isFinite(late.notAfter)) return degraded('misconfigured', 'a certificate without an end', seen);
  if (now > late.notAfter)
    return fail('expired', `expired: the certificate of ${name}, on ${day(late.notAfter)}`, seen);
  const early = chain.find((one) => now < one.notBefore);
  if (early) return degraded('misconfigured', `not valid before ${day(early.notBefore)}`, seen);
  if (late.notAfter - now >= context.options.warn) return null;
  return degraded('expired', `ends soon: the certificate of ${name}, on ${day(late.notAfter)}`, seen);
}

/** What is wrong with the files, or the certificates. `end` is a fault that more looking would not change. */
function judgeFiles(context: Context, session: Session): CheckResult | readonly FileCertificate[] {
  const { certificate, key } = context.options;
  const pem = read(context, certificate);
  if (typeof pem !== 'string') return pem;
  const chain = fileCertificates(pem);
  if (!chain || chain.length === 0) {
    return degraded('misconfigured', `${plain(certificate)} holds no certificate that can be read`, session.seen);
  }
  const keyPem = key === undefined ? null : read(context, key);
  if (keyPem === null) return chain;
  if (typeof keyPem !== 'string') return keyPem;
  const fits = keyFits(pem, keyPem);
  session.note({ name: 'key', ms: 0, ok: fits === 'yes', detail: fits });
  if (fits === 'no') return degraded('misconfigured', 'the key does not belong to the certificate', session.seen);
  if (fits === 'unreadable') return degraded('misconfigured', `${plain(key ?? '')} holds no private key`, session.seen);
  return chain;
}

async function peer(session: Session, at: Served): Promise<PeerCertificate | CheckResult> {
  const name = at.servername ?? (at.path === undefined ? at.host : undefined);
  const tls = { verify: false, ...(name === undefined ? {} : { servername: name }) };
  const where = placeText(at as Place);
  const dialogue = await session.step(`connect ${where}`, () =>
    session.open({ ...address(at), ...(at.starttls ? {} : { tls }) }),
  );
  if (!at.starttls) return dialogue.certificate as PeerCertificate;
  const bad = await askForTls(session, dialogue, at.starttls);
  if (bad) return { ...bad, detail: `${where}: ${bad.detail}` };
  const seen = await session.step('TLS', () => dialogue.startTls(tls));
  await dialogue.write(at.starttls === 'imap' ? 'w1 LOGOUT\r\n' : 'QUIT\r\n').catch(() => undefined);
  return seen;
}

async function compare(context: Context, session: Session, own: FileCertificate): Promise<CheckResult | null> {
  const now = context.ports.clock.wall();
  for (const at of context.options.served) {
    const seen = await peer(session, at);
    if ('outcome' in seen) return seen;
    if (seen.fingerprint256 === own.fingerprint256) continue;
    const end = seen.notAfter < now ? `ended on ${day(seen.notAfter)}` : `ends on ${day(seen.notAfter)}`;
    const cause = seen.notAfter - now < context.options.warn ? 'expired' : 'misconfigured';
    const told = `${placeText(at)} serves another certificate (it ${end}, the file's on ${day(own.notAfter)})`;
    return degraded(cause, `${told}: reload the server`, session.seen);
  }
  return null;
}

export default defineCheck({
  about: 'Quick: certificate files: key, order, days left. Deep: the servers serve what is in the file.',
  depth: 'both',
  options,
  example: {
    certificate: '/etc/ssl/mail/fullchain.pem',
    key: '/etc/ssl/mail/privkey.pem',
    served: [{ port: 25, starttls: 'smtp' }, { port: 993 }],
  },
  async run(context) {
    const where = plain(context.options.certificate, 120);
    const result = await converse(context, where, async (session) => {
      const chain = judgeFiles(context, session);
      if ('outcome' in chain) return chain;
      const [own] = chain;
      if (!own) return unknown('nothing was read');
      const served = context.depth === 'deep' ? await compare(context, session, own) : null;
      const bad = served ?? judgeDates(context, chain, session) ?? judgeChain(chain, session);
      if (bad) return bad;
      const names = plain(own.names.slice(0, 3).join(', ') || own.subject, 120) || 'no name';
      const count = context.options.served.length;
      const seen = context.depth === 'deep' && count > 0 ? `, and served (${count})` : '';
      return pass(`sound, for ${names}, until ${day(own.notAfter)}${seen}`, session.seen);
    });
    return result.detail.startsWith(where) ? result : { ...result, detail: `${where}: ${result.detail}` };
  },
});
