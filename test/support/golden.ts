// Golden files: what came out once and was read by a person. `npm run golden` rewrites them; then read what changed.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';

/** Compares with test/golden/NAME, or writes it when UPDATE=1. */
export function golden(name: string, text: string): void {
  const path = fileURLToPath(new URL(`../../../test/golden/${name}`, import.meta.url));
  if (process.env['UPDATE'] === '1') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  assert.fixture(text, readFileSync(path, 'utf8'), `test/golden/${name}`);
}
