// A program of its own: asks a folder's file system the hard question, n times: write, fsync, read back, unlink.
// It runs as a child that nobody waits for, because a frozen file system keeps even a killed process. See disk.ts.
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { DiskAnswer, DiskQuestion } from './disk.ts';

/** One name, so that what a crash left behind is overwritten and removed by the next probe. */
const NAME = '.watchkeeper-probe';
const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_RDWR } = constants;

let doing = 'open';

function sample(path: string, content: Buffer): number {
  const started = performance.now();
  doing = 'open';
  const fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  try {
    const facts = fstatSync(fd);
    if (!facts.isFile() || facts.nlink !== 1 || facts.uid !== process.geteuid?.()) {
      throw Object.assign(new Error('not ours'), { code: 'EEXIST' });
    }
    doing = 'write';
    if (writeSync(fd, content, 0, content.length, 0) !== content.length)
      throw Object.assign(new Error('short write'), { code: 'ENOSPC' });
    doing = 'fsync';
    fsyncSync(fd);
    doing = 'read';
    const back = Buffer.alloc(content.length);
    readSync(fd, back, 0, back.length, 0);
    if (!back.equals(content)) throw Object.assign(new Error('different'), { code: 'EBADMSG' });
    doing = 'unlink';
    unlinkSync(path);
  } catch (error) {
    if (doing !== 'open') removeQuietly(path);
    throw error;
  } finally {
    closeSync(fd);
  }
  return performance.now() - started;
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Read-only, or gone: nothing of ours is left that could be removed.
  }
}

function answer({ folder, samples, bytes }: DiskQuestion): DiskAnswer {
  const content = Buffer.alloc(bytes, `watchkeeper ${process.pid} `);
  const samplesMs: number[] = [];
  try {
    for (let at = 0; at < samples; at += 1) samplesMs.push(sample(join(folder, NAME), content));
    return { ok: true, samplesMs };
  } catch (error) {
    return { ok: false, code: (error as NodeJS.ErrnoException).code ?? 'EIO', doing };
  }
}

process.stdout.write(`${JSON.stringify(answer(JSON.parse(readFileSync(0, 'utf8')) as DiskQuestion))}\n`);
