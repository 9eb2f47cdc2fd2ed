import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Dialogue, type NetError, net, type OpenOptions } from '../../src/ports/net.ts';
import { netError } from '../../src/ports/net-fault.ts';
import { authority, elsewhere, expired, good } from '../support/certificates.ts';
import { closedPort, type Hostile, type HostileMode, type HostileOptions, hostile } from '../support/hostile.ts';

const test = suite('net');
const never = new AbortController().signal;

async function withHostile(mode: HostileMode, options: HostileOptions, work: (server: Hostile) => Promise<void>) {
  const server = await hostile(mode, options);
  try {
    await work(server);
  } finally {
    await server.stop();
  }
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return (error as NetError).code;
  }
  return 'no error';
}

const openTo = (port: number, more: Partial<OpenOptions> = {}): Promise<Dialogue> =>
  net.open({ host: '127.0.0.1', port, signal: never, timeoutMs: 300, ...more });

test('talks in lines, in both ends of line, and over a unix socket', async () => {
  await withHostile('scripted', { greeting: 'one\r\ntwo\nth', answer: (line) => `${line}?\r\n` }, async (server) => {
    const dialogue = await openTo(server.port);
    assert.is(await dialogue.readLine(), 'one');
    assert.is(await dialogue.readLine(), 'two');
    await dialogue.write('ree\r\n');
    assert.is(await dialogue.readLine(), 'three?');
    dialogue.close();
  });
  const folder = mkdtempSync(join(tmpdir(), 'wk-net-'));
  const path = join(folder, 's');
  const server = createServer((socket) => socket.end('hello\n'));
  await new Promise<void>((done) => server.listen(path, done));
  const dialogue = await net.open({ path, signal: never, timeoutMs: 300 });
  assert.is(await dialogue.readLine(), 'hello');
  assert.is(await codeOf(dialogue.readLine()), 'closed');
  dialogue.close();
  await new Promise((done) => server.close(done));
  assert.is(await codeOf(net.open({ path, signal: never, timeoutMs: 300 })), 'refused');
  rmSync(folder, { recursive: true });
});

test('writes bytes as they are', async () => {
  const heard: Buffer[] = [];
  const server = createServer((socket) => {
    socket.on('data', (piece: Buffer) => {
      heard.push(piece);
      if (Buffer.concat(heard).length >= 256) socket.end('all\n');
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  const dialogue = await openTo(typeof address === 'object' && address ? address.port : 0, { timeoutMs: 5000 });
  const bytes = Uint8Array.from({ length: 256 }, (_, value) => value);
  await dialogue.write(bytes);
  assert.is(await dialogue.readLine(), 'all');
  assert.equal(Buffer.concat(heard), Buffer.from(bytes));
  dialogue.close();
  await new Promise((done) => server.close(done));
});

test('each bad server has its code, in bounded time', async () => {
  const table: [HostileMode, string][] = [
    ['silent', 'timeout'],
    ['half-line', 'timeout'],
    ['late', 'timeout'],
    ['drips', 'timeout'],
    ['long-line', 'too-long'],
    ['closes', 'closed'],
    ['resets', 'closed'],
  ];
  for (const [mode, code] of table) {
    await withHostile(mode, {}, async (server) => {
      const started = performance.now();
      const read = openTo(server.port).then((dialogue) => dialogue.readLine().finally(() => dialogue.close()));
      assert.is(await codeOf(read), code, mode);
      assert.ok(performance.now() - started < 1000, mode);
    });
  }
  assert.is(await codeOf(openTo(await closedPort())), 'refused');
});

test('a line is cut off at its own limit, long before that of the dialogue', async () => {
  await withHostile('long-line', {}, async (server) => {
    const dialogue = await openTo(server.port, { maxLine: 1000 });
    const words = await dialogue.readLine().catch((error: Error) => error.message);
    assert.is(words, 'a line of more than 1000 bytes');
  });
});

test('lines without end stop at the limit of the dialogue, and what is not read stays outside', async () => {
  await withHostile('endless', {}, async (server) => {
    const dialogue = await openTo(server.port, { maxBytes: 100_000 });
    let lines = 0;
    const all = async (): Promise<void> => {
      for (;;) {
        await dialogue.readLine();
        lines += 1;
      }
    };
    assert.is(await codeOf(all()), 'too-long');
    assert.ok(lines > 5000 && lines < 20_000, String(lines));
  });
  await withHostile('long-line', {}, async (server) => {
    const before = process.memoryUsage().rss;
    const dialogue = await openTo(server.port);
    await new Promise((done) => setTimeout(done, 200));
    assert.ok(process.memoryUsage().rss - before < 30_000_000, 'nobody reads, so nothing is kept');
    assert.ok(server.written() < 20_000_000, String(server.written()));
    dialogue.close();
  });
});

test('a signal ends a read and a connect at once', async () => {
  await withHostile('silent', {}, async (server) => {
    const stop = new AbortController();
    const dialogue = await openTo(server.port, { signal: stop.signal, timeoutMs: 20_000 });
    setTimeout(() => stop.abort(), 30);
    const started = performance.now();
    assert.is(await codeOf(dialogue.readLine()), 'timeout');
    assert.ok(performance.now() - started < 500);
    assert.is(await codeOf(openTo(server.port, { signal: stop.signal })), 'timeout');
  });
});

test('TLS: who it is, whether it is trusted, and facts also when it is not', async () => {
  const table: [HostileOptions['tls'], string, string | undefined, string | null][] = [
    [good, 'mail.test', authority, null],
    [good, 'mail.test', undefined, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    [good, 'other.test', authority, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    [good, '127.0.0.1', authority, null],
    [elsewhere, 'mail.test', authority, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    [expired, 'mail.test', authority, 'CERT_HAS_EXPIRED'],
  ];
  for (const [certificate, servername, ca, error] of table) {
    await withHostile('scripted', { tls: certificate ?? {}, implicit: true }, async (server) => {
      const tls = { servername, ...(ca ? { ca } : {}) };
      const dialogue = await openTo(server.port, { tls: { ...tls, verify: false } });
      assert.is(dialogue.certificate?.error ?? null, error);
      assert.match(await dialogue.readLine(), '220');
      dialogue.close();
      assert.is(await codeOf(openTo(server.port, { tls }).then((open) => open.close())), error ? 'tls' : 'no error');
    });
  }
});

test('STARTTLS: goes on inside, and refuses plain text that was sent ahead', async () => {
  const answer = (line: string): string => (line === 'STARTTLS' ? '220 go\r\n' : 'inside\r\n');
  await withHostile('scripted', { tls: good, answer }, async (server) => {
    const dialogue = await openTo(server.port);
    await dialogue.readLine();
    await dialogue.write('STARTTLS\r\n');
    await dialogue.readLine();
    const seen = await dialogue.startTls({ servername: 'mail.test', ca: authority });
    assert.equal(seen.names, ['mail.test', '127.0.0.1']);
    assert.match(seen.protocol, /^TLSv1\.[23]$/);
    await dialogue.write('hello\r\n');
    assert.is(await dialogue.readLine(), 'inside');
    dialogue.close();
  });
  await withHostile('scripted', { answer: () => '220 go\r\n250 injected\r\n' }, async (server) => {
    const dialogue = await openTo(server.port);
    await dialogue.readLine();
    await dialogue.write('STARTTLS\r\n');
    await dialogue.readLine();
    const refused = await dialogue.startTls({}).catch((error: Error) => error.message);
    assert.is(refused, 'plain text came after the go-ahead for TLS');
  });
});

test('a plain server, a silent one and a closing one in the place of TLS', async () => {
  await withHostile('garbage', {}, async (server) => assert.is(await codeOf(openTo(server.port, { tls: {} })), 'tls'));
  await withHostile('silent', {}, async (server) =>
    assert.is(await codeOf(openTo(server.port, { tls: {} })), 'timeout'),
  );
  await withHostile('closes', {}, async (server) =>
    assert.is(await codeOf(openTo(server.port, { tls: {} })), 'closed'),
  );
});

test('our own trouble and names that do not resolve are told apart from the service', async () => {
  assert.is(netError(Object.assign(new Error('x'), { code: 'EMFILE' })).code, 'local');
  assert.is(netError(Object.assign(new Error('x'), { code: 'EADDRNOTAVAIL' })).code, 'local');
  assert.is(netError(Object.assign(new Error('x'), { code: 'EHOSTUNREACH' })).code, 'unreachable');
  assert.is(netError(Object.assign(new Error('x'), { code: 'EAI_AGAIN' })).code, 'not-found');
  const named = net.open({ host: 'no-such-host.invalid', port: 25, signal: never, timeoutMs: 2000 });
  assert.is(await codeOf(named), 'not-found');
});

test('every connection is closed in the end', async () => {
  let open = 0;
  const server = createServer((socket) => {
    open += 1;
    socket.on('close', () => {
      open -= 1;
    });
    socket.on('error', () => undefined);
    socket.resume();
    socket.write('220 hi\r\n');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const dialogue = await openTo(port);
  await dialogue.readLine();
  dialogue.close();
  await codeOf(openTo(port, { tls: {}, timeoutMs: 100 }));
  const timed = await openTo(port, { timeoutMs: 50 });
  await timed.readLine();
  await codeOf(timed.readLine());
  timed.close();
  await new Promise((done) => setTimeout(done, 400));
  assert.is(open, 0);
  await new Promise((done) => server.close(done));
});

test.run();
