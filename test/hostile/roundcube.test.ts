// The check of Roundcube against every way in which a server can be bad.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/roundcube.ts';
import type { Check } from '../../src/define.ts';
import { runCheck } from '../support/check.ts';
import { closedPort, type HostileMode, hostile } from '../support/hostile.ts';

const test = suite('roundcube and hostile servers');
const TIMEOUT_MS = 1500;
/** A loaded machine may be late; a check that does not end is far later. */
const SLACK_MS = 3000;
const table: Readonly<Record<Exclude<HostileMode, 'scripted'> | 'closed', string>> = {
  silent: 'fail/hung',
  'half-line': 'fail/hung',
  late: 'fail/hung',
  drips: 'fail/hung',
  'long-line': 'fail/misconfigured',
  endless: 'fail/misconfigured',
  garbage: 'fail/misconfigured',
  closes: 'fail/refusing',
  resets: 'fail/refusing',
  closed: 'fail/refusing',
};

for (const [mode, wanted] of Object.entries(table) as [HostileMode | 'closed', string][])
  test(mode, async () => {
    const before = process.memoryUsage().rss;
    const server = mode === 'closed' ? null : await hostile(mode, { greeting: 'HTTP/1.1 200 OK\r\n\r\n' });
    const started = performance.now();
    const options = { url: `http://127.0.0.1:${server?.port ?? (await closedPort())}/`, log: '/nonexistent/log' };
    const account = { user: 'probe', password: 'env:LAB_PASSWORD' };
    const how = { depth: 'deep', timeoutMs: TIMEOUT_MS } as const;
    const result = await runCheck(check as unknown as Check, { ...options, ...account }, how);
    await server?.stop();
    assert.is(`${result.outcome}/${result.cause ?? '-'}`, wanted, result.detail);
    assert.ok(performance.now() - started < TIMEOUT_MS + SLACK_MS);
    assert.not.match(result.detail, /[\p{Cc}\p{Cf}]/u);
    assert.ok(result.detail.length < 500);
    assert.ok(process.memoryUsage().rss - before < 80_000_000, 'memory');
  });

const FORM = '<input name="_token" value="x"><input name="_pass">';
test('a page that is full of what is looked for costs no time', async () => {
  const { createServer } = await import('node:http');
  const pieces = [
    '<input ',
    '<input name="_token"',
    'display_message("\\',
    '"request_token":"',
    '{"action":"list","exec":"',
  ];
  for (const piece of pieces) {
    const body = FORM + piece.repeat(Math.ceil(250_000 / piece.length));
    const server = createServer((_request, response) => response.end(body));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/`;
    const started = performance.now();
    const account = { user: 'probe', password: 'env:LAB_PASSWORD', log: '/nonexistent/log' };
    await runCheck(check as unknown as Check, { url, ...account }, { depth: 'deep', timeoutMs: TIMEOUT_MS });
    server.closeAllConnections();
    server.close();
    assert.ok(performance.now() - started < TIMEOUT_MS, piece);
  }
});

test.run();
