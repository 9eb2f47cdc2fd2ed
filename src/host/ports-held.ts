// Who keeps the ports of a service that is about to start: its own orphans may die for it, others never.
import type { Ports } from '../ports/ports.ts';
import type { PortHolder } from '../ports/proc.ts';
import { killUntilGone, leftOver } from './kill.ts';
import { clean, count } from './text.ts';

export interface Claim {
  readonly ports: readonly number[];
  /** Executables of the service: exact paths, or folders with a slash at their end. */
  readonly exe: readonly string[];
  /** The unit's own control group, where there is one. */
  readonly group?: string;
  /** Processes that are known to be its own. */
  readonly pids?: readonly number[];
}

export interface PortsFreed {
  readonly ok: boolean;
  readonly killed: number;
  readonly detail: string;
}

const KILL_MS = 2000;

export const belongs = (exe: string | null, wanted: readonly string[]): boolean =>
  exe !== null && wanted.some((one) => (one.endsWith('/') ? exe.startsWith(one) : exe === one));

/** A process that systemd keeps for another unit is that unit's, whatever its executable is called. */
function ofOtherUnit(ports: Ports, pid: number, group: string | undefined): boolean {
  const path = ports.proc.cgroupOf(pid);
  if (path === null || !path.split('/').some((part) => part.endsWith('.service'))) return false;
  return !group || !(path === group || path.startsWith(`${group}/`));
}

function isOwn(ports: Ports, holder: PortHolder, claim: Claim): boolean {
  if (claim.pids?.includes(holder.pid)) return true;
  if (!holder.ours || holder.pid <= 1 || ofOtherUnit(ports, holder.pid, claim.group)) return false;
  const inGroup = claim.group && ports.proc.cgroup(claim.group).includes(holder.pid);
  return !!inGroup || belongs(holder.exe, claim.exe);
}

const whoIs = (holder: PortHolder): string =>
  holder.pid === 0 ? 'a process that cannot be seen from here' : `pid ${holder.pid} (${clean(holder.exe ?? '?')})`;

const describe = (holder: PortHolder): string => `port ${holder.port} on ${holder.address} is held by ${whoIs(holder)}`;

/** Who listens on the ports of the claim, and whether that is the service. Whoever cannot be seen is not accused. */
export const listenersOf = (
  ports: Ports,
  claim: Claim,
): readonly { readonly port: number; readonly who: string; readonly own: boolean }[] =>
  claim.ports.length === 0
    ? []
    : ports.proc.holders(claim.ports).map((holder) => ({
        port: holder.port,
        who: whoIs(holder),
        own: holder.pid <= 1 || isOwn(ports, holder, claim),
      }));

/** A process that was just killed closes its sockets a moment after it is gone: who holds a port and cannot be seen is
 *  given that moment. */
const VANISH_MS = 1000;
const LOOK_MS = 20;

async function settledHolders(ports: Ports, claim: Claim, signal: AbortSignal): Promise<readonly PortHolder[]> {
  const until = ports.clock.monotonic() + VANISH_MS;
  for (;;) {
    // PID 1 holds the ports of socket units for the service itself.
    const held = ports.proc.holders(claim.ports).filter((one) => one.pid !== 1);
    const vanishing = held.some((one) => one.pid === 0 || ports.proc.facts(one.pid)?.state === 'Z');
    if (!vanishing || signal.aborted || ports.clock.monotonic() >= until) return held;
    await ports.clock.sleep(LOOK_MS, signal).catch(() => undefined);
  }
}

/** Frees the ports from orphans of the service. Not ok when a foreign process keeps one: a start would fail then. */
export async function freePorts(ports: Ports, claim: Claim, signal: AbortSignal): Promise<PortsFreed> {
  const held = await settledHolders(ports, claim, signal);
  const own = new Set(held.filter((one) => isOwn(ports, one, claim)).map((one) => one.pid));
  const foreign = held.find((one) => !own.has(one.pid));
  if (foreign)
    return {
      ok: false,
      killed: 0,
      detail: `${describe(foreign)}, which is not part of this service: it is left alone`,
    };
  if (own.size === 0) return { ok: true, killed: 0, detail: 'its ports are free' };
  // By identity: a pid that is used again meanwhile is somebody else.
  const known = [...own].flatMap((pid) => ports.proc.facts(pid) ?? []);
  const pids = (): readonly number[] => known.filter((one) => ports.proc.alive(one)).map((one) => one.pid);
  const done = await killUntilGone(ports, { pids }, KILL_MS, signal);
  if (done.left.length > 0) return { ok: false, killed: done.killed, detail: leftOver(done.left) };
  const which = [...new Set(held.map((one) => one.port))].join(', ');
  return {
    ok: true,
    killed: done.killed,
    detail: `killed ${count(done.killed, 'orphan')} that kept port ${which}`,
  };
}
