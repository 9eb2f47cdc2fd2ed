// Runs one test file in a process of its own, and says what happened in one line `@@ passed total skipped`.
// What uvu would let through is an error here: no `.run()`, a hook that throws, `.only` left in.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** uvu answers `true` instead of a text when nothing went wrong. */
type Suite = (name: string) => Promise<[errors: string | true, passed: number, skipped: number, total: number]>;
const globals = globalThis as { UVU_DEFER?: number; UVU_QUEUE?: [string | null, ...unknown[]][]; UVU_INDEX?: number };

const file = process.argv[2] ?? '';
globals.UVU_DEFER = 1;
globals.UVU_INDEX = 0;
globals.UVU_QUEUE = [[null]];
if (/\.only\(/.test(readFileSync(file, 'utf8'))) throw new Error(`${file}: .only is left in`);
await import(pathToFileURL(file).href);

let passed = 0;
let total = 0;
let skipped = 0;
let broken = false;
for (const group of globals.UVU_QUEUE) {
  for (const suite of group.slice(1) as Suite[]) {
    const [errors, good, skips, all] = await suite('');
    passed += good;
    skipped += skips;
    total += all;
    if (errors !== true) {
      broken = true;
      console.log(errors);
    }
    if (all === 0) {
      broken = true;
      console.log('a suite without a test, or a hook that threw');
    }
  }
}
console.log(`\n@@ ${passed} ${Math.max(total, broken ? passed + 1 : total)} ${skipped}`);
process.exit(broken ? 1 : 0);
