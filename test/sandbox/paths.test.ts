// Paths from the folder of the file, as config/watchkeeper.yaml has them.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from '../../src/config/parse.ts';
import { withPaths } from '../../src/config/paths.ts';
import { plainOf, treeOf } from '../../src/config/tree.ts';
import { exec } from '../../src/ports/exec.ts';

const test = suite('paths of a configuration');

function plain(text: string): unknown {
  const parsed = parse('/etc/wk/a.yaml', text, '/etc/wk/a.yaml');
  assert.ok(parsed.tree);
  return plainOf(withPaths(parsed.tree));
}

test('./ is the folder of the file: in options, words of commands and references to secrets', () => {
  assert.equal(plain('{ path: ./x, run: [node, ./../bin/y.js, --to=./z], password: file:./p }'), {
    path: '/etc/wk/x',
    run: ['node', '/etc/bin/y.js', '--to=./z'],
    password: 'file:/etc/wk/p',
  });
});

test('everything else stays as it is', () => {
  const same = { a: '/x', b: '../x', c: 'x ./y', d: 1, e: null, f: 'env:./x', g: '.' };
  assert.equal(plain(JSON.stringify(same)), same);
  const nowhere = treeOf({ a: './x' }, { file: '', line: 0, column: 0, from: 'default' });
  assert.equal(plainOf(withPaths(nowhere)), { a: './x' });
});

test('the word node runs the very node that runs us', async () => {
  const got = await exec.run(['node', '-p', 'process.execPath'], { timeoutMs: 5000, env: { PATH: '/nowhere' } });
  assert.is(got.stdout.trim(), process.execPath);
});

test.run();
