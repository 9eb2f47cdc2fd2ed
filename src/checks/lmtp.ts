// Would the store's delivery agent take a mail for the probe, and refuse one for a user that is not there (RFC 2033)?
import { type CheckContext, type CheckResult, defineCheck, fail, opt, pass, z } from '../define.ts';
import { address, place, placeText } from '../dialogues/endpoint.ts';
import { quote } from '../dialogues/quote.ts';
import { converse, type Session } from '../dialogues/session.ts';
import * as smtp from '../dialogues/smtp.ts';
import type { Dialogue } from '../ports/net.ts';

const mailbox = (about: string) => z.string().max(320).regex(smtp.ADDRESS, 'expected a mail address').describe(about);

const options = z.strictObject({
  ...place(24),
  hello: opt.host('The name given in LHLO.').default('localhost'),
  from: mailbox('Sender. Default: the empty one, `<>`.').default(''),
  recipient: mailbox('A recipient that must be accepted.').optional(),
  stranger: mailbox('A recipient that must be refused, because there is no such user.').optional(),
});
type Context = CheckContext<z.output<typeof options>>;

async function deep(context: Context, session: Session, dialogue: Dialogue): Promise<CheckResult | null> {
  const { from, recipient, stranger } = context.options;
  for (const [to, wanted] of [
    [recipient, true],
    [stranger, false],
  ] as const) {
    if (to === undefined) continue;
    const reply = await smtp.envelope(session, dialogue, from, to, wanted ? 'RCPT' : 'RCPT of a stranger');
    if (!smtp.isReply(reply)) return reply;
    const accepted = reply.code === 250 || reply.code === 251;
    if (wanted && !accepted) return smtp.judge(reply, `RCPT TO ${quote(to, 80)}`, session);
    if (!wanted && accepted) {
      return fail('misconfigured', `it accepts ${quote(to, 80)}, a user that is not there`, session.seen);
    }
    // A 4xx for a stranger says that the user database cannot be asked.
    if (!wanted && reply.code < 500) return smtp.judge(reply, `RCPT TO ${quote(to, 80)}`, session);
    await session.step('RSET', () => smtp.command(dialogue, 'RSET'), smtp.replyText);
  }
  return null;
}

export default defineCheck({
  about: 'Quick: banner and LHLO of an LMTP server. Deep: the probe is accepted as recipient, a stranger is not.',
  depth: 'both',
  options,
  example: { path: '/var/spool/postfix/private/dovecot-lmtp', recipient: 'probe@example.org' },
  async run(context) {
    const where = placeText(context.options);
    const use = { tls: 'off', verify: false } as const;
    return converse(context, where, async (session) => {
      const dialogue = await session.step('connect', () => session.open(address(context.options)));
      const started = context.ports.clock.monotonic();
      let bad = await smtp.banner(session, dialogue);
      if (!bad) {
        const how = { verb: 'LHLO', name: context.options.hello, place: context.options, use } as const;
        const offered = await smtp.greet(session, dialogue, how);
        if (!(offered instanceof Map)) bad = offered as CheckResult;
      }
      if (!bad && context.depth === 'deep') bad = await deep(context, session, dialogue);
      const ms = context.ports.clock.monotonic() - started + dialogue.connectMs;
      session.measure('time', ms, 'ms');
      await smtp.quit(dialogue);
      if (bad) return { ...bad, detail: `${where}: ${bad.detail}`, ...session.seen };
      return pass(
        `${where} ${context.depth === 'deep' ? 'accepts the probe' : 'greets'} (${ms.toFixed(0)} ms)`,
        session.seen,
      );
    });
  },
});
