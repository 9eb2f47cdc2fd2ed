// Incidents as stories: what happened, and what the core made of it, to be read by people. `npm run golden` tells them
// again; what changed in them is what changed in the core.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { golden } from '../support/golden.ts';
import { retell } from '../support/story.ts';

const test = suite('stories');

const folder = fileURLToPath(new URL('../../../test/golden/core/', import.meta.url));
const names = readdirSync(folder).filter((name) => name.endsWith('.txt'));

for (const name of names)
  test(name, () => {
    golden(`core/${name}`, retell(readFileSync(`${folder}${name}`, 'utf8')));
  });

test('there are stories, and what is not understood is refused', () => {
  assert.ok(names.length >= 15);
  assert.throws(() => retell('> nonsense'), /not understood/);
  assert.throws(() => retell('service'), /not understood/);
  assert.throws(() => retell('> stalled soon'), /not a time/);
});

test.run();
