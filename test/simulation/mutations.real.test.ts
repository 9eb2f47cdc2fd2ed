// Every wrong core of mutations.ts is noticed, and the right one is not blamed. It needs no server, only half a minute
// of processor time: so it runs with the tests that take longer, not in `npm run check`.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { clusterMutations } from './cluster-mutations.ts';
import { type Mutation, mutations } from './mutations.ts';

const test = suite('mutations');

const root = fileURLToPath(new URL('../../../', import.meta.url));
const SEEDS = 60;
/** For a wrong core of groups. */
const CLUSTERS = 120;
const all = [...mutations, ...clusterMutations];
/** A wrong core may also run for ever: that is noticed too. */
const LIMIT_MS = 30_000;
const BROKEN = 'it is no program';
/** Slow, or about more than the core. */
const LEFT_OUT = /\.golden\.test|^(clean|severity|rollup|replay|mib(-\w+)?(\.real)?)\.test/;

/** A copy of what the tables and the simulator need, in a folder of its own. */
function copyTree(lane: string): string {
  mkdirSync(lane, { recursive: true });
  const copy = (path: string): void => cpSync(join(root, 'dist', path), join(lane, 'dist', path), { recursive: true });
  for (const path of ['src/core', 'test/core', 'test/simulation']) copy(path);
  for (const name of ['drive', 'group-drive', 'group-policies', 'groups', 'policies', 'random'])
    copy(`test/support/${name}.js`);
  symlinkSync(join(root, 'node_modules'), join(lane, 'node_modules'));
  writeFileSync(join(lane, 'package.json'), '{"type":"module"}');
  return lane;
}

const tablesOf = (lane: string): readonly string[] =>
  readdirSync(join(lane, 'dist/test/core'))
    .filter((name) => name.endsWith('.test.js') && !LEFT_OUT.test(name))
    .map((name) => join(lane, 'dist/test/core', name));

/** The tables of groups. */
const OF_GROUPS = /(ownership|elect|saga|role(-requests)?|takeover)\.test\.js$/;

/** Who noticed, or null. */
function judge(lane: string, groups: boolean): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const tables = tablesOf(lane).filter((path) => !groups || OF_GROUPS.test(path));
    const [seeds, clusters] = groups ? [0, CLUSTERS] : [SEEDS, 0];
    const argv = [join(lane, 'dist/test/simulation/mutant.js'), String(seeds), String(clusters), ...tables];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data: Buffer) => {
        if (output.length < 100_000) output += data.toString();
      });
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    child.on('error', reject);
    // Not at its exit: what it said last is still in the pipe.
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const by = signal ? 'it ran for ever' : /^@@ (.*)$/m.exec(output)?.[1];
      if (code === 0) resolve(null);
      else if (by !== undefined) resolve(by);
      else resolve(`${BROKEN}: ${output.slice(0, 500)}`);
    });
  });
}

const folder = mkdtempSync(join(tmpdir(), 'watchkeeper-mutations-'));
const results = new Map<Mutation, string | null>();
const innocent: (string | null)[] = [];

test.before(async () => {
  const lanes = [0, 1].map((n) => copyTree(join(folder, `lane${n}`)));
  innocent.push(...(await Promise.all(lanes.map((lane, n) => judge(lane, n === 1)))));
  const waiting = [...all];
  const work = async (lane: string): Promise<void> => {
    for (let one = waiting.shift(); one; one = waiting.shift()) {
      const path = join(lane, 'dist/src/core', `${one.file}.js`);
      const right = readFileSync(path, 'utf8');
      if (right.split(one.from).length !== 2) continue; // Reported below.
      writeFileSync(
        path,
        right.replace(one.from, () => one.to),
      );
      results.set(one, await judge(lane, clusterMutations.includes(one)));
      writeFileSync(path, right);
    }
  };
  await Promise.all(lanes.map(work));
});

test.after(() => rmSync(folder, { recursive: true, force: true }));

test('the right core is not blamed', () => {
  assert.equal(innocent, [null, null]);
});

test('there are enough of them, each a different one', () => {
  assert.ok(mutations.length >= 25 && clusterMutations.length >= 50);
  assert.is(new Set(all.map((one) => one.does)).size, all.length);
});

for (const one of all)
  test(`a core that ${one.does} is noticed`, () => {
    assert.ok(results.has(one), `the text of the mutation must occur exactly once in ${one.file}: ${one.from}`);
    const by = results.get(one) ?? null;
    assert.ok(by !== null, 'nobody noticed: write the test that is missing');
    assert.not(by.startsWith(BROKEN), by);
    if (process.env['QUIET'] !== '1') console.log(`${one.does}: ${by}`);
  });

test.run();
