// npm run sim -- [--seed N] [--runs N]: the seeded properties of the core. A failing seed is printed and replays.
import { parseArgs } from 'node:util';
import { simulate } from './properties.ts';

const { values } = parseArgs({ options: { seed: { type: 'string' }, runs: { type: 'string' } } });
const first = Number(values.seed ?? 1);
const runs = values.runs === undefined ? (values.seed === undefined ? 2000 : 1) : Number(values.runs);
const started = performance.now();
let steps = 0;
const edges = new Set<string>();
for (let seed = first; seed < first + runs; seed++) {
  const run = simulate(seed);
  steps += run.steps;
  for (const edge of run.edges) edges.add(edge);
}
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(`${runs} seeds, ${steps} decisions, ${edges.size} edges, ${seconds} s: every property held`);
