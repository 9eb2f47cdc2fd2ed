import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import smtp from '../../src/checks/smtp.ts';
import type { CheckResult } from '../../src/define.ts';
import { authority, elsewhere, good } from '../support/certificates.ts';
import { PASSWORD, runCheck } from '../support/check.ts';
import { type HostileOptions, hostile } from '../support/hostile.ts';
import { script } from '../support/smtp-script.ts';

const test = suite('smtp');

const LOGIN = Buffer.from(`\0probe\0${PASSWORD}`).toString('base64');

async function ask(
  options: Readonly<Record<string, unknown>>,
  server: HostileOptions,
  depth: 'quick' | 'deep' = 'deep',
): Promise<CheckResult> {
  const fake = await hostile('scripted', server);
  try {
    return await runCheck(smtp, { port: fake.port, ...options }, { depth, timeoutMs: 1500 });
  } finally {
    await new Promise((done) => setTimeout(done, 10));
    await fake.stop();
  }
}

const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;

test('quick: a banner and a polite goodbye', async () => {
  const log: string[] = [];
  const result = await ask({}, { answer: script({}, log) }, 'quick');
  assert.is(said(result), 'pass/-');
  assert.equal(
    result.steps?.map((step) => step.name),
    ['connect', 'banner'],
  );
  assert.ok(result.metrics?.some((metric) => metric.name === 'time'));
  assert.equal(log, ['QUIT']);
});

test('banners: each kind of no', async () => {
  const table: [string, string][] = [
    ['421 4.3.2 too busy\r\n', 'degraded/overloaded'],
    ['450 4.3.2 try later\r\n', 'degraded/dependency'],
    ['452 4.3.1 Insufficient system storage\r\n', 'fail/no-space'],
    ['554 5.3.2 no service here\r\n', 'fail/refusing'],
    ['SSH-2.0-OpenSSH_9.2\r\n', 'fail/misconfigured'],
    ['220-one\r\n220-two\r\n220 three\r\n', 'pass/-'],
  ];
  for (const [greeting, wanted] of table) {
    assert.is(said(await ask({}, { greeting, answer: script() }, 'quick')), wanted, greeting);
  }
});

test('deep: all of it, in order, and no DATA', async () => {
  const log: string[] = [];
  const result = await ask(
    {
      user: 'probe',
      password: 'env:PROBE_PASSWORD',
      recipient: 'probe@mail.test',
      tls: 'required',
      verify: true,
      servername: 'mail.test',
      ca: '/ca.pem',
      'relay-test': { from: 'a@far.test', to: 'b@far.test' },
    },
    { tls: good, answer: script({}, log) },
  ).catch((error: Error) => error.message as never);
  assert.is(said(result), 'unknown/-', 'the file of authorities is not there');
  assert.match(result.detail, '/ca.pem is not there');
  log.length = 0;
  const files = { readText: () => authority, facts: () => null, list: () => [], realPath: () => null };
  const fake = await hostile('scripted', { tls: good, answer: script({}, log) });
  const whole = await runCheck(
    smtp,
    {
      port: fake.port,
      user: 'probe',
      password: 'env:PROBE_PASSWORD',
      recipient: 'probe@mail.test',
      tls: 'required',
      verify: true,
      servername: 'mail.test',
      ca: '/ca.pem',
      'relay-test': { from: 'a@far.test', to: 'b@far.test' },
    },
    { depth: 'deep', ports: { files } },
  );
  await new Promise((done) => setTimeout(done, 10));
  await fake.stop();
  assert.is(said(whole), 'pass/-', whole.detail);
  assert.equal(log, [
    'EHLO [127.0.0.1]',
    'STARTTLS',
    'EHLO [127.0.0.1]',
    'MAIL FROM:<a@far.test>',
    'RCPT TO:<b@far.test>',
    'RSET',
    `AUTH PLAIN ${LOGIN}`,
    'MAIL FROM:<>',
    'RCPT TO:<probe@mail.test>',
    'RSET',
    'QUIT',
  ]);
  assert.ok(whole.steps?.every((step) => step.ok && step.ms >= 0));
  assert.not.match(JSON.stringify(whole), PASSWORD.slice(0, 3), 'no step shows the password');
  assert.not.match(JSON.stringify(whole), LOGIN);
});

test('deep: each kind of trouble has its cause', async () => {
  const base = { recipient: 'probe@mail.test' };
  const own = 'RCPT TO:<probe@mail.test>';
  const auth = { ...base, user: 'probe', password: 'env:PROBE_PASSWORD' };
  const relay = { ...base, 'relay-test': { to: 'b@far.test' } };
  const table: [Record<string, unknown>, Record<string, string | null>, string][] = [
    [base, { STARTTLS: '454 4.7.0 TLS not available due to local problem\r\n' }, 'degraded/dependency'],
    [{ ...base, tls: 'required' }, { EHLO: '250 mail.test\r\n' }, 'fail/misconfigured'],
    [{ ...base, tls: 'off' }, { EHLO: '250 mail.test\r\n' }, 'pass/-'],
    [base, { EHLO: '502 5.5.1 no\r\n' }, 'fail/misconfigured'],
    [base, { MAIL: '452 4.3.1 Insufficient system storage\r\n' }, 'fail/no-space'],
    [base, { MAIL: '451 4.3.0 Error: queue file write error\r\n' }, 'fail/no-space'],
    [base, { MAIL: '451 4.3.5 Server configuration error\r\n' }, 'degraded/misconfigured'],
    [base, { MAIL: '452 no room\r\n' }, 'fail/no-space'],
    [base, { MAIL: '421 4.7.0 too many errors\r\n' }, 'degraded/overloaded'],
    [base, { [own]: '450 4.2.0 greylisted\r\n' }, 'degraded/dependency'],
    [base, { [own]: '451 4.3.0 Temporary lookup failure\r\n' }, 'degraded/dependency'],
    [base, { [own]: '550 5.1.1 no such user\r\n' }, 'fail/misconfigured'],
    [base, { [own]: '552 5.2.2 mailbox full\r\n' }, 'fail/no-space'],
    [base, { MAIL: null }, 'fail/refusing'],
    [auth, { AUTH: '535 5.7.8 authentication failed\r\n' }, 'degraded/credentials'],
    [auth, { AUTH: '454 4.7.0 temporary authentication failure\r\n' }, 'degraded/dependency'],
    [auth, { EHLO: '250 mail.test\r\n' }, 'fail/misconfigured'],
    [{ ...auth, password: 'env:AWAY' }, {}, 'unknown/-'],
    [relay, { RCPT: '250 2.1.5 ok\r\n' }, 'fail/misconfigured'],
    [relay, { RCPT: '450 4.2.0 greylisted\r\n' }, 'pass/-'],
    [relay, { 'MAIL FROM:<>': '530 5.7.0 authentication required\r\n' }, 'fail/misconfigured'],
    [{ ...base, from: 'a@mail.test' }, {}, 'pass/-'],
  ];
  for (const [options, changes, wanted] of table) {
    const result = await ask(options, { tls: good, answer: script(changes) });
    assert.is(said(result), wanted, `${JSON.stringify(options)} ${JSON.stringify(changes)}: ${result.detail}`);
  }
});

test('deep: an open relay is named, and so is a wrong certificate', async () => {
  const relay = await ask(
    { 'relay-test': { to: 'b@far.test' } },
    { tls: good, answer: script({ RCPT: '250 ok\r\n' }) },
  );
  assert.match(relay.detail, 'open relay: it accepts "b@far.test"');
  const wrong = await ask({ verify: true, servername: 'mail.test' }, { tls: elsewhere, answer: script() });
  assert.is(said(wrong), 'fail/misconfigured');
  assert.match(wrong.detail, 'TLS: certificate refused');
});

test('a server that falls silent in the middle is hung, and the step is named', async () => {
  const silent = (line: string): string | undefined =>
    line.startsWith('MAIL') ? undefined : (script()(line, undefined as never) ?? undefined);
  const result = await ask({ recipient: 'probe@mail.test' }, { tls: good, answer: silent });
  assert.is(said(result), 'fail/hung');
  assert.match(result.detail, 'MAIL: no answer came in time');
  assert.is(result.steps?.at(-1)?.ok, false);
});

test('no password without TLS to another machine, and no command smuggled in an address', async () => {
  const parse = (from: string): boolean => smtp.options.safeParse({ from }).success;
  assert.is(parse('a@b>\r\nDATA'), false);
  assert.is(parse('a b@c'), false);
  assert.is(parse('a@b'), true);
  const net = {
    open: async () => {
      const lines = ['220 far', '250-far', '250 AUTH PLAIN'];
      return {
        connectMs: 1,
        toItself: false,
        certificate: null,
        readLine: async () => lines.shift() ?? '250 ok',
        readBytes: async () => Buffer.alloc(0),
        write: async (data: string | Uint8Array) => assert.not.match(String(data), 'AUTH'),
        startTls: async () => assert.unreachable() as never,
        lend: () => assert.unreachable() as never,
        close: () => undefined,
      };
    },
  };
  const options = { host: '192.0.2.1', user: 'probe', password: 'env:PROBE_PASSWORD', tls: 'off' };
  assert.is(said(await runCheck(smtp, options, { depth: 'deep', ports: { net } })), 'unknown/-');
});

test.run();
