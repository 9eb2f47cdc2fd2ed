// A limit of time that is a signal: it ends, also when the garbage was collected before.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { limited, within } from '../../src/ports/limit.ts';

const test = suite('ports/limit');
const nap = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

test('it ends after its time, with a TimeoutError', async () => {
  const limit = within(20);
  assert.is(limit.aborted, false);
  await nap(60);
  assert.is(limit.aborted, true);
  assert.is((limit.reason as DOMException).name, 'TimeoutError');
});

test('it ends with the first of its signals, for the same reason', () => {
  const [one, two] = [new AbortController(), new AbortController()];
  const limit = within(60_000, one.signal, two.signal);
  const why = new Error('closed');
  two.abort(why);
  assert.is(limit.reason, why);
  one.abort(new Error('later'));
  assert.is(limit.reason, why);
  assert.is(within(60_000, two.signal).reason, why, 'one that had ended before');
});

test('a signal that lives on keeps nothing of those that have ended', async () => {
  const stop = new AbortController();
  let heard = 0;
  const { addEventListener, removeEventListener } = stop.signal;
  const counted = Object.assign(stop.signal, {
    addEventListener: (...all: Parameters<typeof addEventListener>) => {
      heard += 1;
      addEventListener.apply(stop.signal, all);
    },
    removeEventListener: (...all: Parameters<typeof removeEventListener>) => {
      heard -= 1;
      removeEventListener.apply(stop.signal, all);
    },
  });
  for (let turn = 0; turn < 50; turn += 1) limited(60_000, counted).done();
  assert.is(heard, 0, 'not needed any more');
  for (let turn = 0; turn < 50; turn += 1) within(10, counted);
  assert.is(heard, 50);
  await nap(60);
  assert.is(heard, 0);
});

test('who hears of it does so although the garbage was collected in between', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const stop = new AbortController();
  let ended = 0;
  const wait = (signal: AbortSignal): void => signal.addEventListener('abort', () => (ended += 1), { once: true });
  for (let turn = 0; turn < 20; turn += 1) {
    wait(within(150, stop.signal));
    wait(AbortSignal.any([within(150), stop.signal]));
  }
  for (let turn = 0; turn < 4; turn += 1) {
    await nap(15);
    collect();
  }
  await nap(200);
  assert.is(ended, 40);
});

test.run();
