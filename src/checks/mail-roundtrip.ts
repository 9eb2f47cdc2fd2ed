// One mail all the way: submitted by SMTP, through the queue and LMTP into a mailbox, read by IMAP, deleted. The first
// hop that does not work is named, with what is known of why.
//
// The check belongs to the mail server that takes the message: only the hop `submit` has causes that a repair of that
// server can cure, and a message that its queue manager leaves in `incoming`. A store that is away is a dependency.
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, z } from '../define.ts';
import { place, placeText, tlsUse } from '../dialogues/endpoint.ts';
import {
  fetchProbes,
  findToken,
  isVerdict,
  type Mailbox,
  openMailbox,
  removeLeftovers,
  removeMessages,
} from '../dialogues/mailbox.ts';
import { refusal } from '../dialogues/plugin.ts';
import { newToken } from '../dialogues/probe-mail.ts';
import { lineReader, parseMessage, type QueuedMessage } from '../dialogues/queue.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { converse, netVerdict, type Session } from '../dialogues/session.ts';
import { ADDRESS } from '../dialogues/smtp.ts';
import { submit } from '../dialogues/submit.ts';
import { troubleLine } from '../host/text.ts';
import { NetError } from '../ports/net.ts';

const mailbox = (about: string) => z.string().max(320).regex(ADDRESS, 'expected a mail address').describe(about);

const submission = place(25);
const store = place(143);
const options = z.strictObject({
  from: mailbox('Sender. Default: the same as `to`.').optional(),
  to: mailbox('Recipient: the probe, an account of its own.').min(1),
  submit: z
    .strictObject({
      host: submission.host,
      port: submission.port,
      ...tlsUse,
      user: opt.text('Log in as this user.').optional(),
      password: opt.secret('Password of `user`.').optional(),
    })
    .prefault({})
    .describe('Where the mail is handed in, by SMTP.'),
  store: z
    .strictObject({
      ...store,
      ...tlsUse,
      user: opt.text('The user whose mailbox it is.'),
      password: opt.secret('Password of `user`.'),
      mailbox: opt.text('Mailbox in which the mail arrives.').default('INBOX'),
    })
    .describe('Where it is looked for, by IMAP.'),
  queue: opt
    .argv('Lists the queue as `postqueue -j` does, to say why a mail does not arrive.')
    .default(['/usr/sbin/postqueue', '-j']),
  slow: opt.duration('Degraded when the whole way takes longer.').optional(),
  leftovers: opt.duration('Probe messages in the mailbox that are older than this are removed.').prefault('10m'),
});
type Context = CheckContext<z.output<typeof options>>;

/** Time kept back to find out why a mail did not arrive. */
const reserveMs = (session: Session): number => Math.min(1500, session.timeoutMs / 4);
const FIRST_PAUSE_MS = 25;
const MAX_PAUSE_MS = 500;

/** Looks again and again until it is there; [] when the time is over. */
async function awaitMail(session: Session, box: Mailbox, token: string): Promise<readonly number[]> {
  let from = 1;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.5, MAX_PAUSE_MS)) {
    const uids = await findToken(box, token, from);
    if (uids.length > 0) return uids;
    if (session.left() - pause < reserveMs(session)) return [];
    await session.ports.clock.sleep(pause, session.signal);
    from = box.uidNext;
    await box.imap.command('NOOP');
  }
}

/** The message in the queue: where it is and why, null when it is in no queue, a text when the queue cannot be read. */
async function findQueued(context: Context, session: Session, id: string): Promise<QueuedMessage | null | string> {
  const { queue } = context.options;
  const refused = refusal(context.ports, queue[0] ?? '');
  if (refused !== null) return refused;
  let found: QueuedMessage | null = null;
  const lines = lineReader((line) => {
    if (!line.includes(id)) return;
    const message = parseMessage(line);
    if (message?.id === id) found = message;
  });
  const timeoutMs = Math.max(50, session.left() - 250);
  const result = await context.ports.exec.run(queue, { timeoutMs, signal: session.signal, onStdout: lines.add });
  lines.end();
  if (found) return found;
  if (result.code === 0) return null;
  return result.failed ?? (troubleLine(result.stderr) || 'the queue could not be read in time');
}

const NO_SPACE = /no space|disk full|quota|insufficient|mailbox (is )?full|[45]\.2\.2|[45]\.3\.1|read-only/i;

/** Why an accepted mail is not in the mailbox. */
async function whereIsIt(context: Context, session: Session, reply: string, waitedMs: number): Promise<CheckResult> {
  const { seen } = session;
  const waited = `deliver: accepted, and not in the mailbox after ${(waitedMs / 1000).toFixed(1)} s`;
  // Postfix: "250 2.0.0 Ok: queued as 4XyZ".
  const id = /queued as ([0-9A-Za-z]{5,40})/i.exec(reply)?.[1];
  if (id === undefined) return fail('dependency', `${waited} (${quote(reply, 80)})`, seen);
  const message = await session.step(
    'look in the queue',
    () => findQueued(context, session, id),
    (got) => (got === null ? 'in no queue' : typeof got === 'string' ? got : `in ${got.queue}`),
  );
  if (typeof message === 'string') return fail('dependency', `${waited}; why is not known: ${message}`, seen);
  if (message === null) {
    return fail('misconfigured', `${waited}; it left the queue (${id}): delivered elsewhere, or dropped`, seen);
  }
  const reason = message.reasons[0] ?? '';
  const why = reason === '' ? '' : `: ${quote(reason, 200)}`;
  const told = `${waited}; it is in the ${message.queue} queue${why}`;
  if (NO_SPACE.test(reason)) return fail('no-space', told, seen);
  if (message.queue === 'incoming' || message.queue === 'maildrop') {
    return fail('hung', `${told}: the queue manager does not take it`, seen);
  }
  // What Postfix says of the transports of defer_transports (postconf(5)): it waits by order.
  if (message.queue === 'hold' || /^deferred transport/i.test(reason)) return fail('misconfigured', told, seen);
  return fail('dependency', told, seen);
}

/** The store is another service: its failures are a dependency's, whatever they would be for itself. */
function ofTheStore(result: CheckResult, where: string): CheckResult {
  const detail = `fetch: ${where}: ${result.detail}`;
  if (result.outcome !== 'fail' || result.cause === 'no-space' || result.cause === 'expired')
    return { ...result, detail };
  return { ...result, cause: 'dependency', detail };
}

async function inMailbox(
  context: Context,
  session: Session,
  token: string,
  reply: string,
): Promise<CheckResult | null> {
  const { user, password, mailbox: name, ...rest } = context.options.store;
  const { clock } = context.ports;
  const started = clock.monotonic();
  const box = await openMailbox(session, { place: rest, use: rest, user, password, mailbox: name });
  if (isVerdict(box)) return ofTheStore(box, placeText(rest));
  const uids = await session.step(
    'deliver',
    () => awaitMail(session, box, token),
    (found) => `${found.length} messages`,
  );
  const deliverMs = clock.monotonic() - started;
  if (uids.length === 0) {
    const verdict = await whereIsIt(context, session, reply, deliverMs);
    // Late mails of earlier runs pile up while deliveries are slow: take them away in a failing run too, if that works.
    await removeLeftovers(session, box, context.options.leftovers).catch(() => null);
    return verdict;
  }
  session.measure('deliver', deliverMs, 'ms');
  const fetching = clock.monotonic();
  const found = await session.step(
    'fetch',
    () => fetchProbes(box, uids),
    (seen) => `${seen.length} messages`,
  );
  session.measure('fetch', clock.monotonic() - fetching, 'ms');
  if (!found.some((message) => message.token === token)) {
    return fail('dependency', `fetch: the message is listed, and cannot be read`, session.seen);
  }
  const deleting = clock.monotonic();
  const bad =
    (await removeMessages(session, box, uids, 'delete')) ??
    (await removeLeftovers(session, box, context.options.leftovers));
  session.measure('delete', clock.monotonic() - deleting, 'ms');
  if (bad) return ofTheStore({ ...bad, detail: `delete: ${bad.detail}` }, placeText(rest));
  await session.step(
    'LOGOUT',
    () => box.imap.command('LOGOUT'),
    (answer) => answer.text,
  );
  return null;
}

async function fetchHop(context: Context, session: Session, token: string, reply: string): Promise<CheckResult | null> {
  try {
    return await inMailbox(context, session, token, reply);
  } catch (error) {
    if (!(error instanceof NetError)) throw error;
    const step = session.seen.steps.at(-1);
    const stage = step && !step.ok ? `${step.name}: ` : '';
    return ofTheStore(netVerdict(error, `${stage}${plain(error.message)}`, session), placeText(context.options.store));
  }
}

export default defineCheck({
  about: 'Sends a mail to itself and reads it again: submit, deliver, fetch, delete, each with its time.',
  depth: 'deep',
  options,
  example: {
    to: 'probe@example.org',
    store: { user: 'probe@example.org', password: 'file:/etc/watchkeeper/probe' },
  },
  async run(context) {
    const { from, to, slow, submit: way } = context.options;
    const { clock } = context.ports;
    return converse(context, `submit: ${placeText(way)}`, async (session) => {
      const token = newToken();
      const started = clock.monotonic();
      const { user, password } = way;
      const reply = await submit(session, { place: way, use: way, user, password, from: from ?? to, to, token });
      if (isVerdict(reply)) return reply;
      session.measure('submit', clock.monotonic() - started, 'ms');
      const bad = await fetchHop(context, session, token, reply);
      if (bad) return bad;
      const ms = clock.monotonic() - started;
      session.measure('time', ms, 'ms');
      const told = `a mail went through in ${ms.toFixed(0)} ms`;
      if (slow !== undefined && ms > slow) return degraded('overloaded', `${told}, more than ${slow} ms`, session.seen);
      return pass(told, session.seen);
    });
  },
});
