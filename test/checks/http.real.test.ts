// The HTTP check against nginx.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import http from '../../src/checks/http.ts';
import type { CheckResult } from '../../src/define.ts';
import { authority } from '../support/certificates.ts';
import { runCheck } from '../support/check.ts';
import { type Nginx, startNginx, stopped } from '../support/servers.ts';

const test = suite('http on nginx');
let nginx: Nginx;

test.before(async () => {
  nginx = await startNginx();
  writeFileSync(join(nginx.folder, 'authority.pem'), authority);
});
test.after(async () => {
  await nginx?.stop();
});

const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;

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

test.run();
