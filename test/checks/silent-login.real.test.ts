// Dovecot makes an address wait from which logins were refused: that is no hang, and nothing may be restarted for it.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import dovecotCheck from '../../src/checks/dovecot.ts';
import imap from '../../src/checks/imap.ts';
import pop3 from '../../src/checks/pop3.ts';
import smtp from '../../src/checks/smtp.ts';
import type { Check, CheckResult } from '../../src/define.ts';
import { net } from '../../src/ports/net.ts';
import { runCheck } from '../support/check.ts';
import { type Dovecot, frozen, nameOf, processTree, startDovecot, startPostfix } from '../support/servers.ts';

const test = suite('a login that waits');
const account = { user: 'probe@lab.test', password: 'env:LAB_PASSWORD' };
const wrong = { ...account, password: 'env:WRONG_PASSWORD' };
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const open: { stop(): Promise<void> }[] = [];
test.after.each(async () => {
  for (const server of open.splice(0).reverse()) await server.stop();
});

/** A Dovecot that remembers nobody. */
async function fresh(extra = ''): Promise<Dovecot> {
  const dovecot = await startDovecot(extra);
  open.push(dovecot);
  return dovecot;
}

async function submission(dovecot: Dovecot): Promise<number> {
  const postfix = await startPostfix({ dovecot });
  open.push(postfix);
  return postfix.submission;
}

/** Users of a webmail on this machine mistype their passwords. Dovecot counts only what it has not seen. */
async function refuseSome({ imap: port }: Dovecot): Promise<void> {
  const some = ['one', 'two', 'three'].map(async (password) => {
    const dialogue = await net.open({
      port,
      signal: new AbortController().signal,
      timeoutMs: 20_000,
    });
    await dialogue.readLine();
    await dialogue.write(`a LOGIN u1@lab.test ${password}\r\n`);
    assert.match(await dialogue.readLine(), /^a NO/);
    dialogue.close();
  });
  await Promise.all(some);
}

type Case = readonly [name: string, check: Check, where: (dovecot: Dovecot) => Promise<object> | object];
const cases: readonly Case[] = [
  ['imap', imap as unknown as Check, ({ imap: port }) => ({ port })],
  ['pop3', pop3 as unknown as Check, ({ pop3: port }) => ({ port })],
  [
    'smtp',
    smtp as unknown as Check,
    async (dovecot) => ({ port: await submission(dovecot), recipient: 'u1@lab.test' }),
  ],
];

for (const [name, check, whereOf] of cases) {
  test(`${name}: others were refused; the second look, from another address, says that it works`, async () => {
    const dovecot = await fresh();
    const options = { ...(await whereOf(dovecot)), ...account };
    const how = { depth: 'deep', timeoutMs: 2000, memory: new Map<string, unknown>() } as const;
    const look = (): Promise<CheckResult> => runCheck(check, options, how);
    await refuseSome(dovecot);
    const first = await look();
    assert.is(said(first), 'fail/hung', `it is made to wait: ${first.detail}`);
    assert.is(said(await look()), 'pass/-');
    assert.is(said(await look()), 'fail/hung', 'once is no reason to avoid the usual address');
    for (const time of ['at once', 'and again']) {
      const now = await look();
      assert.is(said(now), 'degraded/credentials', `${time}: ${now.detail}`);
      assert.match(now.detail, 'whose address logins were refused');
    }
  });

  test(`${name}: authentication hangs: it does from everywhere`, async () => {
    const dovecot = await fresh();
    const options = { ...(await whereOf(dovecot)), ...account };
    const how = { depth: 'deep', timeoutMs: 1500, memory: new Map<string, unknown>() } as const;
    assert.is(said(await runCheck(check, options, { ...how, timeoutMs: 10_000 })), 'pass/-');
    const auth = processTree(dovecot.pid()).filter((pid) => nameOf(pid) === 'auth');
    assert.ok(auth.length > 0);
    await frozen(auth, async () => {
      for (const time of ['first', 'second', 'third']) {
        const now = await runCheck(check, options, how);
        assert.is(said(now), 'fail/hung', `${time}: ${now.detail}`);
      }
    });
  });
}

test('a wrong password, and another probe was refused before: credentials, and no hang', async () => {
  const dovecot = await fresh();
  await refuseSome(dovecot);
  const how = { depth: 'deep', timeoutMs: 2000, memory: new Map<string, unknown>() } as const;
  const look = (): Promise<CheckResult> => runCheck(imap, { port: dovecot.imap, ...wrong }, how);
  assert.is(said(await look()), 'fail/hung');
  const second = await look();
  assert.is(said(second), 'degraded/credentials', second.detail);
});

test('doveadm is made to wait too: after a wrong password, and after somebody tried by hand', async () => {
  const dovecot = await fresh();
  const conf = join(dovecot.folder, 'dovecot.conf');
  const options = { config: conf, ...wrong };
  const how = { depth: 'deep', timeoutMs: 3000, memory: new Map<string, unknown>() } as const;
  for (const time of ['first', 'second', 'third']) {
    const now = await runCheck(dovecotCheck, options, how);
    assert.is(said(now), 'degraded/credentials', `${time}: ${now.detail}`);
  }
  const byHand = spawnSync('doveadm', ['-c', conf, 'auth', 'test', 'u1@lab.test'], { input: 'mistyped\n' });
  assert.is(byHand.status, 77);
  const fair = { ...how, memory: new Map<string, unknown>() };
  const first = await runCheck(dovecotCheck, { ...options, ...account }, fair);
  assert.is(said(first), 'fail/hung', first.detail);
  const second = await runCheck(dovecotCheck, { ...options, ...account }, fair);
  assert.is(said(second), 'pass/-', second.detail);
});

test('a server that trusts no other address with a plain password: nobody knows', async () => {
  const dovecot = await fresh('disable_plaintext_auth = yes\n');
  const how = { depth: 'deep', timeoutMs: 2000, memory: new Map<string, unknown>() } as const;
  const look = (): Promise<CheckResult> => runCheck(imap, { port: dovecot.imap, ...account, tls: 'off' }, how);
  assert.is(said(await look()), 'pass/-', 'from the address of the server itself it is secure');
  await refuseSome(dovecot);
  assert.is(said(await look()), 'fail/hung');
  const second = await look();
  assert.is(said(second), 'unknown/-', second.detail);
  assert.match(second.detail, 'none could be tried');
});

test.run();
