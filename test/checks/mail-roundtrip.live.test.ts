import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/mail-roundtrip.ts';
import type { CheckResult } from '../../src/define.ts';
import type { Exec, ExecResult } from '../../src/ports/exec.ts';
import { runCheck } from '../support/check.ts';
import { type Hostile, type HostileMode, hostile } from '../support/hostile.ts';
import { type Answers, server } from '../support/imap-script.ts';
import { script } from '../support/smtp-script.ts';

const test = suite('mail-roundtrip');

const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const ended: ExecResult = {
  code: 0,
  signal: null,
  stdout: '',
  stderr: '',
  timedOut: false,
  failed: null,
  truncated: false,
  ms: 1,
};

/** An SMTP server that takes everything, and remembers the token; `changes` replace some answers. */
async function relay(changes: Readonly<Record<string, string | null>>, seen: { token: string }): Promise<Hostile> {
  const answer = script({
    EHLO: '250 mail.test\r\n',
    RCPT: '250 ok\r\n',
    DATA: '354 go\r\n',
    '.': '250 2.0.0 Ok: queued as 4XyZ12\r\n',
    ...changes,
  });
  let inData = false;
  return hostile('scripted', {
    answer: (line, socket) => {
      seen.token = /^X-Watchkeeper-Probe: (\S+)/i.exec(line)?.[1] ?? seen.token;
      if (inData && line !== '.') return '';
      inData = line === 'DATA';
      return answer(line, socket);
    },
  });
}

interface Scene {
  readonly smtp?: Readonly<Record<string, string | null>>;
  readonly imap?: Answers;
  readonly store?: HostileMode;
  /** What `postqueue -j` prints, or how it ends. */
  readonly queue?: string | Partial<ExecResult>;
  readonly options?: object;
  /** How many times the mailbox is looked at before the mail is there; never, if absent. */
  readonly arrives?: number;
}

async function play(scene: Scene): Promise<{ result: CheckResult; log: string[] }> {
  const seen = { token: '' };
  const log: string[] = [];
  let looks = 0;
  const submission = await relay(scene.smtp ?? {}, seen);
  const arrives = scene.arrives ?? Number.POSITIVE_INFINITY;
  const imap = server(
    {
      // The second argument of a search for leftovers is no token.
      'UID SEARCH': (line) => {
        if (!line.includes(seen.token)) return '* SEARCH\r\n$ OK done\r\n';
        looks += 1;
        return looks > arrives ? '* SEARCH 7\r\n$ OK done\r\n' : '* SEARCH\r\n$ OK done\r\n';
      },
      'UID FETCH': () => {
        const header = `X-Watchkeeper-Probe: ${seen.token}\r\n\r\n`;
        return `* 1 FETCH (UID 7 BODY[HEADER.FIELDS (X)] {${header.length}}\r\n${header})\r\n$ OK done\r\n`;
      },
      NOOP: '$ OK done\r\n',
      ...scene.imap,
    },
    log,
  );
  const store = await hostile(scene.store ?? 'scripted', imap);
  const exec: Exec = {
    run: async (_argv, options) => {
      if (typeof scene.queue === 'string') options.onStdout?.(Buffer.from(scene.queue));
      return { ...ended, ...(typeof scene.queue === 'object' ? scene.queue : {}) };
    },
  };
  const options = {
    to: 'probe@mail.test',
    submit: { port: submission.port, tls: 'off' },
    store: { port: store.port, tls: 'off', user: 'probe', password: 'env:PROBE_PASSWORD' },
    // It is not run; it only has to be a program that is there.
    queue: ['/bin/sh'],
    ...scene.options,
  };
  const result = await runCheck(check, options, { depth: 'deep', timeoutMs: 1200, ports: { exec } });
  await submission.stop();
  await store.stop();
  return { result, log };
}

const queued = (queue: string, reason = ''): string => {
  const recipients = [{ address: 'x', delay_reason: reason }];
  return `${JSON.stringify({ queue_name: queue, queue_id: '4XyZ12', arrival_time: 1, recipients })}\n`;
};

test('all the way, with the time of each hop', async () => {
  const { result, log } = await play({ arrives: 2 });
  assert.is(said(result), 'pass/-', result.detail);
  assert.equal(
    result.metrics?.map((metric) => metric.name),
    ['submit', 'deliver', 'fetch', 'delete', 'time'],
  );
  assert.ok(log.some((line) => line.endsWith('UID EXPUNGE 7')));
  const slow = await play({ arrives: 0, options: { slow: '0ms' } });
  assert.is(said(slow.result), 'degraded/overloaded');
});

test('a mail that is not taken: the server’s words decide', async () => {
  const table: [Record<string, string | null>, string][] = [
    [{ MAIL: '452 4.3.1 Insufficient system storage\r\n' }, 'fail/no-space'],
    [{ '.': '451 4.3.0 Error: queue file write error\r\n' }, 'fail/no-space'],
    [
      { RCPT: '550 5.1.1 no such user\r\n', 'RCPT TO:<probe@mail.test>': '550 5.1.1 no such user\r\n' },
      'fail/misconfigured',
    ],
    [{ MAIL: '421 4.3.2 too busy\r\n' }, 'degraded/overloaded'],
    [{ MAIL: '450 4.3.2 not now\r\n' }, 'degraded/dependency'],
    [{ '.': '220 what\r\n' }, 'fail/misconfigured'],
    [{ MAIL: null }, 'fail/refusing'],
  ];
  for (const [smtp, wanted] of table) {
    const { result } = await play({ smtp, arrives: 0 });
    assert.is(said(result), wanted, `${JSON.stringify(smtp)}: ${result.detail}`);
    assert.match(result.detail, /^submit: /);
  }
});

test('a mail that does not arrive: the queue says why', async () => {
  const table: [Scene['queue'], string, RegExp][] = [
    [queued('deferred', 'connect to lmtp: Connection refused'), 'fail/dependency', /deferred queue: "connect to lmtp/],
    [queued('deferred', 'said: 452 4.2.2 mailbox full'), 'fail/no-space', /mailbox full/],
    [queued('incoming'), 'fail/hung', /incoming queue: the queue manager does not take it/],
    [queued('active'), 'fail/dependency', /active queue/],
    [queued('hold'), 'fail/misconfigured', /hold queue/],
    ['', 'fail/misconfigured', /it left the queue \(4XyZ12\): delivered elsewhere, or dropped/],
    [queued('deferred').replace('4XyZ12', '4XyZ13'), 'fail/misconfigured', /left the queue/],
    [{ failed: 'EAGAIN', code: null }, 'fail/dependency', /why is not known: EAGAIN/],
    [{ timedOut: true, code: null }, 'fail/dependency', /could not be read in time/],
  ];
  for (const [queue, wanted, detail] of table) {
    const { result } = await play(queue === undefined ? {} : { queue });
    assert.is(said(result), wanted, result.detail);
    assert.match(result.detail, detail);
    assert.match(result.detail, /^deliver: accepted, and not in the mailbox after \d\.\d s/);
  }
});

test('a store that is bad in any way is a dependency, and a login that is refused is the probe’s', async () => {
  for (const store of [
    'silent',
    'half-line',
    'drips',
    'long-line',
    'endless',
    'garbage',
    'closes',
    'resets',
  ] as const) {
    const { result } = await play({ store, arrives: 0 });
    assert.is(said(result), 'fail/dependency', `${store}: ${result.detail}`);
    assert.match(result.detail, /^fetch: 127\.0\.0\.1:/, store);
  }
  const login = await play({ imap: { LOGIN: '$ NO [AUTHENTICATIONFAILED] no\r\n' } });
  assert.is(said(login.result), 'degraded/credentials');
  const full = await play({ arrives: 0, imap: { 'UID EXPUNGE': '$ NO [OVERQUOTA] full\r\n' } });
  assert.is(said(full.result), 'fail/no-space');
  assert.match(full.result.detail, ': delete: ');
});

test('no password over plain text to another machine', async () => {
  const submit = { host: '192.0.2.1', user: 'probe', password: 'env:PROBE_PASSWORD' };
  const { result } = await play({ options: { submit } });
  assert.is(said(result), 'unknown/-', result.detail);
});

test.run();
