// Do the servers that this one hands mail to take it? Each is greeted, and the deferred mail of each domain is counted.
//
// What is wrong there is never this server's failure: a restart of the local one would cure nothing, so the verdict is
// `degraded` at the worst.
import { type CheckContext, type CheckResult, defineCheck, degraded, opt, pass, unknown, z } from '../define.ts';
import { type Destinations, destinations } from '../dialogues/destinations.ts';
import { lineReader, parseMessage } from '../dialogues/queue.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { converse, type Session } from '../dialogues/session.ts';
import * as smtp from '../dialogues/smtp.ts';
import { complaint, isRun, runTool } from '../dialogues/tool.ts';
import { type Dialogue, NetError } from '../ports/net.ts';

const HOP = /^(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_.-]{1,255})(?::(\d{1,5}))?$/;

const options = z
  .strictObject({
    hops: z
      .array(
        z
          .string()
          .regex(HOP, 'expected HOST, HOST:PORT or [ADDRESS]:PORT')
          .refine((hop) => Number(HOP.exec(hop)?.[2] ?? 25) <= 65_535, 'expected a port up to 65535'),
      )
      .max(20)
      .default([])
      .describe(
        'Relay hosts and targets of transports: `relay.example.org:25`, `[2001:db8::1]:587`. Default port: 25, 143 or 110.',
      ),
    speak: z
      .enum(['smtp', 'imap', 'pop3'])
      .default('smtp')
      .describe('What they speak. `imap` and `pop3` are for servers that mail is fetched from; 993 and 995 are TLS.'),
    queue: opt.flag('Count the deferred mail of each domain with `postqueue -j`.').default(false),
    postqueue: opt.path('The program.').default('/usr/sbin/postqueue'),
    config: opt.path('Configuration directory, if it is not the usual one (`postqueue -c`).').optional(),
    least: opt.count('A domain counts only with so many deferred messages.').default(20),
    share: opt.percent('Degraded when more of all deferred mail than this waits for one domain.').default(50),
  })
  .refine(({ hops, queue }) => hops.length > 0 || queue, 'expected `hops`, or `queue: true`');
type Context = CheckContext<z.output<typeof options>>;

/** What is wrong with a hop, or null; `own` when it is our own trouble. */
interface Met {
  readonly hop: string;
  readonly wrong: string | null;
  readonly own: boolean;
}

type Speech = Context['options']['speak'];
/** What a good greeting is like, and how one says goodbye. */
const FETCHED = {
  imap: { good: /^\* (OK|PREAUTH)\b/i, bye: 'a LOGOUT' },
  pop3: { good: /^\+OK\b/i, bye: 'QUIT' },
} as const;
const TLS_PORTS = ['993', '995'];

/** The greeting of a server that mail is fetched from; null when it is a good one. */
async function fetched(dialogue: Dialogue, { good, bye }: { good: RegExp; bye: string }): Promise<string | null> {
  const line = await dialogue.readLine();
  if (!good.test(line)) return `it says ${quote(line, 80)}`;
  await dialogue.write(`${bye}\r\n`);
  return null;
}

async function greet(session: Session, hop: string, speak: Speech): Promise<Met> {
  if (speak !== 'smtp') return fetchedFrom(session, hop, FETCHED[speak]);
  const [, host = '', port = '25'] = HOP.exec(hop) ?? [];
  const met = (wrong: string | null, own = false): Met => ({ hop, wrong, own });
  try {
    const reply = await session.step(
      hop,
      async () => {
        const dialogue = await session.open({ host: host.replace(/^\[|\]$/g, ''), port: Number(port) });
        const banner = await smtp.readReply(dialogue);
        await smtp.quit(dialogue);
        return banner;
      },
      smtp.replyText,
    );
    return met(reply.code === 220 ? null : smtp.replyText(reply));
  } catch (error) {
    if (!(error instanceof NetError)) throw error;
    return met(plain(error.message, 120), error.code === 'local');
  }
}

async function fetchedFrom(session: Session, hop: string, how: { good: RegExp; bye: string }): Promise<Met> {
  const [, name = '', port = how === FETCHED.imap ? '143' : '110'] = HOP.exec(hop) ?? [];
  const place = { host: name.replace(/^\[|\]$/g, ''), port: Number(port) };
  // Whether its certificate is good is the fetcher's to judge, who may be told to trust another one.
  const tls = TLS_PORTS.includes(port) ? { tls: { verify: false } } : {};
  try {
    const wrong = await session.step(hop, async () => fetched(await session.open({ ...place, ...tls }), how));
    return { hop, wrong, own: false };
  } catch (error) {
    if (!(error instanceof NetError)) throw error;
    return { hop, wrong: plain(error.message, 120), own: error.code === 'local' };
  }
}

async function countQueue(context: Context, session: Session): Promise<Destinations | CheckResult> {
  const { postqueue, config } = context.options;
  const seen = destinations();
  const lines = lineReader((line) => {
    const message = parseMessage(line);
    if (message) seen.add(message);
  });
  const argv = [postqueue, ...(config === undefined ? [] : ['-c', config]), '-j'];
  const result = await runTool(session, 'postqueue -j', argv, { onStdout: lines.add });
  if (!isRun(result)) return result;
  if (result.timedOut) return unknown('the queue could not be listed in time', session.seen);
  if (result.code !== 0) return unknown(`postqueue exits ${result.code}: ${complaint(result)}`, session.seen);
  lines.end();
  return seen;
}

function judgeQueue(context: Context, seen: Destinations, session: Session): CheckResult | null {
  const { least, share } = context.options;
  const total = seen.total();
  session.measure('deferred', total, '');
  const [worst] = seen.top();
  if (!worst || worst.count < least || (worst.count / total) * 100 <= share) return null;
  const percent = Math.round((worst.count / total) * 100);
  const told = `mail to ${worst.domain} waits: ${worst.count} of ${total} deferred messages (${percent} %)`;
  return degraded('dependency', told, session.seen);
}

function judgeHops(met: readonly Met[], speak: Speech, session: Session): CheckResult | null {
  const bad = met.filter((one) => one.wrong !== null);
  const [worst] = bad.filter((one) => !one.own);
  if (worst) {
    const more = bad.length > 1 ? `, and ${bad.length - 1} more of ${met.length}` : '';
    return degraded(
      'dependency',
      `${speak === 'smtp' ? 'the next hop' : 'the provider'} ${worst.hop} is in trouble: ${worst.wrong}${more}`,
      session.seen,
    );
  }
  return bad[0] ? unknown(`${bad[0].hop} could not be asked from here: ${bad[0].wrong}`, session.seen) : null;
}

export default defineCheck({
  about: 'Connects to each next hop and waits for its greeting; counts the deferred mail of each domain.',
  depth: 'deep',
  options,
  example: { hops: ['relay.example.org:587'], queue: true },
  async run(context) {
    const { hops, queue, speak } = context.options;
    return converse(context, 'next hops', async (session) => {
      const [met, counted] = await Promise.all([
        Promise.all([...new Set(hops)].map((hop) => greet(session, hop, speak))),
        queue ? countQueue(context, session) : null,
      ]);
      session.measure('hops', met.filter((one) => one.wrong === null).length, '');
      const isTable = counted !== null && 'top' in counted;
      const bad =
        judgeHops(met, speak, session) ??
        (isTable ? judgeQueue(context, counted, session) : (counted as CheckResult | null));
      if (bad) return { ...bad, detail: plain(bad.detail, 400) };
      return pass(
        `${met.length} ${speak === 'smtp' ? 'next hops' : 'providers'} greet${queue ? ', and no domain holds the queue up' : ''}`,
        session.seen,
      );
    });
  },
});
