// Runs the control programs of a service: what ends by itself, and what leaves a service behind. It judges nothing but
// whether the program ran to its end.
import type { ActionResult } from '../define.ts';
import type { ExecOptions, ExecResult } from '../ports/exec.ts';
import type { Ports } from '../ports/ports.ts';
import { clean, troubleLine } from './text.ts';

interface Caller {
  readonly ports: Ports;
  readonly signal: AbortSignal;
}
type How = Pick<ExecOptions, 'env' | 'maxBytes'>;

/** An action that did not work. */
export const bad = (detail: string, cause?: ActionResult['cause']): ActionResult => ({
  ok: false,
  detail,
  ...(cause ? { cause } : {}),
});

/** Runs a program to its end; everything that it started ends with it. */
export const runOut = ({ ports, signal }: Caller, argv: readonly string[], timeoutMs: number, how: How = {}) =>
  ports.exec.run(argv, { ...how, timeoutMs, signal });

/** Seconds of mercy between TERM and KILL for a start command that takes too long. */
const KILL_AFTER = '1';
const SETTLE_MS = 2000;

/** Runs what leaves a service behind. `exec` ends with a program also what it left in its process group, and many an
 *  init script leaves its daemon there: so it gets a session of its own, and timeout(1) sees to its end. */
export async function launch(
  { ports, signal }: Caller,
  argv: readonly string[],
  timeoutMs: number,
  how: How = {},
): Promise<ExecResult> {
  const words = ['setsid', '-w', 'timeout', '-k', KILL_AFTER, String(timeoutMs / 1000), ...argv];
  const got = await ports.exec.run(words, { ...how, timeoutMs: timeoutMs + SETTLE_MS, signal });
  if (got.code === 124 || got.code === 137) return { ...got, code: null, timedOut: true };
  // timeout(1) says so of a program that is not there, or may not be run.
  if (got.code === 126 || got.code === 127) return { ...got, code: null, failed: troubleLine(got.stderr) || 'ENOENT' };
  return got;
}

/** The result of a program of which exit code 0 is the only good end. */
export function ended(argv: readonly string[], got: ExecResult): ActionResult {
  const name = clean(argv.join(' '));
  if (got.code === 0) return { ok: true, detail: `"${name}" ended well in ${Math.round(got.ms)} ms` };
  if (got.failed) return bad(`"${name}" cannot be run: ${got.failed}`, 'misconfigured');
  if (got.timedOut) return bad(`"${name}" did not end within ${Math.round(got.ms)} ms`, 'hung');
  const said = troubleLine(got.stderr, got.stdout);
  return bad(`"${name}" ended with ${got.signal ?? `exit code ${got.code}`}${said ? `: "${said}"` : ''}`);
}
