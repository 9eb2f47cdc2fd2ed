// Next hops of a real Postfix: one that is away keeps mail in its queue, and that is told of the hop, not of Postfix.
import { execFileSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/next-hops.ts';
import type { Check, CheckResult } from '../../src/define.ts';
import { runCheck } from '../support/check.ts';
import { closedPort } from '../support/hostile.ts';
import { type Postfix, startDovecot, startPostfix, stopped, until } from '../support/servers.ts';

const test = suite('next hops of a real server');
let postfix: Postfix;
let away = 0;
test.before(async () => {
  away = await closedPort();
  // What is deferred stays so while the test looks.
  const patient = { queue_run_delay: '300s', minimal_backoff_time: '300s', maximal_backoff_time: '600s' };
  postfix = await startPostfix({ parameters: { relayhost: `[127.0.0.1]:${away}`, ...patient } });
});
test.after(() => postfix?.stop());

const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const run = (options: object, timeoutMs = 15_000): Promise<CheckResult> =>
  runCheck(check as unknown as Check, options, { depth: 'deep', timeoutMs });

test('a Postfix greets; a hung and an absent one are somebody else', async () => {
  const hop = `127.0.0.1:${postfix.smtp}`;
  assert.is(said(await run({ hops: [hop] })), 'pass/-');
  assert.is(said(await run({ hops: [`127.0.0.1:${away}`, hop] })), 'degraded/dependency');
  await stopped(postfix.pid(), async () => {
    assert.is(said(await run({ hops: [hop] }, 2000)), 'degraded/dependency');
  });
});

test('deferred mail is told by its domain', async () => {
  const counting = { queue: true, config: postfix.config, least: 3 };
  assert.is(said(await run(counting)), 'pass/-');
  for (let n = 0; n < 3; n += 1) {
    const letter = ['--from', 'u1@lab.test', '--to', `u${n}@far.test`, '--server', `127.0.0.1:${postfix.smtp}`];
    execFileSync('swaks', [...letter, '--silent', '3'], { timeout: 60_000 });
  }
  await until('the mail in the queue', async () => said(await run(counting)) === 'degraded/dependency', 60_000);
  assert.match((await run(counting)).detail, 'mail to far.test waits: 3 of 3 deferred messages (100 %)');
  const { detail } = await run({ ...counting, hops: [`127.0.0.1:${away}`] });
  assert.match(detail, 'the next hop');
});

test('a Dovecot as a provider, IMAP and POP3', async () => {
  const dovecot = await startDovecot();
  try {
    for (const [port, speak] of [
      [dovecot.imap, 'imap'],
      [dovecot.pop3, 'pop3'],
    ])
      assert.is(said(await run({ hops: [`127.0.0.1:${port}`], speak })), 'pass/-', `${speak}`);
    await stopped(dovecot.pid(), async () => {
      assert.is(said(await run({ hops: [`127.0.0.1:${dovecot.imap}`], speak: 'imap' }, 3000)), 'degraded/dependency');
    });
  } finally {
    await dovecot.stop();
  }
});

test.run();
