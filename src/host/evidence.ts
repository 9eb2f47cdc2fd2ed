// What can be seen of a service's own processes and ports, for the diagnosis of a failure: the same for every way to
// run it, from the processes that its manager knows to be its own. It reads; what it means is weighed in the core.
import type { Evidence, ProcessIdentity } from '../define.ts';
import type { Ports } from '../ports/ports.ts';
import type { ProcessFacts } from '../ports/proc.ts';
import { byExe, familyOf, identifies, mainOf, type Owner } from './owned.ts';
import { type Claim, listenersOf } from './ports-held.ts';
import { clean } from './text.ts';

/** Nothing could be gathered. */
export const UNSEEN: Evidence = { processes: null, listeners: null, unheld: null, ageMs: null, log: null };

interface Family {
  readonly living: readonly ProcessFacts[];
  readonly main: ProcessIdentity | null;
  /** Executables of the parts that can be repaired alone. */
  readonly parts?: Readonly<Record<string, string>>;
  /** Null: who holds its ports cannot be told from here. */
  readonly claim: Omit<Claim, 'pids'> | null;
  readonly log?: readonly string[] | null;
}

/** How many processes are told of; a store may have thousands. What stands still comes first. */
const MOST = 5000;

/** proc(5) counts in ticks since the boot; 100 a second on every Linux that Node runs on. */
const TICK_MS = 10;

/** Its living processes with their states, who listens on its ports, and how long it has been running. */
export function evidenceOf(ports: Ports, { living, main, parts = {}, claim, log = [] }: Family): Evidence {
  const ofExe = new Map(Object.entries(parts).map(([part, exe]) => [exe, part]));
  const alive = living.filter((one) => one.state !== 'Z' && one.state !== 'X');
  const first = [...alive.filter((one) => one.state === 'T'), ...alive.filter((one) => one.state !== 'T')];
  const listeners = claim && listenersOf(ports, { ...claim, pids: alive.map((one) => one.pid) });
  return {
    processes: first.slice(0, MOST).map((one) => ({
      ...{ pid: one.pid, name: clean(one.comm), state: one.state, main: one.pid === main?.pid },
      part: ofExe.get(one.exe ?? '') ?? null,
    })),
    listeners,
    unheld: listeners && (claim?.ports ?? []).filter((port) => !listeners.some((one) => one.port === port)),
    ageMs: main && Math.max(0, ports.clock.monotonic() - main.startTicks * TICK_MS),
    log,
  };
}

/** A main process and all below it. */
export function treeOf(ports: Ports, main: ProcessFacts | null): readonly ProcessFacts[] {
  return main ? ports.proc.tree(main.pid).flatMap((pid) => ports.proc.facts(pid) ?? []) : [];
}

/** Of a service whose processes are told by pid file and executable. */
export function evidenceOfOwned(owner: Owner): Promise<Evidence> {
  if (!identifies(owner)) return Promise.resolve(UNSEEN);
  const all = new Map([...familyOf(owner), ...byExe(owner)].map((one) => [one.pid, one]));
  return Promise.resolve(
    evidenceOf(owner.ports, { living: [...all.values()], main: mainOf(owner), claim: owner.options }),
  );
}
