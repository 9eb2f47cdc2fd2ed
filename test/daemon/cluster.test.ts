// Whole daemons around one store: the thinnest way from "nobody has it" to "the other one has it".
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KEYS } from '../../src/daemon/groups/cluster-view.ts';
import { world } from '../support/cluster-machines.ts';

const test = suite('daemon/cluster');

test('the first time the node that is wanted most takes it, and the other looks on', async () => {
  const { clock, node } = world();
  await Promise.all([node('n1').boot(), node('n2').boot()]);
  await clock.run(10_000);
  assert.is(node('n1').role, 'active');
  assert.is(node('n2').role, 'standby');
  assert.equal([...node('n1').placed], ['store', 'address', 'zone']);
  assert.equal([...node('n2').placed], []);
});

test('a planned move goes over, step by step, and nothing stays behind', async () => {
  const { clock, node, store } = world();
  await Promise.all([node('n1').boot(), node('n2').boot()]);
  await clock.run(10_000);
  const request = { id: 'r1', verb: 'switchover', to: 'n2', by: 'test', force: [], comment: '' };
  store.put(KEYS.request('mail'), JSON.stringify(request));
  await clock.run(500);
  assert.is(node('n2').role, 'active', node('n2').why);
  assert.is(node('n1').role, 'standby');
  assert.equal([...node('n1').placed], ['zone']);
  assert.not(store.records.has(KEYS.request('mail')));
});

test('a node that is cut off takes everything back in time, and then the other takes over', async () => {
  const { clock, node, store } = world();
  await Promise.all([node('n1').boot(), node('n2').boot()]);
  await clock.run(10_000);
  store.cut.add('n1');
  let both = 0;
  for (let ms = 0; ms < 8000; ms += 10) {
    await clock.run(10);
    if (node('n1').placed.has('address') && node('n2').placed.has('address')) both++;
  }
  assert.is(both, 0);
  assert.is(node('n1').role, 'standby');
  assert.is(node('n2').role, 'active', node('n2').why);
  assert.ok(node('n2').placed.has('address'));
});

test('a step that fails is taken back, and the group goes to another node', async () => {
  const { clock, node, store } = world();
  await Promise.all([node('n1').boot(), node('n2').boot()]);
  await clock.run(10_000);
  node('n2').broken.add('do store');
  const request = { id: 'r1', verb: 'switchover', to: 'n2', by: 'test', force: [], comment: '' };
  store.put(KEYS.request('mail'), JSON.stringify(request));
  await clock.run(30_000);
  assert.is(node('n1').role, 'active', node('n1').why);
  assert.is(node('n2').role, 'standby', node('n2').why);
  assert.ok(node('n1').placed.has('address'));
  assert.not(node('n2').placed.has('address'));
});

test('a daemon that is started anew keeps the group', async () => {
  const { clock, node, store } = world();
  await Promise.all([node('n1').boot(), node('n2').boot()]);
  await clock.run(10_000);
  const stopped = node('n1').daemon?.close();
  await clock.run(400);
  await node('n1').boot();
  await clock.run(5000);
  await stopped;
  assert.is(node('n1').role, 'active', node('n1').why);
  assert.is(node('n2').role, 'standby');
  assert.ok(store.writes.some(({ key, value }) => key === 'groups/mail/owner' && value?.includes('"taken":"resumed"')));
});

test.run();
