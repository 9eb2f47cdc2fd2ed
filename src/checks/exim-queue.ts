// How much mail waits in Exim, how much of it is frozen, for how long, and whether Exim wrote into its panic log.
// A queue that grows because others do not take mail is a dependency's failure: a restart would cure nothing.
import { type CheckContext, type CheckResult, defineCheck, degraded, fail, opt, pass, unknown, z } from '../define.ts';
import { addLine, EMPTY, type EximQueue } from '../dialogues/exim-list.ts';
import { growth } from '../dialogues/growth.ts';
import { lineReader } from '../dialogues/queue.ts';
import { plain, quote } from '../dialogues/quote.ts';
import { converse, type Session } from '../dialogues/session.ts';
import { complaint, isRun, runTool } from '../dialogues/tool.ts';
import type { ExecResult } from '../ports/exec.ts';

const options = z.strictObject({
  exim: opt.path('The program.').default('/usr/sbin/exim4'),
  config: opt.path('Configuration file, if it is not the usual one (`exim -C`).').optional(),
  queued: opt.count('Degraded when more messages wait.').default(500),
  growth: opt.count('Degraded when the queue grows by more messages a minute, over at least a minute.').default(60),
  frozen: opt
    .count('Degraded when more messages are frozen: Exim has given up on them, and nobody was told.')
    .default(20),
  age: opt.duration('Degraded when the oldest message that is not frozen waits longer.').prefault('1d'),
  paniclog: opt
    .path('Degraded while this file is not empty. Read it, mend what it tells, then remove it.')
    .default('/var/log/exim4/paniclog'),
});
type Context = CheckContext<z.output<typeof options>>;

const MAX_PANICLOG = 65_536;
const hours = (ms: number): string =>
  ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;

const exim = ({ options: o }: Context, word: string): readonly string[] => [
  o.exim,
  ...(o.config === undefined ? [] : ['-C', o.config]),
  word,
];

/** What it means that Exim did not list anything. Null when it did. */
function trouble(result: ExecResult, session: Session): CheckResult | null {
  const { seen } = session;
  if (result.timedOut) return unknown(`Exim does not list its queue in ${Math.round(result.ms)} ms`, seen);
  if (result.code === 0) return null;
  const wrong = /configuration error in.*\n?.*/i.exec(result.stderr)?.[0];
  if (wrong !== undefined) return fail('misconfigured', `Exim cannot read its configuration: ${quote(wrong)}`, seen);
  if (/non-existent configuration file/i.test(result.stderr))
    return fail('misconfigured', `Exim has no configuration: ${complaint(result)}`, seen);
  return unknown(`exim exits ${result.code}: ${complaint(result)}`, seen);
}

async function counted(context: Context, session: Session): Promise<CheckResult | number> {
  const result = await runTool(session, 'exim -bpc', exim(context, '-bpc'));
  if (!isRun(result)) return result;
  const bad = trouble(result, session);
  if (bad) return bad;
  const found = /^(\d{1,9})\s*$/.exec(result.stdout)?.[1];
  return found === undefined
    ? unknown(`exim -bpc gives no number: ${quote(result.stdout, 60)}`, session.seen)
    : Number(found);
}

function judgeCount(context: Context, session: Session, count: number): CheckResult | null {
  const rate = growth(context.memory, 'queue', count, context.ports.clock.monotonic());
  session.measure('queued', count, '');
  if (rate !== null) session.measure('growth', rate, '');
  const { queued, growth: limit } = context.options;
  if (count > queued) return degraded('dependency', `${count} messages wait`, session.seen);
  if (rate === null || rate <= limit) return null;
  return degraded('dependency', `the queue grows by ${Math.round(rate)} a minute (${count} wait)`, session.seen);
}

async function list(context: Context, session: Session): Promise<CheckResult | EximQueue> {
  let queue = EMPTY;
  const lines = lineReader((line) => {
    queue = addLine(queue, line);
  });
  const result = await runTool(session, 'exim -bp', exim(context, '-bp'), { onStdout: lines.add });
  if (!isRun(result)) return result;
  lines.end();
  return trouble(result, session) ?? queue;
}

async function deep(context: Context, session: Session): Promise<CheckResult | null> {
  const { frozen, age } = context.options;
  const panic = paniclog(context, session);
  if (panic) return panic;
  const queue = await list(context, session);
  if ('outcome' in queue) return queue;
  session.measure('frozen', queue.frozen, '');
  session.measure('oldest', queue.oldestMs / 1000, 's');
  if (queue.frozen > frozen) return degraded('dependency', `${queue.frozen} messages are frozen`, session.seen);
  if (queue.oldestMovingMs <= age) return null;
  return degraded('dependency', `the oldest message waits for ${hours(queue.oldestMovingMs)}`, session.seen);
}

/** Exim writes there what it could not write anywhere else, or what stops it. */
function paniclog(context: Context, session: Session): CheckResult | null {
  const { paniclog: path } = context.options;
  const facts = context.ports.files.facts(path);
  if (!facts || facts.kind !== 'file' || facts.size === 0) return null;
  let text = '';
  try {
    text = facts.size <= MAX_PANICLOG ? (context.ports.files.readText(path, MAX_PANICLOG) ?? '') : '';
  } catch {
    // May not be read by us: that it is not empty is the news.
  }
  const last = text.trim().split('\n').at(-1) ?? '';
  const told = `Exim wrote into ${plain(path, 120)}${last === '' ? '' : `: ${quote(last, 200)}`}`;
  return degraded(/no space|quota|disk full/i.test(last) ? 'no-space' : 'misconfigured', told, session.seen);
}

export default defineCheck({
  about: "Quick: counts Exim's queue, and its growth. Deep: frozen messages, the oldest one, and the panic log.",
  depth: 'both',
  options,
  example: { queued: 1000, frozen: 50 },
  async run(context) {
    return converse(context, 'exim', async (session) => {
      const count = await counted(context, session);
      if (typeof count !== 'number') return { ...count, detail: plain(count.detail, 400) };
      const bad =
        judgeCount(context, session, count) ?? (context.depth === 'deep' ? await deep(context, session) : null);
      return bad ? { ...bad, detail: plain(bad.detail, 400) } : pass(`${count} messages wait`, session.seen);
    });
  },
});
