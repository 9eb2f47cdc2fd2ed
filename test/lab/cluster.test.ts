// A cluster of real nodes, broken in the ways that nodes, networks and members of etcd break. Above all: the address is
// never on two nodes, whatever happens; then, that the group is in service again where it should be, and why.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FLOATING, LabCluster, type NodeName, NODES, otherOf } from './cluster.ts';
import { eventually } from './command.ts';
import { Holders, monotonicMs } from './holders.ts';

const test = suite('cluster');
const SILENCE_MS = 1500;
let cluster: LabCluster;
let holders: Holders;

test.before.each(({ __test__: name }) => void console.log(`  ${new Date().toISOString().slice(11, 19)} ${name}`));

test('it comes up, and one node has the address', async () => {
  cluster = await LabCluster.up({ silenceMs: SILENCE_MS });
  holders = await Holders.watch(cluster.lab, NODES, { address: FLOATING, port: 25 });
  await holders.answeredBy('n1', 0, 10_000);
  assert.equal(holders.now, ['n1']);
});
test.after(() => {
  holders?.close();
  cluster?.close();
});

/** Never two, and what the judge saw when it is not so. */
function never(from: number): void {
  assert.equal(holders.doubles(from), [], holders.transcript(from));
}

/** All of it is up, and the group is somewhere with the other node ready: from here a fault begins. */
async function calm(): Promise<{ active: NodeName; spare: NodeName; at: number }> {
  await cluster.heal();
  const active = await eventually('an owner', () => cluster.owner(), 30_000, 200);
  await cluster.well(active, 45_000, true);
  await cluster.well(active, 45_000, true);
  await holders.answeredBy(active, monotonicMs(), 5000);
  return { active, spare: otherOf(active), at: monotonicMs() };
}

test('a power cut of the active node moves the address', async () => {
  const { active, spare } = await calm();
  await cluster.lead('witness');
  const at = monotonicMs();
  await cluster.node(active).kill({ unplug: true });
  const came = await holders.answeredBy(spare, at, 10_000);
  console.log(`    ${(came - at).toFixed(0)} ms`);
  never(at);
  assert.ok(came - at < 4500, `${(came - at).toFixed(0)} ms`);
  await cluster.well(spare, 10_000);
  const story = (await cluster.story(spare)).join('\n');
  assert.match(story, /taken under epoch \d+ \(failover\)/);
  await cluster.powerOn(active);
  await cluster.well(spare, 30_000, true);
  assert.equal(holders.now, [spare]);
  never(at);
});

test.run();
