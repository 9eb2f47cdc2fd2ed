// Does a mail filter (OpenDKIM, rspamd's proxy, clamav-milter …) negotiate, and what does it say to a client?
// Nothing of a message is sent: the talk ends after HELO.
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, z } from '../define.ts';
import { address, place, placeText } from '../dialogues/endpoint.ts';
import * as milter from '../dialogues/milter.ts';
import { quote } from '../dialogues/quote.ts';
import { converse, type Session } from '../dialogues/session.ts';
import type { Dialogue } from '../ports/net.ts';

const options = z.strictObject({
  ...place(8891),
  name: opt.host('The name of the client in a DeepCheck.').default('localhost'),
  client: z
    .union([z.ipv4(), z.ipv6()])
    .default('127.0.0.1')
    .describe('The address of the client in a DeepCheck: one that the filter has nothing against.'),
});
type Context = CheckContext<z.output<typeof options>>;

/** What the filter says of a client that is well known to be harmless. Null: go on; `done`: nothing more to ask. */
function judge(packet: milter.Packet, step: string, session: Session): CheckResult | 'done' | null {
  const { seen } = session;
  const reply = packet.data.toString('utf8').replace(/\0.*$/s, '');
  switch (packet.command) {
    case 'c': // continue
      return null;
    case 'a': // accept: it wants to hear no more of this client
      return 'done';
    case 't':
      return degraded('dependency', `it answers ${step} with a temporary failure: mail is put off`, seen);
    case 'f':
      return degraded('dependency', `it gives the connection up at ${step}`, seen);
    case 'r':
    case 'd':
      return degraded('misconfigured', `it refuses the probe's client at ${step}`, seen);
    case 'y':
      return reply.startsWith('4')
        ? degraded('dependency', `it answers ${step} with ${quote(reply)}`, seen)
        : degraded('misconfigured', `it refuses the probe's client at ${step}: ${quote(reply)}`, seen);
    default:
      return fail('misconfigured', `no answer to ${step}: command ${quote(packet.command, 8)}`, seen);
  }
}

async function deep(context: Context, session: Session, dialogue: Dialogue, agreed: milter.Agreed) {
  const { name, client } = context.options;
  for (const step of ['connect', 'helo'] as const) {
    if (agreed.no[step]) continue;
    const tell = (): Promise<void> =>
      step === 'connect' ? milter.connect(dialogue, name, client) : milter.helo(dialogue, name);
    if (agreed.silent[step]) {
      await session.step(step, tell);
      continue;
    }
    const packet = await session.step(
      step,
      async () => {
        await tell();
        return milter.receive(dialogue);
      },
      (got) => got.command,
    );
    const said = judge(packet, step.toUpperCase(), session);
    if (said === 'done') return null;
    if (said) return said;
  }
  return null;
}

export default defineCheck({
  about: 'Quick: a milter answers the negotiation of its protocol. Deep: it takes a harmless client and its HELO.',
  depth: 'both',
  options,
  example: { host: '127.0.0.1', port: 8891 },
  async run(context) {
    const where = placeText(context.options);
    return converse(context, where, async (session) => {
      const dialogue = await session.step('connect', () => session.open(address(context.options)));
      const agreed = await session.step(
        'negotiation',
        () => milter.negotiate(dialogue),
        (got) => `version ${got.version}`,
      );
      const bad = context.depth === 'deep' ? await deep(context, session, dialogue, agreed) : null;
      await milter.send(dialogue, 'Q').catch(() => undefined);
      if (bad) return { ...bad, detail: `${where}: ${bad.detail}`, ...session.seen };
      return pass(`${where} negotiates (milter version ${agreed.version})`, session.seen);
    });
  },
});
