import { simulateCluster } from './cluster-properties.ts';
const first = Number(process.argv[2] ?? 1);
const runs = Number(process.argv[3] ?? 1);
const started = performance.now();
let steps = 0;
let bad = 0;
const kinds = new Map<string, number[]>();
for (let seed = first; seed < first + runs; seed++) {
  const trace: string[] | null = process.env['TRACE'] ? [] : null;
  try {
    steps += simulateCluster(seed, trace).steps;
  } catch (error) {
    bad++;
    const text = (error as Error).message.replace(/^[^:]*: /, '').slice(0, 60);
    kinds.set(text, [...(kinds.get(text) ?? []), seed]);
    if (runs === 1) console.log((error as Error).stack, ((error as Error).cause as Error)?.stack);
  }
  if (trace) console.log(trace.join('\n'));
}
for (const [text, seeds] of [...kinds].sort((a, b) => b[1].length - a[1].length)) console.log(seeds.length, text, seeds.slice(0, 6).join(' '));
console.log(`${runs} seeds, ${bad} bad, ${steps} steps, ${(performance.now() - started).toFixed(0)} ms`);
