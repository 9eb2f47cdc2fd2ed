// Small, bounded file work. Not for mail stores or spools: those are touched in child processes that nobody waits for.
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  type Stats,
} from 'node:fs';

export interface FileFacts {
  readonly uid: number;
  readonly gid: number;
  /** Permission bits, with set-id and sticky. */
  readonly mode: number;
  readonly size: number;
  readonly kind: 'file' | 'directory' | 'socket' | 'link' | 'other';
  readonly modifiedMs: number;
}

export interface Files {
  /** Text of a small file, or null if it is not there. Throws {code} for the rest, `E2BIG` above `maxBytes`. */
  readText(path: string, maxBytes: number): string | null;
  /** lstat, or null if it is not there. */
  facts(path: string): FileFacts | null;
  list(path: string): readonly string[];
  /** The path without links, or null if it is not there. */
  realPath(path: string): string | null;
}

/** A file of more than this is never read in one piece, whatever the caller allows. */
const CEILING = 64 * 1024 * 1024;

function fault(code: string, path: string, why: string): Error {
  return Object.assign(new Error(`${path}: ${why}`), { code, detail: `${path}: ${why}` });
}

function isAway(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function readText(path: string, maxBytes: number): string | null {
  let file: number;
  try {
    // O_NONBLOCK: a FIFO in the place of a file must not stop the whole daemon.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isAway(error)) return null;
    throw fault((error as NodeJS.ErrnoException).code ?? 'EIO', path, (error as Error).message);
  }
  try {
    if (!fstatSync(file).isFile()) throw fault('EINVAL', path, 'not a plain file');
    // The size that stat gives is a guess (it is 0 in /proc): read until the end, or until it is too much.
    const limit = Math.min(maxBytes, CEILING);
    const parts: Buffer[] = [];
    for (let length = 0; ; ) {
      const part = Buffer.alloc(65_536);
      const got = readSync(file, part, 0, part.length, null);
      if (got === 0) return Buffer.concat(parts).toString('utf8');
      length += got;
      if (length > limit) throw fault('E2BIG', path, `larger than ${limit} bytes`);
      parts.push(part.subarray(0, got));
    }
  } finally {
    closeSync(file);
  }
}

function kindOf(found: Stats): FileFacts['kind'] {
  if (found.isFile()) return 'file';
  if (found.isDirectory()) return 'directory';
  if (found.isSocket()) return 'socket';
  return found.isSymbolicLink() ? 'link' : 'other';
}

function facts(path: string): FileFacts | null {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return null;
  const { uid, gid, mode, size, mtimeMs } = found;
  return { uid, gid, mode: mode & 0o7777, size, kind: kindOf(found), modifiedMs: mtimeMs };
}

export const files: Files = {
  readText,
  facts,
  list: (path) => readdirSync(path),
  realPath(path) {
    try {
      return realpathSync(path);
    } catch (error) {
      if (isAway(error)) return null;
      throw fault((error as NodeJS.ErrnoException).code ?? 'EIO', path, (error as Error).message);
    }
  },
};
