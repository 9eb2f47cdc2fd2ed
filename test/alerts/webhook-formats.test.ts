// What each receiver of webhooks gets, held against what its documentation says.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import webhook from '../../src/alerts/webhook.ts';
import type { Alert, AlertChannel, Background } from '../../src/define.ts';
import { clock } from '../../src/ports/clock.ts';
import { makeAlert } from '../support/alert.ts';
import { type TestChannel, testChannel } from '../support/send-alert.ts';
import { type WebReceiver, webReceiver } from '../support/web-receiver.ts';

const test = suite<{ one: WebReceiver }>('webhook formats');
test.before.each(async (context) => {
  context.one = await webReceiver();
});
test.after.each(({ one }) => one.stop());

const channel = (options: object): TestChannel => testChannel(webhook as unknown as AlertChannel, options);
const last = (one: WebReceiver): Record<string, unknown> =>
  JSON.parse(one.asked.at(-1)?.body ?? 'null') as Record<string, unknown>;
const evil = 'said <!channel> @all `x` [a](javascript:b) & "q"\r\n\u202e';
const runbook = 'https://wiki.example.org/mta';
const raise = (change: object = {}, id = 7): Alert => makeAlert({ runbook, at: 61_000, ...change }, id);
const clear = (change: object = {}, id = 8): Alert =>
  makeAlert({ kind: 'clear', severity: 'cleared', at: 301_000, ...change }, id);
const once = (event: string, severity: 'major' | 'warning' | 'indeterminate'): Alert =>
  makeAlert({ event, kind: 'once', severity, incident: null }, 9);

interface Posted {
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
  readonly startsAt: string;
  readonly endsAt: string;
}

/** postableAlerts of Alertmanager's api/v2/openapi.yaml, and what its server refuses beside that. */
function holdToAlertmanager(body: unknown): readonly Posted[] {
  assert.ok(Array.isArray(body) && body.length > 0);
  for (const posted of body as Posted[]) {
    assert.equal(Object.keys(posted).sort(), ['annotations', 'endsAt', 'labels', 'startsAt']);
    for (const set of [posted.labels, posted.annotations])
      for (const [name, value] of Object.entries(set)) {
        assert.match(name, /^[a-zA-Z_][a-zA-Z0-9_]*$/);
        assert.ok(typeof value === 'string' && value !== '', name);
      }
    assert.ok(posted.labels['alertname']);
    for (const time of [posted.startsAt, posted.endsAt]) assert.match(time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.ok(Date.parse(posted.startsAt) <= Date.parse(posted.endsAt));
  }
  return body as Posted[];
}

test('Alertmanager: a raise fires, a clear with the same labels ends it', async ({ one }) => {
  const hook = channel({ url: `${one.url}/api/v2/alerts`, format: 'alertmanager', hold: '2h' });
  assert.is(await hook.send(raise({ summary: evil })), 'sent');
  const [fired] = holdToAlertmanager(last(one));
  assert.equal(fired?.labels, {
    alertname: 'service-failing',
    severity: 'major',
    instance: 'n1',
    job: 'watchkeeper',
    key: 'mta/service-failing',
    service: 'mta',
  });
  assert.is(fired?.annotations['runbook_url'], runbook);
  assert.is(fired?.startsAt, '2026-11-22T12:59:00.123Z');
  assert.ok(Math.abs(Date.parse(fired?.endsAt ?? '') - Date.now() - 2 * 3_600_000) < 60_000);
  assert.is(await hook.send(clear()), 'sent');
  const ended = holdToAlertmanager(last(one));
  assert.is(ended.length, 1);
  assert.equal(ended[0]?.labels, fired?.labels);
  assert.is(ended[0]?.endsAt, '2026-11-22T13:00:00.123Z');
});

test('Alertmanager: what fires is told again with every alert, and a clear after a restart ends whatever fired', async ({
  one,
}) => {
  const hook = channel({ url: one.url, format: 'alertmanager' });
  await hook.send(raise());
  await hook.send(raise({ key: 'imap/service-failing', service: 'imap', severity: 'critical' }, 8));
  const both = holdToAlertmanager(last(one));
  assert.equal(
    both.map(({ labels }) => labels['service']),
    ['imap', 'mta'],
  );
  await hook.send(once('heartbeat', 'indeterminate'));
  assert.is(holdToAlertmanager(last(one)).length, 3);
  await hook.send(clear({}, 10));
  await hook.send(once('heartbeat', 'indeterminate'));
  assert.equal(
    holdToAlertmanager(last(one)).map(({ labels }) => labels['service'] ?? labels['alertname']),
    ['mta', 'imap'],
  );
  const later = channel({ url: one.url, format: 'alertmanager' });
  await later.send(clear());
  const ended = holdToAlertmanager(last(one));
  assert.equal(
    ended.map(({ labels }) => labels['severity']),
    ['critical', 'major', 'minor', 'warning', 'indeterminate'],
  );
  // Nothing is active: what is remembered is forgotten.
  await hook.send(once('heartbeat', 'indeterminate'), { active: { count: 0, highest: 'cleared' } });
  assert.is(holdToAlertmanager(last(one)).length, 1);
});

test('Alertmanager: nothing ends before it began, whatever the wall clock says', async ({ one }) => {
  const ports = { clock: { ...clock, wall: () => 0 } };
  const options = { url: one.url, format: 'alertmanager' };
  const hook = testChannel(webhook as unknown as AlertChannel, options, { ports });
  for (const alert of [raise(), clear({ at: 0, raisedAt: 5000 }), once('recovery-started', 'warning')]) {
    await hook.send(alert);
    holdToAlertmanager(last(one));
  }
});

test('PagerDuty: trigger, resolve and acknowledge by one key', async ({ one }) => {
  const hook = channel({ url: one.url, format: 'pagerduty', 'routing-key': 'env:KEY' });
  await hook.send(raise({ summary: `${evil}${'x'.repeat(2000)}` }));
  const body = last(one);
  const payload = body['payload'] as Record<string, unknown>;
  assert.equal(
    [body['event_action'], body['dedup_key'], body['routing_key']],
    ['trigger', 'n1/mta/service-failing', 'signing key'],
  );
  assert.ok(String(payload['summary']).length <= 1024);
  assert.equal(
    ['source', 'severity', 'component', 'class', 'timestamp'].map((name) => payload[name]),
    ['n1', 'error', 'mta', 'service-failing', '2026-11-22T12:59:00.123Z'],
  );
  assert.equal(body['links'], [{ href: runbook, text: 'Runbook' }]);
  await hook.send(clear());
  assert.equal(last(one), {
    routing_key: 'signing key',
    dedup_key: 'n1/mta/service-failing',
    event_action: 'resolve',
  });
  await hook.send(once('alarm-acknowledged', 'indeterminate'));
  assert.is(last(one)['event_action'], 'acknowledge');
  const before = one.asked.length;
  for (const event of ['heartbeat', 'recovery-started']) assert.is(await hook.send(once(event, 'warning')), 'sent');
  assert.is(one.asked.length, before);
  await hook.send(once('alert-test', 'indeterminate'));
  assert.equal([last(one)['event_action'], last(one)['dedup_key']], ['trigger', 'n1/alert-test/9']);
  const long = raise({ key: 'k'.repeat(600) });
  await hook.send(long);
  assert.ok(String(last(one)['dedup_key']).length <= 255);
  const severities = ['critical', 'major', 'minor', 'warning', 'indeterminate'] as const;
  const seen: unknown[] = [];
  for (const severity of severities) {
    await hook.send(raise({ severity }));
    seen.push((last(one)['payload'] as Record<string, unknown>)['severity']);
  }
  assert.equal(seen, ['critical', 'error', 'warning', 'warning', 'info']);
});

interface Chat {
  readonly text: string;
  readonly attachments: readonly {
    readonly color: string;
    readonly fallback: string;
    readonly text?: string;
    readonly fields: readonly { readonly title: string; readonly value: string; readonly short: boolean }[];
  }[];
}
const chatOf = (one: WebReceiver): Chat => last(one) as unknown as Chat;
const story: Background['story'] = [{ time: '2026-11-22T12:59:58Z', service: 'mta', rule: 'x', text: evil }];

test('Slack: text and one attachment, and nobody is called by what a server said', async ({ one }) => {
  const hook = channel({ url: one.url, format: 'slack' });
  await hook.send(raise({ summary: evil }), { story });
  const { text, attachments } = chatOf(one);
  assert.match(text, /^\[n1\] MAJOR mta: said &lt;!channel&gt; @all `x` \[a\]\(javascript:b\) &amp; "q"\\r\\n/);
  assert.is(attachments.length, 1);
  assert.match(attachments[0]?.color ?? '', /^#[0-9a-f]{6}$/);
  assert.is(attachments[0]?.fallback, text);
  assert.not.match(JSON.stringify(chatOf(one)), /<!|\u202e/);
  const values = Object.fromEntries(attachments[0]?.fields.map(({ title, value }) => [title, value]) ?? []);
  assert.is(values['Cause'], 'hung');
  assert.match(values['What to do'] ?? '', 'watchkeeper ack mta/service-failing');
  const raised = attachments[0]?.color;
  await hook.send(clear());
  assert.is.not(chatOf(one).attachments[0]?.color, raised);
  assert.match(chatOf(one).text, /^\[n1\] cleared mta/);
});

test('Mattermost: Markdown is text, and nobody is called', async ({ one }) => {
  await channel({ url: one.url, format: 'mattermost' }).send(raise({ summary: evil }), { story });
  const { text } = chatOf(one);
  assert.match(text, '\\<!channel\\> @\u200ball \\`x\\` \\[a\\](javascript:b)');
  assert.not.match(JSON.stringify(chatOf(one)), '@all');
});

test('Matrix: one transaction for all tries of an alert', async ({ one }) => {
  const options = { url: `${one.url}/`, format: 'matrix', room: '!abc:example.org', token: 'env:TOKEN' };
  for (let turn = 0; turn < 2; turn++) await channel(options).send(raise({ summary: evil }));
  const [first, second] = one.asked;
  assert.is(first?.method, 'PUT');
  assert.is(first?.path, '/_matrix/client/v3/rooms/!abc%3Aexample.org/send/m.room.message/n1.7.20261122130000123');
  assert.is(second?.path, first?.path);
  assert.match(first?.headers.authorization ?? '', /^Bearer /);
  const body = last(one);
  assert.equal([body['msgtype'], body['format']], ['m.text', 'org.matrix.custom.html']);
  assert.equal(body['m.mentions'], {});
  assert.match(String(body['body']), /^\[n1\] MAJOR mta: said <!channel>/);
  assert.match(String(body['formatted_body']), '&#60;!channel&#62;');
  assert.not.match(String(body['formatted_body']).replaceAll(/<\/?b>|<br>/g, ''), '<');
});

test('ntfy: the topic is the end of the address, the priority follows the severity', async ({ one }) => {
  const hook = channel({ url: `${one.url}/push/my-topic`, format: 'ntfy' });
  await hook.send(raise({ severity: 'critical', summary: `${evil}${'x'.repeat(9000)}` }), { story });
  assert.is(one.asked[0]?.path, '/push/');
  const body = last(one);
  assert.equal([body['topic'], body['priority'], body['click']], ['my-topic', 5, runbook]);
  assert.equal(body['tags'], ['rotating_light', 'mta']);
  assert.ok(Buffer.byteLength(String(body['message'])) <= 4096);
  assert.ok(Buffer.byteLength(String(body['title'])) <= 250);
  const priorities: unknown[] = [];
  for (const severity of ['major', 'minor', 'warning', 'indeterminate'] as const) {
    await hook.send(raise({ severity }));
    priorities.push(last(one)['priority']);
  }
  assert.equal(priorities, [4, 3, 3, 2]);
  await channel({ url: `${one.url}/top`, format: 'ntfy' }).send(clear());
  assert.equal([one.asked.at(-1)?.path, last(one)['topic'], last(one)['priority']], ['/', 'top', 2]);
});

test('every format bears an alert of which little is known, and one of which far too much is', async ({ one }) => {
  const huge = 'ü"<>\n'.repeat(20_000);
  const little = makeAlert({ service: null, incident: null, cause: null, action: '', summary: '', runbook: null });
  const much = raise({ summary: huge, action: huge, service: huge, key: huge, incident: huge, runbook: huge });
  const background = {
    story: Array.from({ length: 40 }, () => ({ time: huge, service: huge, rule: huge, text: huge })),
    children: Array.from({ length: 300 }, () => huge),
  };
  const more: Readonly<Record<string, object>> = {
    pagerduty: { 'routing-key': 'env:KEY' },
    matrix: { room: '!a:b', token: 'env:TOKEN' },
    ntfy: { url: `${one.url}/topic` },
    custom: { template: '{"a": "{{text}} {{action}} {{runbook}}"}' },
  };
  for (const format of ['json', 'alertmanager', 'pagerduty', 'slack', 'mattermost', 'matrix', 'ntfy', 'custom']) {
    const hook = channel({ url: one.url, format, ...more[format] });
    assert.is(await hook.send(little), 'sent', format);
    assert.is(await hook.send(much, background), 'sent', format);
    const body = one.asked.at(-1)?.body ?? '';
    assert.ok(Buffer.byteLength(body) < 64_000, `${format}: ${Buffer.byteLength(body)}`);
    JSON.parse(body);
    assert.not.match(body, /[\x00-\x1f]/);
  }
});

test.run();
