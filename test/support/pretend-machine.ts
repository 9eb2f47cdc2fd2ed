// A machine that is only told of: units, processes, ports, files and what programs say, for discovery. What is not told
// is not there. Its kits are those that ship.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Machine } from '../../src/discover/types.ts';
import type { ExecResult } from '../../src/ports/exec.ts';
import type { FileFacts } from '../../src/ports/files.ts';
import type { ProcessFacts } from '../../src/ports/proc.ts';

/** What a real product said once. */
export const recorded = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../test/fixtures/discover/${name}`, import.meta.url)), 'utf8');

export interface Told {
  /** By name: facts that differ from an active, enabled unit. Its processes hold `ports`, each as `port address`. */
  readonly units?: Readonly<Record<string, { facts?: Readonly<Record<string, string>>; ports?: readonly string[] }>>;
  /** Processes outside of these units: executable, control group, ports. */
  readonly processes?: readonly { exe: string; group: string; ports?: readonly string[] }[];
  readonly files?: Readonly<Record<string, string>>;
  readonly folders?: Readonly<Record<string, readonly string[]>>;
  /** argv, joined by blanks, or only its beginning → output; null: it ends with 1. */
  readonly says?: Readonly<Record<string, string | null>>;
  /** Names that resolve. */
  readonly names?: readonly string[];
  readonly page?: number;
  readonly hostname?: string;
}

interface Living {
  readonly pid: number;
  readonly exe: string;
  readonly group: string;
  readonly ports: readonly string[];
}

const process = (one: Living): ProcessFacts => ({
  pid: one.pid,
  ppid: 1,
  startTicks: one.pid,
  exe: one.exe,
  group: one.pid,
  session: one.pid,
  state: 'S',
  comm: one.exe,
});

function livingOf(told: Told): readonly Living[] {
  const inUnits = Object.entries(told.units ?? {}).flatMap(([unit, { facts = {}, ports = [] }]) =>
    (facts['ActiveState'] ?? 'active') === 'active'
      ? [{ exe: `/of/${unit}`, group: `/system.slice/${unit}`, ports }]
      : [],
  );
  const others = (told.processes ?? []).map(({ exe, group, ports = [] }) => ({ exe, group, ports }));
  return [...inUnits, ...others].map((one, at) => ({ ...one, pid: 100 + at }));
}

const file = (kind: FileFacts['kind']): FileFacts => ({ uid: 0, gid: 0, mode: 0o644, size: 1, kind, modifiedMs: 0 });

export interface Pretended extends Machine {
  /** Every argv that was run. */
  readonly ran: string[];
}

export function pretend(told: Told): Pretended {
  const living = livingOf(told);
  const ran: string[] = [];
  const answer = (code: number | null, stdout: string, failed: string | null): ExecResult => ({
    code,
    stdout,
    failed,
    signal: null,
    stderr: code === 1 ? 'never-to-be-seen' : '',
    timedOut: false,
    truncated: false,
    ms: 1,
  });
  const ports: Machine['ports'] = {
    exec: {
      run: async (argv) => {
        const line = argv.join(' ');
        ran.push(line);
        const key = Object.keys(told.says ?? {}).find((one) => line === one || line.startsWith(`${one} `));
        const text = key === undefined ? undefined : told.says?.[key];
        if (text === undefined) return answer(null, '', 'ENOENT');
        return text === null ? answer(1, '', null) : answer(0, text, null);
      },
    },
    files: {
      readText: (path) => told.files?.[path] ?? null,
      facts: (path) => {
        if (told.files?.[path] !== undefined) return file('file');
        return told.folders?.[path] ? file('directory') : null;
      },
      list: (path) => told.folders?.[path] ?? [],
      realPath: (path) => path,
    },
    units: {
      show: async (unit) => {
        const found = told.units?.[unit];
        if (!found) return { Id: unit, LoadState: 'not-found' };
        const usual = { Id: unit, LoadState: 'loaded', ActiveState: 'active', UnitFileState: 'enabled' };
        return { ...usual, ControlGroup: `/system.slice/${unit}`, ...found.facts };
      },
    },
    proc: {
      byExe: (exe: string) => living.filter((one) => one.exe === exe).map(process),
      cgroup: (group: string) => living.filter((one) => one.group === group).map(({ pid }) => pid),
      cgroupOf: (pid: number) => living.find((one) => one.pid === pid)?.group ?? null,
      holders: (wanted: readonly number[]) =>
        living.flatMap(({ pid, exe, ports: held }) =>
          held.flatMap((text) => {
            const [port = '', address = '0.0.0.0'] = text.split(' ');
            return wanted.includes(Number(port)) ? [{ pid, exe, port: Number(port), address, ours: true }] : [];
          }),
        ),
    } as unknown as Machine['ports']['proc'],
    dns: {
      ask: async ({ name }) => {
        const code = told.names?.includes(name) ? 'ok' : 'no-name';
        return { code, server: '192.0.2.53', values: [], ms: 1 };
      },
    },
    http: {
      request: async () => {
        if (told.page === undefined) throw new Error('nobody answers');
        return { status: told.page, headers: {}, body: '', truncated: false, ms: 1 } as never;
      },
    },
  };
  const { hostname = 'mx1' } = told;
  return { ports, signal: new AbortController().signal, hostname, addresses: ['192.0.2.11', '127.0.0.1', '::1'], ran };
}
