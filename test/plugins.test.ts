// The contract that every plugin keeps, whatever it is about. A new file in a folder of plugins is tested here at once.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runChecks } from '../src/daemon/run-check.ts';
import { type Check, type Depth, type Ports, type Shape, z } from '../src/define.ts';
import { plugins } from '../src/registry.ts';
import { makeAlert } from './support/alert.ts';
import { silentPorts, throwingPorts } from './support/broken-ports.ts';

const test = suite('plugins');
const { checks, recovery, alerts } = await plugins();
const all = [...checks, ...recovery, ...alerts] as [string, { about: string; options: Shape; example: unknown }][];
const OUTCOMES = ['pass', 'degraded', 'fail', 'unknown'];
const ABORT_MS = 300;
const GRACE_MS = 500;

test('there are plugins of each kind', () => {
  for (const kind of [checks, recovery, alerts]) assert.ok(kind.size > 0);
});

test('about is one sentence', () => {
  for (const [name, { about }] of all) {
    assert.match(about, /^[A-Z][^\n]{15,160}[.?]$/, name);
    // What differs by depth may be said for each.
    assert.not.match(about.replace(/^Quick: (.*)\. Deep: /, ''), /[.!?] [A-Z]/, `${name}: more than one sentence`);
  }
});

test('the example validates', () => {
  for (const [name, { options, example }] of all) {
    const read = options.safeParse(example);
    assert.ok(read.success, `${name}: ${read.success ? '' : z.prettifyError(read.error)}`);
  }
});

interface Node {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
}

/** Paths of the properties, at any depth, that say nothing about themselves. */
function undescribed(node: Node, path = ''): string[] {
  const below = Object.entries(node.properties ?? {}).flatMap(([name, property]) => [
    ...(property.description ? [] : [`${path}${name}`]),
    ...undescribed(property, `${path}${name}.`),
  ]);
  const parts = [...(node.items ? [node.items] : []), ...(node.anyOf ?? [])];
  return [...below, ...parts.flatMap((part) => undescribed(part, path))];
}

test('every option is described', () => {
  for (const [name, { options }] of all)
    assert.equal(undescribed(z.toJSONSchema(options, { io: 'input', unrepresentable: 'any' }) as Node), [], name);
});

/** Goes out through the library that it wraps, not through a port: here to a port where nobody listens. */
const OWN_WAY: Readonly<Record<string, object>> = { 'mail-roundtrip': { submit: { host: '127.0.0.1', port: 1 } } };

const optionsOf = (name: string, plugin: Check): never =>
  plugin.options.parse({ ...plugin.example, ...OWN_WAY[name] }) as never;
const depthsOf = (plugin: Check): Depth[] => (plugin.depth === 'both' ? ['quick', 'deep'] : [plugin.depth]);
const asked = [...checks].flatMap(([name, plugin]) => depthsOf(plugin).map((depth) => ({ name, plugin, depth })));

interface Asked {
  readonly name: string;
  readonly plugin: Check;
  readonly depth: Depth;
}

/** As the daemon asks: one check through the runner. */
async function throughRunner({ name, plugin, depth }: Asked, ports: Ports) {
  const runnable = {
    ...{ name, type: name, plugin, options: optionsOf(name, plugin), everyMs: null },
    ...{ at: () => depth, memory: new Map<string, unknown>(), last: null, throws: 0 },
  };
  const { signal } = new AbortController();
  return (await runChecks('service', [runnable], depth, ABORT_MS, ports, signal, true)).verdict;
}

test("a check whose ports throw says unknown: our own trouble is nobody else's failure", async () => {
  for (const one of asked) {
    const { outcome } = await throughRunner(one, throwingPorts());
    const expected = one.name in OWN_WAY ? 'fail' : 'unknown';
    assert.is(outcome, expected, `${one.name} ${one.depth}`);
  }
});

type Settled = { readonly value: unknown } | { readonly error: unknown } | 'still running';

/** Runs until the signal and a grace after it. */
async function withSignal(work: (signal: AbortSignal) => Promise<unknown>): Promise<Settled> {
  const stop = new AbortController();
  const timers = [setTimeout(() => stop.abort(new Error('timeout')), ABORT_MS)];
  const late = new Promise<Settled>((resolve) => {
    timers.push(setTimeout(() => resolve('still running'), ABORT_MS + GRACE_MS));
  });
  const run = (async () => work(stop.signal))().then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  const settled = await Promise.race([run, late]);
  for (const timer of timers) clearTimeout(timer);
  return settled;
}

test('a check whose ports are silent ends with its signal, and answers what an answer is', async () => {
  const ended = await Promise.all(
    asked.map(async ({ name, plugin, depth }) => {
      const options = optionsOf(name, plugin);
      const rest = { options, ports: silentPorts(), timeoutMs: ABORT_MS, depth, service: 'service' };
      const settled = await withSignal((signal) => plugin.run({ ...rest, signal, memory: new Map() }));
      return { name: `${name} ${depth}`, settled };
    }),
  );
  for (const { name, settled } of ended) {
    assert.is.not(settled, 'still running', `${name} does not obey its signal`);
    const result = (settled as { value?: { outcome: string; cause?: string; detail: string } }).value;
    if (!result) continue;
    assert.ok(OUTCOMES.includes(result.outcome), `${name}: ${result.outcome}`);
    assert.ok(result.detail.length > 0, name);
    assert.is(
      result.outcome === 'fail' || result.outcome === 'degraded',
      result.cause !== undefined,
      `${name}: a cause`,
    );
    assert.is.not(result.outcome, 'pass', `${name} passes though nothing answered`);
  }
});

const deeds = [...recovery].flatMap(([name, plugin]) =>
  (['inspect', 'start', 'stop', 'restart', 'reload', 'sweep', 'validate'] as const)
    .filter((deed) => plugin[deed] !== undefined)
    .map((deed) => ({ name, plugin, deed })),
);

/** One deed of every recovery plugin, on such ports. */
async function actAll(
  makePorts: () => Ports,
): Promise<{ readonly name: string; readonly deed: string; readonly settled: Settled }[]> {
  return Promise.all(
    deeds.map(async ({ name, plugin, deed }) => {
      const options = plugin.options.parse(plugin.example) as never;
      const settled = await withSignal(async (signal) => {
        const context = {
          options,
          ports: makePorts(),
          signal,
          service: 'service',
          memory: new Map(),
          stateDir: '/nonexistent',
        };
        return deed === 'stop' ? plugin.stop(context, { force: false }) : plugin[deed]?.(context);
      });
      return { name, deed, settled };
    }),
  );
}

test('a recovery whose ports throw or are silent ends, and claims nothing', async () => {
  for (const makePorts of [throwingPorts, silentPorts])
    for (const { name, deed, settled } of await actAll(makePorts)) {
      const what = `${name}.${deed}, ${makePorts.name}`;
      assert.is.not(settled, 'still running', `${what} does not obey its signal`);
      const result = (settled as { value?: { ok?: boolean; state?: string } }).value;
      if (deed === 'inspect' && result && makePorts === throwingPorts) assert.is(result.state, 'unknown', what);
      if (deed === 'start' && result) assert.is(result.ok, false, what);
    }
});

test('an alert whose ports throw is never said to be sent', async () => {
  for (const [name, plugin] of alerts) {
    const options = plugin.options.parse(plugin.example) as never;
    const context = { options, ports: throwingPorts(), node: 'n1', stateDir: '/nonexistent' };
    const settled = await withSignal((signal) => plugin.send(makeAlert(), { ...context, signal }));
    assert.is.not(settled, 'still running', name);
    assert.is.not((settled as { value?: unknown }).value, 'sent', name);
  }
});

test('nothing is left behind', async () => {
  const before = process.getActiveResourcesInfo().length;
  await Promise.all(asked.map((one) => throughRunner(one, silentPorts())));
  await actAll(silentPorts);
  await new Promise((done) => setTimeout(done, 50));
  const after = process.getActiveResourcesInfo();
  assert.ok(after.length <= before, `${before} → ${after.join(', ')}`);
});

test.run();
