// Does a mail server greet, and would it take a mail for its own people and refuse one for strangers?
// No message is sent: a DeepCheck stops after RCPT and takes it back with RSET.
import { type CheckContext, type CheckResult, defineCheck, fail, opt, pass, unknown, z } from '../define.ts';
import { address, implicitTls, isLoopback, place, placeText, tlsUse } from '../dialogues/endpoint.ts';
import { quote } from '../dialogues/quote.ts';
import { converse, type Session, secret } from '../dialogues/session.ts';
import * as smtp from '../dialogues/smtp.ts';
import type { Dialogue } from '../ports/net.ts';

const mailbox = (about: string) => z.string().max(320).regex(smtp.ADDRESS, 'expected a mail address').describe(about);

const options = z.strictObject({
  ...place(25),
  ...tlsUse,
  hello: z
    .string()
    .regex(/^[A-Za-z0-9.:[\]_-]+$/, 'expected a host name or an address literal')
    .default('[127.0.0.1]')
    .describe('The name given in EHLO.'),
  user: opt.text('Log in as this user in a DeepCheck.').optional(),
  password: opt.secret('Password of `user`.').optional(),
  from: mailbox('Sender in a DeepCheck. Default: the empty one, `<>`.').default(''),
  recipient: mailbox('A recipient of its own that the server must accept in a DeepCheck.').optional(),
  'relay-test': z
    .strictObject({
      from: mailbox('A foreign sender.').default(''),
      to: mailbox('A foreign recipient.'),
    })
    .optional()
    .describe(
      'Before any login, ask for a foreign recipient, which the server must refuse. Only useful from an address that ' +
        'the server does not trust: Postfix relays for everything in `mynetworks`, its own loopback above all.',
    ),
});
type Context = CheckContext<z.output<typeof options>>;

async function relayRefused(context: Context, session: Session, dialogue: Dialogue): Promise<CheckResult | null> {
  const test = context.options['relay-test'];
  if (!test) return null;
  const reply = await smtp.envelope(session, dialogue, test.from, test.to, 'foreign RCPT');
  const accepted = smtp.isReply(reply) && reply.code >= 200 && reply.code < 300;
  if (!smtp.isReply(reply) && reply.cause === 'overloaded') return reply;
  await session.step('RSET', () => smtp.command(dialogue, 'RSET'), smtp.replyText);
  if (!accepted) return null;
  const trusted = isLoopback(context.options) ? '; over loopback this is so where loopback is trusted' : '';
  const what = `open relay: it accepts ${quote(test.to, 80)} from a stranger${trusted}`;
  return fail('misconfigured', what, session.seen);
}

async function login(
  context: Context,
  session: Session,
  dialogue: Dialogue,
  offered: ReadonlyMap<string, string>,
): Promise<CheckResult | null> {
  const { user, password } = context.options;
  if (user === undefined || password === undefined) return null;
  if (dialogue.certificate === null && !isLoopback(context.options)) {
    return unknown('the probe sends no password over a connection without TLS', session.seen);
  }
  return smtp.authenticate(session, dialogue, offered, { user, password: secret(context.ports, password) });
}

async function recipientAccepted(context: Context, session: Session, dialogue: Dialogue): Promise<CheckResult | null> {
  const { from, recipient } = context.options;
  if (recipient === undefined) return null;
  const reply = await smtp.envelope(session, dialogue, from, recipient);
  if (!smtp.isReply(reply)) return reply;
  if (reply.code !== 250 && reply.code !== 251) return smtp.judge(reply, `RCPT TO ${quote(recipient, 80)}`, session);
  await session.step('RSET', () => smtp.command(dialogue, 'RSET'), smtp.replyText);
  return null;
}

async function deep(context: Context, session: Session, dialogue: Dialogue): Promise<CheckResult | null> {
  const { hello, ...use } = context.options;
  const offered = await smtp.greet(session, dialogue, { verb: 'EHLO', name: hello, place: use, use });
  if (!(offered instanceof Map)) return offered as CheckResult;
  return (
    (await relayRefused(context, session, dialogue)) ??
    (await login(context, session, dialogue, offered)) ??
    (await recipientAccepted(context, session, dialogue))
  );
}

export default defineCheck({
  about: 'Quick: the banner of an SMTP server. Deep: EHLO, STARTTLS, login, recipient accepted, relay refused.',
  depth: 'both',
  options,
  example: { host: '127.0.0.1', port: 25, recipient: 'probe@example.org' },
  async run(context) {
    const where = placeText(context.options);
    return converse(context, where, async (session) => {
      const tls = implicitTls(context.ports, context.options, context.options);
      const dialogue = await session.step('connect', () => session.open({ ...address(context.options), ...tls }));
      const started = context.ports.clock.monotonic();
      const bad =
        (await smtp.banner(session, dialogue)) ??
        (context.depth === 'deep' ? await deep(context, session, dialogue) : null);
      const ms = context.ports.clock.monotonic() - started + dialogue.connectMs;
      session.measure('time', ms, 'ms');
      await smtp.quit(dialogue);
      if (bad) return { ...bad, detail: `${where}: ${bad.detail}`, ...session.seen };
      const did = context.depth === 'deep' ? 'answers and accepts' : 'greets';
      return pass(`${where} ${did} (${ms.toFixed(0)} ms)`, session.seen);
    });
  },
});
