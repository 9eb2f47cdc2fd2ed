// `npm run check`: everything that needs no server and no root, in under a minute. Types come first, because the tests
// run what the compiler wrote; the rest goes side by side. Ends with one line a step, and non-zero if any failed.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const LIMIT_MS = 300_000;
const tool = (name) => join(root, 'node_modules', name);
const FOLDERS = ['src', 'test', 'scripts', 'bin'];

/** Runs one step to its end or its limit; its output is shown only if it failed. */
function run(name, argv, env = {}) {
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, argv, { cwd: root, env: { ...process.env, ...env }, detached: true });
    let output = '';
    const keep = (data) => {
      if (output.length < 200_000) output += data;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const limit = setTimeout(() => {
      output += `\nover its limit of ${LIMIT_MS / 1000} s\n`;
      if (child.pid) process.kill(-child.pid, 'SIGKILL');
    }, LIMIT_MS);
    child.on('close', (code) => {
      clearTimeout(limit);
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      const last = output.trimEnd().split('\n').at(-1) ?? '';
      console.log(
        `${code === 0 ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)${/^\d+ passed/.test(last) ? ` ${last}` : ''}`,
      );
      if (code !== 0) console.log(output.trimEnd());
      resolve(code === 0);
    });
  });
}

async function inTurn(...steps) {
  let good = true;
  for (const step of steps) good = (await step()) && good;
  return good;
}

const simulation = join(root, 'dist/test/simulation/cli.js');
const lint = () => run('lint', [tool('oxlint/bin/oxlint'), '--type-aware', '--deny-warnings', ...FOLDERS]);
const format = () => run('format', [tool('@biomejs/biome/bin/biome'), 'format', ...FOLDERS]);
const unit = () => run('unit tests', ['dist/test/run.js', 'unit'], { QUIET: '1' });
const simulate = async () =>
  !existsSync(simulation) || run('simulation', [simulation, '--runs', '2000', '--clusters', '500']);

const started = performance.now();
const typed = await run('types', [join(root, 'scripts/setup.mjs'), '--quiet']);
const rest = typed ? await Promise.all([unit(), inTurn(lint, format, simulate)]) : [await inTurn(lint, format)];
const good = typed && rest.every(Boolean);
console.log(`${good ? 'all well' : 'not well'} after ${((performance.now() - started) / 1000).toFixed(0)} s`);
process.exit(good ? 0 : 1);
