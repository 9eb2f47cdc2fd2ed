// What is known of a service beside what its checks saw: gathered here, weighed in core/diagnose.ts. Asked only about a
// failure that evidence may explain better; trouble with the gathering says nothing.
import { diagnose, wantsFacts } from '../core/diagnose.ts';
import type { Facts, LogSign, Verdict } from '../core/types.ts';
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

/** Nobody runs it that could be asked: that is known. */
const NOBODY: Omit<Facts, 'resolver'> = {
  ...{ run: { state: 'unknown', detail: 'it has no manager' }, ageMs: null },
  ...{ processes: [], listeners: [], unheld: [], log: [] },
};

/** What the manager says and sees. Null is what it could not look at in time. */
async function managerFacts(
  { service, managed, signs, sinceMs }: Asked,
  ports: Ports,
): Promise<Omit<Facts, 'resolver'>> {
  if (!managed) return NOBODY;
  const { plugin } = managed;
  const stay = signs.flatMap(({ line, stays }) => (stays ? [{ line, forMs: stays.forMs }] : []));
  const wanted = { sinceMs, stay };
  const [seen, more] = await Promise.all([
    inTime(ports, (signal) => plugin.inspect(contextOf(service, managed, ports, signal))),
    inTime(ports, async (signal) => plugin.evidence?.(contextOf(service, managed, ports, signal), wanted) ?? null),
  ]);
  const list = <T>(found: readonly T[] | null | undefined): readonly T[] | null =>
    Array.isArray(found) ? (found as readonly T[]) : null; // Also of people's own plugins, which may forget one.
  return {
    ...{ processes: list(more?.processes), listeners: list(more?.listeners), unheld: list(more?.unheld) },
    ...{ ageMs: more?.ageMs ?? null, log: list(more?.log), older: list(more?.older) ?? [] },
    run: seen && seen.state !== 'unknown' ? { state: seen.state, detail: seen.detail } : null,
  };
}

/** Of whom, who runs it, and how long ago it was still well. */
export interface Asked {
  readonly service: string;
  readonly managed: Managed | null;
  readonly signs: readonly LogSign[];
  readonly sinceMs: number;
}

/** The verdict, or a better one where evidence knows more. */
export async function withEvidence(asked: Asked, ran: Pick<Ran, 'verdict' | 'named'>, ports: Ports): Promise<Verdict> {
  if (!wantsFacts(ran.named, ran.verdict)) return ran.verdict;
  const hung = ran.verdict.cause === 'hung';
  const [seen, resolver] = await Promise.all([
    managerFacts(asked, ports),
    hung ? inTime(ports, (signal) => resolverOf(ports, signal)) : null,
  ]);
  return diagnose(ran.named, { ...seen, resolver }, asked.signs);
}
