import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { clean, count, troubleLine } from '../../src/host/text.ts';

const test = suite('text');

test('text from outside stays on one line, without control characters, and short', () => {
  assert.is(clean('a\r\n\u001b[31mred\u0000\u202e b '), 'a [31mred b');
  assert.is(clean('x'.repeat(10_000)).length, 200);
  assert.is(clean('$(id) <b>'), '$(id) <b>');
});

test('the line that tells what is wrong', () => {
  assert.is(troubleLine('doing things\ndoveconf: Fatal: bad line 4\nmore error'), 'doveconf: Fatal: bad line 4');
  assert.is(troubleLine('', '\n  hello\nworld'), 'hello');
  assert.is(troubleLine('', ''), '');
});

test('numbers of things', () => {
  assert.is(count(1, 'process', 'processes'), '1 process');
  assert.is(count(0, 'orphan'), '0 orphans');
});

test.run();
