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
import { newFolder } from '../support/server.ts';
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
