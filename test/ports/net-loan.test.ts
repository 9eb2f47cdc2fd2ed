// A connection that is lent to a client library: what it hears is counted and guarded.
import type { Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { net } from '../../src/ports/net.ts';
import { hostile, type HostileMode, type HostileOptions } from '../support/hostile.ts';
import { until } from '../support/server.ts';

const test = suite('net: a connection that is lent');

async function lend(
  mode: HostileMode,
  how: { readonly first?: RegExp; readonly again?: Buffer; readonly fake?: HostileOptions; readonly lines?: number },
  use: (socket: Socket, heard: () => string) => void | Promise<void>,
) {
  const server = await hostile(mode, how.fake ?? {});
  const signal = new AbortController().signal;
  const dialogue = await net.open({ host: server.host, port: server.port, signal, timeoutMs: 5000, maxBytes: 100_000 });
  try {
    for (let count = how.lines ?? 0; count > 0; count -= 1) await dialogue.readLine();
    const loan = dialogue.lend({
      ...(how.first ? { first: how.first } : {}),
      ...(how.again ? { again: how.again } : {}),
    });
    let heard = '';
    loan.socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString('latin1');
    });
    await use(loan.socket, () => heard);
    const fault = await Promise.race([loan.lost, new Promise<null>((done) => setTimeout(() => done(null), 300))]);
    assert.is(fault, loan.fault());
    return { code: fault?.code ?? null, destroyed: loan.socket.destroyed, heard };
  } finally {
    dialogue.close();
    await server.stop();
  }
}

test('the library hears what was read already, what was left, and what comes', async () => {
  const fake = { greeting: '220 one\r\n220 two\r\n', answer: (line: string) => `got ${line}\r\n` };
  const again = Buffer.from('220 one\r\n');
  const all = '220 one\r\n220 two\r\ngot hello\r\n';
  const seen = await lend('scripted', { fake, again, lines: 1 }, async (socket, heard) => {
    socket.write('hello\r\n');
    await until('all of it', () => heard() === all);
  });
  assert.equal(seen, { code: null, destroyed: false, heard: all });
});

test('too much, the wrong beginning, and a listener that throws end it', async () => {
  const flood = await lend('endless', {}, () => undefined);
  assert.is(flood.code, 'too-long');
  assert.ok(flood.destroyed);
  assert.ok(flood.heard.length <= 100_000);
  const other = await lend('garbage', { first: /^2/ }, () => undefined);
  assert.equal(other, { code: 'garbled', destroyed: true, heard: '' });
  const thrown = await lend('garbage', {}, (socket) => {
    socket.on('data', () => {
      throw new RangeError('out of range');
    });
  });
  assert.is(thrown.code, 'garbled');
  assert.ok(thrown.destroyed);
});

test('an end and a reset are told, even when the library takes all listeners away', async () => {
  const take = (socket: Socket): void => {
    socket.removeAllListeners('error');
    socket.on('error', () => undefined);
  };
  assert.is((await lend('closes', {}, take)).code, 'closed');
  const answer = (_line: string, socket: Socket): string => {
    socket.resetAndDestroy();
    return '';
  };
  const reset = await lend('scripted', { fake: { greeting: '', answer } }, (socket) => {
    take(socket);
    socket.write('hello\r\n');
  });
  assert.is(reset.code, 'closed');
});

test.run();
