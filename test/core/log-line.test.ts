import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { matches } from '../../src/core/log-line.ts';

const test = suite('log line');

test('the whole line, with any text where a star is', () => {
  const table: readonly (readonly [string, string, boolean])[] = [
    ['fatal: no', 'fatal: no', true],
    ['fatal: no', 'fatal: no more', false],
    ['fatal: *', 'fatal: ', true],
    ['fatal: *', 'x fatal: y', false],
    ['*: full', 'a: b: full', true],
    ['*: full', 'a: full!', false],
    ['a*b*c', 'a-b-c', true],
    ['a*b*c', 'abc', true],
    ['a*b*c', 'a-c-b', false],
    ['aa*aa', 'aaa', false],
    ['aa*aa', 'aaaa', true],
    ['a*b*b', 'ab', false],
    ['**', 'anything', true],
    ['a.c', 'abc', false],
    ['', '', true],
  ];
  for (const [pattern, line, fits] of table) assert.is(matches(pattern, line), fits, `${pattern} / ${line}`);
});

test('no line makes it think for long', () => {
  const started = performance.now();
  matches(`${'*a'.repeat(90)}*b`, 'a'.repeat(100_000));
  matches('*a*a*a*a*a*a*a*a*a*c', 'a'.repeat(100_000));
  assert.ok(performance.now() - started < 1000);
});

test.run();
