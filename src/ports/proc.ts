// Processes: who is who, who holds a port, and the moment one dies. Reads /proc synchronously: it never blocks on disks.
import type { ProcessIdentity } from '../define.ts';

export interface ProcessFacts extends ProcessIdentity {
  readonly ppid: number;
  /** R, S, D, Z, T … (proc(5)). Z is dead, T is stopped. */
  readonly state: string;
  readonly comm: string;
}

export interface PortHolder {
  readonly pid: number;
  readonly port: number;
  readonly address: string;
  readonly exe: string | null;
}

export interface Proc {
  facts(pid: number): ProcessFacts | null;
  /** Every process whose executable (or its basename) is `exe`. */
  byExe(exe: string): readonly ProcessFacts[];
  /** The pid and all that descend from it. */
  tree(pid: number): readonly number[];
  /** Pids of a control group below a systemd hierarchy, all levels; [] when it is empty or away. */
  cgroup(path: string): readonly number[];
  /** Processes that listen on a TCP port, in this network namespace. */
  holders(ports: readonly number[]): readonly PortHolder[];
  /** The same process still, by pid and start time. */
  alive(identity: ProcessIdentity): boolean;
  signal(pid: number, signal: NodeJS.Signals): boolean;
  /** Calls back once, at the moment this very process ends. The return value stops watching. */
  onExit(identity: ProcessIdentity, ended: () => void): () => void;
  /** Identifies this boot of the machine. */
  bootId(): string;
}
