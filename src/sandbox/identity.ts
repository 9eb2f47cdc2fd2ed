// Who runs a service: written by the service, read by `sandbox break|heal|list|stop`. A pid alone may be somebody
// else's by now; a pid with its start time is not.
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { writeWhole } from './disk.ts';

const shape = z.object({
  pid: z.number().int().positive(),
  /** Field 22 of /proc/PID/stat; null where there is no /proc. */
  startTicks: z.number().nullable(),
  /** The fault that the process has put on itself. */
  fault: z.string().nullable(),
});
export type Identity = z.output<typeof shape>;

/** State letter and start time as in proc(5), or null when there is no such process or no /proc. */
function stat(pid: number): { readonly state: string; readonly startTicks: number } | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '?', startTicks: Number(fields[19]) };
  } catch {
    return null;
  }
}

export const self = (fault: string | null): Identity => ({
  pid: process.pid,
  startTicks: stat(process.pid)?.startTicks ?? null,
  fault,
});

export function writeIdentity(path: string, identity: Identity): void {
  writeWhole(dirname(path), 'process.json', `${JSON.stringify(identity)}\n`);
}

export type Life = 'running' | 'stopped' | 'dead';

/** The process that the file names, and how it is: `stopped` as by SIGSTOP. */
export function readLife(path: string): { readonly identity: Identity | null; readonly life: Life } {
  let identity: Identity;
  try {
    identity = shape.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return { identity: null, life: 'dead' };
  }
  const now = stat(identity.pid);
  if (now) {
    const same = now.startTicks === identity.startTicks && now.state !== 'Z' && now.state !== 'X';
    return { identity, life: !same ? 'dead' : now.state === 'T' ? 'stopped' : 'running' };
  }
  if (identity.startTicks !== null) return { identity, life: 'dead' };
  try {
    process.kill(identity.pid, 0);
    return { identity, life: 'running' };
  } catch {
    return { identity, life: 'dead' };
  }
}
