// Programs as checks: may it be run at all, how it is run, and what a Nagios plugin's answer means
// (Monitoring Plugins Development Guidelines: exit codes 0–3, `text | 'label'=value[UOM];warn;crit;min;max`).
import { type Cause, type CheckResult, degraded, fail, type Metric, pass, type Ports, unknown } from '../define.ts';
import type { ExecResult } from '../ports/exec.ts';
import { plain, quote } from './quote.ts';

const WRITABLE_BY_ALL = 0o002;

/** Why this program must not be run, or null. What everybody may replace, a daemon with rights must not start. */
export function refusal(ports: Ports, program: string): string | null {
  if (!program.includes('/')) return null; // From the fixed PATH, whose folders belong to root.
  if (!program.startsWith('/')) return `${plain(program)} is no absolute path`;
  let real: string | null;
  try {
    real = ports.files.realPath(program);
  } catch (error) {
    return plain((error as Error).message);
  }
  if (real === null) return `${plain(program)} is not there`;
  for (const path of new Set([real, parent(real), parent(program)])) {
    const mode = ports.files.facts(path)?.mode ?? 0;
    if (ports.files.facts(path)?.kind !== 'link' && (mode & WRITABLE_BY_ALL) !== 0) {
      return `${plain(program)} is refused: everybody may write to ${plain(path)}`;
    }
  }
  return null;
}

/** Why it could not be run when it is needed, or null: besides what is refused, what nobody may execute. */
export function unrunnable(ports: Ports, program: string): string | null {
  const refused = refusal(ports, program);
  if (refused !== null || !program.startsWith('/')) return refused;
  const mode = ports.files.facts(ports.files.realPath(program) ?? program)?.mode ?? 0;
  return (mode & 0o111) === 0 ? `${plain(program)} is not executable` : null;
}

const parent = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf('/')));

export interface ProgramOptions {
  readonly run: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
}

export interface ProgramContext {
  readonly ports: Ports;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/** exec settles at most 200 ms after its limit; that much is kept back. */
const SETTLE_MS = 250;

/** Runs it. Gives the result, or `unknown` when nothing can be said about the service. */
export async function runProgram(context: ProgramContext, options: ProgramOptions): Promise<ExecResult | CheckResult> {
  const program = options.run[0] ?? '';
  const refused = refusal(context.ports, program);
  if (refused !== null) return unknown(refused);
  const timeoutMs = Math.max(context.timeoutMs / 2, context.timeoutMs - SETTLE_MS);
  const result = await context.ports.exec.run(options.run, {
    timeoutMs,
    signal: context.signal,
    ...(options.env ? { env: options.env } : {}),
  });
  const name = plain(program.slice(program.lastIndexOf('/') + 1), 60);
  if (result.failed !== null) return unknown(`${name} could not be started: ${result.failed}`);
  if (result.timedOut) return unknown(`${name} did not end within ${Math.round(timeoutMs)} ms and was killed`);
  if (result.truncated) return unknown(`${name} said too much (more than 64 KiB) and was not read to the end`);
  if (result.signal !== null || result.code === null) return unknown(`${name} was ended by ${result.signal}`);
  // What shells and env(1) say when the real program is not there or not executable.
  if (result.code === 126 || result.code === 127) return unknown(`${name} exits ${result.code}: ${firstWords(result)}`);
  return result;
}

export const isExecResult = (found: ExecResult | CheckResult): found is ExecResult => 'stdout' in found;

const firstWords = (result: ExecResult): string => {
  const text = (result.stdout.trim() || result.stderr.trim()).split('\n')[0] ?? '';
  return text === '' ? 'and says nothing' : quote(text);
};

const time = (result: ExecResult): Metric => ({ name: 'time', value: Math.round(result.ms * 100) / 100, unit: 'ms' });

/** Exit 0 is good, everything else is the cause that the configuration names. */
export function exitVerdict(result: ExecResult, cause: Cause): CheckResult {
  const more = { metrics: [time(result)] };
  if (result.code === 0) return pass(firstWords(result), more);
  return fail(cause, `exits ${result.code}: ${firstWords(result)}`, more);
}

/** The four answers of a Nagios plugin. */
export function nagiosVerdict(result: ExecResult, cause: Cause): CheckResult {
  const { text, perfdata } = split(result.stdout === '' ? result.stderr : result.stdout);
  const more = { metrics: [time(result), ...parsePerfdata(perfdata)] };
  const said = plain(text, 300) || 'it says nothing';
  switch (result.code) {
    case 0:
      return pass(said, more);
    case 1:
      return degraded(cause, said, more);
    case 2:
      return fail(cause, said, more);
    default:
      return unknown(result.code === 3 ? said : `exits ${result.code}, which no plugin should: ${said}`, more);
  }
}

/** First line up to `|` is the text; perfdata follows it, and again after the first `|` of the further lines. */
function split(output: string): { readonly text: string; readonly perfdata: string } {
  const end = output.indexOf('\n');
  const first = end < 0 ? output : output.slice(0, end);
  const rest = end < 0 ? '' : output.slice(end + 1);
  const bar = first.indexOf('|');
  const restBar = rest.indexOf('|');
  const perfdata = [bar < 0 ? '' : first.slice(bar + 1), restBar < 0 ? '' : rest.slice(restBar + 1)];
  return { text: bar < 0 ? first : first.slice(0, bar), perfdata: perfdata.join(' ') };
}

const MAX_METRICS = 100;
/** 'label'=value[UOM];warn;crit;min;max. In a quoted label a quote is doubled. */
const LABEL = /(?:'((?:[^']|''){1,200})'|([^\s'=]{1,200}))/.source;
const VALUE = /([-+]?[\d.,]+(?:[eE][-+]?\d+)?|U)([^\s;\d]{0,8})/.source;
const ITEM = new RegExp(`${LABEL}=${VALUE}${'(?:;([^\\s;]*))?'.repeat(4)}`, 'g');

const number = (text: string | undefined): number | undefined => {
  const value = Number((text ?? '').replace(',', '.'));
  return text === undefined || text === '' || !Number.isFinite(value) ? undefined : value;
};

/** Values of perfdata; what is malformed, or `U` for not known, is left out. At most 100. */
export function parsePerfdata(text: string): readonly Metric[] {
  const found: Metric[] = [];
  for (const [, quoted, bare, raw, unit, warn, crit, low, high] of text.slice(0, 65_536).matchAll(ITEM)) {
    const value = number(raw);
    if (value === undefined) continue;
    const min = number(low);
    const max = number(high);
    found.push({
      name: plain((quoted ?? bare ?? '').replaceAll("''", "'"), 100),
      value,
      ...(unit ? { unit: plain(unit, 8) } : {}),
      ...(warn ? { warn: plain(warn, 60) } : {}),
      ...(crit ? { crit: plain(crit, 60) } : {}),
      ...(min === undefined ? {} : { min }),
      ...(max === undefined ? {} : { max }),
    });
    if (found.length >= MAX_METRICS) break;
  }
  return found;
}
