import { createServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import postgresql from '../../src/checks/postgresql.ts';
import type { CheckResult } from '../../src/define.ts';
import { runCheck } from '../support/check.ts';

const test = suite('postgresql');
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const account = { user: 'probe', password: 'env:LAB_PASSWORD' };

const message = (kind: string, body: Buffer): Buffer => {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(kind), size, body]);
};
const error = (code: string, text: string): Buffer =>
  message('E', Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${text}\0\0`));
const READY = Buffer.concat([message('R', Buffer.alloc(4)), message('Z', Buffer.from('I'))]);

/** Answers SSLRequest with N, then each packet with the next of these. */
async function ask(
  answers: readonly Buffer[],
  options: object,
  depth: 'quick' | 'deep' = 'deep',
): Promise<CheckResult> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    const left = [...answers];
    open.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (data: Buffer) => {
      if (data.readUInt32BE(4) === 80_877_103) socket.write('N');
      else socket.write(left.shift() ?? Buffer.alloc(0));
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  try {
    return await runCheck(postgresql, { port, ...account, ...options }, { depth, timeoutMs: 1000 });
  } finally {
    for (const socket of open) socket.destroy();
    await new Promise((done) => server.close(done));
  }
}

test('an error in place of a login has its cause, at both depths', async () => {
  const table: [string, string, string, string][] = [
    ['57P03', 'the database system is starting up', 'degraded/overloaded', 'degraded/overloaded'],
    ['53300', 'sorry, too many clients already', 'degraded/overloaded', 'degraded/overloaded'],
    ['53100', 'could not write', 'fail/no-space', 'fail/no-space'],
    ['58030', 'could not write to file: No space left on device', 'fail/no-space', 'fail/no-space'],
    ['57P01', 'terminating connection', 'fail/refusing', 'fail/refusing'],
    ['28P01', 'password authentication failed', 'pass/-', 'degraded/credentials'],
    ['28000', 'no pg_hba.conf entry', 'pass/-', 'degraded/credentials'],
    ['3D000', 'database "x" does not exist', 'fail/misconfigured', 'fail/misconfigured'],
    ['XX000', '\u0007 <b>', 'fail/misconfigured', 'fail/misconfigured'],
  ];
  for (const [code, text, quick, deep] of table) {
    assert.is(said(await ask([error(code, text)], {}, 'quick')), quick, code);
    const result = await ask([error(code, text)], {});
    assert.is(said(result), deep, `${code}: ${result.detail}`);
    assert.not.match(result.detail, /[\p{Cc}\p{Cf}]/u);
  }
});

test('TLS that is required and not there; a password that is asked for and not there', async () => {
  const result = await ask([], { tls: 'required' });
  assert.is(said(result), 'fail/misconfigured', result.detail);
  const clear = message('R', Buffer.from([0, 0, 0, 3]));
  assert.is(said(await ask([clear], { password: undefined })), 'unknown/-');
  assert.is(said(await ask([clear], { password: 'env:AWAY' })), 'unknown/-');
});

test('bytes that no library can read end the check and nothing else', async () => {
  const table: Buffer[] = [
    message('R', Buffer.from([0, 0])),
    Buffer.from('R\0\0\0\0\0\0\0\0'),
    message('R', Buffer.from([0, 0, 0, 10, 1])),
    Buffer.concat([READY, message('D', Buffer.from([0x7f, 0xff]))]),
    Buffer.concat([READY, message('T', Buffer.from([0x7f, 0xff, 1]))]),
    message('Q', Buffer.alloc(3)),
  ];
  for (const raw of table) {
    const result = await ask([raw], {});
    assert.match(said(result), /^fail\/(misconfigured|hung|refusing)$/, `${raw.toString('hex')}: ${result.detail}`);
  }
  const many = Buffer.alloc(2_000_000, message('N', Buffer.from(`M${'x'.repeat(1000)}\0\0`)));
  const result = await ask([Buffer.concat([READY, many])], {});
  assert.is(said(result), 'fail/misconfigured', result.detail);
  assert.match(result.detail, 'more than 1048576 bytes');
});

test.run();
