import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { durationMs } from '../src/define.ts';

const define = suite('define');

define('reads durations, and refuses what is none', () => {
  const table: [string, number | null][] = [
    ['500ms', 500],
    ['5s', 5000],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['1.5s', 1500],
    ['5', null],
    ['s', null],
    ['-5s', null],
    ['5 s', null],
    ['1e9h', null],
  ];
  for (const [text, ms] of table) assert.is(durationMs(text), ms, text);
});

define.run();
