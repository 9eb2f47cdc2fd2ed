import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { simulate } from './properties.ts';

const test = suite('simulation');

test('every property of the core holds over 200 seeds', () => {
  let steps = 0;
  for (let seed = 1; seed <= 200; seed++) steps += simulate(seed).steps;
  assert.ok(steps > 20_000);
});

test.run();
