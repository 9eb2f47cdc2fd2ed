// Reads /proc and the control groups (proc(5), cgroups(7)). Synchronous, bounded, and null or [] for what is not there.
import { closeSync, existsSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import type { ProcessIdentity } from '../core/types.ts';
import type { ProcessFacts } from './proc.ts';

const MOST_BYTES = 1_048_576;
const page = Buffer.allocUnsafe(65_536);

/** A file of /proc or of a control group as text, its first `most` bytes; null when it cannot be read. */
export function readKernel(path: string, most = MOST_BYTES): string | null {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return null;
  }
  try {
    const chunks: Buffer[] = [];
    for (let size = 0; size < most; ) {
      const got = readSync(fd, page, 0, Math.min(page.length, most - size), null);
      if (got === 0) break;
      chunks.push(Buffer.from(page.subarray(0, got)));
      size += got;
    }
    return Buffer.concat(chunks).toString();
  } catch {
    return null; // ESRCH: it ended between open and read.
  } finally {
    closeSync(fd);
  }
}

function link(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

/** Path of the executable; null for kernel threads, zombies and what we may not see. */
export function exeOf(pid: number): string | null {
  return link(`/proc/${pid}/exe`)?.replace(/ \(deleted\)$/, '') ?? null;
}

const ownNamespace = link('/proc/self/ns/pid');

/** In our own pid namespace: a container's process is not one of this machine's services. */
export function isOurs(pid: number): boolean {
  const namespace = link(`/proc/${pid}/ns/pid`);
  return namespace === null || namespace === ownNamespace;
}

export function pids(): readonly number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

type Stat = Omit<ProcessFacts, 'exe'>;

function stat(pid: number): Stat | null {
  const text = readKernel(`/proc/${pid}/stat`, 4096);
  // The name in brackets may hold blanks and brackets itself: the last bracket ends it.
  const end = text?.lastIndexOf(')') ?? -1;
  if (!text || end < 0) return null;
  const fields = text.slice(end + 2).split(' ');
  return {
    pid,
    startTicks: Number(fields[19]),
    ppid: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    state: fields[0] ?? '?',
    comm: text.slice(text.indexOf('(') + 1, end),
  };
}

export function facts(pid: number): ProcessFacts | null {
  const found = Number.isSafeInteger(pid) && pid > 0 ? stat(pid) : null;
  return found && { ...found, exe: exeOf(pid) };
}

export function alive(identity: ProcessIdentity): boolean {
  const found = stat(identity.pid);
  return found !== null && found.startTicks === identity.startTicks && found.state !== 'Z' && found.state !== 'X';
}

function those(fits: (pid: number) => boolean): readonly ProcessFacts[] {
  return pids().flatMap((pid) => {
    const found = fits(pid) && isOurs(pid) ? facts(pid) : null;
    return found ? [found] : [];
  });
}

export function byExe(exe: string): readonly ProcessFacts[] {
  const whole = exe.includes('/');
  return those((pid) => {
    const path = exeOf(pid);
    return path !== null && (whole ? path : basename(path)) === exe;
  });
}

export function byArgv(pattern: RegExp): readonly ProcessFacts[] {
  return those((pid) => {
    const line = readKernel(`/proc/${pid}/cmdline`, 4096);
    return !!line && pattern.test(line.replace(/\0$/, '').replaceAll('\0', ' '));
  });
}

export function tree(pid: number): readonly number[] {
  const children = new Map<number, number[]>();
  for (const one of pids()) {
    const parent = stat(one)?.ppid;
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), one]);
  }
  const found = [pid];
  for (const one of found) found.push(...(children.get(one) ?? []));
  return found;
}

export function group(id: number): readonly number[] {
  return pids().filter((pid) => {
    const found = id > 1 ? stat(pid) : null;
    return found !== null && (found.group === id || found.session === id);
  });
}

/** systemd tracks units in its own v1 hierarchy, in a v2 one beside the v1 controllers, or in v2 alone. */
const HIERARCHIES = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup/unified', '/sys/fs/cgroup'];

/** The root group holds every process of the machine: it is never an answer. */
const isUnitGroup = (path: string): boolean => /^\/[^/]/.test(path) && !path.split('/').includes('..');

function below(dir: string, depth: number): readonly number[] {
  const text = readKernel(`${dir}/cgroup.procs`);
  if (text === null || depth > 8) return [];
  const here = text.split('\n').map(Number);
  const deeper = readdirSync(dir, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? below(`${dir}/${entry.name}`, depth + 1) : [],
  );
  return [...here.filter((pid) => pid > 0), ...deeper];
}

export function cgroup(path: string): readonly number[] {
  if (!isUnitGroup(path)) return [];
  try {
    return [...new Set(HIERARCHIES.flatMap((root) => below(root + path, 0)))];
  } catch {
    return []; // It was removed while we read it.
  }
}

export function holds(path: string): boolean {
  return isUnitGroup(path) && HIERARCHIES.some((root) => existsSync(`${root}${path}/cgroup.procs`));
}

export function cgroupOf(pid: number): string | null {
  const lines = readKernel(`/proc/${pid}/cgroup`, 16_384)?.split('\n') ?? [];
  const line = lines.find((one) => one.includes(':name=systemd:')) ?? lines.find((one) => one.startsWith('0::'));
  return line?.slice(line.indexOf(':', line.indexOf(':') + 1) + 1) ?? null;
}

let boot: string | null = null;
export function bootId(): string {
  boot ??= readKernel('/proc/sys/kernel/random/boot_id')?.trim() ?? 'unknown';
  return boot;
}
