import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addResult, countOf, emptyRollup, mergeRollups, percentileMs, type Rollup } from '../../src/core/rollup.ts';

const test = suite('rollup');
const of = (times: readonly number[]): Rollup =>
  times.reduce((rollup, ms) => addResult(rollup, ms > 1000 ? 'fail' : 'pass', ms), emptyRollup);

test('counts outcomes, and knows least, most and sum', () => {
  const rollup = of([5, 1, 3000, 20]);
  assert.equal(rollup.counts, { pass: 3, degraded: 0, fail: 1, unknown: 0 });
  assert.equal([rollup.minMs, rollup.maxMs, rollup.sumMs, countOf(rollup)], [1, 3000, 3026, 4]);
});

test('a percentile is never too low, and at most a quarter too high', () => {
  for (const count of [1, 2, 19, 20, 100, 1000]) {
    const times = Array.from({ length: count }, (_, n) => 0.2 * 1.01 ** n + n);
    const exact = times[Math.ceil(count * 0.95) - 1] ?? 0;
    const said = percentileMs(of(times), 0.95);
    assert.ok(said >= exact && said <= exact * 1.25, `${count}: ${exact} ${said}`);
  }
  assert.is(percentileMs(emptyRollup, 0.95), 0);
  assert.is(percentileMs(of([7]), 0.95), 7, 'within what was measured');
  assert.is(percentileMs(of([0]), 0.5), 0);
});

test('merging is the same as adding all', () => {
  const [one, other] = [
    [1, 5, 9000],
    [0.01, 5, 77],
  ];
  const merged = mergeRollups(of(one ?? []), of(other ?? []));
  const { sumMs, ...rest } = of([...(one ?? []), ...(other ?? [])]);
  const { sumMs: mergedSum, ...mergedRest } = merged;
  assert.equal(mergedRest, rest);
  assert.ok(Math.abs(sumMs - mergedSum) < 1e-6);
  assert.equal(mergeRollups(emptyRollup, merged), merged);
});

test('nothing is changed in place', () => {
  const frozen = Object.freeze({ ...of([1]), buckets: Object.freeze({ ...of([1]).buckets }) });
  addResult(frozen, 'pass', 1);
  mergeRollups(frozen, frozen);
  assert.is(countOf(frozen), 1);
});

test.run();
