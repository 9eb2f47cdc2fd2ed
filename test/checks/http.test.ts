import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/http.ts';
import type { CheckResult } from '../../src/define.ts';
import { authority, expired } from '../support/certificates.ts';
import { runCheck } from '../support/check.ts';
import { type HostileOptions, hostile } from '../support/hostile.ts';

const test = suite('http');

const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
async function ask(answer: string | null, options: object = {}, more: HostileOptions = {}): Promise<CheckResult> {
  const script = (line: string): string | null | undefined => (line === '' ? answer : undefined);
  const fake = await hostile('scripted', { greeting: '', answer: script, ...more });
  try {
    const url = `${more.implicit ? 'https' : 'http'}://127.0.0.1:${fake.port}/`;
    return await runCheck(check, { url, ...options }, { timeoutMs: 600 });
  } finally {
    await fake.stop();
  }
}

test('statuses and their causes', async () => {
  const table: [number, string][] = [
    [200, 'pass/-'],
    [302, 'pass/-'],
    [404, 'fail/misconfigured'],
    [429, 'degraded/overloaded'],
    [500, 'fail/misconfigured'],
    [502, 'fail/dependency'],
    [503, 'fail/overloaded'],
    [504, 'fail/dependency'],
  ];
  for (const [status, wanted] of table) {
    assert.is(said(await ask(`HTTP/1.1 ${status} x\r\ncontent-length: 0\r\n\r\n`)), wanted, String(status));
  }
});

test('a body that is large, cut off, or never ends', async () => {
  const large = `HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\n\r\n${'x'.repeat(100_000)}needle`;
  const found = await ask(large, { text: 'needle', max: '64K' });
  assert.is(said(found), 'fail/misconfigured');
  assert.match(found.detail, 'as far as it was read');
  assert.is(found.metrics?.find((metric) => metric.name === 'size')?.value, 65_536);
  const unfinished = await ask(large, { text: 'needle', max: '1M' });
  assert.is(said(unfinished), 'fail/hung', unfinished.detail);
  const headers = await ask(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`);
  assert.is(said(headers), 'fail/misconfigured');
  assert.match(headers.detail, 'too long');
  assert.is(said(await ask(null)), 'fail/refusing', 'closed after the question');
  assert.is(said(await ask('')), 'fail/hung', 'no answer');
});

test('an expired certificate has its own cause, and nothing is asked of a server that is not trusted', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wk-http-'));
  const ca = join(folder, 'ca.pem');
  writeFileSync(ca, authority);
  const asked: string[] = [];
  const script = (line: string): undefined => void asked.push(line);
  const result = await ask('', { ca, servername: 'mail.test' }, { implicit: true, tls: expired, answer: script });
  rmSync(folder, { recursive: true });
  assert.is(said(result), 'fail/expired', result.detail);
  assert.equal(asked, []);
});

test('a url with a login in it is refused', () => {
  assert.is(check.options.safeParse({ url: 'http://user:secret@host/' }).success, false);
  assert.is(check.options.safeParse({ url: 'file:///etc/passwd' }).success, false);
});

test.run();
