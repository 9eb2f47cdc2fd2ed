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
const statesOf = ({ paths }: OnePaths): string[] =>
  paths.states().map(({ node, to, state }) => `${node} ${to} ${state}`);
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
  assert.equal(a.events.map(({ peer, address, up }) => `${peer} ${address} ${up}`).sort(), [
    'n2 127.0.0.12 true',
    'n2 127.0.1.12 true',
  ]);
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

test('one of two paths dead: what is asked takes the other at once', async () => {
  const at = await port();
  const half = { ...TWO, n2: ['127.0.0.12', '127.0.9.12'] };
  const [a, b] = [open('n1', TWO, at), open('n2', half, at)];
  await until(
    'one works, one has failed',
    () => statesOf(a).join().includes('failed') && b.paths.answering().length > 0,
    20_000,
  );
  const before = performance.now();
  assert.is(await a.paths.promise('mail', 7, ['n2'], within(5000)), true);
  assert.ok(performance.now() - before < 2000);
  assert.equal(a.paths.answering(), ['n2']);
});

test('a changed configuration: paths that stay are not touched, others end', async () => {
  const at = await port();
  const [a] = [open('n1', TWO, at), open('n2', TWO, at)];
  await until('all paths work', () => allUp(a), 20_000);
  const { since } = a.paths.states()[0] ?? { since: -1 };
  const config = clusterConfig({ n1: TWO['n1'] ?? [], n2: ['127.0.0.12'] }, at, files['n1'] ?? null);
  a.paths.configure(config);
  assert.equal(statesOf(a), ['n2 127.0.0.12 operational']);
  assert.is(a.paths.states()[0]?.since, since);
  a.paths.configure(clusterConfig({ n1: TWO['n1'] ?? [] }, at, files['n1'] ?? null));
  assert.equal(a.paths.states(), []);
  assert.is(await a.paths.promise('mail', 1, ['n2'], within(300)), false);
});

test('a name is never looked up, and is no path that works', async () => {
  const at = await port();
  const a = open('n1', { n1: ['127.0.0.11'], n2: ['localhost'] }, at);
  await until('it has failed', () => statesOf(a)[0] === 'n2 localhost failed', 20_000);
  assert.is(a.paths.states()[0]?.detail, 'not an address');
});

test('a question that is too long, and an answer that is, are said to be', async () => {
  const at = await port();
  const a = open('n1', TWO, at);
  opened.push(
    openPaths('n2', clusterConfig(TWO, at, files['n2'] ?? null), {
      onAsk: async (_from, body) => {
        if ((body as { what: string }).what === 'long') return 'x'.repeat(100_000);
        throw new Error('no such thing');
      },
    }),
  );
  const long = await a.paths.ask('n2', { what: 'x'.repeat(100_000) }, within(500));
  assert.equal(long, { ok: false, why: 'the question is too long' });
  assert.equal(await a.paths.ask('n2', { what: 'long' }, within(9000)), { ok: false, why: 'the answer is too long' });
  assert.equal(await a.paths.ask('n2', { what: 'else' }, within(9000)), { ok: false, why: 'no such thing' });
  assert.equal(await a.paths.ask('n9', { what: 'else' }, within(500)), { ok: false, why: 'n9 did not answer in time' });
});

test('31 nodes with two paths each: what they cost', async () => {
  const at = await port();
  const times = { everyMs: 1000, timeoutMs: 1000 };
  const mine = ['127.0.0.10', '127.0.1.10'];
  const others = Array.from({ length: 31 }, (_none, index) => `m${index + 1}`);
  const addresses = Object.fromEntries(
    others.map((node, index) => [node, [2, 3].map((net) => `127.0.${net}.${index + 1}`)]),
  );
  const hub = openPaths('n1', clusterConfig({ n1: mine, ...addresses }, at, files['n1'] ?? null, times));
  opened.push(hub);
  for (const node of others)
    opened.push(
      openPaths(node, clusterConfig({ n1: mine, [node]: addresses[node] ?? [] }, at, authority.issue(node), times)),
    );
  await until('all paths of all work', () => opened.every(allUp), 90_000);
  const [cpu, before] = [process.cpuUsage(), performance.now()];
  await new Promise((done) => setTimeout(done, 5000));
  const { user, system } = process.cpuUsage(cpu);
  const share = (user + system) / 10 / (performance.now() - before);
  const rtt = hub.paths.states().map(({ rttMs }) => rttMs ?? 0);
  const worst = Math.max(...rtt).toFixed(1);
  console.log(`62 paths: ${share.toFixed(1)} % of a processor for both ends of all, worst round trip ${worst} ms`);
  assert.ok(allUp(hub), 'all still work');
  assert.ok(share < 50, `${share.toFixed(1)} %`);
});

test.run();
