// How fast does a server answer, on average and at its slow end? A window of samples, kept in memory. Slowness degrades
// and never fails: whether the server works is asked by others.
import { type CheckContext, type CheckResult, defineCheck, degraded, opt, pass, z } from '../define.ts';
import { plain } from '../dialogues/quote.ts';
import { authorities, converse } from '../dialogues/session.ts';

const options = z
  .strictObject({
    url: z
      .string()
      .max(2048)
      .regex(/^https?:\/\/[^\s@]+$/, 'expected http://… or https://… without a user name')
      .describe('Asked for by HTTP; the time is that of the whole answer')
      .optional(),
    host: opt.host('Host name or address, without `url`').default('127.0.0.1'),
    port: opt.port('TCP port, without `url`; the time is that of the connection').optional(),
    verify: opt.flag('https: the certificate must be trusted and for this name').default(true),
    ca: opt.path('PEM file of authorities to trust instead of the well-known ones').optional(),
    window: opt.duration('Samples are kept for this long').prefault('5m'),
    least: opt.count('With fewer samples nothing is said of them').default(5),
    'average-warn': opt.duration('Degraded when the average is above this').prefault('100ms'),
    'p95-warn': opt.duration('Degraded when one of twenty takes longer').prefault('1s'),
  })
  .refine((some) => (some.url === undefined) !== (some.port === undefined), 'expected url or port');
type Context = CheckContext<z.output<typeof options>>;

interface Sample {
  readonly at: number;
  readonly ms: number;
}
const MOST_SAMPLES = 2000;

/** The value that this share of all does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

function keep({ memory, ports, options: wanted }: Context, ms: number): readonly number[] {
  const at = ports.clock.monotonic();
  const before = (memory.get('samples') as readonly Sample[] | undefined) ?? [];
  const samples = [...before, { at, ms }].filter((one) => at - one.at <= wanted.window).slice(-MOST_SAMPLES);
  memory.set('samples', samples);
  return samples.map((one) => one.ms);
}

const round = (ms: number): number => Math.round(ms * 100) / 100;

function judge(context: Context, where: string, ms: number): CheckResult {
  const { 'average-warn': averageWarn, 'p95-warn': slowWarn, least } = context.options;
  const all = keep(context, ms);
  const average = round(all.reduce((sum, one) => sum + one, 0) / all.length);
  const slow = round(percentile(all, 0.95));
  const metrics = [
    { name: 'time', value: round(ms), unit: 'ms' },
    { name: 'average', value: average, unit: 'ms', warn: String(averageWarn) },
    { name: 'p95', value: slow, unit: 'ms', warn: String(slowWarn) },
  ];
  const text = `${where} answers in ${average} ms on average, ${slow} ms at the 95th percentile of ${all.length}`;
  if (all.length < least)
    return pass(`${where} answers in ${round(ms)} ms (too few samples: ${all.length})`, { metrics });
  if (average > averageWarn) return degraded('overloaded', `${text}; more than ${averageWarn} ms`, { metrics });
  if (slow > slowWarn) return degraded('overloaded', `${text}; more than ${slowWarn} ms`, { metrics });
  return pass(text, { metrics });
}

export default defineCheck({
  about: 'How fast does a server answer, on average and at the 95th percentile of a window?',
  depth: 'both',
  options,
  example: { url: 'http://127.0.0.1:8080/health', 'average-warn': '50ms', 'p95-warn': '1s' },
  async run(context) {
    const { url, host, port = 0, verify, ca } = context.options;
    const where = url === undefined ? `${host.includes(':') ? `[${host}]` : host}:${port}` : plain(url, 120);
    const result = await converse(context, where, async (session) => {
      if (url === undefined) return judge(context, where, (await session.open({ host, port })).connectMs);
      const { signal, timeoutMs } = session;
      const call = { url, tls: { verify, ...authorities(context.ports, ca) }, signal, timeoutMs };
      return judge(context, where, (await context.ports.http.request(call)).ms);
    });
    if (result.outcome !== 'fail') return result;
    // No answer within all the time is a sample too: it was at least as slow as that.
    if (result.cause === 'hung') keep(context, context.timeoutMs);
    return { ...result, outcome: 'degraded' };
  },
});
