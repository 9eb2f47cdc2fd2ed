import { createServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import mariadb from '../../src/checks/mariadb.ts';
import type { CheckResult } from '../../src/define.ts';
import { runCheck } from '../support/check.ts';

const test = suite('mariadb');
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const account = { user: 'probe', password: 'env:LAB_PASSWORD' };

const packet = (number: number, body: Buffer): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUIntLE(body.length, 0, 3);
  head[3] = number;
  return Buffer.concat([head, body]);
};
const error = (number: number, errno: number, text: string): Buffer =>
  packet(number, Buffer.concat([Buffer.from([0xff, errno & 0xff, errno >> 8]), Buffer.from(`#HY000${text}`)]));
/** Without TLS; with the plugin that every client knows. */
const GREETING = packet(
  0,
  Buffer.concat([
    Buffer.from('\n10.11.0-MariaDB\0'),
    Buffer.from([1, 0, 0, 0]),
    Buffer.from('12345678\0'),
    Buffer.from([0xff, 0xf7, 45, 2, 0, 0xff, 0x81, 21]),
    Buffer.alloc(10),
    Buffer.from('123456789012\0mysql_native_password\0'),
  ]),
);
const OK = (number: number): Buffer => packet(number, Buffer.from([0, 0, 0, 2, 0, 0, 0]));

/** Greets, then answers each packet with the next of these. */
async function ask(
  answers: readonly Buffer[],
  options: object = account,
  depth: 'quick' | 'deep' = 'deep',
  greeting = GREETING,
) {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    const left = [...answers];
    open.add(socket);
    socket.on('error', () => undefined);
    socket.write(greeting);
    socket.on('data', () => socket.write(left.shift() ?? Buffer.alloc(0)));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  try {
    return await runCheck(mariadb, { port, ...options }, { depth, timeoutMs: 1000 });
  } finally {
    for (const socket of open) socket.destroy();
    await new Promise((done) => server.close(done));
  }
}

test('greetings, good and bad', async () => {
  const table: [Buffer, string][] = [
    [GREETING, 'pass/-'],
    [error(0, 1040, 'Too many connections'), 'degraded/overloaded'],
    [error(0, 1129, "Host 'x' is blocked because of many connection errors"), 'fail/misconfigured'],
    [error(0, 1130, "Host 'x' is not allowed to connect"), 'degraded/credentials'],
    [packet(0, Buffer.from('\n10.11.0-MariaDB')), 'fail/misconfigured'],
    [packet(1, Buffer.alloc(60)), 'fail/misconfigured'],
    [packet(0, Buffer.alloc(60, 'x')), 'fail/misconfigured'],
    [packet(0, Buffer.alloc(60_000)), 'fail/misconfigured'],
  ];
  for (const [greeting, wanted] of table) {
    const result = await ask([], {}, 'quick', greeting);
    assert.is(said(result), wanted, result.detail);
  }
  const tls = await ask([], { ...account, tls: 'required' });
  assert.is(said(tls), 'fail/misconfigured', tls.detail);
});

test('an error in place of a login, or of an answer, has its cause', async () => {
  const table: [number, string, string][] = [
    [1045, "Access denied for user 'probe'", 'degraded/credentials'],
    [1040, 'Too many connections', 'degraded/overloaded'],
    [1203, 'User probe has too many active connections', 'degraded/overloaded'],
    [1021, 'Disk full', 'fail/no-space'],
    [1114, "The table 'x' is full", 'fail/no-space'],
    [3, 'Error writing file (Errcode: 28 "No space left on device")', 'fail/no-space'],
    [1030, 'Got error 28 from storage engine', 'fail/no-space'],
    [1053, 'Server shutdown in progress', 'fail/refusing'],
    [1969, 'Query execution was interrupted (max_statement_time exceeded)', 'degraded/overloaded'],
    [1290, 'running with the --read-only option', 'fail/misconfigured'],
    [1064, '\u0007 <b>', 'fail/misconfigured'],
  ];
  for (const [errno, text, wanted] of table) {
    const login = await ask([error(2, errno, text)]);
    assert.is(said(login), wanted, login.detail);
    const answer = await ask([OK(2), error(1, errno, text)]);
    assert.is(said(answer), wanted, answer.detail);
    assert.not.match(answer.detail, /[\p{Cc}\p{Cf}]/u);
  }
  assert.is(said(await ask([], { ...account, password: 'env:AWAY' })), 'unknown/-');
});

test('bytes that no library can read end the check and nothing else', async () => {
  const table: Buffer[] = [
    packet(2, Buffer.alloc(0)),
    packet(2, Buffer.from([0xfe])),
    packet(2, Buffer.from([0xff])),
    packet(2, Buffer.from([0xfe, ...Buffer.from('dialog\0x')])),
    packet(7, Buffer.from([0])),
    Buffer.concat([OK(2), packet(9, Buffer.from([1])), packet(9, Buffer.from([1]))]),
  ];
  for (const raw of table) {
    const result = await ask([raw]);
    assert.match(said(result), /^fail\/(misconfigured|hung|refusing)$/, `${raw.toString('hex')}: ${result.detail}`);
  }
  for (const raw of [
    packet(1, Buffer.from([0xfb, 0x2f])),
    packet(1, Buffer.from([3])),
    packet(1, Buffer.from([0xfe, 1, 2, 3, 4, 5, 6, 7, 8])),
  ]) {
    const result = await ask([OK(2), raw]);
    assert.match(said(result), /^fail\/(misconfigured|hung|refusing)$/, `${raw.toString('hex')}: ${result.detail}`);
  }
  const order = await ask([OK(7)]);
  assert.is(said(order), 'fail/misconfigured', order.detail);
  assert.match(order.detail, 'packets out of order');
  const many = await ask([OK(2), Buffer.concat([packet(1, Buffer.from([1])), Buffer.alloc(2_000_000, 0xee)])]);
  assert.is(said(many), 'fail/misconfigured', many.detail);
});

test.run();
