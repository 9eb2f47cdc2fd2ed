// SIGKILL until nothing is left, and who is left if something is. It decides for nobody what may be killed.
import type { Ports } from '../ports/ports.ts';
import type { ProcessFacts } from '../ports/proc.ts';
import { count } from './text.ts';

export interface Killed {
  readonly killed: number;
  /** Living still at the end of the limit. */
  readonly left: readonly ProcessFacts[];
  readonly ms: number;
}

/** What is to be emptied: its members now, and whether it may count as done while there are none. */
export interface Target {
  pids(): readonly number[];
  done?(): boolean;
}

const FIRST_MS = 1;
const LONGEST_MS = 10;

/** SIGKILL, again and again, to all members: a fork between two looks gets caught by the next one. A stopped process
 *  dies too; one in state D does when its storage answers. */
export async function killUntilGone(
  ports: Ports,
  target: Target,
  limitMs: number,
  signal: AbortSignal,
): Promise<Killed> {
  const started = ports.clock.monotonic();
  const hit = new Set<number>();
  for (let wait = FIRST_MS; ; wait = Math.min(wait * 2, LONGEST_MS)) {
    const left = target.pids().flatMap((pid) => {
      const found = ports.proc.facts(pid);
      return found && found.state !== 'Z' && found.state !== 'X' && pid !== process.pid ? [found] : [];
    });
    for (const one of left) if (ports.proc.signal(one.pid, 'SIGKILL')) hit.add(one.pid);
    const ms = ports.clock.monotonic() - started;
    const done = left.length === 0 && (target.done?.() ?? true);
    if (done || ms >= limitMs || signal.aborted) return { killed: hit.size, left, ms };
    await ports.clock.sleep(wait);
  }
}

/** `pid 12 imap (waits for storage), pid 14 imap`, at most three of them. */
export function leftOver(left: readonly ProcessFacts[]): string {
  const some = left
    .slice(0, 3)
    .map((one) => `pid ${one.pid} ${one.comm}${one.state === 'D' ? ' (waits for storage)' : ''}`);
  return `${count(left.length, 'process', 'processes')} cannot be killed: ${some.join(', ')}`;
}
