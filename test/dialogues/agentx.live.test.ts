// A session with a master that is none, or not well: it ends, in time and for a reason, and nothing else happens.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DEFAULT_BASE as BASE } from '../../src/core/snmp.ts';
import { fakeMaster, frame, kind, range, TYPES } from '../support/agentx-master.ts';
import { serve } from '../support/agentx-session.ts';
import { until } from '../support/server.ts';

const test = suite('agentx, hostile masters');

const huge = frame(TYPES.get, Buffer.alloc(0));
huge.writeUInt32BE(100_000_000, 16);
const half = frame(TYPES.get, range(`${BASE}.2`)).subarray(0, 31);
const cut = Buffer.alloc(24, 0xff);
const otherVersion = frame(TYPES.get, Buffer.alloc(0));
otherVersion[0] = 2;

/** What it says in place of the answer to open, or to the first ping or question; how the session ends. */
const HOSTILE: Readonly<Record<string, readonly [said: Buffer | null, ends: RegExp]>> = {
  'control characters': [Buffer.from('\u0007\u001b[2J\u0000<script>alert(1)</script> $(reboot)\r\n'), /AgentX/],
  '100 MB announced': [huge, /100000000 bytes/],
  'half a message': [half, /does not answer|in time/],
  'a range that is longer than its message': [frame(TYPES.next, cut), /out of range|outside|bounds|does not answer/i],
  'a response without a body': [frame(TYPES.response, Buffer.alloc(0)), /does not answer|out of range|outside/i],
  'another version': [otherVersion, /version 2/],
  'the other order of bytes': [frame(TYPES.get, Buffer.alloc(0), { flags: 0 }), /order/],
  'a message that no master sends': [frame(99, Buffer.alloc(0)), /type 99|does not answer/],
  'the end of the session': [frame(TYPES.close, Buffer.alloc(4)), /ends the session/],
  silence: [null, /does not answer/],
};

for (const [what, [said, ends]] of Object.entries(HOSTILE))
  for (const when of ['at once', 'when all is well'] as const)
    test(`${what}, ${when}: the session ends`, async () => {
      if (what === 'silence' && when !== 'at once') return;
      if (what === 'a response without a body' && when !== 'at once') return; // nobody waits for it: ignored
      const master = await fakeMaster(when === 'at once' ? () => said : kind);
      const served = serve(master.port);
      if (when !== 'at once') {
        await until('it is registered', () => served.refused() !== null);
        if (said) master.say(said);
      }
      const late = new Promise<Error>((done) => setTimeout(() => done(new Error('it goes on')), 25_000).unref());
      assert.match((await Promise.race([served.ended, late])).message, ends);
      await until('hung up', () => master.open() === 0);
      await master.stop();
    });

test('who floods us costs no memory and ends', async () => {
  const master = await fakeMaster(kind, (socket) => {
    const more = (): void => {
      while (!socket.destroyed && socket.write(Buffer.alloc(65_536, 0x41)));
    };
    socket.on('drain', more);
    more();
  });
  const before = process.memoryUsage().rss;
  assert.match((await serve(master.port).ended).message, /version/);
  assert.ok(process.memoryUsage().rss - before < 50_000_000);
  await master.stop();
});

test('who reads nothing: the session ends', async () => {
  const master = await fakeMaster(kind, (socket) => setTimeout(() => socket.pause(), 300));
  const served = serve(master.port);
  await until('it is registered', () => served.refused() !== null);
  await new Promise((done) => setTimeout(done, 400));
  const ask = frame(TYPES.bulk, Buffer.concat([Buffer.from([0, 0, 255, 255]), range(`${BASE}.2`)]));
  for (let at = 0; at < 2000; at++) master.say(ask);
  const late = new Promise<Error>((done) => setTimeout(() => done(new Error('it goes on')), 40_000).unref());
  assert.match((await Promise.race([served.ended, late])).message, /time|answer/);
  await master.stop();
});

test('nobody listens', async () => {
  const master = await fakeMaster();
  await master.stop();
  assert.match((await serve(master.port).ended).message, /refused/);
});

test.run();
