// The DNS check against BIND.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import dns from '../../src/checks/dns.ts';
import type { CheckResult } from '../../src/define.ts';
import { runCheck } from '../support/check.ts';
import { type Bind, startBind, stopped } from '../support/servers.ts';

const test = suite('dns on BIND');
let bind: Bind;

test.before(async () => {
  bind = await startBind();
});
test.after(() => bind?.stop());

const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;

test('answers of each type, and each kind of no', async () => {
  const server = bind.address;
  const table: [Record<string, unknown>, string, RegExp][] = [
    [{ query: 'mail.lab.test', server, expect: ['127.0.0.2'] }, 'pass/-', /"127\.0\.0\.1, 127\.0\.0\.2"/],
    [{ query: 'mail.lab.test', record: 'AAAA', server }, 'pass/-', /"::1"/],
    [{ query: 'lab.test', record: 'MX', server, expect: ['10 mail.lab.test.'] }, 'pass/-', /10 mail/],
    [{ query: 'lab.test', record: 'SOA', server }, 'pass/-', /ns\.lab\.test/],
    [{ query: 'text.lab.test', record: 'TXT', server, expect: ['one two'] }, 'pass/-', /one two/],
    [{ query: 'mail.lab.test', server, expect: ['10.0.0.1'] }, 'fail/misconfigured', /without "10\.0\.0\.1"/],
    [{ query: 'away.lab.test', server }, 'fail/misconfigured', /NXDOMAIN/],
    [{ query: 'ns.lab.test', record: 'MX', server }, 'fail/misconfigured', /no MX record/],
    [{ query: 'mail.broken.test', server }, 'fail/dependency', /SERVFAIL/],
    [{ query: 'mail.closed.test', server }, 'fail/misconfigured', /REFUSED/],
    [{ query: 'elsewhere.example', server }, 'fail/dependency', /SERVFAIL/],
  ];
  for (const [options, wanted, detail] of table) {
    const result = await runCheck(dns, options, { timeoutMs: 8000 });
    assert.is(said(result), wanted, `${JSON.stringify(options)}: ${result.detail}`);
    assert.match(result.detail, detail);
  }
});

test('stopped it is hung, away it is refusing', async () => {
  await stopped(bind.pid(), async () => {
    const started = performance.now();
    const result = await runCheck(dns, { query: 'mail.lab.test', server: bind.address }, { timeoutMs: 900 });
    assert.is(said(result), 'fail/hung', result.detail);
    assert.ok(performance.now() - started < 900);
  });
  const away = await runCheck(dns, { query: 'mail.lab.test', server: '127.0.0.1:1' }, { timeoutMs: 2000 });
  assert.is(said(away), 'fail/refusing', away.detail);
});

test.run();
