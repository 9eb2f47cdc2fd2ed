// One daemon at a time: flock(2) on a file. The kernel holds the lock for the open file and lets go of it when the
// process ends, however it ends; the pid within is only for people. The file stays: removing it would let two in.
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { libc, whyNoLibc } from './libc.ts';

export interface Lock {
  close(): void;
}

export class LockError extends Error {
  readonly code: string;
  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}

/** Somebody may have replaced the file between open and flock: then what we hold is nobody's lock. */
function samePlace(fd: number, path: string): boolean {
  try {
    const [mine, there] = [fstatSync(fd), statSync(path)];
    return mine.ino === there.ino && mine.dev === there.dev;
  } catch {
    return false;
  }
}

/** Takes the lock, or says 'held'. Throws LockError: ENOSYS where the system cannot lock, else the errno. */
export function takeLock(path: string, pid: number): Lock | 'held' {
  const calls = libc();
  if (!calls) throw new LockError('ENOSYS', `${path}: no way to lock a file here: ${whyNoLibc()}`);
  for (let attempt = 0; attempt < 5; attempt++) {
    const fd = openFile(path);
    const locked = calls.lock(fd);
    if (locked === 'locked' && samePlace(fd, path)) {
      ftruncateSync(fd);
      writeSync(fd, `${pid}\n`, 0);
      let open = true;
      return {
        close() {
          if (open) closeSync(fd);
          open = false;
        },
      };
    }
    closeSync(fd);
    if (locked === 'EAGAIN') return 'held';
    if (locked !== 'locked') throw new LockError(locked, `${path}: cannot lock: ${locked}`);
  }
  throw new LockError('EBUSY', `${path}: the lock file is replaced again and again`);
}

function openFile(path: string): number {
  try {
    // One level only. (mkdir with `recursive` never returns below /proc on Node 20.)
    if (!existsSync(dirname(path))) mkdirSync(dirname(path), { mode: 0o755 });
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644);
  } catch (error) {
    const { code = 'EIO' } = error as NodeJS.ErrnoException;
    throw new LockError(code, `${path}: cannot open the lock file: ${code}`);
  }
}
