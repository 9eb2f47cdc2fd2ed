import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { simulateCluster } from './cluster-properties.ts';

const test = suite('simulated cluster');

// `npm run check` runs five hundred, cluster.live.test.ts two thousand.
test('every invariant of a cluster holds over 60 seeds', () => {
  let steps = 0;
  const edges = new Set<string>();
  for (let seed = 1; seed <= 60; seed++) {
    const run = simulateCluster(seed);
    steps += run.steps;
    for (const edge of run.edges) edges.add(edge);
  }
  assert.ok(steps > 10_000);
  for (const edge of [
    'standby --> activating: group-took',
    'activating --> active: group-step',
    'active --> deactivating: group-lost',
  ])
    assert.ok(edges.has(edge), edge);
});

test('the same seed is the same story, to the byte', () => {
  for (let seed = 1; seed <= 8; seed++) {
    const [once, twice]: [string[], string[]] = [[], []];
    simulateCluster(seed, once);
    simulateCluster(seed, twice);
    assert.ok(once.length > 50);
    assert.is(once.join('\n'), twice.join('\n'));
  }
});

test.run();
