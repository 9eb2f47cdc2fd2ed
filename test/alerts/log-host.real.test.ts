// The event log on a log host: a real rsyslogd over UDP, TCP and TLS, as it goes down and comes back.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { SendResult } from '../../src/define.ts';
import { makeAlert } from '../support/alert.ts';
import { authority, elsewhere, expired, good } from '../support/certificates.ts';
import { logChannel } from '../support/log-channel.ts';
import { type LogEntry, type LogHostServer, logHostServer } from '../support/rsyslogd.ts';
import type { TestChannel } from '../support/send-alert.ts';
import { endTree, freePorts, newFolder, spawnTo, until, writeCertificate } from '../support/server.ts';

const test = suite('log host real');
const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const folder = newFolder('event-log');
const ca = join(folder, 'ca.pem');
writeFileSync(ca, authority);
const own = writeCertificate(folder);
test.after(() => rmSync(folder, { recursive: true, force: true }));

/** Without a connection to it. */
const listens = (port: number): boolean =>
  readFileSync('/proc/net/tcp', 'utf8').includes(
    `:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A`,
  );
const hostile = 'said "220 x]"\n<0>forged \\ grüße';
const alertNumber = ({ data }: LogEntry): number => Number(/ alert="(\d+)"/.exec(data)?.[1]);
const numbers = (server: LogHostServer): number[] => server.entries().map(alertNumber);

async function withServer(
  server: LogHostServer,
  options: object,
  work: (channel: TestChannel) => Promise<void>,
): Promise<void> {
  const channel = logChannel({ timeout: '5s', ...options });
  try {
    await server.start();
    await work(channel);
  } finally {
    await channel.close();
    await server.close();
  }
}

const send = (channel: TestChannel, id: number, summary = hostile): Promise<SendResult> =>
  channel.send(makeAlert({ summary }, id));
/** As the outbox does: the same alert until it is taken. */
async function insist(channel: TestChannel, id: number): Promise<string[]> {
  const refusals: string[] = [];
  await until(
    `alert ${id} being taken`,
    async () => {
      const said = await send(channel, id);
      if (said !== 'sent') refusals.push(JSON.stringify(said));
      return said === 'sent';
    },
    30_000,
  );
  return refusals;
}
const arrived = (server: LogHostServer, count: number): Promise<void> =>
  until(`${count} messages`, () => server.entries().length >= count, 20_000).catch((error: unknown) => {
    throw new Error(`${(error as Error).message}\n${server.raw()}\n${server.log()}`);
  });

function isWhole(entry: LogEntry | undefined): void {
  assert.equal([entry?.facility, entry?.severity, entry?.host], ['mail', 'crit', 'n1']);
  assert.is(entry?.msgid, 'service-failing');
  assert.is(entry?.text.trim(), 'major: mta: said "220 x]"\\n<0>forged \\ grüße (a restart is tried)');
  assert.match(
    entry?.data ?? '',
    /^\[alarm resource="mta" .*\]\[watchkeeper@32473 event="service-failing" eventId="1" /,
  );
}

test('UDP, IPv4 and IPv6: read as it is meant, and cut to what was agreed', async () => {
  const [port = 0] = await freePorts(1);
  const inputs = `module(load="imudp")
    input(type="imudp" address="127.0.0.1" port="${port}")
    input(type="imudp" address="::1" port="${port}")`;
  const server = logHostServer({ inputs });
  await withServer(server, { to: `udp://127.0.0.1:${port}`, facility: 'mail' }, async (channel) => {
    assert.is(await send(channel, 1), 'sent');
    assert.is(await send(channel, 2, 'grüße '.repeat(900)), 'sent');
    const six = logChannel({ to: `udp://[::1]:${port}`, facility: 'mail' });
    assert.is(await send(six, 3), 'sent');
    await six.close();
    const small = logChannel({ to: `udp://localhost:${port}`, 'message-size': 480 });
    assert.is(await send(small, 4, 'grüße '.repeat(900)), 'sent');
    await small.close();
    await arrived(server, 4);
    const [first, long, third, short] = server.entries();
    isWhole(first);
    isWhole(third);
    assert.match(long?.text ?? '', /grüße.*…$/);
    assert.match(short?.text ?? '', /gr.*…$/);
    await server.down();
    await until('the port being shut', async () => (await send(channel, 5)) !== 'sent');
    const refused = await send(channel, 5);
    assert.equal(refused, { retry: `udp://127.0.0.1:${port}: connection refused` });
    await server.start();
    await insist(channel, 5);
    await until('the fifth', () => numbers(server).includes(5));
  });
});

for (const framing of ['octet-counting', 'newline'] as const)
  test(`TCP, ${framing}: down and up again, all of it, in order`, async () => {
    const [port = 0] = await freePorts(1);
    const server = logHostServer({
      inputs: `module(load="imtcp")\ninput(type="imtcp" address="127.0.0.1" port="${port}")`,
    });
    await withServer(server, { to: `tcp://127.0.0.1:${port}`, framing, facility: 'mail' }, async (channel) => {
      for (let id = 1; id <= 5; id++) assert.is(await send(channel, id), 'sent');
      await arrived(server, 5);
      isWhole(server.entries()[4]);
      for (let round = 0; round < 3; round++) {
        const next = 6 + round * 3;
        await server.down(round === 1 ? 'SIGKILL' : undefined);
        assert.match(JSON.stringify(await send(channel, next)), /retry.*(refused|reset|closed)/);
        await server.start();
        for (let id = next; id < next + 3; id++) await insist(channel, id);
        await arrived(server, next + 2);
      }
      // A killed one may have had some in its hands: those come twice, and are known by their number.
      const told = numbers(server).filter((one, at, all) => all.indexOf(one) === at);
      assert.equal(
        told,
        Array.from({ length: 14 }, (_, at) => at + 1),
      );
      assert.ok(numbers(server).length <= 14 + 3, String(numbers(server)));
    });
  });

test('TCP over IPv6', async () => {
  const [port = 0] = await freePorts(1);
  const server = logHostServer({
    inputs: `module(load="imtcp")\ninput(type="imtcp" address="::1" port="${port}")`,
  });
  await withServer(server, { to: `tcp://[::1]:${port}`, facility: 'mail' }, async (channel) => {
    await insist(channel, 1);
    await arrived(server, 1);
    isWhole(server.entries()[0]);
  });
});

test('TCP: what a server took and never read is sent once more when it dies', async () => {
  const [port = 0] = await freePorts(1);
  const server = logHostServer({
    inputs: `module(load="imtcp")\ninput(type="imtcp" address="127.0.0.1" port="${port}")`,
  });
  await withServer(server, { to: `tcp://127.0.0.1:${port}` }, async (channel) => {
    await insist(channel, 1);
    await arrived(server, 1);
    process.kill(server.pid(), 'SIGSTOP');
    for (const id of [2, 3, 4]) assert.is(await send(channel, id), 'sent', 'its kernel took it');
    await server.down('SIGKILL');
    await server.start();
    await insist(channel, 5);
    await until('all of them', () => new Set(numbers(server)).size === 5, 20_000);
    const told = numbers(server);
    assert.equal(told.slice(told.lastIndexOf(2)), [2, 3, 4, 5], 'in order');
  });
});

test('TCP: a server that never reads is told of as soon as its system takes no more', async () => {
  const [port = 0] = await freePorts(1);
  const words = `TCP-LISTEN:${port},bind=127.0.0.1,rcvbuf=2048`;
  const pid = spawnTo(['/usr/bin/socat', '-u', words, 'OPEN:/dev/null'], join(folder, 'socat'));
  const channel = logChannel({ to: `tcp://127.0.0.1:${port}`, timeout: '700ms' });
  try {
    await until('socat listening', () => listens(port));
    process.kill(pid, 'SIGSTOP');
    let said: SendResult = 'sent';
    for (let id = 1; id <= 200 && said === 'sent'; id++) said = await send(channel, id, 'x'.repeat(5000));
    assert.match(JSON.stringify(said), /retry.*it takes nothing: \d+ bytes are not acknowledged/);
  } finally {
    await channel.close();
    await endTree(pid);
  }
});

for (const driver of ['gtls', 'ossl'] as const)
  test(`TLS with ${driver}: verified, down and up again, nothing lost`, async () => {
    const [port = 0] = await freePorts(1);
    const inputs = `input(type="imtcp" address="127.0.0.1" port="${port}")`;
    const server = logHostServer({ inputs, tls: { driver, clients: 'anon' } });
    const to = `tls://127.0.0.1:${port}`;
    await withServer(server, { to, ca, facility: 'mail' }, async (channel) => {
      for (let id = 1; id <= 3; id++) await insist(channel, id);
      await arrived(server, 3);
      isWhole(server.entries()[0]);
      await server.down();
      assert.match(JSON.stringify(await send(channel, 4)), /retry.*(refused|reset|closed)/);
      await server.start();
      for (let id = 4; id <= 6; id++) await insist(channel, id);
      await arrived(server, 6);
      assert.equal(numbers(server), [1, 2, 3, 4, 5, 6]);
      const strangers = logChannel({ to });
      assert.match(JSON.stringify(await send(strangers, 7)), /retry.*certificate refused: (SELF_SIGNED|UNABLE)/);
      await strangers.close();
      const misnamed = logChannel({ to, ca, servername: 'log.test' });
      assert.match(JSON.stringify(await send(misnamed, 7)), /retry.*certificate refused: ERR_TLS_CERT_ALTNAME/);
      await misnamed.close();
      const named = logChannel({ to, ca, servername: 'mail.test' });
      await insist(named, 8);
      await named.close();
      await until('the eighth', () => numbers(server).at(-1) === 8);
    });
  });

test('TLS: an expired certificate, one for another name, and one that is renewed', async () => {
  const [port = 0] = await freePorts(1);
  const inputs = `input(type="imtcp" address="127.0.0.1" port="${port}")`;
  const tls = { driver: 'ossl', clients: 'anon' } as const;
  const to = `tls://127.0.0.1:${port}`;
  for (const [pair, code] of [
    [expired, 'CERT_HAS_EXPIRED'],
    [elsewhere, 'ERR_TLS_CERT_ALTNAME_INVALID'],
    [good, null],
  ] as const) {
    const server = logHostServer({ inputs, tls, pair });
    await withServer(server, { to, ca, servername: 'mail.test' }, async (channel) => {
      if (code === null) return void (await insist(channel, 1));
      await until(code, async () => JSON.stringify(await send(channel, 1)).includes(code));
      assert.equal(server.entries(), []);
    });
  }
});

for (const driver of ['gtls', 'ossl'] as const)
  test(`TLS with ${driver}: a server that asks for our certificate`, async () => {
    const [port = 0] = await freePorts(1);
    const inputs = `input(type="imtcp" address="127.0.0.1" port="${port}")`;
    const server = logHostServer({ inputs, tls: { driver, clients: 'x509/certvalid' } });
    const to = `tls://127.0.0.1:${port}`;
    const mine = { certificate: own.cert, key: `file:${own.key}` };
    await withServer(server, { to, ca, ...mine }, async (channel) => {
      await insist(channel, 1);
      await arrived(server, 1);
      const bare = logChannel({ to, ca });
      // The first may be out before the refusal is here: it is not lost, it comes again with the next.
      await send(bare, 2);
      await until('a refusal', async () => (await send(bare, 2)) !== 'sent');
      await bare.close();
      const noKey = logChannel({ to, ca, ...mine, key: 'file:/nowhere' });
      assert.match(JSON.stringify(await send(noKey, 3)), /retry.*secret file:\/nowhere cannot be read: ENOENT/);
      await noKey.close();
      assert.equal(numbers(server), [1]);
    });
  });

test('the lines of docs/noc.md do what it says', async () => {
  const [port = 0] = await freePorts(1);
  const page = readFileSync(join(root, 'docs', 'noc.md'), 'utf8');
  const [, lines = '', , shown = ''] = /```\n(global\(Default[\s\S]*?)```\n(\n```\n([\s\S]*?)```)/.exec(page) ?? [];
  const whole = lines
    .replaceAll('/etc/rsyslog/', 'FOLDER/')
    .replace('/var/log/watchkeeper.log', 'FOLDER/out')
    .replace('port="6514"', `port="${port}" address="127.0.0.1"`);
  const server = logHostServer({ inputs: '', whole });
  const mine = { certificate: own.cert, key: `file:${own.key}` };
  await withServer(server, { to: `tls://127.0.0.1:${port}`, ca, ...mine }, async (channel) => {
    await until('alert 1 being taken', async () => (await channel.send(makeAlert({}, 1))) === 'sent', 30_000);
    await until('its line', () => server.raw() !== '', 20_000);
    assert.is(server.raw().replace('+00:00', 'Z').replaceAll(/ +/g, ' '), shown);
  });
});

test.run();
