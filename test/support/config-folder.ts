// A folder with configuration files that goes away after the test.
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { load, type LoadOptions } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problems.ts';
import type { Good, Loaded } from '../../src/config/types.ts';
import { files } from '../../src/ports/files.ts';
import { somePlugins } from './config-plugins.ts';

export interface ConfigFolder {
  readonly path: string;
  write(name: string, content: string | Uint8Array, mode?: number): string;
  load(name?: string, more?: Partial<LoadOptions>): Loaded;
  /** The report, with the folder left out of its paths. */
  report(loaded: Loaded): string;
  remove(): void;
}

/** Folders that a failed test left behind go with the process. */
const left = new Set<string>();
process.once('exit', () => {
  for (const path of left) rmSync(path, { recursive: true, force: true });
});

export function configFolder(): ConfigFolder {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'wk-config-')));
  const kitsDir = join(path, 'kits');
  mkdirSync(kitsDir);
  left.add(path);
  return {
    path,
    write(name, content, mode = 0o644) {
      const file = join(path, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
      chmodSync(file, mode);
      return file;
    },
    load: (name = 'wk.yaml', more = {}) =>
      load(join(path, name), {
        files,
        plugins: somePlugins,
        hostname: 'n1',
        uid: process.getuid?.() ?? null,
        kitsDir,
        ...more,
      }),
    report: (loaded) =>
      ('problems' in loaded ? loaded.problems : loaded.warnings)
        .map((problem) => `${formatProblem(problem)}\n`)
        .join('')
        .replaceAll(`${path}/`, '')
        .replaceAll(path, '.'),
    remove() {
      left.delete(path);
      rmSync(path, { recursive: true });
    },
  };
}

/** The good configuration; throws with the report when it is not one. */
export function good(loaded: Loaded): Good {
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  return loaded;
}
