// Processes: who is who, who holds a port, the moment one dies, and starting one that outlives us. /proc is read
// synchronously: it never blocks on disks. It decides nothing about services.
import type { ProcessIdentity } from '../core/types.ts';
import { makeExitWatch } from './proc-exit.ts';
import { alive, bootId, byArgv, byExe, cgroup, cgroupOf, facts, group, holds, tree } from './proc-read.ts';
import { holders } from './proc-sockets.ts';
import { spawnFree } from './proc-spawn.ts';

export interface ProcessFacts extends ProcessIdentity {
  readonly ppid: number;
  /** Process group and session; a daemon that called setsid(2) has its own pid in both. */
  readonly group: number;
  readonly session: number;
  /** R, S, D, Z, T … (proc(5)). Z is dead, T is stopped. */
  readonly state: string;
  readonly comm: string;
}

export interface PortHolder {
  /** 0 when nobody that can be seen from here holds it: another user's process, another pid namespace. */
  readonly pid: number;
  readonly port: number;
  readonly address: string;
  readonly exe: string | null;
  /** False: it lives in a container or another pid namespace, whatever its executable is called. */
  readonly ours: boolean;
}

export interface SpawnOptions {
  readonly cwd?: string;
  /** Added to the fixed PATH, LANG=C and HOME. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where its output goes (appended, emptied first above `logMaxBytes`); without it, nowhere. */
  readonly logPath?: string;
  readonly logMaxBytes?: number;
  /** Written as a whole, as soon as it runs: a JSON `SpawnRecord`, so that a later daemon knows its own child. */
  readonly recordPath?: string;
}

/** Who was started, and in which boot of the machine. */
export interface SpawnRecord extends ProcessIdentity {
  readonly bootId: string;
}

export interface Proc {
  facts(pid: number): ProcessFacts | null;
  /** Every process of this pid namespace whose executable (or its basename, without a slash) is `exe`. */
  byExe(exe: string): readonly ProcessFacts[];
  /** The same by the command line, its words joined by blanks; its first 4 KiB are looked at. */
  byArgv(pattern: RegExp): readonly ProcessFacts[];
  /** The pid and all that descend from it. */
  tree(pid: number): readonly number[];
  /** Every process of a process group or a session of that number. */
  group(id: number): readonly number[];
  /** Pids of a control group below a systemd hierarchy, all levels; [] when it is empty or away. */
  cgroup(path: string): readonly number[];
  /** Does this control group exist? systemd removes a unit's group when the unit has come to rest. */
  holds(path: string): boolean;
  /** The path of the control group that a process is in, as systemd names it; null when it is gone. */
  cgroupOf(pid: number): string | null;
  /** Processes that listen on a TCP port, in this network namespace. Looks through all open files: not in a loop. */
  holders(ports: readonly number[]): readonly PortHolder[];
  /** The same process still, by pid and start time, and no zombie. */
  alive(identity: ProcessIdentity): boolean;
  /** Never to pid 1, to a whole group or to ourselves. False when it could not be sent. */
  signal(pid: number, signal: NodeJS.Signals): boolean;
  /** Calls back once, at the moment this very process ends. The return value stops watching. */
  onExit(identity: ProcessIdentity, ended: () => void): () => void;
  /** Starts a program in its own session that outlives us. `failed`: why it could not be (`ENOENT` …). */
  spawn(argv: readonly string[], options: SpawnOptions): Promise<SpawnRecord | { readonly failed: string }>;
  /** Empties the file if it has grown above the limit. */
  boundLog(path: string, maxBytes: number): void;
  /** Identifies this boot of the machine. */
  bootId(): string;
}

function signal(pid: number, name: NodeJS.Signals): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 1 || pid === process.pid) return false;
  try {
    return process.kill(pid, name);
  } catch {
    return false; // ESRCH: gone already. EPERM: not ours to kill.
  }
}

export const proc: Proc = {
  facts,
  byExe,
  byArgv,
  tree,
  group,
  cgroup,
  holds,
  cgroupOf,
  holders,
  alive,
  signal,
  onExit: makeExitWatch(alive),
  ...spawnFree,
  bootId,
};
