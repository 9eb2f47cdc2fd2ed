// A folder with a size limit: what is in it counts, and there is room or there is none. The limit is kept by the
// service that owns the folder, as a mail quota is; `no-space` fills the folder with a file, and no restart makes it
// smaller.
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes of all files in a folder, not below. A file that vanishes meanwhile counts nothing. */
export function sizeOf(dir: string): number {
  let sum = 0;
  for (const name of readdirSync(dir)) sum += statSync(join(dir, name), { throwIfNoEntry: false })?.size ?? 0;
  return sum;
}

export const hasRoom = (dir: string, limitBytes: number, bytes: number): boolean => sizeOf(dir) + bytes <= limitBytes;

/** Writes a file so that it is either whole and on disk, or not there. */
export function writeWhole(dir: string, name: string, data: string | Uint8Array): void {
  const path = join(dir, name);
  const file = openSync(`${path}.part`, 'w', 0o600);
  try {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.part`, path);
}
