// `watchkeeper check`: asks now, and shows the dialogue step by step, or answers as a Nagios plugin. With a service it
// is the daemon that asks; with a kit, a unit or a type the checks run here, once. Decides nothing.
import { clean } from '../core/clean.ts';
import type { Depth } from '../core/types.ts';
import { durationMs } from '../define.ts';
import { ask, body, ClientError, socketOf } from './client.ts';
import { EXIT, type Io } from './io.ts';
import { type Answer, NAGIOS_EXIT, nagiosLine, nagiosUnknown } from './nagios.ts';
import { paint } from './status.ts';

export interface CheckOptions {
  readonly service?: string;
  readonly depth: Depth;
  readonly output: 'table' | 'json' | 'nagios';
  readonly socket?: string;
  readonly kit?: string;
  readonly type?: string;
  readonly unit?: string;
  readonly host?: string;
  readonly set?: readonly string[];
  readonly skip?: readonly string[];
  readonly timeout?: string;
}

interface Asked {
  readonly name: string;
  readonly answer: Answer;
  readonly leftOut: readonly string[];
}

const COLOURS = { pass: 'green', degraded: 'yellow', fail: 'red', unknown: 'magenta' } as const;

export async function run(options: CheckOptions, io: Io): Promise<number> {
  const name = options.service ?? options.kit ?? options.type ?? options.unit ?? 'watchkeeper';
  try {
    const asked = await question(options, io);
    show(asked, options, io);
    return NAGIOS_EXIT[asked.answer.verdict.outcome];
  } catch (error) {
    if (options.output !== 'nagios' || !(error instanceof ClientError)) throw error;
    // A caller that knows four exit codes gets one of them, and its reason where it looks for it.
    io.out(`${nagiosUnknown(name.split('/').at(-1) ?? name, error.message)}\n`);
    return NAGIOS_EXIT.unknown;
  }
}

async function question(options: CheckOptions, io: Io): Promise<Asked> {
  const { service, depth, socket, kit, type, unit, host, set = [], skip = [], timeout } = options;
  const guest = kit !== undefined || type !== undefined || unit !== undefined;
  if (service !== undefined && !guest) {
    if (host !== undefined || set.length + skip.length > 0 || timeout !== undefined)
      throw new ClientError(EXIT.usage, '--host, --set, --skip and --timeout belong to --kit, --type or --unit');
    const answer = await body<Answer>(ask(socketOf(io, socket), 'POST', '/api/v1/check', { service, depth }));
    return { name: service, answer, leftOut: [] };
  }
  if (service !== undefined) throw new ClientError(EXIT.usage, `${service}: a service, or --kit, --type or --unit`);
  return askHere(options, io);
}

/** `10s`, or seconds as Nagios plugins take them. */
export function limitMs(text: string | undefined): number | null {
  if (text === undefined) return null;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : durationMs(text);
  if (ms !== null && ms >= 50 && ms <= 3_600_000) return ms;
  throw new ClientError(EXIT.usage, `--timeout ${clean(text, 40)}: expected 50ms to 1h, such as 10s`);
}

async function askHere(options: CheckOptions, io: Io): Promise<Asked> {
  const given = limitMs(options.timeout);
  const { makeGuest, GuestError, guestPorts } = await import('./guest.ts');
  const { makeRunnables, runChecks } = await import('../daemon/run-check.ts');
  const guest = await makeGuest(options).catch((error: Error) => {
    throw error instanceof GuestError ? new ClientError(EXIT.usage, error.message) : error;
  });
  const { name, config, checks, leftOut, plugins } = guest;
  // A check that is for DeepChecks only is meant to be asked all the same.
  const depth = checks.every((check) => !check.depths.includes('quick')) ? 'deep' : options.depth;
  const timeoutMs = given ?? (depth === 'deep' ? config.deep : config.quick).timeoutMs;
  const runnables = makeRunnables(checks, plugins.checks);
  const { signal } = new AbortController();
  const ran = await runChecks(name, runnables, depth, timeoutMs, guestPorts(io), signal, true);
  return { name, leftOut, answer: { verdict: ran.verdict, ms: ran.ms, checks: ran.results } };
}

function show({ name, answer, leftOut }: Asked, { output, service }: CheckOptions, io: Io): void {
  if (output === 'nagios') io.out(`${nagiosLine(name, answer)}\n`);
  else if (output === 'json') {
    const { verdict, ms, checks } = answer;
    const shown = service === undefined ? { schemaVersion: 1, name, leftOut, verdict, ms, checks } : answer;
    io.out(`${JSON.stringify(shown, null, 2)}\n`);
  } else showTable(name, answer, leftOut, io);
}

function showTable(service: string, answer: Answer, leftOut: readonly string[], io: Io): void {
  for (const { name, ms, result } of answer.checks) {
    const cause = result.cause ? ` (${result.cause})` : '';
    io.out(
      `${paint(io, COLOURS[result.outcome], result.outcome)}${cause} ${clean(name, 60)} ${Math.round(ms)} ms: ` +
        `${clean(result.detail, 400)}\n`,
    );
    for (const step of result.steps ?? []) {
      const mark = step.ok ? '+' : '!';
      io.out(
        `  ${mark} ${clean(step.name, 60).padEnd(14)} ${String(Math.round(step.ms)).padStart(6)} ms  ` +
          `${clean(step.detail ?? '', 200)}\n`,
      );
    }
    const numbers = (result.metrics ?? []).map(
      (one) => `${one.name}=${Math.round(one.value * 1000) / 1000}${one.unit ?? ''}`,
    );
    if (numbers.length > 0) io.out(`  ${clean(numbers.join(' '), 400)}\n`);
  }
  if (leftOut.length > 0) io.out(`left out, for they look at this machine: ${clean(leftOut.join(', '), 400)}\n`);
  io.out(`${service}: ${answer.verdict.outcome}, ${clean(answer.verdict.detail, 400)}\n`);
}
