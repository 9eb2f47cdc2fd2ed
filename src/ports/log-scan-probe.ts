// A program of its own: counts the new lines of a log that match a pattern. It runs as a child that is killed when its
// time is over: a pattern that takes for ever, or a storage that is silent, costs only this child. See log-scan.ts.
import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import type { LogAnswer, LogPlace, LogQuestion } from './log-scan.ts';

const MOST_LINE = 4096;
const MOST_SHOWN = 300;
/** The names under which the file of before may be found: the work of logrotate, with and without a delay. */
const ROTATED = ['.1', '.0'];

interface Part {
  readonly text: string;
  readonly place: LogPlace;
  readonly skipped: number;
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'EIO';

/** New whole lines of one file; null when it is not the file that was asked for. */
function readNew(path: string, from: LogPlace | null, maxBytes: number, only: string | null): Part | null {
  // O_NONBLOCK: a FIFO in the place of a file must not stop anybody.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const facts = fstatSync(fd);
    if (!facts.isFile()) throw Object.assign(new Error('not a plain file'), { code: 'EINVAL' });
    const file = `${facts.dev}:${facts.ino}`;
    if (only !== null && file !== only) return null;
    const { size } = facts;
    if (from === null) return { text: '', place: { file, offset: size }, skipped: 0 };
    // Emptied where it is (copytruncate), or another file: from its beginning.
    const known = from.file === file && from.offset <= size ? from.offset : 0;
    const start = Math.max(known, size - maxBytes);
    const bytes = Buffer.alloc(size - start);
    const got = readSync(fd, bytes, 0, bytes.length, start);
    const read = bytes.subarray(0, got);
    const first = start > known ? read.indexOf(0x0a) + 1 : 0;
    const last = read.lastIndexOf(0x0a) + 1;
    // The beginning of a line waits for its end, unless it is longer than all that may be read.
    const end = last > first ? last : got >= maxBytes ? got : first;
    return {
      text: read.subarray(first, end).toString('utf8'),
      place: { file, offset: start + end },
      skipped: start - known + first,
    };
  } finally {
    closeSync(fd);
  }
}

/** What was written to the old file after the last look, if it is still to be found. */
function readRotated(asked: LogQuestion, from: LogPlace): Part | null {
  for (const ending of ROTATED)
    try {
      const part = readNew(asked.path + ending, from, asked.maxBytes, from.file);
      if (part) return part;
    } catch {
      // Compressed, moved away, removed: it cannot be read any more.
    }
  return null;
}

function scan(asked: LogQuestion): LogAnswer {
  const flags = asked.anyCase ? 'iu' : 'u';
  const pattern = new RegExp(asked.pattern, flags);
  const ignore = asked.ignore === null ? null : new RegExp(asked.ignore, flags);
  try {
    const now = readNew(asked.path, asked.from, asked.maxBytes, null);
    if (!now) return { ok: false, code: 'ENOENT' };
    const rotated = asked.from !== null && asked.from.file !== now.place.file;
    const before = rotated && asked.from ? readRotated(asked, asked.from) : null;
    const lines = `${before?.text ?? ''}${now.text}`.split('\n').filter((line) => line !== '');
    const found = lines
      .map((line) => line.slice(0, MOST_LINE))
      .filter((line) => pattern.test(line) && !ignore?.test(line));
    return {
      ...{ ok: true, place: now.place, lines: lines.length, matches: found.length },
      ...{ last: (found.at(-1) ?? '').slice(0, MOST_SHOWN), skipped: now.skipped + (before?.skipped ?? 0) },
    };
  } catch (error) {
    return { ok: false, code: codeOf(error) };
  }
}

process.stdout.write(`${JSON.stringify(scan(JSON.parse(readFileSync(0, 'utf8')) as LogQuestion))}\n`);
