import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { latenessMs, ROOM_LEAST_MS, ROOM_MS, safeLifetime, stillFits } from '../../src/core/lifetime.ts';
import { random } from '../support/random.ts';

const test = suite('core/lifetime');

test('whole seconds, and never beyond the right', () => {
  const table: readonly [left: number, others: boolean, seconds: number | null][] = [
    [1339, false, null],
    [1340, false, 1],
    [1500, false, 1],
    [2719, false, 1],
    [2720, false, 2],
    [3000, false, 2],
    [3000, true, 1],
    [2139, true, null],
    [2140, true, 1],
    [60_000, false, 16],
    [-1, false, null],
    [Number.NEGATIVE_INFINITY, false, null],
    [Number.POSITIVE_INFINITY, false, 16],
  ];
  for (const [left, others, seconds] of table) assert.is(safeLifetime(1000, 1000 + left, others), seconds, `${left}`);
});

test('whatever the times: what is set ends before the right, even when the kernel is as late as it can be', () => {
  const dice = random(7);
  for (let n = 0; n < 5000; n++) {
    const now = dice.next() * 1e9;
    const until = now + dice.next() * 25_000 - 1000;
    const others = dice.next() < 0.5;
    const seconds = safeLifetime(now, until, others);
    if (seconds === null) continue;
    const room = seconds > 1 ? ROOM_MS : ROOM_LEAST_MS;
    assert.ok(now + room + seconds * 1000 + latenessMs(seconds, others) <= until);
    assert.ok(stillFits(now + room, seconds, until, others));
    assert.not(stillFits(until - seconds * 1000, seconds, until, others));
  }
});

test.run();
