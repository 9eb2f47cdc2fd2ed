// A cluster of real nodes with the shortest silence, broken in the ways that nodes and networks break. Above all: the
// address is never on two nodes, whatever happens; then, that it is in service again where it should be, and why.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NODES, type NodeName, otherOf } from './cluster.ts';
import { ClusterRun, say } from './cluster-run.ts';
import { eventually, sleep } from './command.ts';
import { monotonicMs } from './holders.ts';

const test = suite('cluster');
const SILENCE_MS = 1500;
/** T, the steps, the announcement and a busy machine. */
const MOVED_MS = 6000;
const FLAP_MS = Number(process.env['FLAP_S'] ?? 20) * 1000;
let run: ClusterRun;

test.before.each(({ __test__: name }) => say(name));
test.after(() => run?.close());

test('it comes up, and one node has the address', async () => {
  run = await ClusterRun.up({ silenceMs: SILENCE_MS });
  const { active, spare } = await run.calm();
  const rules = (node: NodeName): Promise<string> => run.cluster.node(node).exec(['nft', 'list', 'ruleset']);
  assert.match(await rules(active), /table inet watchkeeper_.*\n\tflags owner[^]*elements = \{ ip timeout/);
  assert.not.match(await rules(spare), /elements/);
});

test('a power cut of the active node moves the address, and the node comes back as a spare', async () => {
  const { active, spare } = await run.calm();
  await run.cluster.lead('witness');
  const at = monotonicMs();
  await run.cluster.node(active).kill({ unplug: true });
  const took = await run.moved(spare, at, MOVED_MS);
  say(`${took.toFixed(0)} ms`);
  await run.cluster.well(spare, 10_000);
  const story = await run.cluster.story(spare);
  assert.match(story, /taken under epoch \d+ \(failover\)/);
  assert.not.match(story, /group-another.*\n.*group-take/, 'it is taken at once, and not after another T');
  await run.cluster.powerOn(active);
  await run.cluster.well(spare, 30_000, true);
  assert.equal(run.holders.now, [spare]);
  run.never(at);
});

test('a daemon that is stopped while active loses the address, and does not take it back when it goes on', async () => {
  const { active, spare, at } = await run.calm();
  run.cluster.signalDaemon(active, 'SIGSTOP');
  await run.moved(spare, at, MOVED_MS);
  await sleep(1000);
  run.cluster.signalDaemon(active, 'SIGCONT');
  await sleep(2000);
  run.never(at);
  assert.equal(run.holders.now, [spare]);
  await run.cluster.well(spare, 15_000, true);
  assert.match(await run.cluster.story(active), /lost-(silence|taken)/);
});

test('a node that is frozen and thawed', async () => {
  const { active, spare, at } = await run.calm();
  run.cluster.node(active).freeze(true);
  await run.moved(spare, at, MOVED_MS);
  await sleep(1500);
  run.cluster.node(active).freeze(false);
  await sleep(2500);
  run.never(at);
  assert.equal(run.holders.now, [spare]);
  await run.cluster.well(spare, 15_000, true);
});

test('a node that is frozen for about the silence, again and again', async () => {
  const { active, at } = await run.calm();
  for (const ms of [700, 1200, 1450, 1600, 1900]) {
    const holder = run.holders.now[0] === 'n2' ? 'n2' : 'n1';
    run.cluster.node(holder).freeze(true);
    await sleep(ms);
    run.cluster.node(holder).freeze(false);
    await sleep(1500);
    run.never(at);
  }
  assert.ok(NODES.includes(active));
  await run.settles(at);
});

for (const [name, ways] of [
  ['both ways', 'both'],
  ['on its way out only', 'out'],
  ['on its way in only', 'in'],
] as const)
  test(`the active node is cut off ${name}, and clients still reach it`, async () => {
    const { active, spare } = await run.calm();
    const out = [
      [active, spare],
      [active, 'witness'],
    ] as const;
    const into = out.map(([from, to]) => [to, from] as const);
    const at = monotonicMs();
    await run.cluster.drop([...(ways === 'in' ? [] : out), ...(ways === 'out' ? [] : into)]);
    await run.moved(spare, at, MOVED_MS);
    await sleep(1000);
    await run.cluster.heal();
    await sleep(2000);
    // The member that comes back may cost an election, and that the shortest silence its address for a moment.
    await eventually('the spare to have it', () => run.holders.now[0] === spare, 5000, 20);
    run.never(at);
    await run.cluster.well(spare, 20_000, true);
  });

test('the spare is cut off: nothing moves', async () => {
  const calm = await run.calm();
  const { active, spare } = calm;
  await run.cluster.lead(active);
  await run.cluster.drop([
    [spare, active],
    [active, spare],
    [spare, 'witness'],
    ['witness', spare],
  ]);
  await run.stays({ ...calm, at: monotonicMs() }, 4000, 1000);
  await run.settles(calm.at);
});

test('the network flaps for a while', async () => {
  const { at } = await run.calm();
  const dice = (): number => 100 + Math.random() * 1900;
  for (let turn = 0; monotonicMs() < at + FLAP_MS; turn += 1) {
    const node = run.cluster.node(turn % 3 === 2 ? 'witness' : (NODES[turn % 2] ?? 'n1'));
    await node.network(false);
    await sleep(dice());
    await node.network(true);
    await sleep(dice());
    run.never(at);
  }
  await run.settles(at);
});

test('both nodes lose power and boot together', async () => {
  const { at, active } = await run.calm();
  await Promise.all(NODES.map((name) => run.cluster.node(name).kill({ unplug: true })));
  await sleep(1500);
  await Promise.all(NODES.map((name) => run.cluster.powerOn(name)));
  await run.settles(at);
  assert.ok(otherOf(active));
});

test.run();
