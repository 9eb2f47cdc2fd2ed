// What is known of a service beside what its checks saw: gathered here, weighed in core/diagnose.ts. Asked only about a
// failure that evidence may explain better; trouble with the gathering says nothing.
import { diagnose, wantsFacts } from '../core/diagnose.ts';
import type { Facts, Verdict } from '../core/types.ts';
import type { Ports } from '../ports/ports.ts';
import { contextOf, type Managed } from './repair.ts';
import type { Ran } from './run-check.ts';

const GATHER_MS = 2000;
/** A resolver on this machine or beside it answers in milliseconds. */
const RESOLVER_MS = 700;

/** Settles with null when it takes too long or breaks. */
async function inTime<T>(ports: Ports, work: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
  const limit = new AbortController();
  let cancel = (): void => undefined;
  const late = new Promise<null>((resolve) => {
    cancel = ports.clock.after(GATHER_MS, () => {
      limit.abort();
      resolve(null);
    });
  });
  try {
    return await Promise.race([work(limit.signal), late]);
  } catch {
    return null;
  } finally {
    cancel();
  }
}

/** Any answer will do: it is asked whether it lives, not what it knows. */
async function resolverOf(ports: Ports, signal: AbortSignal): Promise<Facts['resolver']> {
  const { code } = await ports.dns.ask({ name: 'localhost', type: 'A', signal, timeoutMs: RESOLVER_MS });
  if (code === 'local') return null;
  return code === 'timeout' || code === 'closed' ? 'silent' : 'answers';
}

async function gather(service: string, managed: Managed | null, hung: boolean, ports: Ports): Promise<Facts> {
  const { plugin } = managed ?? {};
  const [seen, more, resolver] = await Promise.all([
    inTime(ports, async (signal) =>
      plugin && managed ? plugin.inspect(contextOf(service, managed, ports, signal)) : null,
    ),
    inTime(ports, async (signal) =>
      plugin?.evidence && managed ? plugin.evidence(contextOf(service, managed, ports, signal)) : null,
    ),
    hung ? inTime(ports, (signal) => resolverOf(ports, signal)) : null,
  ]);
  return {
    ...{ processes: [], listeners: [], ageMs: null },
    ...more,
    run: seen && { state: seen.state, detail: seen.detail },
    resolver,
  };
}

/** The verdict, or a better one where evidence knows more. */
export async function withEvidence(
  service: string,
  ran: Pick<Ran, 'verdict' | 'named'>,
  managed: Managed | null,
  ports: Ports,
): Promise<Verdict> {
  if (!wantsFacts(ran.named, ran.verdict)) return ran.verdict;
  return diagnose(ran.named, await gather(service, managed, ran.verdict.cause === 'hung', ports));
}
