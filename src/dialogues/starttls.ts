// The way to a TLS handshake inside a plain-text protocol, for a check that only wants to see the certificate.
import { type CheckResult, fail } from '../define.ts';
import type { Dialogue } from '../ports/net.ts';
import { greeting, imapOn, judge as judgeImap } from './imap.ts';
import { quote } from './quote.ts';
import type { Session } from './session.ts';
import * as smtp from './smtp.ts';

export const STARTTLS = ['smtp', 'lmtp', 'imap', 'pop3'] as const;
export type StartTls = (typeof STARTTLS)[number];

async function overSmtp(session: Session, dialogue: Dialogue, verb: 'EHLO' | 'LHLO'): Promise<CheckResult | null> {
  const bad = await smtp.banner(session, dialogue);
  if (bad) return bad;
  const hello = await session.step(verb, () => smtp.command(dialogue, `${verb} [127.0.0.1]`), smtp.replyText);
  if (hello.code !== 250) return smtp.judge(hello, verb, session);
  const go = await session.step('STARTTLS', () => smtp.command(dialogue, 'STARTTLS'), smtp.replyText);
  return go.code === 220 ? null : smtp.judge(go, 'STARTTLS', session);
}

async function overImap(session: Session, dialogue: Dialogue): Promise<CheckResult | null> {
  const greeted = await greeting(session, dialogue);
  if (typeof greeted !== 'string') return greeted;
  const go = await session.step(
    'STARTTLS',
    () => imapOn(dialogue).command('STARTTLS'),
    (answer) => answer.text,
  );
  return go.status === 'OK' ? null : judgeImap(go, 'STARTTLS', session);
}

async function overPop3(session: Session, dialogue: Dialogue): Promise<CheckResult | null> {
  const hello = await session.step(
    'greeting',
    () => dialogue.readLine(),
    (line) => line,
  );
  if (!hello.startsWith('+OK')) return fail('misconfigured', `not a POP3 greeting: ${quote(hello, 80)}`, session.seen);
  const asked = async (): Promise<string> => {
    await dialogue.write('STLS\r\n');
    return dialogue.readLine();
  };
  const go = await session.step('STLS', asked, (line) => line);
  return go.startsWith('+OK') ? null : fail('misconfigured', `STLS: ${quote(go)}`, session.seen);
}

/** Talks until the server is ready for the handshake. A verdict if it does not come so far. */
export function askForTls(session: Session, dialogue: Dialogue, protocol: StartTls): Promise<CheckResult | null> {
  if (protocol === 'imap') return overImap(session, dialogue);
  if (protocol === 'pop3') return overPop3(session, dialogue);
  return overSmtp(session, dialogue, protocol === 'smtp' ? 'EHLO' : 'LHLO');
}
