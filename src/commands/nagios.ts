// An answer as a plugin of Nagios and its kin gives it: one line, `NAME STATE - text | performance data`, and an exit
// code. After the guidelines for the development of monitoring plugins.
import { clean } from '../core/clean.ts';
import type { CheckResult, Metric, Outcome, Verdict } from '../core/types.ts';

export interface Answer {
  readonly verdict: Verdict;
  readonly ms: number;
  readonly checks: readonly { readonly name: string; readonly ms: number; readonly result: CheckResult }[];
}

const STATES: Readonly<Record<Outcome, string>> = {
  pass: 'OK',
  degraded: 'WARNING',
  fail: 'CRITICAL',
  unknown: 'UNKNOWN',
};
export const NAGIOS_EXIT: Readonly<Record<Outcome, number>> = { pass: 0, degraded: 1, fail: 2, unknown: 3 };

const TEXT_MAX = 1000;
/** Older receivers read 4 KiB of one line. */
const DATA_MAX = 2800;
const UNITS = new Set(['s', 'ms', 'us', '%', 'B', 'KB', 'MB', 'TB', 'c']);
/** `10`, `10:`, `~:10`, `10:20`, `@10:20`. */
const RANGE = /^@?(~|-?\d+(\.\d+)?)?(:(-?\d+(\.\d+)?)?)?$/;

/** `|` begins the performance data, so no text may hold one. */
const plain = (text: string, max: number): string => clean(text.replaceAll('|', '/'), max);

/** Digits, a dot and a minus: no exponent. */
function number(value: number | undefined): string {
  // From 1e21 on JavaScript writes an exponent.
  if (value === undefined || !(Math.abs(value) < 1e21)) return '';
  return value.toFixed(6).replace(/\.?0+$/, '');
}

const range = (text: string | undefined): string => (text !== undefined && RANGE.test(text) ? text : '');

function datum({ name, value, unit, warn, crit, min, max }: Metric, prefix: string): string | null {
  const shown = number(value);
  if (shown === '') return null;
  const label = plain(prefix + name, 80).replace(/[='"]/g, '_');
  const known = unit !== undefined && UNITS.has(unit) ? unit : '';
  return `'${label}'=${shown}${known};${range(warn)};${range(crit)};${number(min)};${number(max)}`.replace(/;+$/, '');
}

function performance(checks: Answer['checks']): string {
  const several = checks.length > 1;
  const taken = new Set<string>();
  let text = '';
  for (const { name, result } of checks)
    for (const metric of result.metrics ?? []) {
      const one = datum(metric, several ? `${name}_` : '');
      const label = one?.split('=')[0] ?? '';
      if (one === null || taken.has(label) || text.length + one.length > DATA_MAX) continue;
      taken.add(label);
      text += ` ${one}`;
    }
  return text.trimStart();
}

/** The line for an answer, without its end. */
export function nagiosLine(name: string, { verdict, checks }: Answer): string {
  const { outcome, cause, check, detail } = verdict;
  const why = cause !== undefined && outcome !== 'pass' ? ` (${cause})` : '';
  const well =
    checks.length === 1 ? detail : `${checks.length} checks pass: ${checks.map((one) => one.result.detail).join(', ')}`;
  const text = outcome === 'pass' ? well : checks.length > 1 && check !== '' ? `${check}: ${detail}` : detail;
  const data = performance(checks);
  const said = `${plain(name.toUpperCase(), 60)} ${STATES[outcome]}${why} - ${plain(text, TEXT_MAX)}`;
  return data === '' ? said : `${said} | ${data}`;
}

/** What cannot be told is UNKNOWN, whatever the reason. */
export const nagiosUnknown = (name: string, text: string): string =>
  `${plain(name.toUpperCase(), 60)} UNKNOWN - ${plain(text, TEXT_MAX)}`;
