// Runs in a copy of the compiled tree, whose core may be wrong: first the tables, then the simulated machines and
// clusters. Says who noticed, and ends with 1; ends with 0 when nobody did.
// node mutant.js SEEDS CLUSTERS TABLE…
import { pathToFileURL } from 'node:url';
import { simulateCluster } from './cluster-properties.ts';
import { simulate } from './properties.ts';

type Suite = () => Promise<[errors: string | true, passed: number, skipped: number, total: number]>;
const globals = globalThis as { UVU_DEFER?: number; UVU_QUEUE?: [string | null, ...Suite[]][]; UVU_INDEX?: number };

const [seeds = '0', clusters = '0', ...tables] = process.argv.slice(2);

function caught(by: string): never {
  process.stdout.write(`\n@@ ${by.split('\n')[0]}\n`);
  process.exit(1);
}

function run(count: number, one: (seed: number) => unknown): void {
  for (let seed = 1; seed <= count; seed++) {
    try {
      one(seed);
    } catch (error) {
      caught((error as Error).message);
    }
  }
}

globals.UVU_DEFER = 1;
globals.UVU_INDEX = 0;
globals.UVU_QUEUE = [[null]];
for (const table of tables) await import(pathToFileURL(table).href);
for (const group of globals.UVU_QUEUE)
  for (const suite of group.slice(1) as Suite[]) {
    const [errors] = await suite();
    if (errors !== true) caught(/FAIL.*"(.*)"/.exec(errors)?.[0] ?? 'a table');
  }
run(Number(seeds), simulate);
run(Number(clusters), simulateCluster);
