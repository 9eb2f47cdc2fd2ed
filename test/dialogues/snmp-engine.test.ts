// Who we are, on a disk and a clock of the test's own: numbers that only grow, and nothing that is guessed.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ENGINE_FILE, identityIn, KNOWN_FILE, openEngine, setKnown } from '../../src/dialogues/snmp-engine.ts';
import type { Stores } from '../../src/ports/store.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const test = suite('snmp engine');
const doors = (store: MemoryStore, clock = new VirtualClock()) => {
  const stores: Stores = { open: () => store };
  return { stores, clock };
};
const start = (store: MemoryStore, clock?: VirtualClock) => openEngine(doors(store, clock), '/memory');
const ID = /^80001f8805[0-9a-f]{24}$/;

test('made once; boots grow with each start, before anything can be sent; time is monotonic', async () => {
  const store = new MemoryStore();
  const clock = new VirtualClock();
  const first = await start(store, clock);
  const { id, boots, time } = await first.now();
  assert.match(id, ID);
  assert.equal([boots, time], [1, 0]);
  assert.is(first.trouble(), null, 'the first start is no trouble');
  assert.match(store.files.get(ENGINE_FILE) ?? '', new RegExp(`"engineId":"${id}","boots":1,`));
  clock.freeze(500_900);
  assert.equal(await first.now(), { id, boots: 1, time: 500 });
  clock.wallAhead -= 86_400_000;
  assert.equal(await first.now(), { id, boots: 1, time: 500 }, 'a wall clock that goes back is nothing to it');
  assert.equal(await (await start(store, clock)).now(), { id, boots: 2, time: 0 });
});

test('the wall clock went on while our own stood still: the receivers are ahead, so it begins anew', async () => {
  const store = new MemoryStore();
  const clock = new VirtualClock();
  const engine = await start(store, clock);
  const { id } = await engine.now();
  clock.freeze(100_000);
  clock.wallAhead += 200_000;
  const both = await Promise.all([engine.now(), engine.now()]);
  assert.equal(both, [
    { id, boots: 2, time: 0 },
    { id, boots: 2, time: 0 },
  ]);
  assert.match(store.files.get(ENGINE_FILE) ?? '', /"boots":2,/);
  assert.is((await engine.now()).boots, 2, 'once');
  clock.wallAhead += 200_000;
  store.trouble = 'full';
  assert.is(await engine.now().catch((error: Error) => error.message), 'no space left', 'not from memory');
  store.trouble = 'none';
  assert.is((await engine.now()).boots, 3);
});

test('a disk that does not take the number: nothing is sent', async () => {
  const store = new MemoryStore();
  store.trouble = 'full';
  assert.is(await start(store).catch((error: Error) => error.message), 'no space left');
});

test('lost, damaged in any byte, or at the last number: a new identity, never a guess', async () => {
  const whole = new MemoryStore();
  const { id } = await (await start(whole)).now();
  const text = whole.files.get(ENGINE_FILE) ?? '';
  for (let at = 0; at < text.length - 1; at++) {
    const store = whole.copy();
    store.files.set(ENGINE_FILE, `${text.slice(0, at)}${text[at] === '7' ? '8' : '7'}${text.slice(at + 1)}`);
    const engine = await start(store);
    const now = await engine.now();
    assert.is.not(now.id, id, `byte ${at}`);
    assert.is(now.boots, 1);
    assert.match(engine.trouble() ?? '', new RegExp(`is new: ${now.id} instead of ${id}\\.`));
    assert.ok(store.files.has(`${ENGINE_FILE}.damaged`));
  }
  for (const hurt of ['', '{}', 'null', '\0\0\0\0']) {
    const store = whole.copy();
    store.files.set(ENGINE_FILE, hurt);
    assert.is.not((await (await start(store)).now()).id, id, hurt);
  }
  whole.remove(ENGINE_FILE);
  const engine = await start(whole);
  assert.match(engine.trouble() ?? '', /instead of/);
  await setKnown(whole, (await engine.now()).id);
  assert.is(engine.trouble(), null, 'seen without a restart');
});

test('the note of what receivers know is damaged: who we are is not in doubt', async () => {
  const store = new MemoryStore();
  const { id } = await (await start(store)).now();
  store.files.set(KNOWN_FILE, 'x');
  const engine = await start(store);
  assert.is(engine.trouble(), null);
  assert.is((await engine.now()).id, id);
  // Both gone at once, by whatever hand: then it is as at the first start.
  store.files.set(KNOWN_FILE, 'x');
  store.remove(ENGINE_FILE);
  assert.match((await start(store)).trouble() ?? '', /is new: [0-9a-f]+\. Receivers/);
});

test('ids differ', async () => {
  const ids = await Promise.all(Array.from({ length: 50 }, async () => (await identityIn(new MemoryStore())).id));
  assert.is(new Set(ids).size, 50);
});

test.run();
