// How much mail waits in Postfix, for how long and why; and whether the queue manager moves it at all.
//
// A queue that grows because the next hop is away is a dependency's failure: a restart would cure nothing. Mail that
// stays in `incoming` is different: only the queue manager takes it from there, and it does so at once unless `active`
// is full (qmgr(8)). How long a message was there is measured by us, from run to run, on a clock that does not jump.
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, unknown, z } from '../define.ts';
import { growth } from '../dialogues/growth.ts';
import { refusal } from '../dialogues/plugin.ts';
import { lineReader, parseMessage, type QueueName, type Tally, tally } from '../dialogues/queue.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { converse, type Session } from '../dialogues/session.ts';
import type { ExecResult } from '../ports/exec.ts';

const options = z.strictObject({
  postqueue: opt.path('The program.').default('/usr/sbin/postqueue'),
  config: opt.path('Configuration directory, if it is not the usual one (`postqueue -c`).').optional(),
  incoming: opt.count('Degraded when more messages are in `incoming`.').default(200),
  active: opt.count('Degraded when more messages are in `active`. Postfix holds at most 20,000 there.').default(5000),
  deferred: opt.count('Degraded when more messages are in `deferred`.').default(500),
  age: opt.duration('Degraded when the oldest message in `deferred` is older.').prefault('1d'),
  growth: opt.count('Degraded when `deferred` grows by more messages a minute, over at least a minute.').default(60),
  stuck: opt.duration('Failed when a message stays in `incoming` for so long.').prefault('2m'),
});
type Context = CheckContext<z.output<typeof options>>;

/** qmgr_message_active_limit's default: with so many in `active`, `incoming` has to wait. */
const ACTIVE_FULL = 20_000;
const MINUTE_MS = 60_000;

/** Ids in `incoming`, and when each was first seen there. */
type Waiting = ReadonlyMap<string, number>;

/** What this run adds to the memory: how long the oldest stays in `incoming`, and the growth of `deferred` a minute. */
function remember(context: Context, seen: Tally): { readonly stayedMs: number; readonly growth: number | null } {
  const now = context.ports.clock.monotonic();
  const past = context.memory.get('waiting') as Waiting | undefined;
  const waiting: Waiting = new Map(seen.incoming().map((id) => [id, past?.get(id) ?? now]));
  context.memory.set('waiting', waiting);
  return {
    stayedMs: Math.max(0, ...[...waiting.values()].map((since) => now - since)),
    growth: growth(context.memory, 'deferred', seen.facts('deferred').count, now),
  };
}

const seconds = (ms: number): string => {
  if (ms < 2 * MINUTE_MS) return `${Math.round(ms / 1000)} s`;
  return ms < 120 * MINUTE_MS ? `${Math.round(ms / MINUTE_MS)} min` : `${Math.round(ms / (60 * MINUTE_MS))} h`;
};

function measure(session: Session, seen: Tally, wallMs: number, rate: number | null): void {
  for (const queue of ['incoming', 'active', 'deferred', 'hold', 'maildrop'] as const satisfies readonly QueueName[]) {
    const { count, oldest } = seen.facts(queue);
    session.measure(queue, count, '');
    if (oldest !== null) session.measure(`${queue}-oldest`, Math.max(0, wallMs / 1000 - oldest), 's');
  }
  session.measure('size', seen.bytes(), 'B');
  if (rate !== null) session.measure('growth', rate, '');
}

function reasonText(seen: Tally): string {
  const [top] = seen.reasons();
  return top ? `; most often (${top.count}): ${quote(top.reason)}` : '';
}

function judge(context: Context, session: Session, seen: Tally, complete: boolean): CheckResult {
  const limits = context.options;
  const wallMs = context.ports.clock.wall();
  const [incoming, active, deferred] = [seen.facts('incoming'), seen.facts('active'), seen.facts('deferred')];
  // A list that was broken off says nothing about what left the queue.
  const { stayedMs, growth: rate } = complete ? remember(context, seen) : { stayedMs: 0, growth: null };
  measure(session, seen, wallMs, rate);
  const counts = `incoming ${incoming.count}, active ${active.count}, deferred ${deferred.count}`;
  const told = complete ? counts : `at least ${counts} (the list was too long to be read in time)`;
  if (stayedMs >= limits.stuck && active.count < ACTIVE_FULL) {
    const detail = `the queue manager does not move mail: a message is in incoming for ${seconds(stayedMs)} (${told})`;
    return fail('hung', detail, session.seen);
  }
  const age = deferred.oldest === null ? 0 : wallMs - deferred.oldest * 1000;
  const over = [
    [deferred.count > limits.deferred, `${deferred.count} messages are deferred`],
    [rate !== null && rate > limits.growth, `deferred grows by ${Math.round(rate ?? 0)} a minute`],
    [age > limits.age, `the oldest deferred message waits for ${seconds(age)}`],
    [active.count > limits.active, `${active.count} messages are active`],
    [incoming.count > limits.incoming, `${incoming.count} messages are incoming`],
  ].find(([bad]) => bad);
  if (over) return degraded('dependency', `${String(over[1])}${reasonText(seen)} (${told})`, session.seen);
  return complete ? pass(told, session.seen) : unknown(told, session.seen);
}

/** What it means when the list could not be had. */
function trouble(result: ExecResult, listed: number, session: Session): CheckResult | null {
  const { seen } = session;
  if (result.failed !== null) return unknown(`postqueue could not be started: ${result.failed}`, seen);
  if (result.timedOut) {
    return listed > 0
      ? null
      : fail('hung', `the queue is not listed in ${Math.round(result.ms)} ms: showq does not answer`, seen);
  }
  const said = quote(result.stderr.trim().split('\n').at(-1) ?? '');
  // As root postqueue reads the queue by itself when nobody serves it, and says so.
  if (/mail system is down/i.test(result.stderr)) {
    return fail('refusing', `Postfix does not serve its queue: ${said}`, seen);
  }
  if (/Permission denied/i.test(result.stderr)) return fail('misconfigured', `the queue cannot be read: ${said}`, seen);
  return result.code === 0 ? null : unknown(`postqueue exits ${result.code}: ${said}`, seen);
}

export default defineCheck({
  about: 'Counts the queues of Postfix: how many, how old, how fast they grow, why mail is deferred, whether it moves.',
  depth: 'deep',
  options,
  example: { deferred: 1000, age: '2d' },
  async run(context) {
    const { postqueue, config } = context.options;
    const refused = refusal(context.ports, postqueue);
    if (refused !== null) return unknown(refused);
    return converse(context, 'queue', async (session) => {
      const seen = tally();
      let listed = 0;
      const lines = lineReader((line) => {
        const message = parseMessage(line);
        if (!message) return;
        listed += 1;
        seen.add(message);
      });
      const argv = [postqueue, ...(config ? ['-c', config] : []), '-j'];
      // exec needs up to 200 ms to get rid of what does not end.
      const timeoutMs = Math.max(session.timeoutMs / 2, session.timeoutMs - 250);
      const call = { timeoutMs, signal: session.signal, onStdout: lines.add };
      const result = await session.step(
        'postqueue -j',
        () => context.ports.exec.run(argv, call),
        () => `${listed} messages`,
      );
      session.measure('time', result.ms, 'ms');
      const bad = trouble(result, listed, session);
      if (bad) return { ...bad, detail: plain(bad.detail, 400) };
      // The last line of a list that was broken off is half a message.
      if (!result.timedOut) lines.end();
      return judge(context, session, seen, !result.timedOut);
    });
  },
});
