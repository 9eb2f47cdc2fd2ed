// The HTTP check against nginx and the DNS check against BIND.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import dns from '../../src/checks/dns.ts';
import http from '../../src/checks/http.ts';
import type { CheckResult } from '../../src/define.ts';
import { authority } from '../support/certificates.ts';
import { runCheck } from '../support/check.ts';
import { type Bind, type Nginx, processTree, startBind, startNginx } from '../support/servers.ts';

const test = suite('http and dns on real servers');
let nginx: Nginx;
let bind: Bind;

test.before(async () => {
  nginx = await startNginx();
  bind = await startBind();
  writeFileSync(join(nginx.folder, 'authority.pem'), authority);
});
test.after(async () => {
  await nginx?.stop();
  await bind?.stop();
});

const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;

async function stopped(pid: number, work: () => Promise<void>): Promise<void> {
  const tree = processTree(pid);
  for (const one of tree) process.kill(one, 'SIGSTOP');
  try {
    await work();
  } finally {
    for (const one of tree) process.kill(one, 'SIGCONT');
  }
}

test('http: status, text, redirects, what is behind', async () => {
  const at = (path: string): string => `http://127.0.0.1:${nginx.http}${path}`;
  const table: [Record<string, unknown>, string, RegExp][] = [
    [{ url: at('/'), text: 'Password' }, 'pass/-', /answers 200/],
    [{ url: at('/'), text: 'Welcome' }, 'fail/misconfigured', /without "Welcome"; it begins with "<h1>Webmail/],
    [{ url: at('/'), method: 'HEAD' }, 'pass/-', /200/],
    [{ url: at('/away') }, 'fail/misconfigured', /answers 404/],
    [{ url: at('/away'), status: [404] }, 'pass/-', /404/],
    [{ url: at('/gone') }, 'pass/-', /302/],
    [{ url: at('/gone'), status: [200] }, 'fail/misconfigured', /302, to "http:\/\/elsewhere\.test\/"/],
    [{ url: at('/gateway') }, 'fail/dependency', /502/],
    [{ url: at('/'), slow: '0ms' }, 'degraded/overloaded', /more than 0 ms/],
  ];
  for (const [options, wanted, detail] of table) {
    const result = await runCheck(http, options);
    assert.is(said(result), wanted, result.detail);
    assert.match(result.detail, detail);
  }
});

test('https: who it is', async () => {
  const url = `https://127.0.0.1:${nginx.https}/`;
  const ca = join(nginx.folder, 'authority.pem');
  assert.is(said(await runCheck(http, { url, ca })), 'pass/-');
  assert.is(said(await runCheck(http, { url, ca, servername: 'mail.test' })), 'pass/-');
  assert.is(said(await runCheck(http, { url, verify: false })), 'pass/-');
  for (const options of [{ url }, { url, ca, servername: 'other.test' }]) {
    const result = await runCheck(http, options);
    assert.is(said(result), 'fail/misconfigured', result.detail);
    assert.match(result.detail, 'certificate refused');
  }
  const plain = await runCheck(http, { url: `https://127.0.0.1:${nginx.http}/` });
  assert.is(said(plain), 'fail/misconfigured', plain.detail);
});

test('http: a server that stands still is hung', async () => {
  await stopped(nginx.pid(), async () => {
    const result = await runCheck(http, { url: `http://127.0.0.1:${nginx.http}/` }, { timeoutMs: 600 });
    assert.is(said(result), 'fail/hung', result.detail);
  });
});

test('dns: answers of each type, and each kind of no', async () => {
  const server = bind.address;
  const table: [Record<string, unknown>, string, RegExp][] = [
    [{ name: 'mail.lab.test', server, expect: ['127.0.0.2'] }, 'pass/-', /"127\.0\.0\.1, 127\.0\.0\.2"/],
    [{ name: 'mail.lab.test', type: 'AAAA', server }, 'pass/-', /"::1"/],
    [{ name: 'lab.test', type: 'MX', server, expect: ['10 mail.lab.test.'] }, 'pass/-', /10 mail/],
    [{ name: 'lab.test', type: 'SOA', server }, 'pass/-', /ns\.lab\.test/],
    [{ name: 'text.lab.test', type: 'TXT', server, expect: ['one two'] }, 'pass/-', /one two/],
    [{ name: 'mail.lab.test', server, expect: ['10.0.0.1'] }, 'fail/misconfigured', /without "10\.0\.0\.1"/],
    [{ name: 'away.lab.test', server }, 'fail/misconfigured', /NXDOMAIN/],
    [{ name: 'ns.lab.test', type: 'MX', server }, 'fail/misconfigured', /no MX record/],
    [{ name: 'mail.broken.test', server }, 'fail/dependency', /SERVFAIL/],
    [{ name: 'mail.closed.test', server }, 'fail/misconfigured', /REFUSED/],
    [{ name: 'elsewhere.example', server }, 'fail/dependency', /SERVFAIL/],
  ];
  for (const [options, wanted, detail] of table) {
    const result = await runCheck(dns, options, { timeoutMs: 8000 });
    assert.is(said(result), wanted, `${JSON.stringify(options)}: ${result.detail}`);
    assert.match(result.detail, detail);
  }
});

test('dns: stopped it is hung, away it is refusing', async () => {
  await stopped(bind.pid(), async () => {
    const started = performance.now();
    const result = await runCheck(dns, { name: 'mail.lab.test', server: bind.address }, { timeoutMs: 900 });
    assert.is(said(result), 'fail/hung', result.detail);
    assert.ok(performance.now() - started < 900);
  });
  const away = await runCheck(dns, { name: 'mail.lab.test', server: '127.0.0.1:1' }, { timeoutMs: 2000 });
  assert.is(said(away), 'fail/refusing', away.detail);
});

test.run();
