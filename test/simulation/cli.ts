// npm run sim -- [--seed N] [--runs N] [--clusters N] [--only node|cluster] [--trace]: the seeded properties of the
// core, of one node and of a whole cluster. A failing seed is printed with its story and replays.
import { parseArgs } from 'node:util';
import { simulateCluster } from './cluster-properties.ts';
import { simulate } from './properties.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    runs: { type: 'string' },
    clusters: { type: 'string' },
    only: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});
const first = Number(values.seed ?? 1);
const runs = values.runs === undefined ? (values.seed === undefined ? 2000 : 1) : Number(values.runs);
const clusters = values.clusters === undefined ? runs : Number(values.clusters);
/** The end of a failing story: what led to it. */
const SHOWN = 80;

interface Ran {
  readonly steps: number;
  readonly edges: ReadonlySet<string>;
}

function all(what: string, count: number, one: (seed: number) => Ran): void {
  const started = performance.now();
  let steps = 0;
  const edges = new Set<string>();
  for (let seed = first; seed < first + count; seed++) {
    const run = one(seed);
    steps += run.steps;
    for (const edge of run.edges) edges.add(edge);
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${what}: ${count} seeds, ${steps} decisions, ${edges.size} edges, ${seconds} s: every property held`);
}

function cluster(seed: number): Ran {
  const trace: string[] = [];
  if (values.trace) {
    try {
      return simulateCluster(seed, trace);
    } finally {
      console.log(trace.join('\n'));
    }
  }
  try {
    return simulateCluster(seed);
  } catch (error) {
    try {
      simulateCluster(seed, trace);
    } catch {
      console.log(trace.slice(-SHOWN).join('\n'));
      console.log(`the whole story: npm run sim -- --only cluster --seed ${seed} --trace`);
    }
    throw error;
  }
}

if (values.only !== 'cluster') all('node', runs, simulate);
if (values.only !== 'node') all('cluster', clusters, cluster);
