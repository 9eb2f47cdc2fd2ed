// Starts programs that outlive us: own session, output to a bounded file or nowhere, and a record of who it is.
import { spawn as spawnChild } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import type { Proc, SpawnOptions, SpawnRecord } from './proc.ts';
import { bootId, facts } from './proc-read.ts';
import { program } from './program.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const LOG_BYTES = 1_048_576;
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

function openLog(path: string, maxBytes: number): number {
  const fd = openSync(path, 'a', 0o600);
  if (fstatSync(fd).size > maxBytes) ftruncateSync(fd);
  return fd;
}

/** By rename, so that a crash leaves the old one or the new one. On a full disk over the old one, which has its block
 *  already: it tells of a process that is gone. */
function writeRecord(path: string, record: SpawnRecord): void {
  const text = `${JSON.stringify(record)}\n`;
  try {
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (error) {
    if (!FULL.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    rmSync(`${path}.new`, { force: true });
    const file = openSync(path, 'r+');
    try {
      writeSync(file, text, 0);
      ftruncateSync(file, Buffer.byteLength(text));
    } finally {
      closeSync(file);
    }
  }
}

function start(argv: readonly string[], options: SpawnOptions): ReturnType<Proc['spawn']> {
  const output = options.logPath ? openLog(options.logPath, options.logMaxBytes ?? LOG_BYTES) : 'ignore';
  return new Promise((resolve) => {
    const child = spawnChild(program(argv), argv.slice(1), {
      detached: true,
      shell: false,
      cwd: options.cwd ?? '/',
      env: { PATH, LANG: 'C', LC_ALL: 'C', HOME: process.getuid?.() === 0 ? '/root' : '/', ...options.env },
      stdio: ['ignore', output, output],
    });
    if (output !== 'ignore') closeSync(output);
    child.on('error', (error: NodeJS.ErrnoException) => resolve({ failed: error.code ?? 'EIO' }));
    child.on('spawn', () => {
      const found = facts(child.pid ?? 0);
      child.unref();
      if (!found) return resolve({ failed: 'ESRCH' });
      const record = { pid: found.pid, startTicks: found.startTicks, exe: found.exe, bootId: bootId() };
      try {
        if (options.recordPath) writeRecord(options.recordPath, record);
        resolve(record);
      } catch (error) {
        // A child that a later daemon could not recognise must not live.
        child.kill('SIGKILL');
        resolve({ failed: `${(error as NodeJS.ErrnoException).code ?? 'EIO'} at its record` });
      }
    });
  });
}

async function spawn(argv: readonly string[], options: SpawnOptions): ReturnType<Proc['spawn']> {
  try {
    return await start(argv, options);
  } catch (error) {
    return { failed: (error as NodeJS.ErrnoException).code ?? 'EINVAL' };
  }
}

function boundLog(path: string, maxBytes: number): void {
  try {
    const fd = openSync(path, 'r');
    const { size } = fstatSync(fd);
    closeSync(fd);
    // The writer has it open for appending: after this its next line is the first.
    if (size > maxBytes) truncateSync(path);
  } catch {
    // Not there yet.
  }
}

export const spawnFree: Pick<Proc, 'spawn' | 'boundLog'> = { spawn, boundLog };
