import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import managesieve from '../../src/checks/managesieve.ts';
import type { CheckResult } from '../../src/define.ts';
import { good } from '../support/certificates.ts';
import { runCheck } from '../support/check.ts';
import { type HostileOptions, hostile } from '../support/hostile.ts';

const test = suite('managesieve');
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const account = { user: 'probe@mail.test', password: 'env:PROBE_PASSWORD' };
const CAPABILITIES = '"IMPLEMENTATION" "x"\r\n"SIEVE" "fileinto"\r\n"SASL" "PLAIN"\r\n"VERSION" "1.0"\r\n';
const GREETING = `${CAPABILITIES}"STARTTLS"\r\nOK "ready"\r\n`;

type Answers = Readonly<Record<string, string>>;

function server(changes: Answers = {}, log: string[] = []): HostileOptions {
  const base: Answers = {
    AUTHENTICATE: 'OK "in"\r\n',
    LISTSCRIPTS: '"one" ACTIVE\r\n{3}\r\ntwo\r\nOK\r\n',
    HAVESPACE: 'OK\r\n',
    CHECKSCRIPT: '',
    'keep;': 'OK {4}\r\nfine\r\n',
    LOGOUT: 'OK\r\n',
    ...changes,
  };
  return {
    greeting: GREETING,
    answer: (line) => {
      log.push(line);
      return base[line.split(' ')[0] ?? ''] ?? 'NO "what?"\r\n';
    },
  };
}

async function ask(fake: HostileOptions, options: object = {}, depth: 'quick' | 'deep' = 'deep') {
  const started = await hostile('scripted', fake);
  try {
    const all = { port: started.port, tls: 'off', ...account, ...options };
    return await runCheck(managesieve, all, { depth, timeoutMs: 1500 });
  } finally {
    await new Promise((done) => setTimeout(done, 10));
    await started.stop();
  }
}

test('quick: greetings, good and bad', async () => {
  const table: [string, string][] = [
    [GREETING, 'pass/-'],
    [`${CAPABILITIES}OK\r\n`, 'pass/-'],
    ['OK "ready"\r\n', 'fail/misconfigured'],
    ['BYE (TRYLATER) "not now"\r\n', 'degraded/dependency'],
    ['BYE "too many connections"\r\n', 'degraded/overloaded'],
    ['BYE "go away"\r\n', 'fail/refusing'],
    ['* OK IMAP\r\n', 'fail/misconfigured'],
    ['"X" {99999}\r\n', 'fail/misconfigured'],
    ['"X"\r\n'.repeat(1000), 'fail/misconfigured'],
  ];
  for (const [greeting, wanted] of table) {
    assert.is(said(await ask({ ...server(), greeting }, {}, 'quick')), wanted, greeting.slice(0, 60));
  }
  const log: string[] = [];
  await ask(server({}, log), {}, 'quick');
  assert.equal(log, ['LOGOUT']);
});

test('deep: login, and questions that change nothing', async () => {
  const log: string[] = [];
  const result = await ask(server({}, log));
  assert.is(said(result), 'pass/-', result.detail);
  const words = log.map((line) => line.split(' ')[0]);
  assert.equal(words, ['AUTHENTICATE', 'LISTSCRIPTS', 'HAVESPACE', 'CHECKSCRIPT', 'keep;', 'LOGOUT']);
  assert.equal(
    result.metrics?.find((metric) => metric.name === 'scripts'),
    { name: 'scripts', value: 2 },
  );
});

test('deep: each kind of no has its cause', async () => {
  const table: [Answers, string][] = [
    [{ AUTHENTICATE: 'NO "Authentication failed."\r\n' }, 'degraded/credentials'],
    [{ AUTHENTICATE: 'NO (TRYLATER) "Temporary authentication failure."\r\n' }, 'degraded/dependency'],
    [{ AUTHENTICATE: 'NO (ENCRYPT-NEEDED) "TLS first"\r\n' }, 'fail/misconfigured'],
    [{ AUTHENTICATE: '' }, 'fail/hung'],
    [{ LISTSCRIPTS: '' }, 'fail/dependency'],
    [{ LISTSCRIPTS: 'NO "Internal error occurred."\r\n' }, 'degraded/dependency'],
    [{ HAVESPACE: 'NO (QUOTA/MAXSIZE) "full"\r\n' }, 'fail/no-space'],
    [{ 'keep;': 'NO "line 1: error"\r\n' }, 'fail/misconfigured'],
    [{ HAVESPACE: 'BYE "shutting down"\r\n' }, 'fail/refusing'],
  ];
  for (const [changes, wanted] of table) {
    const result = await ask(server(changes));
    assert.is(said(result), wanted, `${JSON.stringify(changes).slice(0, 100)}: ${result.detail}`);
  }
  assert.is(said(await ask(server(), { password: 'env:AWAY' })), 'unknown/-');
  const plain = { ...server(), greeting: `${CAPABILITIES}OK\r\n` };
  assert.is(said(await ask(plain, { tls: 'required' })), 'fail/misconfigured');
  const none = { ...server(), greeting: GREETING.replace('PLAIN', '') };
  assert.is(said(await ask(none)), 'fail/misconfigured');
});

test('deep: what was said before TLS is not believed inside', async () => {
  const answer = (line: string): string => (line === 'STARTTLS' ? 'OK "go"\r\nOK "injected"\r\n' : '');
  const result = await ask({ greeting: GREETING, tls: good, answer }, { tls: 'required' });
  assert.is(said(result), 'fail/misconfigured', result.detail);
  assert.match(result.detail, 'plain text came after the go-ahead');
});

test.run();
