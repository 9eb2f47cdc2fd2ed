// A new file is there as a whole or not at all, and takes nobody's place.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { writeNew } from '../../src/ports/new-file.ts';

const test = suite('new file');
const folder = mkdtempSync(join(tmpdir(), 'wk-new-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('it makes its folder, has its mode, and leaves nothing beside it', async () => {
  const path = join(folder, 'a', 'b', 'x.yaml');
  writeFileSync(join(folder, '.x.yaml.stale'), '');
  assert.is(await writeNew(path, 'text\n', 0o640), 'written');
  assert.is(readFileSync(path, 'utf8'), 'text\n');
  assert.is(statSync(path).mode & 0o777, 0o640);
  assert.equal(readdirSync(join(folder, 'a', 'b')), ['x.yaml']);
});

test('what is there stays', async () => {
  const path = join(folder, 'y.yaml');
  writeFileSync(path, 'mine');
  assert.is(await writeNew(path, 'theirs', 0o640), 'exists');
  assert.is(readFileSync(path, 'utf8'), 'mine');
  assert.not.ok(readdirSync(folder).some((name) => name.endsWith('.new')));
});

test.run();
