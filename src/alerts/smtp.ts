// Alerts as mail. The ways out are tried in their order, each with its share of the time, and a way through a service
// that does not work now comes last: mail must arrive although it is mail that is broken.
import { defineAlert, opt, type AlertContext, type SendResult, z } from '../define.ts';
import { alertMail } from '../dialogues/alert-mail.ts';
import { go, inOrder, label, type Route, routes } from '../dialogues/mail-route.ts';
import type { Posting } from '../dialogues/post.ts';

/** A mailbox in ASCII (RFC 5321): nothing that could end an address, a command or a header. */
const ADDRESS = /^[\w.!#$%&'*+/=?^`{|}~-]+@([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[\da-fA-F.:IPv]+\])$/;
const address = (about: string) => z.string().max(254).regex(ADDRESS, 'expected NAME@DOMAIN').describe(about);

const options = z.object({
  to: z.array(address('A mailbox.')).min(1).max(50).describe('Who is told.'),
  from: address('The sender: an address that somebody reads, for what cannot be delivered comes back to it.'),
  via: routes.describe(
    'The ways out, tried in this order: `smtp://HOST`, `submission://HOST`, `smtps://HOST`, `direct-to-mx`, or a map with `url` and settings.',
  ),
  envelope: z
    .enum(['from', 'empty'])
    .default('from')
    .describe('The sender of the envelope: `from`, or `empty`, so that nothing comes back (`MAIL FROM:<>`).'),
  helo: opt.host('Our name in EHLO. Default: the domain of `from`.').optional(),
  timeout: opt.duration('For one way at most; the time left is shared among those not tried yet.').prefault('10s'),
});
type Context = AlertContext<z.output<typeof options>>;

/** For all ways of one alert: less than the 30 s that the outbox gives. */
const ALL_MS = 27_000;
/** Tries of one alert after which those who still wait are given up, if others have it: they must not hold up the next
 *  alert for everybody. */
const TRIES = 3;

/** What is remembered of the alert that is on its way. */
interface Memory {
  id: number;
  tries: number;
  readonly accepted: Set<string>;
  close(): void;
}
const newMemory = (): Promise<Memory> =>
  Promise.resolve({ id: 0, tries: 0, accepted: new Set<string>(), close: () => undefined });

interface Told {
  /** By recipient, the words of each way that refused it for good. */
  readonly refused: Map<string, string[]>;
  readonly faults: string[];
  /** Ways that will not work until somebody sets them right. */
  readonly ours: string[];
}

/** Goes the ways one after the other until everybody has it. */
async function goAll(context: Context, all: readonly Route[], posting: Posting, memory: Memory): Promise<Told> {
  const { ports, signal, options: own } = context;
  const until = ports.clock.monotonic() + ALL_MS;
  const told: Told = { refused: new Map(), faults: [], ours: [] };
  for (const [index, route] of all.entries()) {
    const recipients = posting.recipients.filter((one) => !memory.accepted.has(one));
    if (recipients.length === 0 || signal.aborted) break;
    const share = (until - ports.clock.monotonic()) / (all.length - index);
    const timeoutMs = Math.max(1, Math.min(own.timeout, share));
    const posted = await go(route, { ...posting, recipients }, { ports, signal, timeoutMs });
    for (const one of posted.accepted) memory.accepted.add(one);
    for (const [one, text] of posted.refused)
      told.refused.set(one, [...(told.refused.get(one) ?? []), `${label(route)}: ${text}`]);
    if (posted.fault === null) continue;
    told.faults.push(`${label(route)}: ${posted.fault.text}`);
    if (posted.fault.kind === 'login' || posted.fault.kind === 'tls') told.ours.push(told.faults.at(-1) ?? '');
  }
  return told;
}

function conclude(context: Context, told: Told, ways: number, memory: Memory): SendResult {
  const { refused, faults, ours } = told;
  const missing = context.options.to.filter((one) => !memory.accepted.has(one));
  const said = (one: string): string => `${one}: ${(refused.get(one) ?? faults.slice(-1)).join(', ')}`;
  const everywhere = (one: string): boolean => refused.get(one)?.length === ways;
  if (memory.accepted.size === 0) {
    const text = [...missing.filter((one) => refused.has(one)).map(said), ...faults].slice(0, 4).join('; ');
    if (!missing.every(everywhere)) return { retry: text || 'there was no time to try' };
    context.trouble(`every way refused it for good: ${text}`);
    return { drop: text };
  }
  const wait = missing.filter((one) => !refused.has(one));
  if (wait.length > 0 && memory.tries < TRIES) return { retry: wait.map(said).join('; ') };
  const troubles = [...missing.map((one) => `not delivered to ${said(one)}`), ...ours];
  context.trouble(troubles.length > 0 ? troubles.slice(0, 4).join('; ') : null);
  return 'sent';
}

export default defineAlert({
  about:
    'Sends each alert as a mail, by several ways: relays, a submission server, or straight to the MX of the recipient.',
  options,
  example: {
    to: ['ops@example.org'],
    from: 'watchkeeper@n1.example.org',
    via: [{ url: 'smtp://10.0.0.30', through: 'mta' }, 'direct-to-mx'],
  },
  reader: 'person',
  async send(alert, context) {
    const { from, to, via, envelope, helo } = context.options;
    const { node, channel } = context;
    const memory = await context.lasting(newMemory);
    if (memory.id !== alert.id) {
      memory.id = alert.id;
      memory.tries = 0;
      memory.accepted.clear();
    }
    memory.tries++;
    const background = context.background();
    const all = inOrder(via, background.failing);
    const posting: Posting = {
      mail: alertMail(alert, { node, channel, from, to }, background),
      recipients: to,
      sender: envelope === 'empty' ? '' : from,
      helo: helo ?? from.slice(from.lastIndexOf('@') + 1),
    };
    const told = await goAll(context, all, posting, memory);
    return conclude(context, told, all.length, memory);
  },
});
