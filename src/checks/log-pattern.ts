// How many new lines of a log match a pattern? A child reads and matches, a bounded part a look; the daemon neither
// waits for a storage nor for a pattern that takes for ever.
import {
  CAUSES,
  type CheckContext,
  type CheckResult,
  defineCheck,
  degraded,
  fail,
  opt,
  pass,
  unknown,
  z,
} from '../define.ts';
import { quote } from '../dialogues/quote.ts';
import { runOnDisk } from '../host/disk-child.ts';
import { count } from '../host/text.ts';
import { type LogAnswer, type LogPlace, type LogQuestion, scanArgv } from '../ports/log-scan.ts';

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, 'u') instanceof RegExp;
  } catch {
    return false;
  }
}
const pattern = (about: string) =>
  z.string().min(1).max(500).refine(isPattern, 'expected a regular expression').describe(about);
const rate = (about: string) => z.number().min(0).max(1_000_000).describe(about);

const options = z
  .strictObject({
    path: opt.path('The log'),
    pattern: pattern('A regular expression; a line that matches counts'),
    ignore: pattern('A regular expression; a line that matches this one too does not count').optional(),
    'any-case': opt.flag('Upper and lower case are the same').default(false),
    warn: rate('Degraded above so many lines a minute').default(0),
    crit: rate('Failing above so many lines a minute; without it, it never fails').optional(),
    window: opt.duration('The rate is that of this time').prefault('5m'),
    max: opt.size('How much is read in one look; of what comes faster, the newest').prefault('1M'),
    cause: z.enum(CAUSES).default('refusing').describe('The cause that too many lines stand for'),
  })
  .refine((some) => some.max <= 16 * 1024 * 1024, { message: 'expected at most 16M', path: ['max'] });
type Context = CheckContext<z.output<typeof options>>;

interface Look {
  readonly at: number;
  readonly matches: number;
}
const MINUTE_MS = 60_000;
const MOST_LOOKS = 5000;

function parse(text: string): LogAnswer | null {
  try {
    const got = JSON.parse(text) as LogAnswer;
    return typeof got.ok === 'boolean' ? got : null;
  } catch {
    return null;
  }
}

/** Lines a minute in the window; within its first minute as if that minute were over. */
function rateOf(context: Context, matches: number): { readonly perMinute: number; readonly total: number } {
  const { memory, ports, options: wanted } = context;
  const now = ports.clock.monotonic();
  const began = (memory.get('began') as number | undefined) ?? now;
  memory.set('began', began);
  const before = (memory.get('looks') as readonly Look[] | undefined) ?? [];
  const looks = [...before, { at: now, matches }].filter((one) => now - one.at < wanted.window).slice(-MOST_LOOKS);
  memory.set('looks', looks);
  const total = looks.reduce((sum, one) => sum + one.matches, 0);
  const minutes = Math.max(1, Math.min(wanted.window, now - began) / MINUTE_MS);
  return { perMinute: Math.round((total / minutes) * 100) / 100, total };
}

function judge(context: Context, answer: Extract<LogAnswer, { ok: true }>): CheckResult {
  const { memory, options: wanted } = context;
  const { perMinute, total } = rateOf(context, answer.matches);
  if (answer.last !== '') memory.set('last', answer.last);
  const metrics = [
    { name: 'lines', value: answer.lines },
    { name: 'matches', value: answer.matches },
    { name: 'rate', value: perMinute, unit: '/min', warn: String(wanted.warn), crit: String(wanted.crit ?? '') },
  ].map(({ crit, ...rest }: { crit?: string; name: string; value: number }) => (crit ? { ...rest, crit } : rest));
  const skipped = answer.skipped > 0 ? `; ${answer.skipped} bytes were passed over` : '';
  const last = (memory.get('last') as string | undefined) ?? '';
  const text = `${count(total, 'line')} of ${wanted.path} (${perMinute} a minute) match, the last: ${quote(last)}`;
  if (wanted.crit !== undefined && perMinute > wanted.crit) return fail(wanted.cause, text + skipped, { metrics });
  if (perMinute > wanted.warn) return degraded(wanted.cause, text + skipped, { metrics });
  const fine = total === 0 ? `no new line of ${wanted.path} matches` : text;
  return pass(fine + skipped, { metrics });
}

function refusal(path: string, code: string): CheckResult {
  // A log that is away for the moment of its rotation says nothing of its service.
  if (code === 'ENOENT' || code === 'ENOTDIR') return unknown(`there is no log ${path}`);
  return unknown(`the log ${path} cannot be read: ${code}`);
}

export default defineCheck({
  about: 'How many new lines of a log match a pattern, a minute?',
  depth: 'both',
  options,
  example: { path: '/var/log/mail.log', pattern: 'fatal:|panic:', warn: 0, crit: 30 },
  async run(context) {
    const { memory, options: wanted } = context;
    const question: LogQuestion = {
      ...{ path: wanted.path, pattern: wanted.pattern, ignore: wanted.ignore ?? null, anyCase: wanted['any-case'] },
      ...{ from: (memory.get('place') as LogPlace | undefined) ?? null, maxBytes: wanted.max },
    };
    const child = await runOnDisk(context, scanArgv, JSON.stringify(question));
    if (child.is === 'not-run') return unknown(`no probe could be started: ${child.why}`);
    if (child.is === 'stuck') {
      // Not the same bytes again: a line that the pattern cannot cope with would blind this check for ever.
      memory.delete('place');
      const ms = Math.round(child.ms);
      return unknown(`${wanted.path} was not looked through within ${ms} ms: its storage, or the pattern, is too slow`);
    }
    const answer = parse(child.result.stdout);
    if (!answer) return unknown(`the probe ended with ${child.result.signal ?? child.result.code} and no answer`);
    if (!answer.ok) return refusal(wanted.path, answer.code);
    memory.set('place', answer.place);
    return judge(context, answer);
  },
});
