import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makeTurns } from '../../src/daemon/turns.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const test = suite('turns');

test('a crowd is let in by turns, in order; who is done makes room', async () => {
  const clock = new VirtualClock();
  const turns = makeTurns(clock);
  const inside: number[] = [];
  const ends: (() => void)[] = [];
  for (let n = 0; n < 100; n++)
    void turns.take().then((end) => {
      inside.push(n);
      ends.push(end);
    });
  await clock.run(0);
  assert.is(inside.length, 32);
  ends[0]?.();
  ends[0]?.();
  await clock.run(0);
  assert.is(inside.length, 33, 'one that is done twice makes room once');
  assert.equal(
    inside,
    [...inside].sort((a, b) => a - b),
  );
});

test('who takes long keeps nobody waiting', async () => {
  const clock = new VirtualClock();
  const turns = makeTurns(clock);
  let inside = 0;
  for (let n = 0; n < 100; n++) void turns.take().then(() => inside++);
  await clock.run(350);
  assert.is(inside, 100);
  assert.is(clock.armed, 4, 'only the newest are still young');
});

test.run();
