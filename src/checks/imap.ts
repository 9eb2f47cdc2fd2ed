// Does the store greet, and can somebody log in, put a message down, read it again and take it away?
import { type CheckContext, type CheckResult, defineCheck, fail, opt, pass, z } from '../define.ts';
import { address, implicitTls, place, placeText, tlsUse } from '../dialogues/endpoint.ts';
import { greeting } from '../dialogues/imap.ts';
import {
  fetchProbes,
  findToken,
  inStore,
  isVerdict,
  type Mailbox,
  type MailboxOptions,
  openMailbox,
  removeLeftovers,
  removeMessages,
} from '../dialogues/mailbox.ts';
import { newToken, probeMessage } from '../dialogues/probe-mail.ts';
import { converse, type Session } from '../dialogues/session.ts';
import { NetError } from '../ports/net.ts';

const options = z.strictObject({
  ...place(143),
  ...tlsUse,
  user: opt.text('Log in as this user in a DeepCheck. Give the probe an account of its own.').optional(),
  password: opt.secret('Password of `user`.').optional(),
  mailbox: opt.text('Mailbox for the probe message.').default('INBOX'),
  leftovers: opt.duration('Probe messages older than this are removed.').prefault('1h'),
});
type Context = CheckContext<z.output<typeof options>>;

async function quick(context: Context, session: Session): Promise<CheckResult | null> {
  const tls = implicitTls(context.ports, context.options, context.options);
  const dialogue = await session.step('connect', () => session.open({ ...address(context.options), ...tls }));
  const greeted = await greeting(session, dialogue);
  await dialogue.write('w1 LOGOUT\r\n').catch(() => undefined);
  return isVerdict(greeted) ? greeted : null;
}

/** APPEND, look, take away. */
async function handle(context: Context, session: Session, box: Mailbox): Promise<CheckResult | null> {
  const token = newToken();
  const { mailbox, user } = context.options;
  const message = probeMessage(token, user?.includes('@') ? user : 'watchkeeper@localhost', context.ports.clock.wall());
  const put = await inStore(session, 'APPEND', () =>
    box.imap.command('APPEND', { string: mailbox }, '(\\Seen)', { bytes: message }),
  );
  if (isVerdict(put)) return put;
  const uids = await session.step(
    'SEARCH',
    () => findToken(box, token, box.uidNext),
    (found) => found.join(','),
  );
  const found = await session.step(
    'FETCH',
    () => fetchProbes(box, uids),
    (seen) => `${seen.length} messages`,
  );
  if (!found.some((one) => one.token === token)) {
    return fail('misconfigured', 'the message that was just put into the mailbox is not found there', session.seen);
  }
  return (
    (await removeMessages(session, box, uids, 'EXPUNGE')) ??
    (await removeLeftovers(session, box, context.options.leftovers))
  );
}

interface Refusal {
  readonly result: CheckResult;
  readonly at: number;
}

/** How long a refused login explains silence after a later one. */
const REFUSED_MS = 300_000;

/** Logs in. After refused logins servers delay their answers, Dovecot up to 15 s: silence then means what the refusal
 *  said, and no hang. */
async function logIn(context: Context, session: Session, options: MailboxOptions): Promise<Mailbox | CheckResult> {
  const { memory, ports } = context;
  const before = memory.get('refused') as Refusal | undefined;
  const remember = (result: CheckResult): CheckResult => {
    memory.set('refused', { result, at: ports.clock.monotonic() } satisfies Refusal);
    return result;
  };
  try {
    const box = await openMailbox(session, options);
    const refused = isVerdict(box) && session.seen.steps.at(-1)?.name === 'LOGIN';
    if (refused) return remember(box);
    memory.delete('refused');
    return box;
  } catch (error) {
    const silent = error instanceof NetError && error.code === 'timeout' && session.seen.steps.at(-1)?.name === 'LOGIN';
    if (!silent || !before || ports.clock.monotonic() - before.at > REFUSED_MS) throw error;
    memory.set('refused', { result: before.result, at: ports.clock.monotonic() } satisfies Refusal);
    const detail = `${before.result.detail}; it delays its answers after that (LOGIN: none in time now)`;
    return { ...before.result, detail, ...session.seen };
  }
}

async function deep(context: Context, session: Session): Promise<CheckResult | null> {
  const { user, password, mailbox } = context.options;
  if (user === undefined || password === undefined) return quick(context, session);
  const box = await logIn(context, session, { place: context.options, use: context.options, user, password, mailbox });
  if (isVerdict(box)) return box;
  const bad = await handle(context, session, box);
  if (!bad)
    await session.step(
      'LOGOUT',
      () => box.imap.command('LOGOUT'),
      (answer) => answer.text,
    );
  return bad;
}

export default defineCheck({
  about: 'Quick: the greeting of an IMAP server. Deep: log in, APPEND a probe message, FETCH it, EXPUNGE it.',
  depth: 'both',
  options,
  example: { host: '127.0.0.1', port: 143, user: 'probe@example.org', password: 'file:/etc/watchkeeper/probe' },
  async run(context) {
    const where = placeText(context.options);
    return converse(context, where, async (session) => {
      const started = context.ports.clock.monotonic();
      const bad = context.depth === 'deep' ? await deep(context, session) : await quick(context, session);
      const ms = context.ports.clock.monotonic() - started;
      session.measure('time', ms, 'ms');
      if (bad) return { ...bad, detail: `${where}: ${bad.detail}`, ...session.seen };
      const did =
        context.depth === 'deep' && context.options.user !== undefined ? 'stores and returns a message' : 'greets';
      return pass(`${where} ${did} (${ms.toFixed(0)} ms)`, session.seen);
    });
  },
});
