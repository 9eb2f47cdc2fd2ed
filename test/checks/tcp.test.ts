import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import tcp from '../../src/checks/tcp.ts';
import { NetError } from '../../src/ports/net.ts';
import { runCheck } from '../support/check.ts';
import { hostile } from '../support/hostile.ts';

const test = suite('tcp');

test('connects, and reads the first line when it is asked to', async () => {
  const server = await hostile('scripted', { greeting: 'SSH-2.0-OpenSSH_9.2\r\n' });
  const plain = await runCheck(tcp, { port: server.port });
  assert.is(plain.outcome, 'pass', plain.detail);
  assert.is(plain.metrics?.[0]?.name, 'connect');
  assert.is((await runCheck(tcp, { port: server.port, expect: 'OpenSSH' })).outcome, 'pass');
  const other = await runCheck(tcp, { port: server.port, expect: 'Dropbear' });
  assert.is(other.cause, 'misconfigured');
  assert.match(other.detail, 'says "SSH-2.0-OpenSSH_9.2", not "Dropbear"');
  await server.stop();
});

test('needs a port or a path', () => {
  assert.is(tcp.options.safeParse({}).success, false);
  assert.is(tcp.options.safeParse({ path: '/run/x' }).success, true);
});

test('every fault of the net has its outcome', async () => {
  const table = {
    refused: 'fail/refusing',
    closed: 'fail/refusing',
    timeout: 'fail/hung',
    unreachable: 'fail/dependency',
    'not-found': 'fail/dependency',
    'too-long': 'fail/misconfigured',
    garbled: 'fail/misconfigured',
    tls: 'fail/misconfigured',
    local: 'unknown/-',
  } as const;
  for (const [code, wanted] of Object.entries(table) as [keyof typeof table, string][]) {
    const net = { open: () => Promise.reject(new NetError(code, 'so it is')) };
    const result = await runCheck(tcp, { port: 25 }, { ports: { net } });
    assert.is(`${result.outcome}/${result.cause ?? '-'}`, wanted, code);
    assert.match(result.detail, '127.0.0.1:25: connect: so it is');
  }
});

test('a fault that is none of the net is not taken for a verdict', async () => {
  const net = { open: () => Promise.reject(new TypeError('a mistake')) };
  const thrown = await runCheck(tcp, { port: 25 }, { ports: { net } }).catch((error: Error) => error.message);
  assert.is(thrown, 'a mistake');
});

test.run();
