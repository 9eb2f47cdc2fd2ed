// Which processes are a service's own, where no service manager keeps count of them: by pid file and by executable.
// And their end by SIGKILL. Whether it is to end is for others to decide.
import { type ActionResult, opt, z } from '../define.ts';
import type { Ports } from '../ports/ports.ts';
import type { ProcessFacts } from '../ports/proc.ts';
import { killUntilGone, leftOver } from './kill.ts';
import { bad } from './launch.ts';
import { watchLife } from './life-watch.ts';
import { readPidFile } from './pid-file.ts';
import { freePorts } from './ports-held.ts';
import { count } from './text.ts';

/** Processes of these are killed by their executable alone: it must not be one that others run in too. */
const SHARED = /\/(python|perl|ruby|node|java|php|busybox|bash|dash|sh)[\d.]*$/;

/** Options by which a service's processes are told. */
export const ownership = {
  'pid-file': opt.path('Where its main process writes its number').optional(),
  exe: z
    .array(opt.path('An executable').refine((path) => !SHARED.test(path), 'an interpreter runs other programs too'))
    .max(32)
    .default([])
    .describe('Executables of this service alone: every process of these is its own and may be killed'),
  ports: z.array(opt.port('A TCP port')).max(32).default([]).describe('TCP ports that must be free before a start'),
};

export interface Owner {
  readonly options: {
    readonly 'pid-file'?: string | undefined;
    readonly exe: readonly string[];
    readonly ports: readonly number[];
  };
  readonly ports: Ports;
  readonly signal: AbortSignal;
}

const KILL_MS = 3000;

/** Its processes by executable, oldest first. */
export function byExe({ options, ports }: Owner): readonly ProcessFacts[] {
  const found = options.exe.flatMap((one) => ports.proc.byExe(one));
  return found.filter((one) => one.state !== 'Z' && one.state !== 'X').sort((a, b) => a.startTicks - b.startTicks);
}

export function mainOf(owner: Owner): ProcessFacts | null {
  const { options: wanted, ports } = owner;
  if (wanted['pid-file']) {
    const read = readPidFile(wanted['pid-file'], wanted.exe, ports.files, ports.proc);
    return read.is === 'running' ? read.main : null;
  }
  const found = byExe(owner);
  const pids = new Set(found.map((one) => one.pid));
  return found.find((one) => !pids.has(one.ppid)) ?? null;
}

/** Can its processes be told at all? */
export const identifies = ({ options }: Owner): boolean => !!options['pid-file'] || options.exe.length > 0;

/** Its main process and all below it, as they are now: after an orderly stop, what is left has lost its parent. */
export function familyOf(owner: Owner): readonly ProcessFacts[] {
  const { proc } = owner.ports;
  const main = mainOf(owner);
  return main ? [main, ...proc.tree(main.pid).flatMap((pid) => (pid === main.pid ? [] : (proc.facts(pid) ?? [])))] : [];
}

const mainAlone = (owner: Owner): readonly ProcessFacts[] => {
  const main = mainOf(owner);
  return main ? [main] : [];
};

/** SIGKILL for all that is its own: this family, what it forks meanwhile, and its executables. By identity, so that a
 *  number that is used again while we kill is left alone. */
export async function killOwned(owner: Owner, family = mainAlone(owner)): Promise<ActionResult> {
  const { proc } = owner.ports;
  const main = family[0];
  const known = new Map(family.map((one) => [one.pid, one]));
  const collect = (): readonly number[] => {
    if (main && proc.alive(main))
      for (const pid of proc.tree(main.pid)) {
        const found = proc.facts(pid);
        if (found) known.set(pid, found);
      }
    for (const one of byExe(owner)) known.set(one.pid, one);
    return [...known.values()].filter((one) => proc.alive(one)).map((one) => one.pid);
  };
  const end = await killUntilGone(owner.ports, { pids: collect }, KILL_MS, owner.signal);
  if (end.left.length > 0) return bad(leftOver(end.left), 'hung');
  return { ok: true, detail: `killed ${count(end.killed, 'process', 'processes')} in ${Math.round(end.ms)} ms` };
}

/** Stops it by its own means, and kills what those leave. Where nothing tells its processes, its own word must do. */
export async function stopOwned(owner: Owner, orderly: () => Promise<ActionResult>): Promise<ActionResult> {
  const family = familyOf(owner);
  const stopped = await orderly();
  if (!identifies(owner)) return stopped;
  const left = family.some((one) => owner.ports.proc.alive(one)) || byExe(owner).length > 0;
  if (stopped.ok && !left) return stopped;
  const killed = await killOwned(owner, family);
  return { ...killed, detail: `${stopped.detail}; ${killed.detail}` };
}

/** Ends what a dead service left behind, and frees its ports. */
export async function sweepOwned(owner: Owner): Promise<ActionResult> {
  if (mainOf(owner)) return { ok: true, detail: 'nothing to sweep: it runs' };
  const killed = identifies(owner) ? await killOwned(owner) : { ok: true, detail: 'nothing tells its processes' };
  if (!killed.ok) return killed;
  const freed = await freePorts(owner.ports, owner.options, owner.signal);
  return freed.ok ? { ok: true, detail: `${killed.detail}; ${freed.detail}` } : bad(freed.detail, 'misconfigured');
}

/** Watches its main process, where one can be told. */
export async function watchOwned(
  owner: Owner,
  onChange: Parameters<typeof watchLife>[0]['onChange'],
): Promise<{ close(): void }> {
  if (!identifies(owner)) return { close: () => undefined };
  const look = (): Promise<ProcessFacts | null> => Promise.resolve(mainOf(owner));
  return watchLife({ ports: owner.ports, look, glance: () => true, onChange });
}
