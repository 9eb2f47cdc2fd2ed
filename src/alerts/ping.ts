// The dead man's handle: calls a web address at every heartbeat. Who expects the call and does not get it wakes a
// person: that is how a daemon tells that it is dead. Other alerts are not its business.
import { defineAlert, opt, z } from '../define.ts';
import { authorities } from '../dialogues/session.ts';
import type { EventName } from '../core/catalogue.ts';
import { ask, reader, urlOf, webUrl } from '../dialogues/web-post.ts';

const options = z.object({
  url: webUrl('Called at every heartbeat: an address, or a reference to a secret that holds it.'),
  'fail-url': webUrl('Called instead while a critical alarm is active.').optional(),
  method: z.enum(['GET', 'HEAD', 'POST']).default('GET').describe('How it is called.'),
  ca: opt.path('PEM file of authorities to trust instead of the well-known ones.').optional(),
  timeout: opt.duration('For the whole request.').prefault('10s'),
});

/** A test by hand is one heartbeat more. */
const TOLD: ReadonlySet<string> = new Set<EventName>(['heartbeat', 'alert-test']);
/** What is older says nothing of now: a heap of them, held up by a dead net, is not told afterwards. */
const OLD_MS = 5 * 60_000;

export default defineAlert({
  about: 'Calls a web address at every heartbeat, for services that call a person when it stays away.',
  options,
  example: { url: 'file:/etc/watchkeeper/ping-url' },
  heartbeat: 'only',
  async send(alert, context) {
    const { ports, signal, options: own } = context;
    if (!TOLD.has(alert.notice.event)) return 'sent';
    if (ports.clock.wall() - Date.parse(alert.time) > OLD_MS) return { drop: 'this heartbeat is too old to be told' };
    const { active } = context.background();
    const failing = active.count > 0 && active.highest === 'critical';
    const given = failing ? (own['fail-url'] ?? own.url) : own.url;
    const read = reader(ports);
    const { result } = await ask(ports, read, async () => ({
      url: urlOf(read, given),
      method: own.method,
      tls: authorities(ports, own.ca),
      signal,
      timeoutMs: own.timeout,
    }));
    if (result === 'sent') context.trouble(null);
    else if ('drop' in result) context.trouble(`the ping is refused: ${result.drop}`);
    return result;
  },
});
