// The coordinator on real members of etcd that die, hang, run full and forget.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import etcd from '../../src/cluster/etcd.ts';
import { type Coordination, type CoordChange, CoordinationError, type Ports, z } from '../../src/define.ts';
import { clock } from '../../src/ports/clock.ts';
import { files } from '../../src/ports/files.ts';
import { httpSession } from '../../src/ports/http-session.ts';
import { secretsFrom } from '../../src/ports/secrets.ts';
import { type Etcd, startEtcd } from '../support/etcd.ts';
import { until } from '../support/server.ts';

const test = suite('cluster/etcd real');
const within = (ms = 20_000): AbortSignal => AbortSignal.timeout(ms);
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const secretFolder = mkdtempSync(join(tmpdir(), 'wk-a-secret-'));
const ports = { clock, files, httpSession, log: quiet, secrets: secretsFrom({}) } as unknown as Ports;
const opened: Coordination[] = [];
const started: Etcd[] = [];

async function open(server: Etcd, more: Record<string, unknown> = {}): Promise<Coordination> {
  const options = z.parse(etcd.options, { endpoints: server.endpoints, compact: null, ...more });
  const made = await etcd.open({ options: options as never, ports, node: 'n1', prefix: '/watchkeeper/t/v1/' });
  opened.push(made);
  return made;
}
async function start(...how: Parameters<typeof startEtcd>): Promise<Etcd> {
  const made = await startEtcd(...how);
  started.push(made);
  return made;
}
const codeOf = async (call: Promise<unknown>): Promise<string> => {
  try {
    await call;
    return 'no error';
  } catch (error) {
    return error instanceof CoordinationError ? error.code : `not ours: ${(error as Error).message}`;
  }
};
interface Seen {
  readonly changes: CoordChange[];
  readonly silences: number[];
  lost: number;
  close(): void;
}
function look(store: Coordination, after: number): Seen {
  const seen: Seen = { changes: [], silences: [], lost: 0, close: () => undefined };
  const watch = store.watch('', after, {
    change: (one) => seen.changes.push(one),
    lost: () => void seen.lost++,
    silent: (ms) => seen.silences.push(ms),
  });
  seen.close = () => watch.close();
  return seen;
}
/** Writes one record again and again, and says how long the longest gap between two good writes was. */
async function writing(store: Coordination, key: string, count: number, at: (n: number) => void): Promise<number> {
  let revision = 0;
  let longest = 0;
  for (let n = 0; n < count; n++) {
    at(n);
    const value = `${key} ${n}`;
    const from = performance.now();
    const got = await store.write(key, value, revision, within(30_000));
    longest = Math.max(longest, performance.now() - from);
    if (!got.ok && got.current?.value !== value) throw new Error(`somebody else wrote ${JSON.stringify(got)}`);
    revision = got.ok ? got.revision : (got.current?.revision ?? 0);
    await clock.sleep(20);
  }
  return longest;
}
/** Each of them once, and in order. */
const numbered = (key: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${key} ${n}`);
async function sawAll(seen: Seen, key: string, count: number): Promise<void> {
  const values = (): (string | null)[] => seen.changes.filter((one) => one.key === key).map(({ value }) => value);
  await until(`all changes of ${key}`, () => values().length >= count, 30_000).catch(() => undefined);
  assert.equal(values(), numbered(key, count));
}

let three: Etcd;
test.before(async () => {
  three = await start();
});
test.after(async () => {
  for (const one of opened) await one.close();
  for (const one of started) await one.stop();
  rmSync(secretFolder, { recursive: true, force: true });
});

test('a compared write takes only what it has seen', async () => {
  const store = await open(three);
  const first = await store.write('c/a', 'one', 0, within());
  assert.ok(first.ok);
  const revision = first.ok ? first.revision : 0;
  const late = await store.write('c/a', 'two', 0, within());
  assert.equal(late, { ok: false, current: { key: 'c/a', value: 'one', revision } });
  assert.ok((await store.write('c/a', 'two', revision, within())).ok);
  assert.equal(await store.write('c/none', 'x', 5, within()), { ok: false, current: null });
  const { records } = await store.read('c/', within());
  assert.equal(
    records.map(({ key, value }) => [key, value]),
    [['c/a', 'two']],
  );
});

test('a publish replaces and deletes, whoever wrote before', async () => {
  const store = await open(three);
  three.ctl(['put', '/watchkeeper/t/v1/p/x', 'old']);
  await store.publish('p/x', 'new', within());
  await store.publish('p/x', 'newer', within());
  assert.equal((await store.read('p/', within())).records[0]?.value, 'newer');
  await store.publish('p/x', null, within());
  await store.publish('p/x', null, within());
  assert.equal((await store.read('p/', within())).records, []);
});

test('of a hundred that write at the same time one wins', async () => {
  const stores = await Promise.all([open(three), open(three), open(three), open(three)]);
  const got = await Promise.all(
    Array.from({ length: 100 }, (_, n) => (stores[n % 4] as Coordination).write('race', `w${n}`, 0, within(60_000))),
  );
  const { records } = await (stores[0] as Coordination).read('race', within());
  const winner = records[0]?.value;
  const mine = got.flatMap((one, n) => (one.ok || one.current?.value === `w${n}` ? [`w${n}`] : []));
  assert.equal(mine, [winner]);
});

test('a watch tells each change once and in order while a member dies and comes back', async () => {
  const store = await open(three);
  const seen = look(store, (await store.read('', within())).revision);
  const victim = await three.leader();
  const killed: Promise<void>[] = [];
  await writing(store, 'dies', 120, (n) => {
    if (n === 30) killed.push(three.kill(victim));
    if (n === 70) three.run(victim);
  });
  await Promise.all(killed);
  await sawAll(seen, 'dies', 120);
  seen.close();
  await three.ready();
});

for (const who of ['a follower', 'the leader'] as const) {
  test(`${who} that hangs costs less than two seconds of writes and no change`, async () => {
    const store = await open(three);
    const seen = look(store, (await store.read('', within())).revision);
    const leader = await three.leader();
    const victim = who === 'the leader' ? leader : (leader + 1) % 3;
    const key = who.replaceAll(' ', '-');
    const longest = await writing(store, key, 150, (n) => {
      if (n === 20) three.pause(victim);
      if (n === 110) three.resume(victim);
    });
    three.resume(victim);
    await sawAll(seen, key, 150);
    seen.close();
    // An election takes 0.5 to 1 s; the rest is for a loaded machine.
    assert.ok(longest < 4000, `the longest write took ${Math.round(longest)} ms`);
    process.stdout.write(`  (${who}: the longest write took ${Math.round(longest)} ms)\n`);
    await three.ready();
  });
}

test('after a restart of all a watch goes on where it was', async () => {
  const store = await open(three);
  const seen = look(store, (await store.read('', within())).revision);
  await writing(store, 'all', 10, () => undefined);
  await Promise.all([0, 1, 2].map((at) => three.kill(at)));
  await until('silence', () => seen.silences.some((ms) => ms > 0), 20_000);
  assert.equal(await codeOf(store.write('all2', 'x', 0, within(1000))), 'unreachable');
  for (const at of [0, 1, 2]) three.run(at);
  await three.ready();
  await writing(store, 'again', 10, () => undefined);
  await sawAll(seen, 'all', 10);
  await sawAll(seen, 'again', 10);
  await until('the end of the silence', () => seen.silences.at(-1) === 0);
  seen.close();
});

test('without a quorum nothing is written, and it is said in time', async () => {
  const store = await open(three);
  const leader = await three.leader();
  const others = [0, 1, 2].filter((at) => at !== leader);
  for (const at of others) three.pause(at);
  try {
    const from = performance.now();
    assert.equal(await codeOf(store.write('quorum', 'x', 0, within(1500))), 'unreachable');
    assert.equal(await codeOf(store.read('', within(1500))), 'unreachable');
    assert.ok(performance.now() - from < 8000);
    const health = await store.members(within(5000));
    assert.is(health.filter(({ ms }) => ms === null).length, 2);
  } finally {
    for (const at of others) three.resume(at);
  }
  await three.ready();
});

test('what a member was asked while it hung undoes nothing when it wakes up', async () => {
  const store = await open(three);
  const victim = ((await three.leader()) + 1) % 3;
  await store.publish('late', 'first', within());
  three.pause(victim);
  try {
    for (let n = 0; n < 20; n++) await store.publish('late', `value ${n}`, within());
  } finally {
    three.resume(victim);
  }
  await three.ready();
  await clock.sleep(1000);
  assert.is((await store.read('late', within())).records[0]?.value, 'value 19');
});

test('what is compacted under a watch is lost', async () => {
  const store = await open(three);
  const { revision } = await store.read('', within());
  await writing(store, 'gone', 5, () => undefined);
  const now = (await store.read('', within())).revision;
  three.ctl(['compact', String(now)]);
  const seen = look(store, revision);
  await until('lost', () => seen.lost > 0);
  assert.is(seen.lost, 1);
  assert.equal(seen.changes, []);
});

test('old revisions are given up one interval later', async () => {
  const store = await open(three, { compact: '1s' });
  const { revision } = await store.read('', within());
  await writing(store, 'old', 5, () => undefined);
  await until(
    'compaction',
    () => {
      try {
        three.ctl(['get', 'x', '--rev', String(revision)]);
        return false;
      } catch (error) {
        return /compacted/.test(String((error as { stderr?: unknown }).stderr));
      }
    },
    30_000,
  );
  await writing(store, 'old2', 5, () => undefined);
});

test('the members are told with their leader', async () => {
  const store = await open(three);
  const health = await store.members(within());
  assert.equal(health.map(({ name }) => name).sort(), ['m0', 'm1', 'm2']);
  assert.is(health.filter(({ leader }) => leader).length, 1);
  assert.ok(health.every(({ ok, ms }) => ok && ms !== null));
  assert.match(health[0]?.detail ?? '', /^etcd 3\./);
});

test('a token that has ended is renewed; a wrong password is denied', async () => {
  const server = await start({ members: 1, words: ['--auth-token-ttl', '2'] });
  for (const words of ['user add root:pw', 'user grant-role root root', 'user add wk:pw', 'role add wk'])
    server.ctl(words.split(' '));
  server.ctl(['role', 'grant-permission', 'wk', '--prefix=true', 'readwrite', '/watchkeeper/']);
  server.ctl(['user', 'grant-role', 'wk', 'wk']);
  const secret = (name: string, text: string): string => {
    writeFileSync(join(secretFolder, name), text, { mode: 0o600 });
    return `file:${join(secretFolder, name)}`;
  };
  const right = { user: 'wk', password: secret('right', 'pw') };
  // Not switched on yet: then nobody is asked who he is.
  const store = await open(server, right);
  assert.ok((await store.write('auth', 'one', 0, within())).ok);
  server.ctl(['auth', 'enable']);
  const { revision, records } = await store.read('', within());
  const seen = look(store, revision);
  await clock.sleep(6000);
  assert.ok((await store.write('auth', 'two', records[0]?.revision ?? 0, within())).ok);
  await until('the change', () => seen.changes.length === 1);
  assert.is((await store.members(within()))[0]?.ok, true);
  const wrong = await open(server, { ...right, password: secret('wrong', 'no') });
  assert.is(await codeOf(wrong.write('auth', 'x', 0, within())), 'denied');
  const nobody = await open(server);
  assert.is(await codeOf(nobody.read('', within())), 'denied');
});

test('certificates on both sides; without ours nobody answers', async () => {
  const server = await start({ members: 1, tls: true });
  const store = await open(server, server.files);
  assert.ok((await store.write('tls', 'x', 0, within())).ok);
  const bare = await open(server, { authority: server.files.authority });
  assert.is(await codeOf(bare.write('tls', 'y', 0, within(1500))), 'unreachable');
  const trustsNobody = await open(server);
  assert.is(await codeOf(trustsNobody.write('tls', 'y', 0, within(1500))), 'unreachable');
});

test('a store that is full has failed, and the members say so', async () => {
  const server = await start({ members: 1, words: ['--quota-backend-bytes', '65536'] });
  const store = await open(server);
  let code = 'no error';
  for (let n = 0; n < 50 && code === 'no error'; n++)
    code = await codeOf(store.publish(`full/${n}`, 'x'.repeat(10_000), within(5000)));
  assert.is(code, 'failed');
  assert.match((await store.members(within()))[0]?.detail ?? '', /NOSPACE/);
});

test.run();
