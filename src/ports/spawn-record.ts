// The record that is kept of a child, as it is read again by a later life of the daemon.
import type { SpawnRecord } from './proc.ts';

/** Null: torn, empty or none, as if nothing had ever been started. */
export function parseSpawnRecord(text: string | null): SpawnRecord | null {
  try {
    const { pid, startTicks, exe, bootId } = JSON.parse(text ?? 'null') as Record<string, unknown>;
    if (!Number.isSafeInteger(pid) || Number(pid) <= 1 || !Number.isSafeInteger(startTicks)) return null;
    if (typeof bootId !== 'string' || (exe !== null && typeof exe !== 'string')) return null;
    return { pid: Number(pid), startTicks: Number(startTicks), exe, bootId };
  } catch {
    return null;
  }
}
