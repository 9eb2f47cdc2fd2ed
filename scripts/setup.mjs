// Makes a fresh clone ready: installs the locked packages if they are not there, compiles if a source is newer.
// Nothing but Node is needed. `node scripts/setup.mjs [--quiet]`
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const hash = (text) => createHash('sha256').update(text).digest('hex');

function install(say) {
  const lock = hash(readFileSync(join(root, 'package-lock.json')));
  const stamp = join(root, 'node_modules', '.watchkeeper-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  say('Installing packages …');
  // `npm install` honours the lock too. `npm ci` refuses it where a mirror lacks tools' packages for other systems.
  execFileSync('npm', ['install', '--no-save', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2] });
  writeFileSync(stamp, lock);
}

/** Newest change below the sources, as one number per file: any edit, new file or deletion changes the sum. */
function sourceState(dir, into = []) {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) sourceState(path, into);
    else if (/\.(ts|json)$/.test(entry.name)) into.push(`${path}:${statSync(path).mtimeMs}:${statSync(path).size}`);
  }
  return into;
}

function compile(say) {
  const state = hash(
    ['src', 'test', 'scripts'].flatMap((dir) => sourceState(join(root, dir))).join('\n') +
      readFileSync(join(root, 'tsconfig.json'), 'utf8'),
  );
  const stamp = join(root, 'dist', '.state');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === state) return;
  say('Compiling …');
  for (const dir of ['src', 'test', 'scripts']) rmSync(join(root, 'dist', dir), { recursive: true, force: true });
  rmSync(join(root, 'dist', '.tsbuildinfo'), { force: true });
  const tsc = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', root], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (tsc.status !== 0) process.exit(1);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, state);
}

export function setup({ quiet = false } = {}) {
  const say = quiet ? () => {} : (text) => process.stderr.write(`${text}\n`);
  install(say);
  compile(say);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) setup({ quiet: process.argv.includes('--quiet') });
