// The checks that read DNS against a real name server with zones of its own.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import blocklist from '../../src/checks/blocklist.ts';
import mailDns from '../../src/checks/mail-dns.ts';
import type { Check, CheckResult } from '../../src/define.ts';
import { runCheck } from '../support/check.ts';
import { type Bind, startBind, stopped } from '../support/servers.ts';

const test = suite('records on a real name server');
const KEY = 'v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A';
const ZONES = {
  'good.test': `@ MX 10 mail.good.test.
mail A 192.0.2.1
@ TXT "v=spf1 mx include:spf.good.test " "-all"
@ TXT "another text"
spf TXT "v=spf1 ip4:192.0.2.0/24 -all"
s1._domainkey TXT "${KEY.slice(0, 20)}" "${KEY.slice(20)}"
old._domainkey TXT "v=DKIM1; p="
_dmarc TXT "v=DMARC1; p=quarantine"`,
  'bad.test': `@ MX 10 nowhere.bad.test.
@ TXT "v=spf1 -all"
@ TXT "v=spf1 mx -all"`,
  'bl.test': `2.0.0.127 A 127.0.0.2
25.2.0.192 A 127.0.0.4
25.2.0.192 TXT "listed for the test"
2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 A 127.0.0.2`,
  'all.test': '* A 127.0.0.2',
};

let bind: Bind;
test.before(async () => {
  bind = await startBind(ZONES);
});
test.after(() => bind?.stop());

const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const run = (check: unknown, options: object, timeoutMs = 10_000): Promise<CheckResult> =>
  runCheck(check as Check, { server: bind.address, ...options }, { depth: 'deep', timeoutMs });

test('mail records', async () => {
  const good = await run(mailDns, { domain: 'good.test', mx: ['mail.good.test'], dkim: ['s1'] });
  assert.is(said(good), 'pass/-', good.detail);
  const old = await run(mailDns, { domain: 'good.test', dkim: ['old', 's1'] });
  assert.is(said(old), 'degraded/misconfigured');
  assert.match(old.detail, 'selector old of good.test is withdrawn');
  const bad = await run(mailDns, { domain: 'bad.test' });
  assert.is(said(bad), 'degraded/misconfigured');
  for (const part of ['nowhere.bad.test of bad.test has no address', 'has 2 SPF records', 'has no DMARC record']) {
    assert.match(bad.detail, part);
  }
});

test('a resolver that cannot tell', async () => {
  assert.is(said(await run(mailDns, { domain: 'broken.test' })), 'degraded/dependency');
  assert.is(said(await run(mailDns, { domain: 'closed.test' })), 'degraded/dependency');
  assert.is(said(await run(mailDns, { domain: 'good.test', server: '127.0.0.1:1' })), 'degraded/dependency');
  await stopped(bind.pid(), async () => {
    assert.is(said(await run(mailDns, { domain: 'good.test' }, 1500)), 'degraded/dependency');
    assert.is(said(await run(blocklist, { addresses: ['192.0.2.25'], zones: ['bl.test'] }, 1500)), 'unknown/-');
  });
});

test('block lists', async () => {
  const hit = await run(blocklist, { addresses: ['192.0.2.1', '192.0.2.25'], zones: ['bl.test', 'all.test'] });
  assert.is(said(hit), 'degraded/dependency', hit.detail);
  assert.match(hit.detail, '192.0.2.25 is listed by bl.test (127.0.0.4): "listed for the test"');
  const clean = await run(blocklist, { addresses: ['192.0.2.1', '2001:db8::1'], zones: ['bl.test', 'all.test'] });
  assert.is(said(clean), 'pass/-', clean.detail);
  assert.match(clean.detail, 'all.test lists everything');
  assert.is(said(await run(blocklist, { addresses: ['192.0.2.1'], zones: ['lab.test'] })), 'unknown/-');
});

test.run();
