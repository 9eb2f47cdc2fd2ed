// Every kit on the product it is for, as Debian installs it: well when well; killed and hung it gets its true cause, is
// repaired, and is well again. Several products are broken at once, so that all of them fit into some minutes.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { validateBy } from '../../src/host/validate.ts';
import type { Ports } from '../../src/ports/ports.ts';
import { eventually, poll } from './command.ts';
import { installInto, type Product, products } from './kit-products.ts';
import { Lab } from './lab.ts';
import type { LabNode } from './node.ts';
import { type NodeProcess, signal } from './processes.ts';
import { repository } from './repository.ts';
import { Watch } from './watch.ts';
import { askJson, startWatchkeeper } from './watchkeeper.ts';

const test = suite('kits');
const AT_ONCE = 6;
const STARTED_MS = 180_000;
const WELL_MS = 240_000;
const CURED_MS = 240_000;

/** KIT=exim,cyrus: only these. */
const words = (process.env['KIT'] ?? '').split(',');
const wanted = products.filter((one) => words.some((word) => one.kit.includes(word)));
/** A node, the products on it, and the daemon that watches them. */
interface Field {
  readonly node: LabNode;
  readonly watch: Watch;
  /** Those that could be started: the others are one failure, and hold nobody up. */
  readonly running: readonly Product[];
}
const fields = new Map<string, Field>();
const groups = {
  beside: wanted.filter((one) => one.apart === undefined),
  apart: wanted.filter((one) => one.apart !== undefined),
};
let lab: Lab;

/** The bad word itself, or the place where it stands. PostgreSQL and getmail name the file only, and of Mailman's many
 *  lines the first is told. */
const PLACE = /nonsense|\bline \d+|\.conf:\d+|\.conf" contains errors|getmailrc incorrect|Traceback/i;

/** The kits as shipped; only beats are short, and budgets wide. */
const config = (some: readonly Product[], observe: boolean): string => `node: lab
observe: ${observe}
repairs: { max: 500, window: 10m, parallel: 4 }
tilt: { share: 1, least: 10000 }
services:
${some
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
function membersOf(node: LabNode, unit: string): readonly NodeProcess[] {
  const slice = unit.includes('@') ? `system.slice/system-${unit.split('@')[0]}.slice` : 'system.slice';
  const group = join(node.group, slice, unit, 'cgroup.procs');
  if (!existsSync(group)) return [];
  const pids = readFileSync(group, 'utf8').split('\n').map(Number);
  return node.processes().filter((each) => pids.includes(each.pid));
}

/** The process that the others are children of, and that systemd takes for the main one if it knows one. */
async function mainOf(node: LabNode, unit: string): Promise<NodeProcess | undefined> {
  const told = Number((await node.exec(['systemctl', 'show', '-P', 'MainPID', unit])).trim());
  const all = membersOf(node, unit);
  const pids = new Set(all.map((one) => one.pid));
  const roots = all.filter((one) => !pids.has(one.parent)).sort((a, b) => a.startTicks - b.startTicks);
  return all.find((one) => told > 0 && one.innerPid === told) ?? roots[0];
}

/** Starts the products, and says what systemd says of those that do not start. */
async function startAll(node: LabNode, some: readonly Product[]): Promise<{ running: Product[]; failed: string[] }> {
  const [running, failed]: [Product[], string[]] = [[], []];
  for (const unit of some.flatMap((one) => one.also ?? [])) await node.exec(['systemctl', 'start', unit]);
  for (const { unit } of some) await node.attempt(['systemctl', 'start', '--no-block', unit]);
  for (const product of some) {
    const { unit } = product;
    const active = async (): Promise<boolean> => {
      const got = await node.attempt(['systemctl', 'is-active', unit]);
      return got.stdout.trim() === 'active' && membersOf(node, unit).length > 0;
    };
    if (await poll(active, STARTED_MS, 500)) running.push(product);
    else failed.push(`${unit}: ${(await node.attempt(['systemctl', 'status', '-n', '20', unit])).stdout}`);
  }
  return { running, failed };
}

for (const [name, some] of Object.entries(groups).filter(([, each]) => each.length > 0)) {
  // Tests and not hooks: of a hook that throws uvu says nothing.
  test(`${name}: every product starts, and every kit says that it is well`, async () => {
    lab ??= await Lab.up({ nodes: Object.keys(groups) });
    const node = lab.node(name);
    const packages = some.flatMap((one) => one.apart ?? []);
    if (packages.length > 0) await installInto(node, packages);
    for (const product of some) await product.prepare?.(node);
    await node.boot(60_000);
    const { running, failed } = await startAll(node, some);
    // They were not started by the daemon: whoever needs a minute to come up is not to be helped.
    await startWatchkeeper(node, config(running, true));
    const field = { node, watch: new Watch(node), running };
    fields.set(name, field);
    await field.watch.well(WELL_MS);
    node.put('/etc/watchkeeper/watchkeeper.yaml', config(running, false), { mode: 0o600 });
    await node.exec(['watchkeeper', 'reload']);
    if (failed.length > 0) throw new Error(failed.join('\n'));
  });
}
test.after(() => lab?.close());

interface Told {
  readonly wall: number;
  readonly detail: string;
}

/** What the daemon said of a service since a moment, from its history: the story of `explain` is a short one. */
async function storyOf(node: LabNode, kit: string, since: number): Promise<readonly Told[]> {
  const { rows } = await askJson<{ rows: readonly Told[] }>(node, ['history', kit, '--limit', '500']);
  return rows.filter((told) => told.wall > since && told.detail.startsWith('[')).reverse();
}
const isRepair = (told: Told): boolean => told.detail.startsWith('[repair]');

interface Case {
  readonly field: Field;
  readonly product: Product;
  readonly before: NodeProcess;
  readonly since: number;
}

async function begin(field: Field, product: Product): Promise<Case> {
  const before = await mainOf(field.node, product.unit);
  if (!before) throw new Error(`${product.unit} has no process`);
  return { field, product, before, since: Date.now() };
}

/** Another main process, and both questions answered well since. */
async function cured({ field, product, before }: Case): Promise<boolean> {
  const now = await mainOf(field.node, product.unit);
  if (!now || now.pid === before.pid || now.state === 'T') return false;
  const shown = (await field.watch.look()).services.find((one) => one.name === product.kit);
  const answers = [shown?.quick?.outcome, shown?.deep?.outcome];
  return shown?.phase === 'healthy' && shown.health === 'ok' && answers.every((outcome) => outcome === 'pass');
}

const CAUSE = /\((dead|hung|refusing|misconfigured|no-space|dependency|expired|credentials|overloaded)\)/;

async function judge(one: Case, cause: 'dead' | 'hung'): Promise<void> {
  const { kit, revived } = one.product;
  const story = await storyOf(one.field.node, kit, one.since);
  const repaired = story.findIndex(isRepair);
  if (cause === 'dead' && revived && repaired < 0) return; // systemd was first.
  assert.ok(repaired >= 0, 'it is repaired');
  // What is said after that is about the start: it may refuse for a while then.
  const causes = new Set(story.slice(0, repaired + 1).flatMap((told) => CAUSE.exec(told.detail)?.[1] ?? []));
  // While systemd itself is about to start it, its socket refuses.
  if (cause === 'dead' && revived) causes.delete('refusing');
  assert.equal([...causes], [cause], 'its cause');
}

/** Breaks some products at once; gives for each what became of it. */
async function round(
  field: Field,
  some: readonly Product[],
  cause: 'dead' | 'hung',
): Promise<ReadonlyMap<string, Error | null>> {
  const { node, running } = field;
  const cases = await Promise.all(some.filter((one) => running.includes(one)).map((one) => begin(field, one)));
  for (const { product, before } of cases)
    if (cause === 'dead') signal([before], 'SIGKILL');
    else signal(membersOf(node, product.unit), 'SIGSTOP');
  const results = new Map<string, Error | null>();
  for (const one of cases) {
    const { kit, unit } = one.product;
    try {
      await eventually(`${kit} (${cause}) repaired and well`, () => cured(one), CURED_MS, 500);
      await judge(one, cause);
      results.set(kit, null);
    } catch (error) {
      const story = (await storyOf(node, kit, one.since)).map((told) => `  ${told.detail}`).join('\n');
      results.set(kit, new Error(`${(error as Error).message}; it said:\n${story}`));
      await node.attempt(['systemctl', 'restart', unit], { timeoutMs: 60_000 });
    }
  }
  return results;
}

const FAULTS = [
  ['dead', 'killed'],
  ['hung', 'stopped (SIGSTOP)'],
] as const;
for (const [name, some] of Object.entries(groups))
  for (const [cause, how] of FAULTS)
    for (let first = 0; first < some.length; first += AT_ONCE) {
      const batch = some.slice(first, first + AT_ONCE);
      let results: ReadonlyMap<string, Error | null> = new Map();
      for (const [at, { kit }] of batch.entries())
        test(`${kit} ${how}: ${cause}, repaired, well`, async () => {
          const field = fields.get(name);
          if (!field) throw new Error('its node is not there');
          if (at === 0) results = await round(field, batch, cause);
          const result = results.get(kit);
          if (result === undefined) throw new Error('it was not tried: it did not start, or the round broke off');
          if (result) throw result;
        });
    }

/** What the kit reads the configuration with, its parameters as they are here or by default. */
function validatorOf({ kit, set }: Product): readonly string[] {
  const written = parse(readFileSync(join(repository, `config/kits/${kit}.yaml`), 'utf8')) as {
    params: Record<string, { default?: unknown }>;
    manager: { validate: unknown };
  };
  const { validate } = written.manager;
  if (typeof validate !== 'string') return validate as readonly string[];
  const param = validate.slice(1);
  const here = (parse(set ?? '{}') as Readonly<Record<string, unknown>>)[param];
  return (here ?? written.params[param]?.default) as readonly string[];
}

for (const [name, some] of Object.entries(groups))
  for (const product of some.filter((one) => one.spoil !== undefined))
    test(`${product.kit}: a bad configuration is seen, and its line is named, before a start`, async () => {
      const [path, line] = product.spoil ?? ['', ''];
      const { node } = fields.get(name) as Field;
      const run = (argv: readonly string[]) => node.attempt(argv, { timeoutMs: 60_000 });
      const ask = () =>
        validateBy({ exec: { run } } as unknown as Ports, validatorOf(product), AbortSignal.timeout(60_000));
      const good = await ask();
      assert.ok(good.ok && good.detail.endsWith('found nothing wrong'), good.detail);
      const text = node.read(path);
      node.put(path, `${text}${line}\n`);
      const bad = await ask();
      node.put(path, text);
      assert.equal([bad.ok, bad.cause], [false, 'misconfigured'], bad.detail);
      assert.match(bad.detail, PLACE, bad.detail);
    });

test('none was given up, and none of them is forgotten', async () => {
  for (const { watch } of fields.values()) await watch.well(WELL_MS);
});

test.run();
