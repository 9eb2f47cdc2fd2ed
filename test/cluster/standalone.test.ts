import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import standalone from '../../src/cluster/standalone.ts';
import type { CoordChange, Ports } from '../../src/define.ts';

const test = suite('cluster/standalone');
const { signal } = new AbortController();
const open = () => standalone.open({ options: {}, ports: {} as Ports, node: 'n1', prefix: '/w/' });

test('a compared write takes only what it has seen', async () => {
  const store = await open();
  const first = await store.write('groups/mail', 'a', 0, signal);
  assert.equal(first, { ok: true, revision: 1 });
  const late = await store.write('groups/mail', 'b', 0, signal);
  assert.equal(late, { ok: false, current: { key: 'groups/mail', value: 'a', revision: 1 } });
  assert.equal(await store.write('groups/mail', 'b', 1, signal), { ok: true, revision: 2 });
  assert.equal(await store.write('groups/other', 'b', 5, signal), { ok: false, current: null });
});

test('a watch tells each change below its prefix once, until it is closed', async () => {
  const store = await open();
  const seen: CoordChange[] = [];
  const watch = store.watch('nodes/', 0, { change: (one) => seen.push(one), lost() {}, silent() {} });
  await store.publish('nodes/n1', 'x', signal);
  await store.publish('groups/mail', 'y', signal);
  await store.publish('nodes/n1', null, signal);
  await Promise.resolve();
  watch.close();
  await store.publish('nodes/n2', 'z', signal);
  await Promise.resolve();
  assert.equal(seen, [
    { key: 'nodes/n1', value: 'x', revision: 1 },
    { key: 'nodes/n1', value: null, revision: 3 },
  ]);
  assert.equal(
    (await store.read('', signal)).records.map(({ key }) => key),
    ['groups/mail', 'nodes/n2'],
  );
});

test.run();
