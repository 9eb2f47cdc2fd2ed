// Ports for tests of what deals with processes: the real clock, exec and proc, a small real reader of files, and
// units and sysinfo that the test gives.
import { lstatSync, readFileSync } from 'node:fs';
import { clock } from '../../src/ports/clock.ts';
import { exec } from '../../src/ports/exec.ts';
import type { Files } from '../../src/ports/files.ts';
import type { Ports } from '../../src/ports/ports.ts';
import { proc } from '../../src/ports/proc.ts';
import type { UnitFacts } from '../../src/ports/units.ts';

const files: Pick<Files, 'readText' | 'facts'> = {
  readText(path, maxBytes) {
    try {
      const text = readFileSync(path, 'utf8');
      if (text.length > maxBytes) throw Object.assign(new Error('too big'), { code: 'E2BIG' });
      return text;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
  },
  facts(path) {
    try {
      const stat = lstatSync(path);
      const kind = stat.isSymbolicLink() ? 'link' : stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : 'other';
      return {
        uid: stat.uid,
        gid: stat.gid,
        mode: stat.mode & 0o7777,
        size: stat.size,
        kind,
        modifiedMs: stat.mtimeMs,
      };
    } catch {
      return null;
    }
  },
};

const missing = (name: string) => (): never => {
  throw new Error(`this test has no port "${name}"`);
};

/** What is given replaces the real port. */
export function hostPorts(given: Partial<Ports> = {}): Ports {
  const silent = (): void => undefined;
  const rest = {
    clock,
    exec,
    proc,
    files,
    log: { debug: silent, info: silent, warn: silent, error: silent },
    net: { open: missing('net') },
    secrets: { read: missing('secrets') },
    sysinfo: { load: missing('sysinfo'), inventory: missing('sysinfo') },
    units: { show: missing('units') },
  };
  return { ...rest, ...given } as unknown as Ports;
}

/** Waits until it holds, at most `limitMs`; says whether it came to hold. */
export async function until(holds: () => boolean, limitMs = 5000): Promise<boolean> {
  const end = performance.now() + limitMs;
  while (!holds()) {
    if (performance.now() > end) return false;
    await new Promise((next) => setTimeout(next, 5));
  }
  return true;
}

/** Facts of a loaded, running unit; what is given replaces. */
export function unitFacts(given: Readonly<Record<string, string>> = {}): UnitFacts {
  return {
    Id: 'mail.service',
    Names: 'mail.service',
    LoadState: 'loaded',
    ActiveState: 'active',
    SubState: 'running',
    Result: 'success',
    Type: 'simple',
    Restart: 'no',
    RemainAfterExit: 'no',
    MainPID: '0',
    ControlPID: '0',
    ControlGroup: '/system.slice/mail.service',
    Job: '',
    NRestarts: '0',
    ExecMainCode: '0',
    ExecMainStatus: '0',
    InactiveEnterTimestampMonotonic: '0',
    InvocationID: '0123456789abcdef0123456789abcdef',
    ConsistsOf: '',
    ...given,
  };
}
