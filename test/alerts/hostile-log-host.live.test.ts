// Log hosts that do not do what they should: the channel is bounded in time and bytes, and says why.
import { rmSync, writeFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { SendResult } from '../../src/define.ts';
import { makeAlert } from '../support/alert.ts';
import { authority, expired, good } from '../support/certificates.ts';
import { closedPort, type HostileMode, hostile } from '../support/hostile.ts';
import { logChannel } from '../support/log-channel.ts';
import { newFolder, until } from '../support/server.ts';
import { closedUdpPort, udpServer } from '../support/udp-server.ts';

const test = suite('hostile log hosts');
const TIMEOUT = { timeout: '700ms' };
const LIMIT_MS = 6000;

async function once(options: object, abortMs?: number): Promise<{ said: SendResult; ms: number }> {
  const channel = logChannel({ ...TIMEOUT, ...options }, abortMs === undefined ? {} : { abortMs });
  const begun = performance.now();
  try {
    return { said: await channel.send(makeAlert()), ms: performance.now() - begun };
  } finally {
    await channel.close();
  }
}

// Syslog has no answer: whoever takes the bytes has them, whatever it says meanwhile.
const PLAIN: Readonly<Partial<Record<HostileMode, RegExp>>> = {
  silent: /^"sent"$/,
  'half-line': /^"sent"$/,
  'long-line': /"sent"|more than 65536 bytes/,
  endless: /"sent"|more than 65536 bytes/,
  closes: /retry.*closed/,
  resets: /retry.*(reset|closed)/,
  late: /^"sent"$/,
  drips: /^"sent"$/,
  garbage: /^"sent"$/,
};

for (const [mode, expected] of Object.entries(PLAIN) as [HostileMode, RegExp][])
  test(`${mode}: over TCP, and instead of TLS`, async () => {
    const server = await hostile(mode);
    try {
      const plain = await once({ to: `tcp://127.0.0.1:${server.port}` });
      assert.match(JSON.stringify(plain.said), expected);
      const tls = await once({ to: `tls://127.0.0.1:${server.port}` });
      assert.match(JSON.stringify(tls.said), /^\{"retry":"tls:\/\/127\.0\.0\.1:\d+: /);
      assert.ok(plain.ms < LIMIT_MS && tls.ms < LIMIT_MS, `${plain.ms} ${tls.ms}`);
      assert.ok(server.written() < 8_000_000, `${server.written()} bytes were taken from it`);
    } finally {
      await server.stop();
    }
  });

test('nobody listens; a name that does not resolve; no time', async () => {
  const port = await closedPort();
  assert.equal((await once({ to: `tcp://127.0.0.1:${port}` })).said, {
    retry: `tcp://127.0.0.1:${port}: connection refused`,
  });
  const udp = await closedUdpPort();
  assert.equal((await once({ to: `udp://127.0.0.1:${udp}` })).said, {
    retry: `udp://127.0.0.1:${udp}: connection refused`,
  });
  assert.match(
    JSON.stringify((await once({ to: 'udp://no.such.host.invalid' })).said),
    /retry.*ENOTFOUND|retry.*resolve/,
  );
  const server = await hostile('silent');
  const { said, ms } = await once({ to: `tls://127.0.0.1:${server.port}`, timeout: '20s' }, 200);
  assert.match(JSON.stringify(said), /retry.*(in time|no time)/);
  assert.ok(ms < LIMIT_MS);
  await server.stop();
});

test('a silent reader of UDP gets one datagram an alert, from one port', async () => {
  const seen: string[] = [];
  const server = await udpServer((bytes) => {
    seen.push(bytes.toString());
    return [Buffer.from('who asked you'.repeat(50))];
  });
  const channel = logChannel({ to: `udp://127.0.0.1:${server.port}` });
  for (let id = 1; id <= 5; id++) assert.is(await channel.send(makeAlert({}, id)), 'sent');
  await until('five datagrams', () => seen.length === 5);
  assert.ok(seen.every((one, at) => one.startsWith('<26>1 ') && one.includes(` alert="${at + 1}"]`)));
  await channel.close();
  await server.stop();
});

test('certificates and keys that are none, or do not go together', async () => {
  const server = await hostile('silent');
  const folder = newFolder('log-host');
  for (const [name, text] of Object.entries({ cert: good.cert, key: expired.key, none: 'no PEM', own: good.key }))
    writeFileSync(`${folder}/${name}`, text, { mode: 0o600 });
  const at = (certificate: string, key: string): object => ({
    ...{ to: `tls://127.0.0.1:${server.port}`, timeout: '400ms' },
    ...{ certificate: `${folder}/${certificate}`, key: `file:${folder}/${key}` },
  });
  for (const [options, words] of [
    [at('cert', 'key'), /retry.*(mismatch|do not match)/],
    [at('cert', 'none'), /retry.*(PEM|unsupported|no start line)/i],
    [at('none', 'own'), /retry.*the certificate .*none holds no certificate/],
    [at('nowhere', 'own'), /retry.*is not there/],
    [at('cert', 'own'), /retry.*in time/],
  ] as const) {
    const { said } = await once(options);
    assert.match(JSON.stringify(said), words);
  }
  await server.stop();
  rmSync(folder, { recursive: true });
});

test('many at once go one after the other, on one connection', async () => {
  let connections = 0;
  let heard = '';
  const server = createTlsServer({ cert: good.cert, key: good.key }, (socket) => {
    connections += 1;
    socket.on('error', () => undefined);
    socket.on('data', (piece) => {
      heard += piece.toString();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  const folder = newFolder('log-host');
  writeFileSync(`${folder}/ca.pem`, authority);
  const channel = logChannel({ to: `tls://127.0.0.1:${port}`, ca: `${folder}/ca.pem` });
  const all = await Promise.all(Array.from({ length: 20 }, (_, at) => channel.send(makeAlert({}, at + 1))));
  assert.ok(
    all.every((one) => one === 'sent'),
    JSON.stringify(all),
  );
  await until('all of them', () => heard.includes(' alert="20"]'));
  const told = [...heard.matchAll(/ alert="(\d+)"/g)].map(([, id]) => Number(id));
  assert.equal(
    told,
    Array.from({ length: 20 }, (_, at) => at + 1),
  );
  // Octets are counted in bytes.
  const bytes = Buffer.from(heard);
  for (let at = 0, count = 0; at < bytes.length; count++) {
    const space = bytes.indexOf(0x20, at);
    at = space + 1 + Number(bytes.subarray(at, space).toString());
    assert.ok(count < 20 && (at === bytes.length || /\d/.test(String.fromCharCode(bytes[at] ?? 0))));
  }
  assert.is(connections, 1);
  await channel.close();
  await new Promise((done) => server.close(done));
  rmSync(folder, { recursive: true });
});

test.run();
