// The POP3 and ManageSieve checks against Dovecot: well, and broken in the ways that happen.
import { chmodSync, mkdirSync, renameSync, chownSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import managesieve from '../../src/checks/managesieve.ts';
import pop3 from '../../src/checks/pop3.ts';
import type { Check, CheckResult } from '../../src/define.ts';
import { net } from '../../src/ports/net.ts';
import { authority } from '../support/certificates.ts';
import { runCheck } from '../support/check.ts';
import { type Dovecot, freePorts, frozen, nameOf, processTree, startDovecot, until } from '../support/servers.ts';

const test = suite('pop3 and managesieve on a real server');
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const deep = { depth: 'deep', timeoutMs: 10_000 } as const;
const account = { user: 'probe@lab.test', password: 'env:LAB_PASSWORD' };
const wrong = { ...account, password: 'env:WRONG_PASSWORD' };
let dovecot: Dovecot;
let sieve = 0;
let both: readonly (readonly [string, Check, number])[] = [];

test.before(async () => {
  [sieve = 0] = await freePorts(1);
  dovecot = await startDovecot(`protocols = imap pop3 lmtp sieve
service managesieve-login {
  inet_listener sieve {
    port = ${sieve}
  }
}
protocol pop3 {
  pop3_lock_session = yes
}
`);
  both = [
    ['pop3', pop3 as unknown as Check, dovecot.pop3],
    ['managesieve', managesieve as unknown as Check, sieve],
  ];
});
test.after(() => dovecot?.stop());

const named = (name: string): number[] => processTree(dovecot.pid()).filter((pid) => nameOf(pid) === name);

test('well: quick, with TLS and a verified certificate, and a wrong password', async () => {
  const ca = join(dovecot.folder, 'authority.pem');
  writeFileSync(ca, authority);
  for (const [name, check, port] of both) {
    const quick = await runCheck(check, { port });
    assert.is(said(quick), 'pass/-', `${name}: ${quick.detail}`);
    const all = { port, ...account, tls: 'required', verify: true, servername: 'mail.test', ca };
    const result = await runCheck(check, all, deep);
    assert.is(said(result), 'pass/-', `${name}: ${result.detail}`);
    assert.ok(result.steps?.some((step) => step.name === 'TLS' && /TLSv1\.[23]/.test(step.detail ?? '')));
    const other = await runCheck(check, { ...all, servername: 'other.test' }, deep);
    assert.is(said(other), 'fail/misconfigured', `${name}: ${other.detail}`);
    const plain = await runCheck(check, { port, ...account, tls: 'off' }, deep);
    assert.is(said(plain), 'pass/-', `${name}: ${plain.detail}`);
    const refused = await runCheck(check, { port, ...wrong }, deep);
    assert.is(said(refused), 'degraded/credentials', `${name}: ${refused.detail}`);
    const mixed = await runCheck(check, { port: dovecot.imap });
    assert.is(said(mixed), 'fail/misconfigured', `${name}: ${mixed.detail}`);
  }
});

test('stopped: it accepts and does not greet; authentication stopped: the login hangs', async () => {
  await frozen(processTree(dovecot.pid()), async () => {
    for (const [name, check, port] of both) {
      const result = await runCheck(check, { port }, { timeoutMs: 1000 });
      assert.is(said(result), 'fail/hung', `${name}: ${result.detail}`);
    }
  });
  await frozen(named('auth'), async () => {
    for (const [name, check, port] of both) {
      const result = await runCheck(check, { port, ...account }, { depth: 'deep', timeoutMs: 2000 });
      assert.is(said(result), 'fail/hung', `${name}: ${result.detail}`);
    }
  });
  await until(
    'a well Dovecot',
    async () => said(await runCheck(pop3, { port: dovecot.pop3, ...account }, deep)) === 'pass/-',
    30_000,
  );
});

test('pop3: a mailbox that somebody else has open, and a store that cannot be read', async () => {
  const port = dovecot.pop3;

  const other = await net.open({ port, signal: new AbortController().signal, timeoutMs: 10_000 });
  for (const line of ['USER probe@lab.test', 'PASS pw']) {
    await other.readLine();
    await other.write(`${line}\r\n`);
  }
  assert.match(await other.readLine(), /^\+OK/);
  // Dovecot itself waits half a minute for the lock.
  const locked = await runCheck(pop3, { port, ...account }, { depth: 'deep', timeoutMs: 60_000 });
  other.close();
  assert.is(said(locked), 'degraded/overloaded', locked.detail);
  assert.match(locked.detail, 'IN-USE');
});

test('a store that cannot be reached is a dependency', async () => {
  const home = join(dovecot.mail, 'probe@lab.test');
  renameSync(home, `${home}.away`);
  mkdirSync(home);
  chownSync(home, 0, 0);
  chmodSync(home, 0o700);
  const box = await runCheck(pop3, { port: dovecot.pop3, ...account }, deep);
  assert.is(said(box), 'degraded/dependency', box.detail);
  const scripts = await runCheck(managesieve, { port: sieve, ...account }, deep);
  assert.is(said(scripts), 'degraded/dependency', scripts.detail);
});

test.run();
