import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NetError } from '../../src/ports/net-fault.ts';
import { udp } from '../../src/ports/udp.ts';
import { until } from '../support/server.ts';
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

const { signal } = new AbortController();
const connect = (port: number, more: { host?: string; source?: string } = {}) =>
  udp.connect({ host: '127.0.0.1', port, signal, timeoutMs: 5000, ...more });

test('a socket to keep: from an address of our choice, and only for who was asked', async () => {
  const server = await udpServer((question, from) => [Buffer.from(`${from.address} ${question.toString()}`)]);
  const flow = await connect(server.port, { source: '127.0.0.9' });
  assert.is(flow.local, '127.0.0.9');
  const answer = new Promise<string>((done) => flow.onDatagram((bytes) => done(bytes.toString())));
  flow.send(Buffer.from('who'), (error) => assert.is(error, null));
  assert.is(await answer, '127.0.0.9 who');
  flow.close();
  flow.close();
  const after = await new Promise((done) => flow.send(Buffer.from('who'), done));
  assert.instance(after, NetError, 'not thrown');
  await server.stop();
});

test('a closed port is told, and a socket that cannot be is refused', async () => {
  const flow = await connect(await closedUdpPort());
  let told = '';
  flow.onFault(({ code }) => {
    told = code;
  });
  flow.send(Buffer.from('who'), () => undefined);
  // It keeps nobody from ending: somebody has to wait.
  await until('it is told', () => told !== '');
  assert.is(told, 'refused');
  flow.close();
  const code = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'connected',
      (error: NetError) => `${error.code} ${error.message}`,
    );
  assert.match(await code(connect(1, { source: '192.0.2.1' })), /^local .*EADDRNOTAVAIL/);
  assert.match(await code(connect(1, { host: 'no.such.host.invalid' })), /^not-found /);
  const gone = { host: '127.0.0.1', port: 1, signal: AbortSignal.abort(), timeoutMs: 5000 };
  assert.match(await code(udp.connect(gone)), /^not-found /);
});

test.run();
