// Every kit on the product it is for, as Debian installs it: well when well; killed and hung it gets its true cause, is
// repaired, and is well again. Several products are broken at once, so that all of them fit into some minutes.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, poll } from './command.ts';
import { type Product, products } from './kit-products.ts';
import { Lab } from './lab.ts';
import type { LabNode } from './node.ts';
import { type NodeProcess, signal } from './processes.ts';
import { Watch } from './watch.ts';
import { askJson, startWatchkeeper } from './watchkeeper.ts';

const test = suite('kits');
const chosen = products.filter((one) => one.kit.includes(process.env['KIT'] ?? ''));
const AT_ONCE = 6;
const STARTED_MS = 180_000;
const WELL_MS = 240_000;
const CURED_MS = 240_000;

let lab: Lab;
let node: LabNode;
let watch: Watch;
/** Those that could be started: the others are one failure, and hold nobody up. */
const running: Product[] = [];

/** The kits as shipped; only beats are short, and budgets wide. */
const config = (): string => `node: lab
repairs: { max: 500, window: 10m, parallel: 4 }
tilt: { share: 1, least: 10000 }
services:
${running
  .map(
    ({ kit, set }) => `  ${kit}:
    kit: ${kit}
${set ? `    set: ${set}\n` : ''}    quick: { every: 2s, timeout: 2s, fall: 2 }
    deep: { every: 10s, timeout: 9s }
    recover: { attempts: 20, stable: 10s, flapping: { changes: 50, window: 10m, calm: 10s } }
`,
  )
  .join('')}alerts:
  log: { type: event-log }
`;

/** The processes of a unit, by its control group as systemd keeps it. */
function membersOf(unit: string): readonly NodeProcess[] {
  const slice = unit.includes('@') ? `system.slice/system-${unit.split('@')[0]}.slice` : 'system.slice';
  const group = join(node.group, slice, unit, 'cgroup.procs');
  if (!existsSync(group)) return [];
  const pids = readFileSync(group, 'utf8').split('\n').map(Number);
  return node.processes().filter((each) => pids.includes(each.pid));
}

/** The process that the others are children of, and that systemd takes for the main one if it knows one. */
async function mainOf(unit: string): Promise<NodeProcess | undefined> {
  const told = Number((await node.exec(['systemctl', 'show', '-P', 'MainPID', unit])).trim());
  const all = membersOf(unit);
  const pids = new Set(all.map((one) => one.pid));
  const roots = all.filter((one) => !pids.has(one.parent)).sort((a, b) => a.startTicks - b.startTicks);
  return all.find((one) => told > 0 && one.innerPid === told) ?? roots[0];
}

// A test and not a hook: of a hook that throws uvu says nothing.
test('every product starts, and every kit says that it is well', async () => {
  lab = await Lab.up({ nodes: ['kits'] });
  node = lab.node('kits');
  for (const product of chosen) await product.prepare?.(node);
  await node.boot(60_000);
  for (const { unit } of chosen) await node.attempt(['systemctl', 'start', '--no-block', unit]);
  const failed: string[] = [];
  for (const product of chosen) {
    const { unit } = product;
    const active = async (): Promise<boolean> => {
      const got = await node.attempt(['systemctl', 'is-active', unit]);
      return got.stdout.trim() === 'active' && membersOf(unit).length > 0;
    };
    if (await poll(active, STARTED_MS, 500)) running.push(product);
    else failed.push(`${unit}: ${(await node.attempt(['systemctl', 'status', '-n', '20', unit])).stdout}`);
  }
  await startWatchkeeper(node, config());
  watch = new Watch(node);
  await watch.well(WELL_MS);
  if (failed.length > 0) throw new Error(failed.join('\n'));
});
test.after(() => lab.close());

interface Told {
  readonly seq: number;
  readonly service: string | null;
  readonly rule: string;
  readonly text: string;
}

async function storyOf(kit: string, after: number): Promise<readonly Told[]> {
  const { story } = await askJson<{ story: readonly Told[] }>(node, ['explain', kit]);
  return story.filter((told) => told.service === kit && told.seq > after);
}

interface Case {
  readonly product: Product;
  readonly before: NodeProcess;
  readonly after: number;
}

async function begin(product: Product): Promise<Case> {
  const before = await mainOf(product.unit);
  if (!before) throw new Error(`${product.unit} has no process`);
  const seqs = (await storyOf(product.kit, 0)).map((told) => told.seq);
  return { product, before, after: Math.max(0, ...seqs) };
}

/** Another main process, and both questions answered well since. */
async function cured({ product, before }: Case): Promise<boolean> {
  const now = await mainOf(product.unit);
  if (!now || now.pid === before.pid || now.state === 'T') return false;
  const shown = (await watch.look()).services.find((one) => one.name === product.kit);
  return (
    shown?.phase === 'healthy' &&
    shown.health === 'ok' &&
    shown.quick?.outcome === 'pass' &&
    shown.deep?.outcome === 'pass'
  );
}

const CAUSE = /\((dead|hung|refusing|misconfigured|no-space|dependency|expired|credentials|overloaded)\)/;

async function judge(one: Case, cause: 'dead' | 'hung'): Promise<void> {
  const { kit, revived } = one.product;
  const story = await storyOf(kit, one.after);
  const text = story.map((told) => `  [${told.rule}] ${told.text}`).join('\n');
  const causes = new Set(story.flatMap((told) => CAUSE.exec(told.text)?.[1] ?? []));
  const done = story.filter((told) => told.rule === 'repair');
  for (const said of causes) assert.is(said, cause, `${kit} is ${cause}; it said:\n${text}`);
  if (cause === 'dead' && revived) return; // systemd may have been first.
  assert.ok(causes.has(cause), `${kit} is ${cause}; it said:\n${text}`);
  assert.ok(done.length > 0, `${kit} is repaired; it said:\n${text}`);
}

/** Breaks some products at once; gives for each what became of it. */
async function round(some: readonly Product[], cause: 'dead' | 'hung'): Promise<ReadonlyMap<string, Error | null>> {
  const cases = await Promise.all(some.map(begin));
  for (const { product, before } of cases)
    if (cause === 'dead') signal([before], 'SIGKILL');
    else signal(membersOf(product.unit), 'SIGSTOP');
  const results = new Map<string, Error | null>();
  for (const one of cases) {
    const { kit, unit } = one.product;
    try {
      await eventually(`${kit} (${cause}) repaired and well`, () => cured(one), CURED_MS, 500);
      await judge(one, cause);
      results.set(kit, null);
    } catch (error) {
      const story = (await storyOf(kit, one.after)).map((told) => `  [${told.rule}] ${told.text}`).join('\n');
      results.set(kit, new Error(`${(error as Error).message}\n${story}`));
      await node.attempt(['systemctl', 'restart', unit], { timeoutMs: 60_000 });
    }
  }
  return results;
}

const batches = Array.from({ length: Math.ceil(chosen.length / AT_ONCE) }, (_, at) =>
  chosen.slice(at * AT_ONCE, (at + 1) * AT_ONCE),
);
for (const [cause, words] of [
  ['dead', 'killed'],
  ['hung', 'stopped (SIGSTOP)'],
] as const)
  for (const batch of batches) {
    let results: ReadonlyMap<string, Error | null> = new Map();
    for (const [at, { kit }] of batch.entries())
      test(`${kit} ${words}: ${cause}, repaired, well`, async () => {
        if (at === 0)
          results = await round(
            batch.filter((one) => running.includes(one)),
            cause,
          );
        const result = results.get(kit);
        if (result === undefined) throw new Error('it was not tried: the round broke off');
        if (result) throw result;
      });
  }

test('none was given up, and none of them is forgotten', async () => {
  await watch.well(WELL_MS);
});

test.run();
