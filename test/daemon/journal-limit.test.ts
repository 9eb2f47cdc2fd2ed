// How long the journal waits for its disk: a process that stood still itself says nothing of the disk.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Journal } from '../../src/daemon/journal.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const test = suite('daemon/journal limit');
const LIMITS = { segmentBytes: 20_000, segments: 3, writeMs: 3000 };

/** A journal whose writes end when they are told to. */
async function held() {
  const clock = new VirtualClock();
  const waiting: (() => void)[] = [];
  const append = (): Promise<void> => new Promise((done) => void waiting.push(done));
  const appender = async () => ({ append, close: () => Promise.resolve() });
  const store = Object.assign(new MemoryStore(), { appender });
  const told: string[] = [];
  const snapshot = () => ({ policy: {}, node: {}, outbox: {}, seq: 0, mark: {}, time: '' }) as never;
  const onTrouble = (bad: boolean, detail: string): void => void told.push(`${bad} ${detail}`);
  const journal = new Journal(store, clock, snapshot, { onTrouble }, LIMITS);
  await journal.open();
  void journal.append({ seq: 1 } as never);
  await clock.run(1);
  assert.is(waiting.length, 1);
  return { clock, told, end: () => waiting.shift()?.() };
}

test('a disk that does not answer in time is told', async () => {
  const { clock, told, end } = await held();
  await clock.run(2900);
  assert.equal(told, []);
  await clock.run(200);
  assert.match(told[0] ?? '', /^true .*does not answer/);
  end();
});

test('a process that was stopped gives it the whole time once more', async () => {
  const { clock, told, end } = await held();
  clock.freeze(8000);
  await clock.run(2900);
  assert.equal(told, [], 'it answered long ago, perhaps');
  end();
  await clock.run(10_000);
  assert.equal(told, []);
  const again = await held();
  again.clock.freeze(8000);
  await again.clock.run(3100);
  assert.match(again.told[0] ?? '', /^true .*does not answer/, 'and it does hang');
  again.end();
});

test.run();
