// The coordinator against servers that are not what etcd is: endless, silent, garbled, of two clusters.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import etcd from '../../src/cluster/etcd.ts';
import { type Coordination, type CoordChange, CoordinationError, type Ports } from '../../src/define.ts';
import { faultOf, rangeEnd, watchLine } from '../../src/dialogues/etcd.ts';
import { clock } from '../../src/ports/clock.ts';
import { httpSession } from '../../src/ports/http-session.ts';
import { until } from '../support/server.ts';

const test = suite('cluster/etcd');
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const ports = { clock, httpSession, log: quiet } as unknown as Ports;
const servers: Server[] = [];
const opened: Coordination[] = [];

type Answer = (path: string, response: ServerResponse, body: string) => void;

async function serve(answer: Answer): Promise<string> {
  const server = createServer((request: IncomingMessage, response) => {
    let body = '';
    request.on('data', (part: Buffer) => (body += part.toString()));
    request.on('end', () => answer(request.url ?? '', response, body));
    response.on('error', () => undefined);
  });
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
async function open(...endpoints: string[]): Promise<Coordination> {
  const options = { endpoints, compact: null };
  const made = await etcd.open({ options: options as never, ports, node: 'n1', prefix: '/w/' });
  opened.push(made);
  return made;
}
async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'no error';
  } catch (error) {
    return error instanceof CoordinationError ? error.code : `not ours: ${(error as Error).message}`;
  }
}
const b64 = (text: string): string => Buffer.from(text).toString('base64');
const header = (revision: number, cluster = '1') => ({
  cluster_id: cluster,
  member_id: '7',
  revision: String(revision),
});
const won = (revision: number): string => JSON.stringify({ header: header(revision), succeeded: true });
const found = (value: string, revision: number): string =>
  JSON.stringify({
    header: header(revision),
    responses: [{ response_range: { kvs: [{ key: b64('/w/k'), value: b64(value), mod_revision: String(revision) }] } }],
  });
const event = (revision: number): string => {
  const kv = { key: b64('/w/k'), value: b64(`v${revision}`), mod_revision: String(revision) };
  return `${JSON.stringify({ result: { header: header(revision), events: [{ kv }] } })}\n`;
};

test.after(async () => {
  for (const one of opened) await one.close();
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

const HOSTILE: Readonly<Record<string, Answer>> = {
  hang: () => undefined,
  'status 500': (_, response) => response.writeHead(500).end('<html>no</html>'),
  garbage: (_, response) => response.end('{"header":'),
  'not an object': (_, response) => response.end('[[[]]]'),
  'no header': (_, response) => response.end('{"succeeded":true}'),
  'a huge number': (_, response) =>
    response.end('{"header":{"cluster_id":"1","member_id":"2","revision":"99999999999999999999"},"succeeded":true}'),
  'cut off': (_, response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('{"header"');
    setTimeout(() => response.destroy(), 20);
  },
  endless: (_, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    };
    response.on('drain', more);
    more();
  },
};
for (const [name, answer] of Object.entries(HOSTILE)) {
  test(`a server that is hostile (${name}) is unreachable in time, and another one is heard`, async () => {
    const bad = await serve(answer);
    const from = performance.now();
    assert.is(await codeOf((await open(bad)).write('k', 'v', 0, AbortSignal.timeout(600))), 'unreachable');
    assert.ok(performance.now() - from < 5000);
    const good = await serve((_, response) => response.end(won(5)));
    const got = await (await open(bad, good)).write('k', 'v', 0, AbortSignal.timeout(10_000));
    assert.equal(got, { ok: true, revision: 5 });
  });
}

test('a good answer wins over one that found our own earlier try', async () => {
  const quick = await serve((_, response) => response.end(found('mine', 9)));
  const slow = await serve((_, response) => void setTimeout(() => response.end(won(9)), 30));
  const store = await open(quick, slow);
  assert.equal(await store.write('k', 'mine', 0, AbortSignal.timeout(10_000)), { ok: true, revision: 9 });
  const alone = await open(quick);
  const current = { key: 'k', value: 'mine', revision: 9 };
  assert.equal(await alone.write('k', 'mine', 0, AbortSignal.timeout(10_000)), { ok: false, current });
});

test('one that denies is not believed while another one answers', async () => {
  const denies = await serve((_, response) => response.writeHead(403).end('{"code":7,"message":"permission denied"}'));
  const good = await serve((_, response) => void setTimeout(() => response.end(won(3)), 300));
  const both = await open(denies, good);
  assert.equal(await both.write('k', 'v', 0, AbortSignal.timeout(10_000)), { ok: true, revision: 3 });
  assert.is(await codeOf((await open(denies)).read('', AbortSignal.timeout(10_000))), 'denied');
});

test('members of another cluster are not heard', async () => {
  let cluster = '1';
  const turns = await serve((_, response) =>
    response.end(JSON.stringify({ header: header(4, cluster), succeeded: true })),
  );
  const store = await open(turns);
  assert.ok((await store.write('k', 'v', 0, AbortSignal.timeout(10_000))).ok);
  cluster = '2';
  assert.is(await codeOf(store.write('k', 'v', 4, AbortSignal.timeout(10_000))), 'failed');
});

test('changes of two members come once and in order; an endless line ends only its own stream', async () => {
  const status = JSON.stringify({ header: header(9), leader: '7', version: '3.4.23' });
  const streams: ServerResponse[] = [];
  const member: Answer = (path, response) => {
    if (path !== '/v3/watch') return void response.end(status);
    response.writeHead(200);
    streams.push(response);
    response.write(`${JSON.stringify({ result: { header: header(1), created: true } })}\n`);
  };
  const endless: Answer = (path, response) => {
    if (path !== '/v3/watch') return void response.end(status);
    HOSTILE['endless']?.(path, response, '');
  };
  const store = await open(await serve(member), await serve(member), await serve(endless));
  const seen: CoordChange[] = [];
  const watch = store.watch('', 1, { change: (one) => seen.push(one), lost() {}, silent() {} });
  await until('two streams', () => streams.length === 2);
  streams[0]?.write(event(2) + event(3));
  streams[1]?.write(event(2));
  await until('two changes', () => seen.length === 2);
  streams[1]?.write(event(3) + event(4));
  streams[0]?.write(event(4).slice(0, 10));
  await until('three changes', () => seen.length === 3);
  streams[0]?.write(event(4).slice(10) + event(5));
  await until('four changes', () => seen.length === 4);
  watch.close();
  assert.equal(
    seen.map(({ key, revision }) => [key, revision]),
    [2, 3, 4, 5].map((revision) => ['k', revision]),
  );
});

test('silence of all is told, and its end', async () => {
  let up = false;
  const status = JSON.stringify({ header: header(9), leader: '7' });
  const one = await serve((path, response) => void (up && path !== '/v3/watch' && response.end(status)));
  const told: number[] = [];
  const watch = (await open(one)).watch('', 1, { change() {}, lost() {}, silent: (ms) => told.push(ms) });
  await until('silence', () => (told.at(-1) ?? 0) > 0);
  up = true;
  await until('life', () => told.at(-1) === 0);
  watch.close();
});

test('words of etcd', () => {
  assert.is(rangeEnd('/w/'), b64('/w0'));
  assert.is(rangeEnd(''), b64('\0'));
  const kinds = [
    [{ code: 14, message: 'etcdserver: leader changed' }, 'retry'],
    [{ code: 16, message: 'etcdserver: invalid auth token' }, 'token'],
    [{ code: 8, message: 'etcdserver: mvcc: database space exceeded' }, 'failed'],
    [{ code: 8, message: 'etcdserver: too many requests' }, 'retry'],
    [{ code: 11, message: 'etcdserver: mvcc: required revision has been compacted' }, 'compacted'],
    [{ code: 3, message: 'etcdserver: authentication failed, invalid user ID or password' }, 'denied'],
  ] as const;
  for (const [error, kind] of kinds) assert.is(faultOf(error).kind, kind, error.message);
  assert.throws(() => watchLine('{"result":{"compact_revision":"5","canceled":true}}'), /compacted/);
  assert.throws(() => watchLine('nothing'), /not JSON/);
});

test.run();
