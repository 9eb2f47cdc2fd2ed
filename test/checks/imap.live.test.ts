import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import imap from '../../src/checks/imap.ts';
import type { CheckResult } from '../../src/define.ts';
import { runCheck } from '../support/check.ts';
import { type HostileOptions, hostile } from '../support/hostile.ts';
import { type Answers, GREETING, server } from '../support/imap-script.ts';

const test = suite('imap');

const account = { user: 'probe@mail.test', password: 'env:PROBE_PASSWORD' };

async function ask(options: object, fake: HostileOptions, depth: 'quick' | 'deep' = 'deep'): Promise<CheckResult> {
  const started = await hostile('scripted', fake);
  try {
    return await runCheck(imap, { port: started.port, ...options }, { depth, timeoutMs: 1500 });
  } finally {
    await new Promise((done) => setTimeout(done, 10));
    await started.stop();
  }
}

const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;

test('quick: greetings, good and bad', async () => {
  const table: [string, string][] = [
    [GREETING, 'pass/-'],
    ['* PREAUTH hello\r\n', 'pass/-'],
    ['* OK Waiting for authentication process to respond..\r\n', 'fail/hung'],
    ['* BYE shutting down\r\n', 'fail/refusing'],
    ['* BYE too many connections\r\n', 'degraded/overloaded'],
    ['+OK POP3 ready\r\n', 'fail/misconfigured'],
  ];
  for (const [greeting, wanted] of table) {
    assert.is(said(await ask({}, { ...server(), greeting }, 'quick')), wanted, greeting);
  }
  const log: string[] = [];
  await ask({}, server({}, log), 'quick');
  assert.equal(log, ['w1 LOGOUT']);
});

test('deep: puts a message down, reads it, takes it away; the password is quoted as it must be', async () => {
  const log: string[] = [];
  const result = await ask({ ...account, tls: 'required' }, server({}, log));
  assert.is(said(result), 'pass/-', result.detail);
  const words = log.map((line) => line.split(' ').slice(1, 3).join(' '));
  assert.equal(words.slice(0, 4), ['STARTTLS', 'CAPABILITY', 'LOGIN "probe@mail.test"', 'SELECT "INBOX"']);
  assert.ok(
    log.some((line) => line.endsWith(' "p\\"w\\\\ 1"')),
    'quotes and backslashes are escaped',
  );
  assert.ok(words.includes('UID EXPUNGE'));
  assert.is(words.at(-1), 'LOGOUT');
  assert.not.match(JSON.stringify(result), 'p\\\\"w');
});

test('deep: silence after a refused login means what the refusal said; without one it is a hang', async () => {
  const memory = new Map<string, unknown>();
  const login = async (answer: string): Promise<CheckResult> => {
    const started = await hostile('scripted', server({ LOGIN: answer }));
    const result = await runCheck(imap, { port: started.port, ...account }, { depth: 'deep', timeoutMs: 600, memory });
    await started.stop();
    return result;
  };
  assert.is(said(await login('')), 'fail/hung');
  for (const [refusal, wanted] of [
    ['$ NO [UNAVAILABLE] Temporary authentication failure.\r\n', 'fail/dependency'],
    ['$ NO [AUTHENTICATIONFAILED] Authentication failed.\r\n', 'degraded/credentials'],
  ] as const) {
    assert.is(said(await login(refusal)), wanted);
    const silent = await login('');
    assert.is(said(silent), wanted);
    assert.match(silent.detail, /delays its answers after that/);
  }
  assert.is(said(await login('$ OK logged in\r\n')), 'pass/-');
  assert.is(said(await login('')), 'fail/hung', 'and it is forgotten when a login works');
});

test('deep: each kind of no has its cause', async () => {
  const table: [Answers, string][] = [
    [{ LOGIN: '$ NO [AUTHENTICATIONFAILED] Authentication failed.\r\n' }, 'degraded/credentials'],
    [{ LOGIN: '$ NO [UNAVAILABLE] Temporary authentication failure.\r\n' }, 'fail/dependency'],
    [{ LOGIN: '* BYE too long idle\r\n' }, 'fail/refusing'],
    [{ SELECT: '$ NO [SERVERBUG] Internal error occurred.\r\n' }, 'fail/dependency'],
    [{ SELECT: '$ OK [READ-ONLY] selected\r\n' }, 'fail/no-space'],
    [{ SELECT: '$ NO [NONEXISTENT] no such mailbox\r\n' }, 'fail/misconfigured'],
    [{ SELECT: '' }, 'fail/dependency'],
    [{ APPEND: '$ NO [OVERQUOTA] Quota exceeded\r\n' }, 'fail/no-space'],
    [{ APPENDED: '$ NO No space left on device\r\n' }, 'fail/no-space'],
    [{ APPENDED: '$ NO [LIMIT] too fast\r\n' }, 'degraded/overloaded'],
    [{ 'UID SEARCH': '* SEARCH\r\n$ OK done\r\n' }, 'fail/misconfigured'],
    [{ 'UID EXPUNGE': '$ NO Read-only file system\r\n' }, 'fail/no-space'],
    [{ LOGIN: '' }, 'fail/hung'],
    [{ SELECT: 'w9 OK not yours\r\n' }, 'fail/misconfigured'],
    [{ SELECT: '* X {70000}\r\n' }, 'fail/misconfigured'],
    [{ SELECT: '* VANISHED 1:4294967295\r\n* 1 EXISTS\r\n$ OK done\r\n' }, 'pass/-'],
    [{ SELECT: '* 1 EXISTS\r\n'.repeat(3000) }, 'fail/misconfigured'],
  ];
  for (const [changes, wanted] of table) {
    const result = await ask(account, server(changes));
    assert.is(said(result), wanted, `${JSON.stringify(changes).slice(0, 100)}: ${result.detail}`);
  }
  assert.is(said(await ask({ ...account, password: 'env:AWAY' }, server())), 'unknown/-');
  assert.is(
    said(await ask({ ...account, tls: 'required' }, { ...server(), greeting: '* OK [CAPABILITY IMAP4rev1] x\r\n' })),
    'fail/misconfigured',
  );
});

test('deep: a server that wants no LOGIN is not sent the password', async () => {
  const log: string[] = [];
  const none = '* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n$ OK done\r\n';
  const result = await ask(
    { ...account, tls: 'off' },
    { ...server({ CAPABILITY: none }, log), greeting: '* OK hi\r\n' },
  );
  assert.is(said(result), 'fail/misconfigured');
  assert.match(result.detail, 'LOGINDISABLED');
  assert.not.ok(log.some((line) => line.includes('LOGIN "')));
});

test('an answer with a huge range costs nothing', async () => {
  let worst = 0;
  let last = performance.now();
  const watch = setInterval(() => {
    worst = Math.max(worst, performance.now() - last);
    last = performance.now();
  }, 5);
  const vanished = '* VANISHED 1:4294967295\r\n'.repeat(100);
  await ask(account, server({ 'UID SEARCH': `${vanished}* SEARCH 1:4294967295\r\n$ OK done\r\n` }));
  clearInterval(watch);
  assert.ok(worst < 500, `${worst} ms`);
});

test('only messages with a token of ours are removed', async () => {
  const log: string[] = [];
  const fetched = (uid: number, token: string): string => {
    const header = `X-Watchkeeper-Probe: ${token}\r\n\r\n`;
    const date = 'INTERNALDATE "01-Jan-2020 00:00:00 +0000"';
    return `* ${uid} FETCH (UID ${uid} ${date} BODY[HEADER.FIELDS (X)] {${header.length}}\r\n${header})\r\n`;
  };
  const foreign = fetched(1, 'not-us');
  const ours = fetched(2, 'wk-00000000-0000-0000-0000-000000000000');
  let searches = 0;
  let token = '';
  const fake = server(
    {
      'UID SEARCH': (line) => {
        searches += 1;
        token = /(wk-[0-9a-f-]{36})/.exec(line)?.[1] ?? token;
        return searches === 1 ? '* SEARCH 7\r\n$ OK done\r\n' : '* SEARCH 1 2\r\n$ OK done\r\n';
      },
      'UID FETCH': () => {
        const mine = `X-Watchkeeper-Probe: ${token}\r\n\r\n`;
        return searches === 1
          ? `* 3 FETCH (UID 7 BODY[HEADER.FIELDS (X)] {${mine.length}}\r\n${mine})\r\n$ OK done\r\n`
          : `${foreign}${ours}$ OK done\r\n`;
      },
    },
    log,
  );
  const result = await ask(account, fake);
  assert.is(said(result), 'pass/-', result.detail);
  const expunged = log.filter((line) => line.includes('UID EXPUNGE')).map((line) => line.split(' ').at(-1));
  assert.equal(expunged, ['7', '2']);
});

test.run();
