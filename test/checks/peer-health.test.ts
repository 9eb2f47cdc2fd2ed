import { createServer } from 'node:http';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check, { at } from '../../src/checks/peer-health.ts';
import type { CheckResult } from '../../src/define.ts';
import { PASSWORD, runCheck } from '../support/check.ts';
import { closedPort } from '../support/hostile.ts';

const test = suite('check peer-health');
const short = (got: CheckResult): string => [got.outcome, got.cause].filter(Boolean).join(' ');
let [status, body, authorization] = [200, '', ''];
const http = createServer((call, answer) => {
  authorization = call.headers.authorization ?? '';
  answer.writeHead(status).end(body);
});
let url = '';
test.before(async () => {
  await new Promise<void>((done) => http.listen(0, '127.0.0.1', done));
  const address = http.address();
  url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/health`;
});
test.after(() => new Promise((done) => http.close(() => done(undefined))));

const ask = (page: unknown, more: object = {}, code = 200): Promise<CheckResult> => {
  [status, body] = [code, typeof page === 'string' ? page : JSON.stringify(page)];
  return runCheck(check, { url, ...more });
};

test('the value at a path, of the page itself', () => {
  assert.is(at({ checks: [{ db: { up: true } }] }, 'checks.0.db.up'), true);
  assert.is(at({ a: 1 }, 'a.b'), undefined);
  assert.is(at({}, 'constructor'), undefined);
  assert.is(at(null, 'a'), undefined);
});

test('good, poor and bad words; a peer only degrades, the own page fails', async () => {
  assert.is(short(await ask({ status: 'OK' })), 'pass');
  assert.is(short(await ask({ status: 'up', x: 1 }, { expect: ['UP'] })), 'pass');
  assert.is(short(await ask({ checks: { db: true } }, { field: 'checks.db' })), 'pass');
  assert.is(short(await ask({ status: 'warn' }, { own: true })), 'degraded dependency');
  const down = await ask({ status: 'down \u001b[31m' }, {}, 503);
  assert.is(short(down), 'degraded dependency');
  assert.match(down.detail, /says status "down \\x1b\[31m" \(status 503\)$/);
  assert.is(short(await ask({ status: 'down' }, { own: true }, 503)), 'fail refusing');
  assert.is(short(await ask({ status: 'ok' }, { own: true }, 500)), 'fail refusing');
});

test('no health page, refused, nobody there', async () => {
  for (const page of ['', '<html>', '{"status":', '[]', '{"status":{}}', `{"x":"${'x'.repeat(100_000)}"}`])
    assert.is(short(await ask(page, { own: true })), 'fail misconfigured', page.slice(0, 20));
  assert.is(short(await ask('no', {}, 404)), 'degraded dependency');
  assert.is(short(await ask('no', {}, 401)), 'fail credentials');
  await ask({ status: 'ok' }, { token: 'env:PROBE_PASSWORD' });
  assert.is(authorization, `Bearer ${PASSWORD}`);
  assert.is(short(await ask({ status: 'ok' }, { token: 'env:NO_SUCH' })), 'unknown');
  const gone = { url: `http://127.0.0.1:${await closedPort()}/` };
  assert.is(short(await runCheck(check, gone)), 'degraded dependency');
  assert.is(short(await runCheck(check, { ...gone, own: true })), 'fail refusing');
});

test.run();
