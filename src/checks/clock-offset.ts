// How far is the machine's clock off? Asked of the daemon that keeps it, or of one server. No restart sets a clock, and
// others need a right one: certificates, Kerberos, logs. It degrades and never fails.
import { type CheckContext, type CheckResult, defineCheck, degraded, opt, pass, unknown, z } from '../define.ts';
import { quote } from '../dialogues/quote.ts';
import { converse, type Session } from '../dialogues/session.ts';
import { isSntpAnswer, readSntp, sntpQuestion } from '../dialogues/sntp.ts';
import { troubleLine } from '../host/text.ts';

const options = z
  .strictObject({
    ask: z
      .enum(['chrony', 'ntp', 'timesyncd', 'server'])
      .default('chrony')
      .describe('`chrony`: chronyc; `ntp`: ntpq; `timesyncd`: timedatectl; `server`: one SNTP question to `host`'),
    host: opt.host('A time server, for `ask: server`').optional(),
    port: opt.port('Its UDP port').default(123),
    max: opt.duration('Degraded when the clock is off by more').prefault('100ms'),
  })
  .refine((some) => some.ask !== 'server' || some.host !== undefined, 'ask: server needs a host');
type Context = CheckContext<z.output<typeof options>>;

/** Milliseconds that the clock is off; null: the daemon says that it is not set at all. Undefined: no answer. */
type Offset = number | null | undefined;

const finite = (value: number): Offset => (Number.isFinite(value) ? value : undefined);

/** chronyc(1) -c tracking: comma-separated; the fifth is the offset in seconds, the last says whether it is set. */
export function parseChrony(text: string): Offset {
  const fields = text.trim().split('\n')[0]?.split(',') ?? [];
  if (fields.length < 14) return undefined;
  if (fields.at(-1) === 'Not synchronised') return null;
  return finite(Number(fields[4]) * 1000);
}

/** ntpq(8) -c rv: `leap=00, stratum=2, offset=0.123`, in ms; leap 3 (11): not set. */
export function parseNtpq(text: string): Offset {
  const of = (name: string): string | undefined => new RegExp(`\\b${name}=([-+\\w.]{1,40})`).exec(text)?.[1];
  const [leap, offset] = [of('leap'), of('offset')];
  if (leap === '11' || leap === '3' || of('stratum') === '16') return null;
  return offset === undefined ? undefined : finite(Number(offset));
}

const UNIT_MS: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** timedatectl(1) timesync-status: `Offset: -1min 2.5s`; without such a line nothing was heard yet. */
export function parseTimesync(text: string): Offset {
  const told = /^ *Offset: ([-+]?)([\w. ]{1,60})$/m.exec(text);
  if (!told) return /^ *(Server|Poll interval):/m.test(text) ? null : undefined;
  let sum = 0;
  for (const part of (told[2] ?? '').trim().split(' ')) {
    const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(us|ms|s|min|h|d)$/.exec(part) ?? [];
    sum += Number(number) * (UNIT_MS[unit] ?? Number.NaN);
  }
  return finite(told[1] === '-' ? -sum : sum);
}

const PROGRAMS = {
  chrony: { argv: ['chronyc', '-n', '-c', 'tracking'], parse: parseChrony },
  ntp: { argv: ['ntpq', '-n', '-c', 'rv 0 leap,stratum,offset'], parse: parseNtpq },
  timesyncd: { argv: ['timedatectl', '--no-pager', 'timesync-status'], parse: parseTimesync },
};

const show = (ms: number): string => `${ms > 0 ? '+' : ''}${Math.abs(ms) < 10 ? ms.toFixed(3) : Math.round(ms)} ms`;

function judge(maxMs: number, who: string, offsetMs: number, more: Session['seen'] | object = {}): CheckResult {
  const offset = { name: 'offset', value: Math.round(offsetMs * 1000) / 1000, unit: 'ms', warn: String(maxMs) };
  const metrics = [offset, ...('metrics' in more ? more.metrics : [])];
  const text = `the clock is off by ${show(offsetMs)}, says ${who}`;
  if (Math.abs(offsetMs) > maxMs) return degraded('dependency', `${text}, more than ${maxMs} ms`, { ...more, metrics });
  return pass(text, { ...more, metrics });
}

async function askProgram(context: Context, name: keyof typeof PROGRAMS): Promise<CheckResult> {
  const { argv, parse } = PROGRAMS[name];
  const timeoutMs = Math.max(context.timeoutMs / 2, context.timeoutMs - 250);
  const got = await context.ports.exec.run(argv, { timeoutMs, signal: context.signal, maxBytes: 16_384 });
  if (got.failed) return unknown(`${argv[0]} could not be run: ${got.failed}`);
  if (got.timedOut) return unknown(`${argv[0]} gave no answer within ${Math.round(timeoutMs)} ms`);
  const offset = got.code === 0 ? parse(got.stdout) : undefined;
  if (offset === undefined) {
    const said = troubleLine(got.stderr, got.stdout);
    return unknown(`${argv[0]} tells no offset${said ? `: ${quote(said)}` : ''}`);
  }
  if (offset === null) return degraded('dependency', `the clock is not synchronised, says ${argv[0]}`);
  return judge(context.options.max, argv[0] ?? name, offset);
}

/** A mark that nobody can guess who does not see the question. */
const newMark = (): bigint =>
  (BigInt(Math.floor(Math.random() * 2 ** 32)) << 32n) | BigInt(Math.floor(Math.random() * 2 ** 32));

async function askServer(context: Context, host: string): Promise<CheckResult> {
  const { port, max } = context.options;
  const who = `${host}:${port}`;
  const result = await converse(context, who, async (session) => {
    const { clock, udp } = context.ports;
    const mark = newMark();
    const { signal, timeoutMs } = session;
    // The wall clock is what is asked about; the way there and back is measured by the one that never jumps.
    const wallMs = clock.wall();
    const sent = clock.monotonic();
    const bytes = sntpQuestion(mark);
    const fits = (answer: Buffer): boolean => isSntpAnswer(answer, mark);
    const answer = await session.step('sntp', () => udp.ask({ host, port, bytes, signal, timeoutMs, fits }));
    const reading = readSntp(answer, wallMs, wallMs + (clock.monotonic() - sent));
    if (reading.is === 'refusal')
      return degraded('dependency', `the time server ${who} refuses: ${quote(reading.why)}`, session.seen);
    session.measure('delay', reading.delayMs, 'ms');
    return judge(max, who, reading.offsetMs, session.seen);
  });
  // The server is not the service: that it is away leaves the clock as it is.
  return result.outcome === 'fail' ? { ...result, outcome: 'degraded', cause: 'dependency' } : result;
}

export default defineCheck({
  about: 'How far is the clock of this machine off, by its own daemon or by a time server?',
  depth: 'both',
  options,
  example: { ask: 'chrony', max: '100ms' },
  run(context) {
    const { ask, host } = context.options;
    return ask === 'server' ? askServer(context, host ?? '') : askProgram(context, ask);
  },
});
