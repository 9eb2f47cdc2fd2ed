// Two thousand clusters: with the tests that take longer, because `npm run check` has a minute for everything.
import { suite } from 'uvu';
import { simulateCluster } from './cluster-properties.ts';

const test = suite('simulated clusters, many');

for (let first = 1; first <= 2000; first += 500)
  test(`every invariant of a cluster holds from seed ${first} on`, () => {
    for (let seed = first; seed < first + 500; seed++) simulateCluster(seed);
  });

test.run();
