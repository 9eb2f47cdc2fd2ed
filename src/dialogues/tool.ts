// A service's own program (doveadm, exim, cyr_info) as one step of a conversation: may it be run, how long, what then.
import { type CheckResult, unknown } from '../define.ts';
import type { ExecOptions, ExecResult } from '../ports/exec.ts';
import { refusal } from './plugin.ts';
import { plain, quote } from './quote.ts';
import type { Session } from './session.ts';

/** exec settles at most 200 ms after its limit; that much is kept back. */
const SETTLE_MS = 250;

/** Runs it with what is left of the time. A verdict only when nothing can be said about the service; what a time limit
 *  means is the caller's to say, because a tool that waits for its service is a service that hangs. */
export async function runTool(
  session: Session,
  name: string,
  argv: readonly string[],
  how: Pick<ExecOptions, 'input' | 'maxBytes' | 'onStdout'> = {},
): Promise<ExecResult | CheckResult> {
  const program = argv[0] ?? '';
  const refused = refusal(session.ports, program);
  if (refused !== null) return unknown(refused, session.seen);
  const left = session.left();
  const limits = { timeoutMs: Math.max(left / 2, left - SETTLE_MS), signal: session.signal };
  const result = await session.step(
    name,
    () => session.ports.exec.run(argv, { ...how, ...limits }),
    (seen) => (seen.timedOut ? 'did not end in time' : `exits ${seen.code ?? seen.signal ?? seen.failed}`),
  );
  const short = plain(program.slice(program.lastIndexOf('/') + 1), 60);
  if (result.failed !== null) return unknown(`${short} could not be started: ${result.failed}`, session.seen);
  if (result.code === 126 || result.code === 127) return unknown(`${short} exits ${result.code}`, session.seen);
  return result;
}

export const isRun = (found: ExecResult | CheckResult): found is ExecResult => 'stdout' in found;

/** The last line of what it complains about. */
export const complaint = (result: ExecResult): string =>
  quote(result.stderr.trim().split('\n').at(-1)?.trim() || result.stdout.trim().split('\n')[0] || 'nothing');
