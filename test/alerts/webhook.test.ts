// The webhook channel: signatures, secrets, answers and bad receivers. What each receiver gets is in
// webhook-formats.test.ts.
import { createHmac } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import webhook from '../../src/alerts/webhook.ts';
import type { AlertChannel, Ports } from '../../src/define.ts';
import { clock } from '../../src/ports/clock.ts';
import { makeAlert } from '../support/alert.ts';
import { authority, elsewhere, good } from '../support/certificates.ts';
import { closedPort, type HostileMode, hostile } from '../support/hostile.ts';
import { SECRETS, type TestChannel, type TestDoors, testChannel } from '../support/send-alert.ts';
import { type Answer, type Asked, status, type WebReceiver, webReceiver } from '../support/web-receiver.ts';

const test = suite('webhook');
const open: WebReceiver[] = [];
test.after.each(async () => {
  await Promise.all(open.splice(0).map((one) => one.stop()));
});
async function receiver(answer?: Answer, tls?: { cert: string; key: string }): Promise<WebReceiver> {
  const one = await webReceiver(answer, tls);
  open.push(one);
  return one;
}
const channel = (options: object, doors: TestDoors = {}): TestChannel =>
  testChannel(webhook as unknown as AlertChannel, { timeout: '2s', ...options }, doors);
const fault = (result: unknown): string =>
  String((result as { retry?: string }).retry ?? (result as { drop?: string }).drop ?? result);
const isRetry = (result: unknown): boolean => typeof result === 'object' && result !== null && 'retry' in result;
const isDrop = (result: unknown): boolean => typeof result === 'object' && result !== null && 'drop' in result;
const nothing: Asked = { method: '', path: '', headers: {}, body: '' };
const trusted: Partial<Ports> = { files: { readText: () => authority } as never };

test('our own JSON, signed over the time and the body', async () => {
  const one = await receiver();
  const options = { url: `${one.url}/hook?a=1`, sign: 'env:KEY', headers: { 'X-Team': 'mail', 'X-Api': 'env:TOKEN' } };
  const story = [{ time: '2026-11-22T12:59:58.000Z', service: 'mta', rule: 'failed', text: 'two "checks" failed' }];
  const alert = { ...makeAlert({ at: 61_000 }), again: 'reminder' as const };
  assert.is(await channel(options).send(alert, { story, children: ['imap'] }), 'sent');
  const [{ method, path, headers, body } = nothing] = one.asked;
  assert.equal([method, path], ['POST', '/hook?a=1']);
  assert.is(headers['content-type'], 'application/json; charset=utf-8');
  assert.is(headers['content-length'], String(Buffer.byteLength(body)));
  assert.equal([headers['x-team'], headers['x-api'], headers['x-watchkeeper-alert']], ['mail', SECRETS.TOKEN, '7']);
  const timestamp = String(headers['x-watchkeeper-timestamp']);
  assert.ok(Math.abs(Number(timestamp) - Date.now() / 1000) < 60);
  const expected = createHmac('sha256', SECRETS.KEY).update(`${timestamp}.${body}`).digest('hex');
  assert.is(headers['x-watchkeeper-signature'], `sha256=${expected}`);
  assert.equal(JSON.parse(body), {
    version: 1,
    alert: 7,
    time: '2026-11-22T13:00:00.123Z',
    node: 'n1',
    channel: 'channel',
    event: 'service-failing',
    number: 1,
    kind: 'raise',
    severity: 'major',
    key: 'mta/service-failing',
    service: 'mta',
    incident: 'mta-1',
    since: '2026-11-22T12:59:00.123Z',
    headline: 'MAJOR (reminder) mta: no banner within 2 s',
    summary: 'no banner within 2 s',
    action: 'a restart is tried',
    cause: 'hung',
    count: 1,
    runbook: null,
    again: 'reminder',
    waiting: ['imap'],
    active: { count: 1, highest: 'major' },
    story: ['12:59:58  mta: two "checks" failed'],
  });
});

test('the address and the token may be secrets, and no text shows them', async () => {
  const quoting = await receiver((asked, response) =>
    response.writeHead(404).end(`Cannot POST ${asked.path} with ${asked.headers.authorization}`),
  );
  const secrets = { HOOK: `${quoting.url}/services/T0/B0/s3cr3t` };
  const one = channel({ url: 'env:HOOK', token: 'env:TOKEN' }, { secrets });
  const result = await one.send(makeAlert());
  assert.ok(isDrop(result), JSON.stringify(result));
  assert.is(quoting.asked[0]?.path, '/services/T0/B0/s3cr3t');
  assert.is(quoting.asked[0]?.headers.authorization, `Bearer ${SECRETS.TOKEN}`);
  for (const text of [fault(result), one.troubles.at(-1) ?? '']) {
    assert.match(text, 'the receiver answers 404');
    assert.not.match(text, 's3cr3t');
    assert.not.match(text, /t0k/);
  }
  const dead = channel({ url: 'env:HOOK' }, { secrets: { HOOK: `http://127.0.0.1:${await closedPort()}/s3cr3t` } });
  assert.not.match(fault(await dead.send(makeAlert())), 's3cr3t');
  for (const HOOK of ['no address', 'ftp://x/s3cr3t', 'http://'])
    assert.match(
      fault(await channel({ url: 'env:HOOK' }, { secrets: { HOOK } }).send(makeAlert())),
      /env:HOOK holds no/,
    );
  assert.match(fault(await channel({ url: 'env:NOT_THERE' }).send(makeAlert())), /NOT_THERE/);
  const broken = channel({ url: quoting.url, token: 'env:BAD' }, { secrets: { BAD: 'a\r\nX-Evil: 1' } });
  const refused = await broken.send(makeAlert());
  assert.ok(isRetry(refused));
  assert.not.match(fault(refused), 'Evil');
});

test('what each answer means', async () => {
  const table: [number, 'sent' | 'retry' | 'drop'][] = [
    ...[200, 201, 202, 204].map((code): [number, 'sent'] => [code, 'sent']),
    ...[301, 302, 307, 308, 408, 425, 429, 500, 502, 503, 504].map((code): [number, 'retry'] => [code, 'retry']),
    ...[400, 401, 403, 404, 410, 413, 422].map((code): [number, 'drop'] => [code, 'drop']),
  ];
  const elsewhereOne = await receiver();
  for (const [code, meaning] of table) {
    const one = await receiver(
      status(code, { location: `${elsewhereOne.url}/x` }, code === 204 ? '' : 'so <b>\u001b[2J'),
    );
    const hook = channel({ url: one.url });
    const result = await hook.send(makeAlert());
    const kind = result === 'sent' ? 'sent' : isRetry(result) ? 'retry' : 'drop';
    assert.is(kind, meaning, String(code));
    if (kind !== 'sent') assert.match(fault(result), `the receiver answers ${code}: "so <b>\\x1b[2J"`);
    assert.equal(hook.troubles.length, kind === 'retry' ? 0 : 1, String(code));
    if (kind === 'drop') assert.match(hook.troubles[0] ?? '', 'refused for good');
  }
  // Redirects are not followed.
  assert.is(elsewhereOne.asked.length, 0);
});

test('Retry-After is obeyed, but not for ever', async () => {
  let now = 1000;
  const wall = Date.parse('2026-11-22T13:00:00Z');
  const ports: Partial<Ports> = { clock: { ...clock, monotonic: () => now, wall: () => wall } };
  const waits: [string, number][] = [
    ['7', 7000],
    ['Sun, 22 Nov 2026 13:00:20 GMT', 20_000],
    ['86400', 300_000],
    ['soon', 0],
    ['-5', 0],
  ];
  for (const [header, ms] of waits) {
    let busy = true;
    const one = await receiver((asked, response) =>
      busy ? status(429, { 'retry-after': header })(asked, response) : status(200)(asked, response),
    );
    const hook = channel({ url: one.url }, { ports });
    assert.ok(isRetry(await hook.send(makeAlert())));
    busy = false;
    if (ms > 0) {
      now += ms - 1;
      assert.match(fault(await hook.send(makeAlert())), 'left alone');
      assert.is(one.asked.length, 1, header);
      now += 2;
    }
    assert.is(await hook.send(makeAlert()), 'sent', header);
    assert.is(one.asked.length, 2, header);
  }
});

const MODES: HostileMode[] = [
  'silent',
  'half-line',
  'late',
  'drips',
  'long-line',
  'endless',
  'garbage',
  'closes',
  'resets',
];
test('no receiver can hold it up, fill the memory, or make it believe that it has the alert', async () => {
  await Promise.all(
    MODES.map(async (mode) => {
      const server = await hostile(mode, { greeting: 'HTTP/1.1 200 OK\r\n\r\n' });
      const started = performance.now();
      const result = await channel({ url: `http://127.0.0.1:${server.port}/`, timeout: '1s' }).send(makeAlert());
      assert.ok(isRetry(result), `${mode}: ${JSON.stringify(result)}`);
      assert.ok(performance.now() - started < 10_000, mode);
      assert.not.match(fault(result), /[\x00-\x1f\u202e]/);
      assert.ok(server.written() < 20_000_000, `${mode}: ${server.written()}`);
      await server.stop();
    }),
  );
});

test('an answer of 100 MB is not read', async () => {
  let written = 0;
  const one = await receiver((_asked, response) => {
    response.writeHead(200, { 'content-length': '100000000' });
    const chunk = Buffer.alloc(65_536, 0x78);
    const pour = (): void => {
      while (written < 100_000_000 && !response.destroyed) {
        written += chunk.length;
        if (!response.write(chunk)) return void response.once('drain', pour);
      }
    };
    pour();
  });
  assert.is(await channel({ url: one.url }).send(makeAlert()), 'sent');
  await new Promise((done) => setTimeout(done, 100));
  assert.ok(written < 30_000_000, String(written));
});

test('a body that never ends is no yes', async () => {
  const one = await receiver((_asked, response) => {
    response.writeHead(200, { 'content-length': '10' });
    response.write('x');
  });
  assert.ok(isRetry(await channel({ url: one.url, timeout: '500ms' }).send(makeAlert())));
});

test('TLS is checked', async () => {
  const fine = await receiver(undefined, good);
  const wrong = await receiver(undefined, elsewhere);
  const doors = { ports: trusted };
  assert.is(await channel({ url: fine.url, ca: '/etc/ca.pem' }, doors).send(makeAlert()), 'sent');
  for (const hook of [channel({ url: fine.url }), channel({ url: wrong.url, ca: '/etc/ca.pem' }, doors)])
    assert.match(fault(await hook.send(makeAlert())), /certificate refused/);
  assert.is(wrong.asked.length, 0);
});

test('a body of one’s own', async () => {
  const one = await receiver();
  const template = '{"msg": "{{ headline }}", "n": {{count}}, "id": {{alert}}, "k": ["{{key}}", "{{service}}"]}';
  const evil = `"}, "admin": true, {"x": "\\ {{key}} \r\n grüße`;
  const hook = channel({ url: one.url, format: 'custom', template, method: 'PUT' });
  assert.is(await hook.send(makeAlert({ summary: evil, count: 3, service: null })), 'sent');
  const body = JSON.parse(one.asked[0]?.body ?? '') as Record<string, unknown>;
  assert.equal(Object.keys(body), ['msg', 'n', 'id', 'k']);
  assert.is(body['msg'], `MAJOR "}, "admin": true, {"x": "\\ {{key}} \\r\\n grüße`);
  assert.equal([body['n'], body['id'], body['k']], [3, 7, ['mta/service-failing', '']]);
  assert.is(one.asked[0]?.method, 'PUT');
});

test('what cannot be meant is refused in the file', () => {
  const url = 'https://hooks.example.org/x';
  const bad: [object, RegExp][] = [
    [{ url: 'https://user:pw@hooks.example.org/' }, /without a user name/],
    [{ url: 'hooks.example.org' }, /http/],
    [{ url, format: 'custom' }, /needs `template`/],
    [{ url, template: '{}' }, /for `custom` only/],
    [{ url, format: 'custom', template: '{"a": "{{sumary}}"}' }, /did you mean \{\{summary\}\}\?/],
    [{ url, format: 'custom', template: '{"a": {{summary}}}' }, /it gives no JSON/],
    [{ url, format: 'custom', template: `[${'{{count}},'.repeat(51)}1]` }, /at most 50/],
    [{ url, format: 'pagerduty' }, /needs `routing-key`/],
    [{ url, format: 'matrix', room: '!a:b' }, /needs `room` and `token`/],
    [{ url, format: 'slak' }, /Invalid option/],
    [{ url, headers: { Host: 'x' } }, /Host is set here/],
    [{ url, headers: { 'X-A': 'a\r\nb' } }, /ASCII/],
    [{ url: 'http://hooks.example.org/', token: 'env:TOKEN' }, /not sent over http/],
    [{ url: 'http://10.0.0.1/', headers: { 'X-Key': 'file:/etc/key' } }, /not sent over http/],
    [{ url, tokn: 'env:TOKEN' }, /tokn/],
  ];
  for (const [options, text] of bad) assert.throws(() => channel(options), text, JSON.stringify(options));
  channel({ url: 'http://127.0.0.1:9093/', token: 'env:TOKEN' });
});

test.run();
