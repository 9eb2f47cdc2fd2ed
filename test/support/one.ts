// Runs test files one after the other in this process, and says what happened to each in a line
// `@@ passed total skipped ms`. What uvu would let through is an error here: no `.run()`, a hook that throws, `.only`
// left in.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** uvu answers `true` instead of a text when nothing went wrong. */
type Suite = (name: string) => Promise<[errors: string | true, passed: number, skipped: number, total: number]>;
const globals = globalThis as { UVU_DEFER?: number; UVU_QUEUE?: [string | null, ...unknown[]][]; UVU_INDEX?: number };

/** Whether all is well with it. */
async function runFile(file: string): Promise<boolean> {
  const started = performance.now();
  globals.UVU_DEFER = 1;
  globals.UVU_INDEX = 0;
  globals.UVU_QUEUE = [[null]];
  if (/\.only\(/.test(readFileSync(file, 'utf8'))) throw new Error(`${file}: .only is left in`);
  await import(pathToFileURL(file).href);
  const sum = { passed: 0, total: 0, skipped: 0 };
  let broken = false;
  for (const suite of globals.UVU_QUEUE.flatMap((group) => group.slice(1)) as Suite[]) {
    const [errors, passed, skipped, total] = await suite('');
    sum.passed += passed;
    sum.skipped += skipped;
    sum.total += total;
    if (errors !== true) console.log(errors);
    if (total === 0) console.log('a suite without a test, or a hook that threw');
    broken ||= errors !== true || total === 0;
  }
  const total = Math.max(sum.total, broken ? sum.passed + 1 : sum.total);
  console.log(`\n@@ ${sum.passed} ${total} ${sum.skipped} ${Math.round(performance.now() - started)}`);
  return !broken;
}

let good = true;
for (const file of process.argv.slice(2)) good = (await runFile(file)) && good;
process.exit(good ? 0 : 1);
