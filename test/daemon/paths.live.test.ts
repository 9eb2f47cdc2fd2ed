import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { clusterConfig, type Nodes, type OnePaths, openPaths } from '../support/peers.ts';
import { authorityOf } from '../support/peer-certificates.ts';
import { freePorts, until } from '../support/server.ts';

const test = suite('comm paths');

const authority = authorityOf();
const files = Object.fromEntries(['n1', 'n2', 'n3'].map((node) => [node, authority.issue(node)]));
const opened: OnePaths[] = [];
test.after.each(() => {
  for (const { paths } of opened.splice(0)) paths.close();
});
test.after(() => authority.remove());

const TWO: Nodes = { n1: ['127.0.0.11', '127.0.1.11'], n2: ['127.0.0.12', '127.0.1.12'] };
const THREE: Nodes = { ...TWO, n3: ['127.0.0.13', '127.0.1.13'] };

const open = (node: string, nodes: Nodes, port: number, tls = files[node] ?? null): OnePaths => {
  const one = openPaths(node, clusterConfig(nodes, port, tls));
  opened.push(one);
  return one;
};
const statesOf = ({ paths }: OnePaths): string[] => paths.states().map(({ node, to, state }) => `${node} ${to} ${state}`);
const allUp = (one: OnePaths): boolean => one.paths.states().every(({ state }) => state === 'operational');
const within = (ms: number): AbortSignal => AbortSignal.timeout(ms);

async function port(): Promise<number> {
  const [free] = await freePorts(1);
  return free as number;
}

test('two nodes, two paths: all work, and what is asked is answered', async () => {
  const at = await port();
  const [a, b] = [open('n1', TWO, at), open('n2', TWO, at)];
  await until('all paths work', () => allUp(a) && allUp(b), 20_000);
  assert.equal(statesOf(a), ['n2 127.0.0.12 operational', 'n2 127.0.1.12 operational']);
  assert.equal(a.paths.answering(), ['n2']);
  assert.is(a.paths.states().filter(({ inUse }) => inUse).length, 1);
  assert.equal(
    a.events.map(({ peer, address, up }) => [peer, address, up]).sort(),
    [
      ['n2', '127.0.0.12', true],
      ['n2', '127.0.1.12', true],
    ],
  );
  assert.is(await a.paths.promise('mail', 7, ['n2'], within(5000)), true);
  assert.equal(b.promised, ['n1 mail 7'], 'asked on two paths, done once');
  b.agree = false;
  assert.is(await a.paths.promise('mail', 8, ['n2'], within(5000)), false);
  assert.equal(await a.paths.ask('n2', { what: 'time' }, within(5000)), {
    ok: true,
    body: { from: 'n1', body: { what: 'time' } },
  });
});

test('a node that goes is failed after three hellos, and comes back', async () => {
  const at = await port();
  const [a, b] = [open('n1', TWO, at), open('n2', TWO, at)];
  await until('all paths work', () => allUp(a) && allUp(b), 20_000);
  b.paths.close();
  await until('both failed', () => a.paths.states().every(({ state }) => state === 'failed'), 20_000);
  assert.equal(a.paths.answering(), []);
  assert.is(a.events.filter(({ up }) => !up).length, 2);
  assert.is(await a.paths.promise('mail', 7, ['n2'], within(500)), false);
  open('n2', TWO, at);
  await until('they work again', () => allUp(a), 20_000);
});

test('three nodes: each must agree, one that is silent has not', async () => {
  const at = await port();
  const [a, b] = [open('n1', THREE, at), open('n2', THREE, at)];
  await until('n2 answers', () => a.paths.answering().includes('n2') && b.paths.answering().includes('n1'), 20_000);
  assert.is(await a.paths.promise('mail', 7, ['n2', 'n3'], within(1000)), false);
  const c = open('n3', THREE, at);
  await until('all paths work', () => allUp(a) && allUp(b) && allUp(c), 20_000);
  assert.is(await a.paths.promise('mail', 8, ['n2', 'n3'], within(5000)), true);
  c.agree = false;
  assert.is(await a.paths.promise('mail', 9, ['n2', 'n3'], within(5000)), false);
});

test.run();
