// What the service manager knows, added to what the checks saw: a port that refuses, or does not answer, says more when
// the manager says that there is no process behind it.
import type { Verdict } from '../core/types.ts';
import type { Ports } from '../ports/ports.ts';
import { contextOf, type Managed } from './repair.ts';

const INSPECT_MS = 2000;
const VAGUE: ReadonlySet<string> = new Set(['refusing', 'hung']);

/** The same verdict, or `dead` where the manager is sure of it. Asked only about a failure; trouble with it says
 * nothing. */
export async function withEvidence(
  service: string,
  verdict: Verdict,
  managed: Managed | null,
  ports: Ports,
): Promise<Verdict> {
  if (!managed || verdict.outcome !== 'fail' || !VAGUE.has(verdict.cause ?? 'refusing')) return verdict;
  const limit = new AbortController();
  let cancel = (): void => undefined;
  const late = new Promise<null>((resolve) => {
    cancel = ports.clock.after(INSPECT_MS, () => {
      limit.abort();
      resolve(null);
    });
  });
  try {
    const seen = await Promise.race([managed.plugin.inspect(contextOf(service, managed, ports, limit.signal)), late]);
    const dead = seen !== null && (seen.state === 'stopped' || seen.state === 'failed');
    if (!dead) return verdict;
    return { outcome: 'fail', cause: 'dead', detail: seen.detail, check: 'manager', conclusive: true };
  } catch {
    return verdict;
  } finally {
    cancel();
  }
}
