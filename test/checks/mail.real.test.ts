// The mail checks against Postfix and Dovecot, well and broken in the ways that happen.
import { chmodSync, chownSync, existsSync, readdirSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import imap from '../../src/checks/imap.ts';
import lmtp from '../../src/checks/lmtp.ts';
import roundtrip from '../../src/checks/mail-roundtrip.ts';
import queue from '../../src/checks/postfix-queue.ts';
import smtp from '../../src/checks/smtp.ts';
import tls from '../../src/checks/tls.ts';
import type { CheckResult } from '../../src/define.ts';
import { clock } from '../../src/ports/clock.ts';
import { authority } from '../support/certificates.ts';
import { runCheck } from '../support/check.ts';
import {
  type Dovecot,
  frozen,
  type Postfix,
  nameOf,
  processTree,
  startDovecot,
  startPostfix,
  until,
} from '../support/servers.ts';

const test = suite('mail checks on real servers');
let dovecot: Dovecot;
let postfix: Postfix;

test.before(async () => {
  dovecot = await startDovecot();
  postfix = await startPostfix({ dovecot });
});
test.after(async () => {
  await postfix?.stop();
  await dovecot?.stop();
});

const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const deep = { depth: 'deep', timeoutMs: 10_000 } as const;
const account = { user: 'probe@lab.test', password: 'env:LAB_PASSWORD' };
const wrong = { ...account, password: 'env:WRONG_PASSWORD' };

/** Messages of the probe's mailbox on disk. */
const mails = (): number =>
  ['new', 'cur']
    .map((name) => join(dovecot.mail, 'probe@lab.test', name))
    .flatMap((path) => (existsSync(path) ? readdirSync(path) : [])).length;

test('smtp: quick and deep, with STARTTLS, login and a recipient', async () => {
  const quick = await runCheck(smtp, { port: postfix.smtp });
  assert.is(said(quick), 'pass/-', quick.detail);
  await until('its goodbye', () => postfix.log().includes('quit=1 commands=1'));
  const whole = { port: postfix.smtp, recipient: 'u1@lab.test', tls: 'required' };
  const result = await runCheck(smtp, whole, deep);
  assert.is(said(result), 'pass/-', result.detail);
  assert.ok(result.steps?.some((step) => step.name === 'TLS' && /TLSv1\.[23] mail\.test/.test(step.detail ?? '')));
  const login = await runCheck(smtp, { port: postfix.submission, ...account, recipient: 'u1@lab.test' }, deep);
  assert.is(said(login), 'pass/-', login.detail);
  const bad = await runCheck(smtp, { port: postfix.submission, ...wrong, recipient: 'u1@lab.test' }, deep);
  assert.is(said(bad), 'degraded/credentials', bad.detail);
  const nobody = await runCheck(smtp, { port: postfix.smtp, recipient: 'nobody@lab.test' }, deep);
  assert.is(said(nobody), 'fail/misconfigured', nobody.detail);
  assert.match(nobody.detail, '550 5.1.1');
});

test('smtp: an open relay is seen, and loopback that is trusted looks like one', async () => {
  const options = { port: postfix.smtp, 'relay-test': { from: 'a@far.test', to: 'b@elsewhere.test' } };
  const trusted = await runCheck(smtp, options, deep);
  assert.is(said(trusted), 'fail/misconfigured', trusted.detail);
  assert.match(trusted.detail, 'where loopback is trusted');
  const strict = await startPostfix({ parameters: { mynetworks: '192.0.2.0/24' } });
  try {
    const result = await runCheck(smtp, { ...options, port: strict.smtp }, deep);
    assert.is(said(result), 'pass/-', result.detail);
  } finally {
    await strict.stop();
  }
});

test('smtp: a full spool is no-space, too many clients are overloaded, a dead milter is a dependency', async () => {
  const options = { port: postfix.smtp, recipient: 'u1@lab.test' };
  const cases: [Record<string, string>, Record<string, string>, string][] = [
    [{ queue_minfree: '9000000000000000000' }, { queue_minfree: '0' }, 'fail/no-space'],
    [{ smtpd_milters: 'inet:127.0.0.1:1' }, { smtpd_milters: '' }, 'degraded/dependency'],
    [
      { virtual_mailbox_maps: 'tcp:127.0.0.1:1' },
      { virtual_mailbox_maps: 'inline:{{u1@lab.test=x},{probe@lab.test=x}}' },
      'degraded/dependency',
    ],
  ];
  for (const [change, back, wanted] of cases) {
    postfix.set(change);
    let result: CheckResult | undefined;
    // A reload takes effect with the next smtpd.
    await until(`${wanted} for ${Object.keys(change).join()}`, async () => {
      result = await runCheck(smtp, options, deep);
      return said(result) === wanted;
    }).catch((error: Error) => assert.unreachable(`${error.message}: ${result?.detail}`));
    postfix.set(back);
  }
  await until('a well Postfix', async () => said(await runCheck(smtp, options, deep)) === 'pass/-');
});

test('smtp: stopped, it accepts connections and does not greet', async () => {
  await frozen(processTree(postfix.pid()), async () => {
    const result = await runCheck(smtp, { port: postfix.smtp }, { timeoutMs: 1000 });
    assert.is(said(result), 'fail/hung', result.detail);
    assert.match(result.detail, 'banner');
  });
});

test('lmtp: over TCP and over the socket, a stranger refused', async () => {
  // The static user database takes everybody, so a stranger is one whom the password database does not know either.
  for (const place of [{ port: dovecot.lmtp }, { path: join(dovecot.sockets, 'lmtp') }]) {
    const quick = await runCheck(lmtp, place);
    assert.is(said(quick), 'pass/-', quick.detail);
    const result = await runCheck(lmtp, { ...place, recipient: 'u1@lab.test', stranger: 'nobody@lab.test' }, deep);
    assert.is(said(result), 'pass/-', result.detail);
    const unknown = await runCheck(lmtp, { ...place, recipient: 'nobody@lab.test' }, deep);
    assert.is(said(unknown), 'fail/misconfigured', unknown.detail);
  }
  const away = await runCheck(lmtp, { path: join(dovecot.sockets, 'away') });
  assert.is(said(away), 'fail/refusing', away.detail);
});

test('imap: quick and deep, plain, STARTTLS and implicit, and nothing stays behind', async () => {
  for (const way of [
    { port: dovecot.imap, tls: 'off' },
    { port: dovecot.imap, tls: 'required' },
    { port: dovecot.imaps, tls: 'implicit' },
  ]) {
    const quick = await runCheck(imap, way);
    assert.is(said(quick), 'pass/-', quick.detail);
    const result = await runCheck(imap, { ...way, ...account }, deep);
    assert.is(said(result), 'pass/-', result.detail);
    assert.is(mails(), 0);
  }
  const bad = await runCheck(imap, { port: dovecot.imap, ...wrong }, deep);
  assert.is(said(bad), 'degraded/credentials', bad.detail);
  const none = await runCheck(imap, { port: dovecot.imap, ...account, mailbox: 'Away' }, deep);
  assert.is(said(none), 'fail/misconfigured', none.detail);
});

test('imap: what a crashed run left behind is removed when it is old; other mail is not', async () => {
  const box = join(dovecot.mail, 'u3@lab.test', 'new');
  const options = { port: dovecot.imap, user: 'u3@lab.test', password: 'env:LAB_PASSWORD' };
  assert.is(said(await runCheck(imap, options, deep)), 'pass/-');
  const put = (name: string, header: string, ageMs: number): void => {
    writeFileSync(join(box, name), `From: <a@b>\nSubject: ${name}\n${header}\nwords\n`);
    chownSync(join(box, name), 5000, 5000);
    const then = (Date.now() - ageMs) / 1000;
    utimesSync(join(box, name), then, then);
  };
  const token = 'X-Watchkeeper-Probe: wk-01234567-89ab-cdef-0123-456789abcdef\n';
  put('1.old', token, 7_200_000);
  put('2.young', token, 60_000);
  put('3.person', '', 7_200_000);
  put('4.forged', 'X-Watchkeeper-Probe: wk-else\n', 7_200_000);
  const result = await runCheck(imap, options, deep);
  assert.is(said(result), 'pass/-', result.detail);
  const left = ['new', 'cur'].flatMap((name) => readdirSync(join(dovecot.mail, 'u3@lab.test', name)));
  assert.equal(left.map((name) => name.split(/[:,]/)[0] ?? '').sort(), ['2.young', '3.person', '4.forged']);
});

test('imap: a mailbox that cannot be used is the storage, not the server', async () => {
  const home = join(dovecot.mail, 'u2@lab.test');
  const options = { port: dovecot.imap, user: 'u2@lab.test', password: 'env:LAB_PASSWORD' };
  assert.is(said(await runCheck(imap, options, deep)), 'pass/-');
  chmodSync(home, 0);
  const result = await runCheck(imap, options, deep);
  chmodSync(home, 0o700);
  assert.is(result.outcome, 'fail', result.detail);
  assert.ok(
    ['dependency', 'misconfigured', 'no-space'].includes(result.cause ?? ''),
    `${result.cause}: ${result.detail}`,
  );
});

test('imap: authentication that does not answer is hung, before and after its polite sentence', async () => {
  await runCheck(imap, { port: dovecot.imap, ...account }, deep);
  const auth = processTree(dovecot.pid()).filter((pid) => nameOf(pid) === 'auth');
  await frozen(auth, async () => {
    const early = await runCheck(imap, { port: dovecot.imap }, { timeoutMs: 1000 });
    assert.is(said(early), 'fail/hung', early.detail);
    const late = await runCheck(imap, { port: dovecot.imap }, { timeoutMs: 13_000 });
    assert.is(said(late), 'fail/hung', late.detail);
    assert.match(late.detail, 'authentication does not answer');
  });
  await until(
    'a well Dovecot',
    async () => said(await runCheck(imap, { port: dovecot.imap, ...account }, deep)) === 'pass/-',
    20_000,
  );
});

test('tls: over each protocol; trusted, for the right name, and how long', async () => {
  const authorityFile = join(dovecot.folder, 'authority.pem');
  writeFileSync(authorityFile, authority);
  const ways = [
    { port: postfix.smtp, starttls: 'smtp' },
    { port: dovecot.imap, starttls: 'imap' },
    { port: dovecot.pop3, starttls: 'pop3' },
    { port: dovecot.lmtp, starttls: 'lmtp' },
    { port: dovecot.imaps },
  ];
  for (const way of ways) {
    const right = await runCheck(tls, { ...way, servername: 'mail.test', ca: authorityFile });
    assert.is(said(right), 'pass/-', right.detail);
    assert.match(right.detail, /certificate for mail\.test, 127\.0\.0\.1, from Test authority, until 2119/);
    const name = await runCheck(tls, { ...way, servername: 'other.test', ca: authorityFile });
    assert.is(said(name), 'fail/misconfigured', name.detail);
    assert.match(name.detail, 'not for other.test');
    const chain = await runCheck(tls, { ...way, servername: 'mail.test' });
    assert.is(said(chain), 'fail/misconfigured', chain.detail);
    assert.match(chain.detail, 'not trusted');
  }
  const soon = { ...clock, wall: () => Date.parse('2118-12-25T00:00:00Z') };
  const last = await runCheck(
    tls,
    { ...ways[0], servername: 'mail.test', ca: authorityFile },
    { ports: { clock: soon } },
  );
  assert.is(said(last), 'degraded/expired', last.detail);
  assert.match(last.detail, '7 days left');
});

const trip = (): Record<string, unknown> => ({
  to: 'probe@lab.test',
  submit: { port: postfix.smtp },
  store: { port: dovecot.imap, ...account },
  queue: postfix.list,
});

test('mail-roundtrip: the whole way, timed hop by hop, and nothing stays behind', async () => {
  const result = await runCheck(roundtrip, trip(), deep);
  assert.is(said(result), 'pass/-', result.detail);
  const names = result.metrics?.map((metric) => metric.name);
  assert.equal(names, ['submit', 'deliver', 'fetch', 'delete', 'time']);
  assert.is(mails(), 0);
  const login = { ...trip(), submit: { port: postfix.submission, tls: 'required', ...account } };
  const submitted = await runCheck(roundtrip, login, deep);
  assert.is(said(submitted), 'pass/-', submitted.detail);
});

test('mail-roundtrip: the first broken hop is named, and why', async () => {
  const options = trip();
  const timeoutMs = 5000;
  const closed = await runCheck(roundtrip, { ...options, submit: { port: 1 } }, { depth: 'deep', timeoutMs });
  assert.is(said(closed), 'fail/refusing', closed.detail);
  assert.match(closed.detail, /^submit: /);
  const store = await runCheck(roundtrip, { ...options, store: { port: 1, ...account } }, { depth: 'deep', timeoutMs });
  assert.is(said(store), 'fail/dependency', store.detail);
  assert.match(store.detail, /^fetch: 127\.0\.0\.1:1: connect: connection refused/);
  const login = await runCheck(
    roundtrip,
    { ...options, store: { port: dovecot.imap, ...wrong } },
    { depth: 'deep', timeoutMs },
  );
  assert.is(said(login), 'degraded/credentials', login.detail);
  // LMTP is away: the mail is deferred, and the queue says why.
  renameSync(join(dovecot.sockets, 'lmtp'), join(dovecot.sockets, 'away'));
  const deferred = await runCheck(roundtrip, options, { depth: 'deep', timeoutMs });
  renameSync(join(dovecot.sockets, 'away'), join(dovecot.sockets, 'lmtp'));
  assert.is(said(deferred), 'fail/dependency', deferred.detail);
  assert.match(deferred.detail, /deferred queue: ".*connect to .*lmtp/);
  // The queue manager stands still: the mail stays in incoming.
  const qmgr = processTree(postfix.pid()).filter((pid) => nameOf(pid) === 'qmgr');
  await frozen(qmgr, async () => {
    const stuck = await runCheck(roundtrip, options, { depth: 'deep', timeoutMs });
    assert.is(said(stuck), 'fail/hung', stuck.detail);
    assert.match(stuck.detail, 'incoming queue: the queue manager does not take it');
  });
  // What was given up arrives later; the next run takes it away when it is old enough.
  await until('the late mails', () => mails() >= 3, 15_000);
  const after = await runCheck(roundtrip, { ...options, leftovers: '0s' }, deep);
  assert.is(said(after), 'pass/-', after.detail);
  await until('an empty mailbox', async () => {
    await runCheck(roundtrip, { ...options, leftovers: '0s' }, deep);
    return mails() === 0;
  });
});

test('postfix-queue: empty, growing for a reason, frozen, away', async () => {
  const away = await startPostfix();
  const options = { config: away.config, deferred: 3, stuck: '2s' };
  const memory = new Map<string, unknown>();
  try {
    const empty = await runCheck(queue, options, { ...deep, memory });
    assert.is(said(empty), 'pass/-', empty.detail);
    const send = (): Promise<CheckResult> =>
      runCheck(
        roundtrip,
        { ...trip(), submit: { port: away.smtp }, store: { port: 1, ...account }, queue: away.list },
        { depth: 'deep', timeoutMs: 1500 },
      );
    for (let count = 0; count < 5; count += 1) await send();
    let full: CheckResult | undefined;
    await until('five deferred mails', async () => {
      full = await runCheck(queue, options, { ...deep, memory });
      return said(full) === 'degraded/dependency';
    });
    assert.match(
      full?.detail ?? '',
      /messages are deferred; most often \(\d\): "connect to 127\.0\.0\.1/,
      full?.detail,
    );
    const qmgr = processTree(away.pid()).filter((pid) => nameOf(pid) === 'qmgr');
    await frozen(qmgr, async () => {
      await send();
      let stuck: CheckResult | undefined;
      await until('the verdict', async () => {
        stuck = await runCheck(queue, options, { ...deep, memory });
        return said(stuck) === 'fail/hung';
      });
      assert.match(stuck?.detail ?? '', 'the queue manager does not move mail');
    });
  } finally {
    await away.stop();
  }
  const dead = await runCheck(queue, { config: '/no/such/config' }, deep);
  assert.is(dead.outcome, 'unknown', dead.detail);
});

test('postfix-queue: a Postfix that is down does not serve its queue', async () => {
  const down = await startPostfix();
  const config = down.config;
  process.kill(down.pid(), 'SIGTERM');
  await until('the end of master', () => !existsSync(`/proc/${down.pid()}/stat`));
  const result = await runCheck(queue, { config }, deep);
  await down.stop();
  assert.is(said(result), 'fail/refusing', result.detail);
});

test.run();
