// Servers that are none: whatever comes, nothing is claimed, and it ends in time.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { secretsFrom } from '../../src/ports/secrets.ts';
import { udp } from '../../src/ports/udp.ts';
import dns from '../../src/switchover/dns.ts';
import { hostPorts } from '../support/host.ts';
import { stepContext } from '../support/step.ts';
import { udpServer } from '../support/udp-server.ts';

const test = suite('switchover/dns on hostile servers');

/** The question come back as an answer with these flags. */
const back = (question: Buffer, flags: number, more = Buffer.alloc(0)): Buffer => {
  const bytes = Buffer.concat([question, more]);
  bytes.writeUInt16BE((question.readUInt16BE(2) & 0x7800) | flags, 2);
  return bytes;
};
const A_RECORD = Buffer.from('c00c000100010000003c00040a000002', 'hex');

const MODES: Readonly<Record<string, (question: Buffer) => readonly Buffer[]>> = {
  silence: () => [],
  garbage: (question) => [Buffer.concat([question.subarray(0, 2), Buffer.alloc(60, 0xff)])],
  'only an id': (question) => [question.subarray(0, 2)],
  'a header that promises much': (question) => [
    Buffer.concat([question.subarray(0, 2), Buffer.from('8400ffffffffffffffff', 'hex')]),
  ],
  'cut off, and no TCP': (question) => [back(question, 0x8600)],
  'without authority': (question) => [back(question, 0x8000)],
  'all is well, but not signed': (question) => {
    if (((question[2] ?? 0) >> 3) % 16 === 5)
      return [Buffer.concat([question.subarray(0, 2), Buffer.from('a80000000000000000000000'.slice(0, 20), 'hex')])];
    const answer = back(question, 0x8400, A_RECORD);
    answer.writeUInt16BE(1, 6);
    return [answer];
  },
  'our own question back': (question) => [back(question, 0x8400)],
  'a name without an end': (question) => [
    Buffer.concat([question.subarray(0, 2), Buffer.from('84000001000000000000c00c00010001', 'hex')]),
  ],
};

for (const [mode, answers] of Object.entries(MODES))
  test(mode, async () => {
    const server = await udpServer(answers);
    try {
      const records = [{ name: 'mail', type: 'A', value: { n1: '10.0.0.1', n2: '10.0.0.2' } }];
      const context = stepContext(
        dns,
        { ...{ server: '127.0.0.1', port: server.port, zone: 'x.test', records }, key: 'env:K', timeout: '600ms' },
        {
          ports: hostPorts({
            udp,
            secrets: secretsFrom({ K: `k:hmac-sha256:${Buffer.alloc(32).toString('base64')}` }),
          }),
          ...{ node: 'n2', to: 'n2', from: 'n1' },
        },
      );
      for (const act of [dns.do(context), dns.undo(context, { force: true }), dns.ready?.(context)])
        assert.is((await act)?.ok, false, (await act)?.detail);
      assert.is((await dns.probe(context)).state, 'unknown');
      assert.ok(server.seen() > 0);
    } finally {
      await server.stop();
    }
  });

test.run();
