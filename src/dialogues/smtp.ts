// SMTP and LMTP as a client that only asks (RFC 5321, 2033, 3207, 4954): replies, commands, and what a reply means for
// the health of the server. No message is ever sent from here.
import { type CheckResult, degraded, fail } from '../define.ts';
import { type Dialogue, NetError } from '../ports/net.ts';
import { type Place, type TlsUse, tlsOptions } from './endpoint.ts';
import { plain, quote } from './quote.ts';
import type { Session } from './session.ts';

export interface Reply {
  /** Three digits; 200–599. */
  readonly code: number;
  /** The texts after the code, one a line. */
  readonly lines: readonly string[];
}

/** A reply of more lines than this comes from no mail server. */
const MAX_LINES = 200;

/** One reply of one or more lines (RFC 5321 section 4.2.1). Throws NetError `garbled` for anything else. */
export async function readReply(dialogue: Dialogue): Promise<Reply> {
  const lines: string[] = [];
  for (;;) {
    const line = await dialogue.readLine();
    const found = /^([2-5]\d\d)([ -]?)(.*)$/s.exec(line);
    if (!found) throw new NetError('garbled', `not a mail server's reply: ${quote(line, 80)}`);
    lines.push(found[3] ?? '');
    if (found[2] !== '-') return { code: Number(found[1]), lines };
    if (lines.length >= MAX_LINES) throw new NetError('too-long', `a reply of more than ${MAX_LINES} lines`);
  }
}

export const replyText = (reply: Reply): string => plain(`${reply.code} ${reply.lines.at(-1) ?? ''}`);

/** Sends one command line. Text with an end of line in it would be two commands, so it is refused. */
export async function command(dialogue: Dialogue, line: string): Promise<Reply> {
  if (/[\r\n]/.test(line)) throw new NetError('local', 'a command with an end of line in it');
  await dialogue.write(`${line}\r\n`);
  return readReply(dialogue);
}

/** Says goodbye without waiting for the answer. */
export async function quit(dialogue: Dialogue): Promise<void> {
  await dialogue.write('QUIT\r\n').catch(() => undefined);
  dialogue.close();
}

/** Keywords of an EHLO or LHLO reply, in upper case, with their parameters. */
export function keywords(reply: Reply): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of reply.lines.slice(1)) {
    const [word = '', ...rest] = line.trim().split(/\s+/);
    found.set(word.toUpperCase(), rest.join(' '));
  }
  return found;
}

/** What a reply that is not the wanted one says about the server. `what` names the step in the sentence. */
export function judge(reply: Reply, what: string, session: Session): CheckResult {
  const text = reply.lines.join(' ');
  const said = `${what}: ${quote(replyText(reply))}`;
  const { seen } = session;
  if (reply.code === 421) return degraded('overloaded', said, seen);
  // 452 is "insufficient storage"; Postfix says 451 when it cannot write its queue file; x.2.2 is a full mailbox and
  // x.3.1 a full system (RFC 3463).
  if (reply.code === 452 || /queue file write error/i.test(text) || /^[45]\.(2\.2|3\.1)\b/.test(text)) {
    return fail('no-space', said, seen);
  }
  if (reply.code === 535 || reply.code === 534) return degraded('credentials', said, seen);
  if (/^4\.3\.5\b/.test(text)) return degraded('misconfigured', said, seen);
  if (reply.code >= 400 && reply.code < 500) return degraded('dependency', said, seen);
  return fail('misconfigured', said, seen);
}

/** The banner. Null when it is a good one. */
export async function banner(session: Session, dialogue: Dialogue): Promise<CheckResult | null> {
  const reply = await session.step('banner', () => readReply(dialogue), replyText);
  if (reply.code === 220) return null;
  // 554 in place of a banner is "no service here" (RFC 5321 section 3.1).
  return reply.code >= 500
    ? fail('refusing', `banner: ${quote(replyText(reply))}`, session.seen)
    : judge(reply, 'banner', session);
}

/** EHLO or LHLO, STARTTLS as wanted, and the greeting again inside. Gives the keywords, or a verdict. */
export async function greet(
  session: Session,
  dialogue: Dialogue,
  how: { readonly verb: 'EHLO' | 'LHLO'; readonly name: string; readonly place: Place; readonly use: TlsUse },
): Promise<ReadonlyMap<string, string> | CheckResult> {
  const hello = (): Promise<Reply> =>
    session.step(how.verb, () => command(dialogue, `${how.verb} ${how.name}`), replyText);
  const first = await hello();
  if (first.code !== 250) return judge(first, how.verb, session);
  const offered = keywords(first).has('STARTTLS');
  if (how.use.tls === 'off' || how.use.tls === 'implicit') return keywords(first);
  if (!offered) {
    if (how.use.tls === 'offered') return keywords(first);
    return fail('misconfigured', 'STARTTLS is required and the server does not offer it', session.seen);
  }
  const go = await session.step('STARTTLS', () => command(dialogue, 'STARTTLS'), replyText);
  // 454 is "TLS not available due to temporary reason" (RFC 3207); Postfix also says it for a milter that is away.
  if (go.code !== 220) return judge(go, 'STARTTLS', session);
  await session.step(
    'TLS',
    () => dialogue.startTls(tlsOptions(session.ports, how.use, how.place)),
    (seen) => `${seen.protocol} ${seen.subject}`,
  );
  const second = await hello();
  return second.code === 250 ? keywords(second) : judge(second, how.verb, session);
}

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');

/** AUTH PLAIN or LOGIN (RFC 4954). Null when the server let us in. */
export async function authenticate(
  session: Session,
  dialogue: Dialogue,
  offered: ReadonlyMap<string, string>,
  login: { readonly user: string; readonly password: string },
): Promise<CheckResult | null> {
  const mechanisms = (offered.get('AUTH') ?? '').toUpperCase().split(' ');
  const plainWord = mechanisms.includes('PLAIN');
  if (!plainWord && !mechanisms.includes('LOGIN')) {
    return fail('misconfigured', 'the server offers no AUTH PLAIN or LOGIN to the probe', session.seen);
  }
  const reply = await session.step(
    'AUTH',
    async () => {
      if (plainWord) return command(dialogue, `AUTH PLAIN ${base64(`\0${login.user}\0${login.password}`)}`);
      const asked = await command(dialogue, 'AUTH LOGIN');
      if (asked.code !== 334) return asked;
      const again = await command(dialogue, base64(login.user));
      return again.code === 334 ? command(dialogue, base64(login.password)) : again;
    },
    replyText,
  );
  return reply.code === 235 ? null : judge(reply, 'AUTH', session);
}

/** MAIL FROM and RCPT TO. Gives the reply to RCPT, or a verdict if it did not come so far. */
export async function envelope(
  session: Session,
  dialogue: Dialogue,
  from: string,
  to: string,
  name = 'RCPT',
): Promise<Reply | CheckResult> {
  const mail = await session.step('MAIL', () => command(dialogue, `MAIL FROM:<${from}>`), replyText);
  if (mail.code !== 250) return judge(mail, 'MAIL FROM', session);
  return session.step(name, () => command(dialogue, `RCPT TO:<${to}>`), replyText);
}

export const isReply = (found: Reply | CheckResult): found is Reply => 'code' in found;

/** An address as it may stand in a command: no spaces, no brackets, no ends of line. */
export const ADDRESS = /^[^\s<>\p{Cc}]*$/u;
