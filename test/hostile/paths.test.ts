// Comm paths against those who have no business there, and against nodes that do not behave: nobody gets in who does
// not prove to be a node of the cluster, and whoever got in can neither hang nor fill the daemon.
import { writeFileSync, readFileSync, utimesSync } from 'node:fs';
import { connect as connectPlain, createServer, type Server, type Socket } from 'node:net';
import { connect, createServer as createTls, type TLSSocket } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { clusterConfig, type Nodes, type OnePaths, openPaths } from '../support/peers.ts';
import { authorityOf, type TlsFilesOf } from '../support/peer-certificates.ts';
import { freePorts, until } from '../support/server.ts';

const test = suite('comm paths, hostile');

const authority = authorityOf();
const stranger = authorityOf('another authority');
const files = Object.fromEntries(['n1', 'n2'].map((node) => [node, authority.issue(node)]));
const opened: OnePaths[] = [];
const ends: (() => void)[] = [];
test.after.each(() => {
  for (const { paths } of opened.splice(0)) paths.close();
  for (const end of ends.splice(0)) end();
});
test.after(() => {
  authority.remove();
  stranger.remove();
});

const TWO: Nodes = { n1: ['127.0.0.21', '127.0.1.21'], n2: ['127.0.0.22', '127.0.1.22'] };
const LIMIT = 20_000;

const open = (node: string, port: number, tls: TlsFilesOf | undefined = files[node], nodes = TWO): OnePaths => {
  const one = openPaths(node, clusterConfig(nodes, port, tls ?? null));
  opened.push(one);
  return one;
};
const port = async (): Promise<number> => (await freePorts(1))[0] as number;
const within = (ms: number): AbortSignal => AbortSignal.timeout(ms);
const all = (one: OnePaths, state: string): boolean => one.paths.states().every((path) => path.state === state);
const detailOf = (one: OnePaths): string =>
  one.paths
    .states()
    .map(({ detail }) => detail)
    .join('; ');
const pem = (path: string): string => readFileSync(path, 'utf8');

// ------------------------------------------------------------------------------------------------ who does not get in

const wrong: readonly (readonly [string, () => TlsFilesOf, RegExp])[] = [
  ['of another authority', () => ({ ...stranger.issue('n2') }), /refused/],
  [
    'of another authority, itself trusting ours',
    () => ({ ...stranger.issue('n2', { as: 'x' }), authority: files['n1']?.authority ?? '' }),
    /refused/,
  ],
  ['for a node that is not in the cluster', () => authority.issue('n9'), /n9/],
  ["for this node's own name", () => authority.issue('n1', { as: 'twin' }), /n1|nobody/],
  ['for two nodes at once', () => authority.issue('n2', { names: ['n1', 'n2'], as: 'both' }), /n1, n2|n2, n1/],
  ['that has ended', () => authority.issue('n2', { days: -1, as: 'old' }), /EXPIRED/],
];
for (const [what, make, told] of wrong)
  test(`a certificate ${what} is refused, and that is said`, async () => {
    const at = await port();
    const a = open('n1', at);
    const b = open('n2', at, make());
    await until('both sides see that it fails', () => all(a, 'failed') && all(b, 'failed'), LIMIT);
    assert.equal(a.paths.answering(), []);
    assert.match(detailOf(a), told);
    assert.is(await a.paths.promise('mail', 1, ['n2'], within(300)), false);
    assert.is(await b.paths.promise('mail', 1, ['n1'], within(300)), false);
    assert.equal([...a.promised, ...b.promised], []);
    assert.ok(a.logged.some((line) => /is refused/.test(line)));
    assert.ok(a.logged.length <= 12, `told ${a.logged.length} times: ${a.logged.join('\n')}`);
  });

test('a name in the DNS names does as well as the common one', async () => {
  const at = await port();
  const a = open('n1', at);
  open('n2', at, authority.issue('something else', { names: ['n2'], as: 'san' }));
  await until('it works', () => all(a, 'operational'), LIMIT);
});

/** A connection of one of the node's addresses, with TLS or without. */
function knock(at: number, from: string, tls: Readonly<Record<string, unknown>> | null): Socket {
  const where = { host: '127.0.0.21', port: at, localAddress: from };
  const socket = tls ? connect({ ...where, rejectUnauthorized: false, ...tls }) : connectPlain(where);
  socket.on('error', () => undefined);
  ends.push(() => socket.destroy());
  return socket;
}
const closed = (socket: Socket): Promise<void> =>
  new Promise((done) => {
    if (socket.destroyed) done();
    else socket.on('close', () => done());
  });
const credentials = (of: TlsFilesOf | undefined) => ({
  cert: pem(of?.certificate ?? ''),
  key: pem(of?.key ?? ''),
  ca: pem(of?.authority ?? ''),
});

test('without a certificate, with an old TLS, from elsewhere, in plain words: nobody is let in', async () => {
  const at = await port();
  const a = open('n1', at);
  await until('it listens', () => a.paths.states().length === 2);
  const good = credentials(files['n2']);
  const knocks: Socket[] = [
    knock(at, '127.0.0.22', {}),
    knock(at, '127.0.0.22', { ...good, maxVersion: 'TLSv1.2' }),
    knock(at, '127.0.0.99', good),
    knock(at, '127.0.0.22', null),
  ];
  let got = '';
  for (const one of knocks) {
    one.on('data', (data: Buffer) => {
      got += data.toString('latin1');
    });
    one.write('{"v":1,"id":"a","kind":"promise","group":"mail","epoch":1}\n');
  }
  await Promise.race([
    Promise.all(knocks.map(closed)),
    new Promise((_done, late) => setTimeout(() => late(new Error('one is still there')), LIMIT).unref()),
  ]);
  assert.equal(a.promised, []);
  assert.not.match(got, /"re"/);
});

test('who says nothing at all is sent away, and keeps nobody else out', async () => {
  const at = await port();
  const a = open('n1', at);
  const silent = Array.from({ length: 100 }, () => knock(at, '127.0.0.22', null));
  open('n2', at);
  await until('all of them are gone', () => silent.every((one) => one.destroyed), LIMIT);
  await until('the paths work', () => all(a, 'operational'), LIMIT);
});

// -------------------------------------------------------------------------------------- who got in and does not behave

/** Asks a question with a good certificate, and gives back all that came until it was closed or enough. */
function talk(at: number, write: (socket: TLSSocket) => void, enough: (got: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = knock(at, '127.0.0.22', credentials(files['n2'])) as TLSSocket;
    let got = '';
    socket.on('secureConnect', () => write(socket));
    socket.on('data', (data: Buffer) => {
      got += data.toString('utf8');
      if (enough(got)) socket.destroy();
    });
    socket.on('close', () => resolve(got));
    setTimeout(() => reject(new Error(`it is still there: ${got.slice(0, 200)}`)), LIMIT).unref();
  });
}

const never = (): boolean => false;
const bad: readonly (readonly [string, string])[] = [
  ['no JSON', 'GET / HTTP/1.1\n'],
  ['an array', '[1,2]\n'],
  ['bytes', '\u0000\u0001\n'],
  ['no id', '{"v":1,"kind":"hello"}\n'],
  ['an id that is an object', '{"v":1,"id":{},"kind":"hello"}\n'],
  ['a long line', `{"v":1,"id":"a","kind":"hello","x":"${'x'.repeat(70_000)}"}\n`],
  ['a line without an end', 'x'.repeat(70_000)],
];
for (const [what, text] of bad)
  test(`${what}: the connection is closed, and nothing is done`, async () => {
    const at = await port();
    const a = open('n1', at);
    assert.not.match(await talk(at, (socket) => void socket.write(text), never), /"re"/);
    assert.equal(a.promised, []);
  });

test('another version and an unknown kind get an answer; the connection goes on', async () => {
  const at = await port();
  open('n1', at);
  const got = await talk(
    at,
    (socket) => {
      socket.write('{"v":2,"id":"a","kind":"hello"}\n{"v":1,"id":"b","kind":"dance"}\n');
      socket.write('{"v":1,"id":"c","kind":"promise","group":7,"epoch":"x"}\n{"v":1,"id":"d","kind":"hello"}\n');
    },
    (all) => all.includes('"d"'),
  );
  assert.equal(
    got
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { re: string; error?: string })
      .map(({ re, error }) => `${re} ${error ?? 'fine'}`),
    ['a version 1 is spoken here', 'b this kind is not known here', 'c a promise needs a group and an epoch', 'd fine'],
  );
});

test('the same question over two connections is done once', async () => {
  const at = await port();
  const a = open('n1', at);
  const question = '{"v":1,"id":"same","kind":"promise","group":"mail","epoch":3}\n';
  const once = (): Promise<string> =>
    talk(
      at,
      (socket) => void socket.write(question),
      (got) => got.includes('\n'),
    );
  assert.equal(new Set(await Promise.all([once(), once(), once()])).size, 1);
  assert.equal(a.promised, ['n2 mail 3']);
});

test('who asks and never reads is sent away before it fills the memory', async () => {
  const at = await port();
  open('n1', at);
  const hello = '{"v":1,"id":"a","kind":"hello"}\n'.repeat(2000);
  await talk(
    at,
    (socket) => {
      socket.pause();
      const more = (): void => {
        if (!socket.destroyed) socket.write(hello, () => setImmediate(more));
      };
      more();
    },
    never,
  ).catch((error: Error) => assert.unreachable(error.message));
});

// ---------------------------------------------------------------------------- servers that are not what they seem

/** In the place of n2's daemon on its first address. */
function inPlace(at: number, server: Server): Promise<void> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  server.on('tlsClientError', () => undefined);
  ends.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return new Promise((done) => server.listen(at, '127.0.0.22', done));
}

const tlsServer = (on: (socket: TLSSocket) => void): Server =>
  createTls({ ...credentials(files['n2']), requestCert: true }, (socket) => {
    socket.on('error', () => undefined);
    on(socket);
  });
const answering: readonly (readonly [string, () => Server])[] = [
  ['takes the connection and says nothing', () => createServer(() => undefined)],
  ['does the handshake and says nothing', () => tlsServer((socket) => void socket.resume())],
  ['talks without TLS', () => createServer((socket) => void socket.write('220 mail.test ESMTP\r\n'))],
  ['closes at once', () => createServer((socket) => void socket.destroy())],
  [
    'answers with what was not asked',
    () => tlsServer((socket) => void socket.on('data', () => socket.write('{"v":1,"re":"x","agreed":true}\n'))),
  ],
  ['sends without an end', () => tlsServer((socket) => void socket.write('y'.repeat(300_000)))],
  ['sends garbage', () => tlsServer((socket) => void socket.on('data', () => socket.write('\u0000\u0001\n')))],
];
for (const [what, make] of answering)
  test(`a node that ${what} has failed, and promises nothing`, async () => {
    const at = await port();
    await inPlace(at, make());
    const a = open('n1', at);
    await until('it has failed', () => all(a, 'failed'), LIMIT);
    assert.equal(a.paths.answering(), []);
    assert.is(await a.paths.promise('mail', 1, ['n2'], within(500)), false);
    assert.ok(a.logged.length < 12, a.logged.join('\n'));
  });

test('an answer that only looks like a yes is none', async () => {
  for (const yes of [
    '"agreed":"true"',
    '"agreed":1',
    '"agreed":true,"error":"x"',
    '"agreed":true,"v":2',
    '"Agreed":true',
  ]) {
    const at = await port();
    await inPlace(
      at,
      tlsServer((socket) => {
        socket.on('data', (data: Buffer) => {
          for (const [, id] of data.toString().matchAll(/"id":"([^"]+)"/g))
            socket.write(`{"v":1,"re":"${id}",${yes}}\n`);
        });
      }),
    );
    const a = open('n1', at);
    assert.is(await a.paths.promise('mail', 1, ['n2'], within(1500)), false, yes);
    for (const { paths } of opened.splice(0)) paths.close();
    for (const end of ends.splice(0)) end();
  }
});

test('one way only: what is sent arrives, what is answered does not', async () => {
  const at = await port();
  // n2 listens on its second address; on its first stands a proxy that swallows all that comes back.
  const nodes = { n1: TWO['n1'] as string[], n2: ['127.0.0.22', '127.0.1.22'] };
  const b = openPaths('n2', clusterConfig({ ...nodes, n2: ['127.0.2.22', '127.0.1.22'] }, at, files['n2'] ?? null));
  opened.push(b);
  let swallow = false;
  const proxy = createServer((near) => {
    const far = connectPlain({ host: '127.0.2.22', port: at, localAddress: '127.0.0.21' });
    ends.push(() => far.destroy());
    for (const one of [near, far]) one.on('error', () => undefined);
    near.on('data', (data) => void far.write(data));
    far.on('data', (data) => void (swallow || near.write(data)));
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
  });
  await inPlace(at, proxy);
  const a = open('n1', at, files['n1'], nodes);
  const stateOf = (to: string): string => a.paths.states().find((path) => path.to === to)?.state ?? '';
  await until('both work', () => all(a, 'operational'), LIMIT);
  swallow = true;
  await until('the swallowed one has failed', () => stateOf('127.0.0.22') === 'failed', LIMIT);
  assert.is(stateOf('127.0.1.22'), 'operational');
  assert.is(a.paths.states().find(({ inUse }) => inUse)?.to, '127.0.1.22');
  assert.equal(a.paths.answering(), ['n2']);
  assert.is(await a.paths.promise('mail', 4, ['n2'], within(5000)), true, 'the other path is enough');
  assert.equal(b.promised, ['n1 mail 4']);
  swallow = false;
  await until('it works again', () => all(a, 'operational'), LIMIT);
});

test('certificates are changed while all goes on: nothing fails, and the old authority is not believed any more', async () => {
  const at = await port();
  const mine = { ...authority.issue('n1', { as: 'turn1' }), authority: `${authority.dir}/turn.ca` };
  const theirs = { ...authority.issue('n2', { as: 'turn2' }), authority: `${authority.dir}/turn.ca` };
  writeFileSync(mine.authority, pem(files['n1']?.authority ?? ''));
  const [a, b] = [open('n1', at, mine), open('n2', at, theirs)];
  await until('all work', () => all(a, 'operational') && all(b, 'operational'), LIMIT);
  const put = (path: string, text: string): void => {
    writeFileSync(path, text);
    utimesSync(path, new Date(), new Date(Date.now() + 1000 * Math.ceil(Math.random() * 1000)));
  };
  // Half of a change: a certificate to which the key does not belong.
  const next = authority.issue('n1', { as: 'next1' });
  put(mine.certificate, pem(next.certificate));
  await until('the half is seen', () => a.logged.some((line) => /cannot be used/.test(line)), LIMIT);
  assert.ok(all(a, 'operational'), 'the old one goes on');
  put(mine.key, pem(next.key));
  const renewed = (): boolean => a.paths.states().every(({ state, losses }) => state === 'operational' && losses <= 2);
  await new Promise((done) => setTimeout(done, 4000));
  assert.ok(renewed(), detailOf(a));
  assert.equal(
    [...a.events, ...b.events].filter(({ up }) => !up),
    [],
  );
  // Now n1 believes another authority only: n2 is nobody.
  put(mine.authority, pem(stranger.issue('n2', { as: 'y' }).authority));
  await until('the old authority is not believed', () => all(a, 'failed'), LIMIT);
});

test.run();
