import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import pop3 from '../../src/checks/pop3.ts';
import type { CheckResult } from '../../src/define.ts';
import { good } from '../support/certificates.ts';
import { runCheck } from '../support/check.ts';
import { type HostileOptions, hostile } from '../support/hostile.ts';

const test = suite('pop3');
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const account = { user: 'probe@mail.test', password: 'env:PROBE_PASSWORD' };

type Answers = Readonly<Record<string, string>>;

/** A small server with two messages: answers by the first word. */
function server(changes: Answers = {}, log: string[] = []): HostileOptions {
  const base: Answers = {
    CAPA: '+OK\r\nUSER\r\nSTLS\r\nSASL PLAIN\r\n.\r\n',
    STLS: '+OK begin\r\n',
    AUTH: '+OK logged in\r\n',
    USER: '+OK\r\n',
    PASS: '+OK logged in\r\n',
    STAT: '+OK 2 300\r\n',
    LIST: '+OK 2 messages\r\n1 100\r\n2 200\r\n.\r\n',
    QUIT: '+OK bye\r\n',
    ...changes,
  };
  const answer = (line: string): string => {
    log.push(line);
    return base[line.split(' ')[0] ?? ''] ?? '-ERR what?\r\n';
  };
  return { greeting: '+OK ready\r\n', tls: good, answer };
}

async function ask(fake: HostileOptions, options: object = account, depth: 'quick' | 'deep' = 'deep') {
  const started = await hostile('scripted', fake);
  try {
    return await runCheck(pop3, { port: started.port, ...options }, { depth, timeoutMs: 1500 });
  } finally {
    await new Promise((done) => setTimeout(done, 10));
    await started.stop();
  }
}

test('quick: greetings, good and bad', async () => {
  const table: [string, string][] = [
    ['+OK ready\r\n', 'pass/-'],
    ['+OK Waiting for authentication process to respond..\r\n', 'fail/hung'],
    ['-ERR too many connections\r\n', 'degraded/overloaded'],
    ['-ERR [SYS/TEMP] not now\r\n', 'degraded/dependency'],
    ['-ERR go away\r\n', 'fail/refusing'],
    ['* OK IMAP ready\r\n', 'fail/misconfigured'],
  ];
  for (const [greeting, wanted] of table) {
    assert.is(said(await ask({ ...server(), greeting }, {}, 'quick')), wanted, greeting);
  }
  const log: string[] = [];
  await ask(server({}, log), {}, 'quick');
  assert.equal(log, ['QUIT']);
});

test('deep: TLS, login, STAT, LIST, QUIT', async () => {
  const log: string[] = [];
  const result = await ask(server({}, log), { ...account, tls: 'required' });
  assert.is(said(result), 'pass/-', result.detail);
  const words = log.map((line) => line.split(' ')[0]);
  assert.equal(words, ['CAPA', 'STLS', 'CAPA', 'AUTH', 'STAT', 'LIST', 'QUIT']);
  log.length = 0;
  await ask(server({ CAPA: '-ERR unknown\r\n' }, log));
  assert.equal(log.slice(1, 3), ['USER probe@mail.test', 'PASS p"w\\ 1']);
  assert.not.match(JSON.stringify(result), 'p\\\\"w');
});

test('deep: each kind of no has its cause', async () => {
  const old = { CAPA: '-ERR unknown\r\n' };
  const table: [Answers, string][] = [
    [{ AUTH: '-ERR [AUTH] Authentication failed.\r\n' }, 'degraded/credentials'],
    [{ ...old, PASS: '-ERR no\r\n' }, 'degraded/credentials'],
    [{ AUTH: '-ERR [SYS/TEMP] Temporary authentication failure.\r\n' }, 'degraded/dependency'],
    [{ AUTH: '-ERR [IN-USE] Mailbox is locked by another POP3 session\r\n' }, 'degraded/overloaded'],
    [{ AUTH: '-ERR [SYS/PERM] Disk full\r\n' }, 'fail/no-space'],
    [{ AUTH: '-ERR [SYS/PERM] the mailbox is broken\r\n' }, 'fail/misconfigured'],
    [{ AUTH: '' }, 'fail/hung'],
    [{ STAT: '' }, 'fail/dependency'],
    [{ STAT: '+OK many\r\n' }, 'fail/misconfigured'],
    [{ STAT: '+OK 3 300\r\n' }, 'fail/misconfigured'],
    [{ STAT: '+OK 5000 300\r\n', LIST: '+OK 1 100\r\n' }, 'pass/-'],
    [{ LIST: `+OK\r\n${'1 1\r\n'.repeat(3000)}` }, 'fail/misconfigured'],
    [{ CAPA: '+OK\r\nSTLS\r\n.\r\n' }, 'fail/misconfigured'],
    [{ STLS: '-ERR [SYS/TEMP] no TLS now\r\n' }, 'degraded/dependency'],
  ];
  for (const [changes, wanted] of table) {
    const result = await ask(server(changes));
    assert.is(said(result), wanted, `${JSON.stringify(changes).slice(0, 100)}: ${result.detail}`);
  }
  assert.is(said(await ask(server(), { ...account, password: 'env:AWAY' })), 'unknown/-');
  assert.is(said(await ask(server(old), { ...account, tls: 'required' })), 'fail/misconfigured');
});

test.run();
