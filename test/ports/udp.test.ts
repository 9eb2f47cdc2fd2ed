import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NetError } from '../../src/ports/net-fault.ts';
import { udp } from '../../src/ports/udp.ts';
import { closedUdpPort, udpServer } from '../support/udp-server.ts';

const test = suite('port udp');
const ask = async (
  port: number,
  how: { host?: string; signal?: AbortSignal; timeoutMs?: number } = {},
): Promise<string> => {
  const question = { host: how.host ?? '127.0.0.1', port, bytes: Buffer.from('who'), timeoutMs: how.timeoutMs ?? 5000 };
  const signal = how.signal ?? new AbortController().signal;
  try {
    return (await udp.ask({ ...question, signal, fits: (answer) => answer[0] !== 0x3f })).toString();
  } catch (error) {
    assert.instance(error, NetError);
    return `error ${(error as NetError).code}`;
  }
};

test('the answer that fits, and none that does not', async () => {
  const server = await udpServer((question) => [Buffer.from('?'), Buffer.from(`me, ${question.toString()}`)]);
  assert.is(await ask(server.port), 'me, who');
  assert.is(await ask(server.port, { host: 'localhost' }), 'me, who');
  await server.stop();
  const loud = await udpServer(() => Array.from({ length: 300 }, () => Buffer.from('?')));
  assert.is(await ask(loud.port), 'error garbled');
  await loud.stop();
});

test('nobody there, nobody answers, nobody wants to know any more', async () => {
  assert.is(await ask(await closedUdpPort()), 'error refused');
  const silent = await udpServer(() => []);
  assert.is(await ask(silent.port, { timeoutMs: 100 }), 'error timeout');
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 50);
  assert.is(await ask(silent.port, { signal: stop.signal }), 'error timeout');
  assert.is(await ask(silent.port, { signal: AbortSignal.abort() }), 'error not-found');
  await silent.stop();
  assert.is(await ask(1, { host: 'no.such.host.invalid', timeoutMs: 5000 }), 'error not-found');
});

test.run();
