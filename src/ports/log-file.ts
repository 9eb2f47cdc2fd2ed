// Appends lines to a file of bounded size: FILE, FILE.1 … FILE.n. Opened anew for each batch, so that logrotate, a
// removed file or a full disk that was cleared need no signal. At most one batch a file is in the hands of the thread
// pool: a file system that hangs costs one thread, and callers an answer that says so.
import { constants } from 'node:fs';
import { lstat, open, rename } from 'node:fs/promises';

export interface LogFileBounds {
  readonly maxBytes: number;
  /** Old files kept besides the current one. */
  readonly maxFiles: number;
}

interface Batch {
  lines: string[];
  readonly waiting: ((trouble: string | null) => void)[];
}

const MAX_WAITING = 1000;
const files = new Map<string, { busy: boolean; next: Batch }>();
const emptyBatch = (): Batch => ({ lines: [], waiting: [] });

/** Renames FILE.1 → FILE.2 … and FILE → FILE.1; the oldest falls away. */
async function rotate(path: string, maxFiles: number): Promise<void> {
  for (let number = maxFiles - 1; number >= 0; number--) {
    const from = number === 0 ? path : `${path}.${number}`;
    await rename(from, `${path}.${number + 1}`).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
}

async function writeBatch(path: string, text: string, bounds: LogFileBounds): Promise<void> {
  const size = await lstat(path).then(
    (facts) => (facts.isFile() ? facts.size : 0),
    () => 0,
  );
  if (size > 0 && size + Buffer.byteLength(text) > bounds.maxBytes && bounds.maxFiles > 0)
    await rotate(path, bounds.maxFiles);
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_TRUNC } = constants;
  const full = size + Buffer.byteLength(text) > bounds.maxBytes && bounds.maxFiles === 0;
  const file = await open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | (full ? O_TRUNC : 0), 0o640);
  try {
    await file.writeFile(text);
  } finally {
    await file.close();
  }
}

async function drain(path: string, bounds: LogFileBounds): Promise<void> {
  const file = files.get(path);
  if (!file || file.busy) return;
  file.busy = true;
  while (file.next.lines.length > 0) {
    const batch = file.next;
    file.next = emptyBatch();
    const trouble = await writeBatch(path, batch.lines.join(''), bounds).then(
      () => null,
      (error: NodeJS.ErrnoException) => error.code ?? error.message,
    );
    for (const tell of batch.waiting) tell(trouble);
  }
  files.delete(path);
}

/** Appends one line (its newline is added). Resolves to null when it is written, else to what was wrong: an errno,
 *  `EBUSY` when too many lines wait for a file that does not answer, `ETIMEDOUT` after `timeoutMs`: the line may still
 *  be written later. Never rejects. */
export function appendLine(
  path: string,
  line: string,
  bounds: LogFileBounds,
  timeoutMs = 2000,
): Promise<string | null> {
  const file = files.get(path) ?? { busy: false, next: emptyBatch() };
  files.set(path, file);
  if (file.next.lines.length >= MAX_WAITING) return Promise.resolve('EBUSY');
  file.next.lines.push(`${line}\n`);
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('ETIMEDOUT'), timeoutMs);
    file.next.waiting.push((trouble) => {
      clearTimeout(timer);
      resolve(trouble);
    });
    void drain(path, bounds);
  });
}
