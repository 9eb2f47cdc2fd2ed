// The beginning of a daemon in a cluster: its right of before goes before the first look at services, and a coordinator
// that does not answer holds nothing up for long.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defineCheck, defineCoordinator, z } from '../../src/define.ts';
import { groupPolicy, type Node, type World, world } from '../support/cluster-machines.ts';

const test = suite('daemon/opening');

/** What happens on a node from now on, in its order. */
function follow(made: World, node: Node): string[] {
  const told: string[] = [];
  const { store, clock } = made;
  const cluster = defineCoordinator({
    ...{ about: 'Tells what is asked of it.', options: z.strictObject({}), example: {} },
    open: async ({ node: name }) => {
      told.push('open');
      const inner = store.open(name);
      return {
        ...inner,
        read: (prefix, signal) => {
          told.push('read');
          return inner.read(prefix, signal);
        },
        write: (key, ...rest) => {
          told.push(`write ${key}`);
          return inner.write(key, ...rest);
        },
      };
    },
  });
  const truth = defineCheck({
    about: 'Is always well.',
    ...{ depth: 'both', options: z.object({ thing: z.string() }), example: { thing: 'a' } },
    run: async () => {
      told.push(`check at ${clock.monotonic()}`);
      return { outcome: 'pass', detail: 'fine' };
    },
  });
  Object.assign(node.machine.plugins, {
    cluster: new Map([['shared', cluster]]),
    checks: new Map([['truth', truth as never]]),
  });
  return told;
}

async function again(): Promise<{ made: World; node: Node; told: string[] }> {
  const made = world(groupPolicy({ services: ['mta'], standby: 'running' }));
  const node = made.node('n1');
  await Promise.all([node.boot(), made.node('n2').boot()]);
  await made.clock.run(10_000);
  const stopped = node.daemon?.close();
  await made.clock.run(400);
  await stopped;
  return { made, node, told: follow(made, node) };
}

test('a right of before is asked for before the first check begins, on what was read while the journal was folded', async () => {
  const { made, node, told } = await again();
  const booted = node.boot();
  assert.is(told[0], 'open', 'at once');
  await made.clock.run(2000);
  await booted;
  const first = (word: string): number => told.findIndex((one) => one.startsWith(word));
  assert.ok(first('check') > 0, told.join(', '));
  assert.ok(first('write groups/mail/owner') < first('check'), told.slice(0, 8).join(', '));
  assert.equal(told.slice(0, 3), ['open', 'read', 'write groups/mail/owner'], 'read once');
  assert.is(node.role, 'active', node.why);
});

test('a coordinator that does not answer holds the first checks up for a second, and no longer', async () => {
  const { made, node, told } = await again();
  made.store.cut.add('n1');
  const at = made.clock.monotonic();
  const booted = node.boot();
  await made.clock.run(900);
  assert.not(told.some((one) => one.startsWith('check')));
  await made.clock.run(300);
  await booted;
  const [, first = ''] = /^check at (\d+)/.exec(told.find((one) => one.startsWith('check')) ?? '') ?? [];
  assert.ok(first !== '' && Number(first) - at <= 1100, told.join(', '));
});

test('nothing is done before the journal was opened, and what was read too long ago by then is read again', async () => {
  const { made, node, told } = await again();
  node.disk.trouble = 'hang';
  const booted = node.boot();
  await made.clock.run(2500);
  assert.equal(told, ['open', 'read']);
  await made.clock.run(2000);
  await booted;
  assert.equal(told.slice(0, 3), ['open', 'read', 'read']);
});

test.run();
