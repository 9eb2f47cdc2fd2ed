import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { diagram } from '../../scripts/diagram.ts';
import { golden } from '../support/golden.ts';

const test = suite('diagram');

const page = diagram();

test('test/golden/edges.md shows the core as it is', () => {
  golden('edges.md', page);
});

test('a service that is at home elsewhere comes back only when this node acquires it', () => {
  const out = page.split('\n').filter((line) => line.includes('relinquished -->'));
  assert.equal(out, ['  relinquished --> verifying: acquired']);
});

test('a pause ends by its time, by hand, or when the service is taken away', () => {
  const out = page.split('\n').filter((line) => line.includes('paused -->'));
  assert.equal(out, ['  paused --> suspect: its time is over, resumed', '  paused --> relinquished: evicted']);
});

test.run();
