// Several receivers on a clock of the test's own: who waits for whom, what is kept, what is told twice.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Alert, SendResult } from '../../src/define.ts';
import { bounded, fanOut, type FanOut } from '../../src/dialogues/fan-out.ts';
import { makeAlert } from '../support/alert.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const test = suite('fan-out');
interface Item {
  readonly alert: Alert;
}
const item = (id: number, change: Parameters<typeof makeAlert>[0] = {}): Item => ({ alert: makeAlert(change, id) });

/** Receivers of which the test says how they are. */
function world(names: readonly string[], store = new MemoryStore()) {
  const clock = new VirtualClock();
  const state: Record<string, 'well' | 'refuses' | 'silent'> = Object.fromEntries(names.map((name) => [name, 'well']));
  const taken: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
  const troubles: (string | null)[] = [];
  const busy = new Set<string>();
  const fan: FanOut<Item> = fanOut(
    names.map((name) => ({
      name,
      async deliver({ alert: { id } }: Item, signal: AbortSignal) {
        assert.not.ok(busy.has(name), 'one at a time');
        busy.add(name);
        await Promise.resolve();
        busy.delete(name);
        if (state[name] === 'silent') {
          await new Promise((end) => signal.addEventListener('abort', end, { once: true }));
          return 'no answer';
        }
        if (state[name] === 'refuses') return 'refused';
        taken[name]?.push(id);
        return null;
      },
    })),
    { clock, store, file: 'list.json', onTrouble: (text) => void troubles.push(text) },
  );
  const offer = async (id: number, ms = 30_000): Promise<SendResult | 'nothing yet'> => {
    let result: SendResult | 'nothing yet' = 'nothing yet';
    void fan.offer(item(id), new AbortController().signal).then((it) => {
      result = it;
    });
    await clock.run(ms);
    return result;
  };
  return { clock, state, taken, troubles, fan, offer, store };
}

test('one receiver: no list, the outbox is told', async () => {
  const { state, taken, offer, store } = world(['a']);
  assert.is(await offer(1), 'sent');
  state['a'] = 'refuses';
  assert.equal(await offer(2), { retry: 'a: refused' });
  state['a'] = 'well';
  assert.is(await offer(2), 'sent');
  assert.equal(taken['a'], [1, 2]);
  assert.equal(store.list(), []);
});

test('one is silent: the others wait two seconds once, then not at all; it catches up in order', async () => {
  const { clock, state, taken, troubles, offer, store } = world(['a', 'b', 'c']);
  state['b'] = 'silent';
  assert.is(await offer(1, 1900), 'nothing yet');
  await clock.run(200);
  assert.equal(JSON.parse(String(store.read('list.json'))).b.length, 1, 'kept before it counts as sent');
  for (const id of [2, 3]) assert.is(await offer(id, 1), 'sent');
  assert.equal([taken['a'], taken['b'], taken['c']], [[1, 2, 3], [], [1, 2, 3]]);
  assert.equal(troubles, [], 'late is not yet trouble');
  await clock.run(60_000);
  assert.match(troubles.at(-1) ?? '', /^b: no answer \(3 alerts wait for it; others have them\)$/);
  state['b'] = 'well';
  await clock.run(120_000);
  assert.equal(taken['b'], [1, 2, 3]);
  assert.is(troubles.at(-1), null);
  assert.is(store.read('list.json'), null);
  assert.is(await offer(4, 1), 'sent');
  assert.equal(
    [taken['a'], taken['b']],
    [
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ],
  );
  assert.is(clock.armed, 0, 'no timer is left');
});

test('none takes it: not sent; the one takes it at the next try, the other when it can, each once', async () => {
  const { clock, state, taken, offer } = world(['a', 'b']);
  state['a'] = state['b'] = 'refuses';
  assert.equal(await offer(1), { retry: 'a: refused; b: refused' });
  state['a'] = 'well';
  assert.is(await offer(1), 'sent');
  state['b'] = 'well';
  await clock.run(60_000);
  assert.equal([taken['a'], taken['b']], [[1], [1]]);
});

test('a greater id before a smaller one, and two offers at once: each is told, one after the other', async () => {
  const { clock, state, taken, offer, fan } = world(['a', 'b']);
  assert.is(await offer(10), 'sent');
  assert.is(await offer(9), 'sent');
  state['b'] = 'refuses';
  assert.is(await offer(12, 3000), 'sent');
  assert.is(await offer(11, 3000), 'sent');
  state['b'] = 'well';
  await clock.run(60_000);
  const { signal } = new AbortController();
  const both = Promise.all([fan.offer(item(14), signal), fan.offer(item(13), signal)]);
  await clock.run(10_000);
  assert.equal(await both, ['sent', 'sent']);
  assert.equal(
    [taken['a'], taken['b']],
    [
      [10, 9, 12, 11, 14, 13],
      [10, 9, 12, 11, 14, 13],
    ],
  );
});

test('the outbox gives up waiting: who has it already does not get it again', async () => {
  const { clock, state, taken, fan } = world(['a', 'b']);
  state['b'] = 'silent';
  const stop = new AbortController();
  const first = fan.offer(item(1), stop.signal);
  await clock.run(1000);
  stop.abort();
  assert.is(await first, 'sent', 'one has it, the other has it on its list');
  state['b'] = 'well';
  await clock.run(30_000);
  assert.equal([taken['a'], taken['b']], [[1], [1]]);
});

test('a test by hand is for all of them: who does not take it is named, and gets it no more', async () => {
  const { clock, state, taken, fan, store } = world(['a', 'b']);
  const { signal } = new AbortController();
  const whole = { all: true };
  state['b'] = 'refuses';
  assert.equal(await fan.offer(item(1), signal, whole), { retry: 'b: refused' });
  state['b'] = 'well';
  assert.is(await fan.offer(item(2), signal, whole), 'sent');
  await clock.run(60_000);
  assert.equal([taken['a'], taken['b']], [[1, 2], [2]]);
  assert.equal(store.list(), []);
});

test('a restart goes on with the list; a manager that is not configured any more is forgotten', async () => {
  const before = world(['a', 'b']);
  before.state['b'] = 'refuses';
  for (const id of [1, 2]) await before.offer(id, 3000);
  before.fan.close();
  const after = world(['a', 'b'], before.store.copy());
  assert.is(await after.offer(3), 'sent');
  assert.equal([after.taken['a'], after.taken['b']], [[3], [1, 2, 3]]);
  const alone = world(['b'], before.store.copy());
  await alone.offer(3);
  assert.is(await alone.offer(3), 'sent');
  assert.equal(alone.taken['b'], [1, 2, 3], 'also when the others have gone');
  const other = world(['a', 'c'], before.store.copy());
  assert.is(await other.offer(3), 'sent');
  assert.equal(other.taken['c'], [3]);
});

test('a disk that is full or a list that is damaged holds up nobody', async () => {
  const { state, taken, troubles, offer, store, clock } = world(['a', 'b']);
  state['b'] = 'refuses';
  store.trouble = 'full';
  assert.is(await offer(1, 3000), 'sent');
  assert.equal(taken['a'], [1]);
  assert.match(troubles.at(-1) ?? '', /what waits is not on the disk: no space left$/);
  state['b'] = 'well';
  await clock.run(60_000);
  assert.equal(taken['b'], [1], 'memory kept it');
  for (const text of ['{"b":[{"al', '{"b":[null]}', '{"b":{}}', 'null', '[{}]', '']) {
    const torn = new MemoryStore();
    torn.files.set('list.json', text);
    assert.is(await world(['a', 'b'], torn).offer(1), 'sent', text);
    assert.equal(torn.list(), ['list.json.damaged'], text);
  }
});

test('a disk that stands still is waited for once', async () => {
  const { state, taken, troubles, offer, store, clock } = world(['a', 'b']);
  state['b'] = 'refuses';
  store.trouble = 'hang';
  assert.is(await offer(1, 2900), 'nothing yet');
  await clock.run(200);
  for (const id of [2, 3]) assert.is(await offer(id, 1), 'sent');
  assert.equal(taken['a'], [1, 2, 3]);
  await clock.run(60_000);
  assert.match(troubles.at(-1) ?? '', /what waits is not on the disk: the disk does not answer$/);
  state['b'] = 'well';
  await clock.run(60_000);
  assert.equal(taken['b'], [1, 2, 3]);
  assert.is(store.writes, 1, 'never two at a time');
});

test('a list has an end: what happened once goes first, then what a newer one makes old', () => {
  const list = [
    item(1, { key: 'x' }),
    item(2, { key: 'o', kind: 'once' }),
    item(3, { key: 'y' }),
    item(4, { key: 'x', kind: 'clear' }),
    item(5, { key: 'z' }),
  ];
  const left = (max: number): number[] => bounded(list, max).map(({ alert }) => alert.id);
  assert.equal(left(5), [1, 2, 3, 4, 5]);
  assert.equal(left(4), [1, 3, 4, 5]);
  assert.equal(left(3), [3, 4, 5]);
  assert.equal(left(2), [4, 5]);
});

test.run();
