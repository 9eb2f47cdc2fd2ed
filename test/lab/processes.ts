// Finds the processes of a node from outside, by their pid namespace, so that a test can signal them without a moment's
// delay and tell one incarnation of a service from the next.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface NodeProcess {
  /** As the host numbers it: what process.kill() takes. */
  readonly pid: number;
  /** As the node itself numbers it. */
  readonly innerPid: number;
  readonly parent: number;
  readonly exe: string;
  readonly command: string;
  /** R, S, D, T (stopped), Z … of proc(5). */
  readonly state: string;
  readonly startTicks: number;
}

/** pid, parent, state and start time out of /proc/PID/stat; the name in it may hold blanks and brackets. */
function readStat(pid: number): { state: string; parent: number; startTicks: number } {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const rest = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: rest[0] ?? '', parent: Number(rest[1]), startTicks: Number(rest[19]) };
}

function read(pid: number, namespace: string): NodeProcess | null {
  try {
    if (readlinkSync(`/proc/${pid}/ns/pid`) !== namespace) return null;
    const stat = readStat(pid);
    const inner = /^NSpid:.*\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return {
      pid,
      innerPid: Number(inner?.[1] ?? 0),
      parent: stat.parent,
      exe: readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, ''),
      command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim(),
      state: stat.state,
      startTicks: stat.startTicks,
    };
  } catch {
    return null; // It ended while we looked, or it is a zombie without a namespace.
  }
}

/** All processes of the pid namespace whose PID 1 the host knows as `first`. */
export function processesOf(first: number): readonly NodeProcess[] {
  let namespace: string;
  try {
    namespace = readlinkSync(`/proc/${first}/ns/pid`);
  } catch {
    return [];
  }
  const pids = readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 1);
  return pids.flatMap((pid) => read(pid, namespace) ?? []);
}

/** Start time of a host process, or null when there is none with this pid. */
export function startTicksOf(pid: number): number | null {
  try {
    return readStat(pid).startTicks;
  } catch {
    return null;
  }
}

/** Those that have run for so long. Times of /proc are hundredths of a second since boot (proc(5), USER_HZ). */
export function elders(processes: readonly NodeProcess[], ms: number): readonly NodeProcess[] {
  const now = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 100;
  return processes.filter(({ startTicks }) => (now - startTicks) * 10 >= ms);
}

export function signal(processes: readonly NodeProcess[], name: NodeJS.Signals): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, name);
    } catch {
      // It is gone already.
    }
  }
}
