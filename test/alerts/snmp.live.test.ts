// Managers that are none: what they send for a notification. Each alert ends in time, with a word, and is never taken
// for sent; nothing that comes back ends the daemon.
import { rmSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import snmp from '../../src/alerts/snmp.ts';
import { secretsFrom } from '../../src/ports/secrets.ts';
import { stores } from '../../src/ports/store.ts';
import { makeAlert } from '../support/alert.ts';
import { type Channel, channelOf } from '../support/channel.ts';
import { checkPorts } from '../support/check.ts';
import { GARBAGE } from '../support/hostile.ts';
import { newFolder, until } from '../support/server.ts';
import { SNMP_SECRETS } from '../support/snmptrapd.ts';
import { closedUdpPort, udpServer } from '../support/udp-server.ts';

const test = suite('snmp, hostile managers');
const stateDir = newFolder('snmp-hostile');
const ports = checkPorts({ secrets: secretsFrom(SNMP_SECRETS), stores });
const channel = (port: number, options: object): Channel =>
  channelOf(snmp, { to: [`127.0.0.1:${port}`], timeout: '100ms', ...options }, ports, { stateDir });

const logins = {
  2: { version: '2c', community: 'env:SNMP_COMMUNITY' },
  3: { version: 3, user: 'noc', auth: 'env:SNMP_AUTH', priv: 'env:SNMP_PRIV' },
};
const bad: Readonly<Record<string, (question: Buffer) => readonly Buffer[]>> = {
  silent: () => [],
  garbage: () => [Buffer.from(GARBAGE)],
  huge: () => [Buffer.alloc(60_000, 0x30)],
  flood: () => Array.from({ length: 500 }, () => Buffer.from(GARBAGE)),
  nested: () => [Buffer.from('3084ffffffff3084ffffffff3084ffffffff', 'hex')],
  empty: () => [Buffer.alloc(0)],
  echo: (question) => [question],
  // The question as if it were a response, or a report, with every byte of its end changed in turn.
  bent: (question) =>
    Array.from({ length: 60 }, (_, at) => {
      const copy = Buffer.from(question);
      const kind = copy.findIndex((byte) => byte === 0xa6 || byte === 0xa0);
      if (kind >= 0) copy[kind] = at % 2 === 0 ? 0xa2 : 0xa8;
      const place = copy.length - 1 - at;
      if (copy[place] !== undefined) copy[place] = (copy[place] + 0x81) & 0xff;
      return copy;
    }),
};

test.after(() => rmSync(stateDir, { recursive: true, force: true }));

for (const [name, answers] of Object.entries(bad))
  for (const [version, login] of Object.entries(logins))
    test(`${name}, version ${version}: not sent, in time, on one clean line`, async () => {
      const server = await udpServer(answers);
      const talk = channel(server.port, login);
      const started = performance.now();
      for (const id of [1, 1, 1]) {
        const result = await talk.send(makeAlert({}, id));
        // Without keys anybody can acknowledge; with keys nobody else.
        if (name === 'bent' && version === '2' && result === 'sent') break;
        const why = typeof result === 'object' && 'retry' in result ? result.retry : String(result);
        assert.match(why, /^127\.0\.0\.1:\d+: /);
        assert.not.match(why, /[\p{Cc}\p{Cf}]/u);
        assert.ok(why.length < 300, why);
        for (const word of Object.values(SNMP_SECRETS)) assert.not.ok(why.includes(word), why);
      }
      assert.ok(performance.now() - started < 20_000);
      await talk.close();
      await server.stop();
    });

test('a trap to a port where nobody listens is not sent; where nobody says so, it is', async () => {
  const closed = channel(await closedUdpPort(), { ...logins[2], inform: false });
  for (const id of [1, 1]) {
    const result = await closed.send(makeAlert({}, id));
    assert.match(String((result as { retry?: string }).retry), /nobody listens on that port$/);
  }
  await closed.close();
  const silent = await udpServer(() => []);
  const talk = channel(silent.port, { ...logins[2], inform: false });
  assert.is(await talk.send(makeAlert()), 'sent');
  await talk.close();
  await silent.stop();
});

/** BER, short of everything that is not needed here. */
const ber = (tag: number, ...parts: readonly (Buffer | readonly number[])[]): Buffer => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
};
const integer = (value: number): Buffer => ber(2, [value]);

/** A v3 message of somebody without keys: a report that says who it is, or a response to what it cannot read. */
function unsigned(question: Buffer, kind: 0xa2 | 0xa8): Buffer {
  // 30 L 02 01 03 30 L 02 L msgID: the lengths of outer sequence and numbers differ.
  const outer = (question[1] ?? 0) < 128 ? 2 : 2 + ((question[1] ?? 0) & 0x7f);
  const at = outer + 3 + 2;
  const msgId = question.subarray(at, at + 2 + (question[at + 1] ?? 0));
  const engine = Buffer.from('80001f8805deadbeefdeadbeef', 'hex');
  const security = ber(0x30, ber(4, engine), integer(1), integer(1), ber(4), ber(4), ber(4));
  const arcs = [...Array(12).keys()].map((one) =>
    Buffer.from([43, 6, 1, 4, 1, 0xbf, 8, 0xce, 15, 0xce, 15, 0xba, 15, 1, one + 1, 0]),
  );
  const oids = [Buffer.from([43, 6, 1, 2, 1, 1, 3, 0]), Buffer.from([43, 6, 1, 6, 3, 1, 1, 4, 1, 0]), ...arcs];
  const list = (kind === 0xa8 ? [] : oids).map((oid) => ber(0x30, ber(6, oid), integer(1)));
  const pdu = ber(kind, integer(1), integer(0), integer(0), ber(0x30, ...list));
  const global = ber(0x30, msgId, ber(2, [0, 255, 227]), ber(4, [0]), integer(3));
  return ber(0x30, integer(3), global, ber(4, security), ber(0x30, ber(4, engine), ber(4), pdu));
}

test('somebody without keys cannot acknowledge a v3 inform', async () => {
  for (const kinds of [[0xa2], [0xa8, 0xa2]] as const) {
    let asked = 0;
    const server = await udpServer((question) => [unsigned(question, kinds[asked++] ?? 0xa2)]);
    const talk = channel(server.port, logins[3]);
    const result = await talk.send(makeAlert());
    assert.match(String((result as { retry?: string }).retry), /its answer is not signed with our authentication key$/);
    assert.is(asked, kinds.length);
    await talk.close();
    await server.stop();
  }
});

test('the longest message of all fits one packet: v3, private, a long base, and texts without end', async () => {
  let longest = 0;
  const server = await udpServer((bytes) => {
    longest = Math.max(longest, bytes.length);
    return [];
  });
  const long = 'grüße 😀 '.repeat(500);
  const alert = makeAlert({ summary: long, action: long, runbook: long, service: long, key: long, event: 'heartbeat' });
  for (const more of [
    {},
    { base: '1.3.6.1.4.1.4294967295.4294967295.4294967295.4294967295.4294967295.4294967295.4294967295' },
  ]) {
    const options = { ...logins[3], user: 'u'.repeat(32), 'auth-protocol': 'sha512', inform: false, ...more };
    const talk = channel(server.port, options);
    assert.is(await talk.send(alert), 'sent');
    await talk.close();
  }
  await until('it came', () => longest > 0);
  assert.ok(longest > 1000 && longest <= 1400, String(longest));
  await server.stop();
});

test('an end of the daemon in the middle of a try', async () => {
  const silent = await udpServer(() => []);
  const talk = channel(silent.port, { ...logins[2], timeout: '3s' });
  const result = talk.send(makeAlert());
  await new Promise((next) => setTimeout(next, 200));
  const started = performance.now();
  await talk.close();
  assert.match(String(((await result) as { retry?: string }).retry), /127\.0\.0\.1/);
  assert.ok(performance.now() - started < 2000);
  await silent.stop();
});

test.run();
