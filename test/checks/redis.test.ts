import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import redis from '../../src/checks/redis.ts';
import type { CheckResult } from '../../src/define.ts';
import { runCheck } from '../support/check.ts';
import { type HostileOptions, hostile } from '../support/hostile.ts';

const test = suite('redis');
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;

type Answers = Readonly<Record<string, string>>;
const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
const PRIMARY = 'role:master\r\nloading:0\r\nused_memory:1000\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n';
const REPLICA =
  'role:slave\r\nloading:0\r\nmaster_host:r1\r\nmaster_port:1\r\nmaster_link_status:up\r\nmaster_last_io_seconds_ago:2\r\n';

/** A small server: answers by the first word of a command. It keeps one value. */
function server(changes: Answers = {}, log: string[] = []): HostileOptions {
  let left = 0;
  let words: string[] = [];
  let value = '';
  const reply = (): string => {
    const [name = ''] = words;
    log.push(words.join(' '));
    if (name === 'SET' && !(name in changes)) value = words[2] ?? '';
    const base: Answers = { AUTH: '+OK\r\n', PING: '+PONG\r\n', SET: '+OK\r\n', GET: bulk(value), DEL: ':1\r\n' };
    return { ...base, INFO: bulk(PRIMARY), QUIT: '+OK\r\n', ...changes }[name] ?? '-ERR unknown command\r\n';
  };
  return {
    greeting: '',
    answer: (line) => {
      if (line.startsWith('*')) [left, words] = [Number(line.slice(1)), []];
      else if (!line.startsWith('$')) words.push(line);
      return words.length === left && !line.startsWith('$') ? reply() : '';
    },
  };
}

async function ask(fake: HostileOptions, options: object = {}, depth: 'quick' | 'deep' = 'deep'): Promise<CheckResult> {
  const started = await hostile('scripted', fake);
  try {
    return await runCheck(redis, { port: started.port, ...options }, { depth, timeoutMs: 1500 });
  } finally {
    await started.stop();
  }
}

test('quick: one question; deep: a key that is written, read and removed', async () => {
  const log: string[] = [];
  assert.is(said(await ask(server({}, log), {}, 'quick')), 'pass/-');
  assert.equal(log.slice(0, 1), ['PING']);
  log.length = 0;
  const result = await ask(server({}, log), { user: 'probe', password: 'env:PROBE_PASSWORD' });
  assert.is(said(result), 'pass/-', result.detail);
  const verbs = log.map((line) => line.split(' ')[0]);
  assert.equal(verbs.slice(0, 6), ['AUTH', 'PING', 'INFO', 'SET', 'GET', 'DEL']);
  assert.match(log[3] ?? '', /^SET watchkeeper:(wk-\S+) \1 EX 60$/);
  assert.not.match(JSON.stringify(result), 'p\\\\"w');
});

test('each kind of no has its cause', async () => {
  const table: [Answers, string][] = [
    [{ PING: '-NOAUTH Authentication required.\r\n' }, 'degraded/credentials'],
    [{ PING: '-LOADING Redis is loading the dataset in memory\r\n' }, 'degraded/overloaded'],
    [{ PING: '-ERR max number of clients reached\r\n' }, 'degraded/overloaded'],
    [{ PING: '-MASTERDOWN Link with MASTER is down\r\n' }, 'degraded/dependency'],
    [{ PING: '-DENIED Redis is running in protected mode\r\n' }, 'fail/misconfigured'],
    [{ PING: '+HELLO\r\n' }, 'fail/misconfigured'],
    [{ PING: '$99999999\r\n' }, 'fail/misconfigured'],
    [{ PING: '' }, 'fail/hung'],
    [{ INFO: '-NOPERM this user has no permissions\r\n' }, 'degraded/credentials'],
    [{ SET: '-MISCONF Redis is configured to save RDB snapshots\r\n' }, 'fail/no-space'],
    [{ SET: "-OOM command not allowed when used memory > 'maxmemory'.\r\n" }, 'fail/no-space'],
    [{ SET: "-READONLY You can't write against a read only replica.\r\n" }, 'fail/misconfigured'],
    [{ SET: '-NOREPLICAS Not enough good replicas to write.\r\n' }, 'degraded/dependency'],
    [{ GET: '$-1\r\n' }, 'fail/misconfigured'],
    [{ INFO: bulk(PRIMARY.replace('loading:0', 'loading:1')) }, 'degraded/overloaded'],
    [{ INFO: bulk(PRIMARY.replace('maxmemory:0', 'maxmemory:1001')) }, 'degraded/no-space'],
    [{ INFO: bulk(PRIMARY.replace('maxmemory:0', 'maxmemory:1001').replace('noeviction', 'allkeys-lru')) }, 'pass/-'],
    [{ INFO: bulk(REPLICA), SET: '-READONLY no\r\n' }, 'pass/-'],
    [{ INFO: bulk(REPLICA.replace('status:up', 'status:down')) }, 'degraded/dependency'],
    [{ INFO: bulk(REPLICA.replace('ago:2', 'ago:61')) }, 'degraded/dependency'],
  ];
  for (const [changes, wanted] of table) {
    const result = await ask(server(changes));
    assert.is(said(result), wanted, `${JSON.stringify(changes).slice(0, 100)}: ${result.detail}`);
  }
});

test('role, password, and who is sent one', async () => {
  assert.is(said(await ask(server(), { role: 'replica' })), 'fail/misconfigured');
  assert.is(said(await ask(server({ INFO: bulk(REPLICA) }), { role: 'primary' })), 'fail/misconfigured');
  const wrong = await ask(server({ AUTH: '-WRONGPASS invalid username-password pair\r\n' }), {
    password: 'env:WRONG_PASSWORD',
  });
  assert.is(said(wrong), 'degraded/credentials', wrong.detail);
  assert.is(said(await ask(server(), { password: 'env:AWAY' })), 'unknown/-');
});

test.run();
