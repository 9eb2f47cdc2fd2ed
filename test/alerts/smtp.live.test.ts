import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import smtp from '../../src/alerts/smtp.ts';
import type { Alert } from '../../src/define.ts';
import { makeAlert } from '../support/alert.ts';
import { closedPort, type HostileMode, hostile } from '../support/hostile.ts';
import {
  at,
  fault,
  FROM,
  header,
  mailChannel,
  OPS,
  readMail,
  receiver,
  ROOT,
  stopReceivers,
} from '../support/mail-channel.ts';
import { mailReceiver } from '../support/mail-receiver.ts';

const test = suite('smtp alerts');
test.after.each(stopReceivers);

test('the example is a whole channel', () => assert.ok(smtp.options.strict().safeParse(smtp.example).success));

test('a mail says what failed, since when, why, what was done and how to answer', async () => {
  const relay = await receiver();
  const background = {
    story: [{ time: '2026-11-22T12:59:58.000Z', service: 'mta', rule: 'failed', text: 'two checks failed' }],
    children: ['imap', 'web'],
    active: { count: 3, highest: 'critical' as const },
  };
  const alert = makeAlert({
    runbook: 'https://wiki.example.org/mta',
    at: 301_000,
    raisedAt: 1000,
    key: 'service/mta/failing',
  });
  assert.is(await mailChannel([at(relay)]).send(alert, background), 'sent');
  const mail = await readMail(relay);
  assert.is(mail.subject, '[watchkeeper n1] MAJOR mta: no banner within 2 s');
  assert.equal(mail.from, { name: 'Watchkeeper n1', address: FROM });
  assert.equal(
    mail.to?.map(({ address }) => address),
    [OPS],
  );
  assert.is(Date.parse(mail.date ?? ''), Date.parse('2026-11-22T13:00:00Z'));
  const text = mail.text ?? '';
  for (const part of [
    /^Since +2026-11-22 12:55:00 UTC$/m,
    /^Cause +hung$/m,
    /^Action +a restart is tried$/m,
    /^Waiting for it +imap, web$/m,
    /^Active alarms +3, the highest critical$/m,
    /^ {2}12:59:58 {2}mta: two checks failed$/m,
    /^Take it on: watchkeeper ack service\/mta\/failing$/m,
    /^See why: watchkeeper explain mta$/m,
    /^Runbook +https:\/\/wiki\.example\.org\/mta$/m,
  ])
    assert.match(text, part);
  assert.match(mail.html ?? '', '<a href="https://wiki.example.org/mta">');
  assert.is(header(mail, 'auto-submitted'), 'auto-generated');
  assert.is(header(mail, 'x-priority'), '2 (High)');
  assert.is(header(mail, 'importance'), 'high');
  assert.is(header(mail, 'x-watchkeeper-key'), 'service/mta/failing');
  assert.is(relay.mails[0]?.from, FROM);
  assert.is(relay.mails[0]?.helo, 'n1.example.org');
});

test('a retried mail is the same mail, and an incident is one thread', async () => {
  const relay = await receiver();
  const one = mailChannel([at(relay)]);
  const raise = makeAlert();
  const clear = makeAlert({ kind: 'clear', severity: 'cleared', at: 61_000 }, 8);
  const other = makeAlert({ incident: 'mta-2' }, 9);
  for (const alert of [raise, raise, clear, other]) assert.is(await one.send(alert), 'sent');
  // The second try of an alert that everybody has is no mail.
  assert.is(relay.mails.length, 3);
  assert.is(await mailChannel([at(relay)]).send(raise), 'sent');
  const [first, cleared, next, again] = await Promise.all([0, 1, 2, 3].map((index) => readMail(relay, index)));
  assert.is(again?.messageId, first?.messageId);
  assert.match(first?.messageId ?? '', /^<7\.20261122130000123\.[^@]+@n1\.example\.org>$/);
  assert.is.not(cleared?.messageId, first?.messageId);
  assert.ok(first?.references);
  assert.is(cleared?.references, first?.references);
  assert.is(cleared?.inReplyTo, first?.references);
  assert.is.not(next?.references, first?.references);
  assert.is(cleared?.subject, '[watchkeeper n1] cleared mta: no banner within 2 s');
  assert.match(cleared?.text ?? '', /^Until +2026-11-22 13:00:00 UTC \(it lasted 60 s\)$/m);
});

test('an alarm without an incident is a thread of its own, and a single event is none', async () => {
  const relay = await receiver();
  const one = mailChannel([at(relay)]);
  const alarm = { incident: null, service: null, key: 'node/n1/observer', event: 'observer-suspect' };
  await one.send(makeAlert(alarm));
  await one.send(makeAlert({ ...alarm, kind: 'clear', severity: 'cleared', at: 9000 }, 8));
  await one.send(makeAlert({ ...alarm, kind: 'once', event: 'daemon-started' }, 9));
  const [raise, clear, once] = await Promise.all([0, 1, 2].map((index) => readMail(relay, index)));
  assert.ok(raise?.references);
  assert.is(clear?.references, raise?.references);
  assert.not.ok(once?.references);
  assert.match(once?.subject ?? '', /^\[watchkeeper n1\] daemon-started no banner/);
});

test('hostile text stays text: no header, no recipient, no markup comes of it', async () => {
  const relay = await receiver();
  const evil = `x\r\nBcc: spy@example.net\r\n\r\n.\r\n<script>alert(1)</script> \u202egrüße\0 ${'A'.repeat(10_000)}`;
  const alert: Alert = makeAlert({
    summary: evil,
    service: `mta\r\nX-Evil: 1`,
    key: `k'\r\nY: $(reboot)`,
    action: evil,
    runbook: 'javascript:alert(1)',
  });
  assert.is(await mailChannel([at(relay)]).send(alert), 'sent');
  const mail = await readMail(relay);
  assert.equal(relay.mails[0]?.to, [OPS]);
  for (const name of ['bcc', 'x-evil', 'y']) assert.is(header(mail, name), undefined, name);
  assert.ok((mail.subject ?? '').length <= 200);
  assert.match(mail.subject ?? '', 'mta\\r\\nX-Evil: 1');
  assert.match(mail.text ?? '', 'gr\u00fc\u00dfe');
  const raw = relay.mails[0]?.raw ?? '';
  assert.not.match(raw, /[^\x09\x0a\x0d\x20-\x7e]/);
  assert.ok(raw.split('\r\n').every((line) => line.length < 998));
  assert.ok(raw.length < 20_000);
  for (const bad of ['<script', 'href="javascript', '\u202e']) assert.not.match(mail.html ?? '', bad);
  assert.match(mail.text ?? '', "Take it on: watchkeeper ack 'k'\\''");
});

test('the next way is gone when one is dead, hangs, is busy, or refuses', async () => {
  const second = await receiver();
  const busy = await receiver({ refuse: { [OPS]: '450 4.2.0 greylisted' } });
  const full = await receiver({ refuseMail: '452 4.3.1 no space' });
  const refusing = await receiver({ refuse: { [OPS]: '550 5.7.1 relaying denied' } });
  const hangs = await receiver({ hangs: true });
  const ways = [{ port: await closedPort() }, busy, full, refusing, hangs];
  for (const [index, way] of ways.entries()) {
    const one = mailChannel([at(way), at(second)]);
    assert.is(await one.send(makeAlert()), 'sent', String(index));
    assert.is(second.mails.length, index + 1);
    assert.equal(one.troubles, [null]);
  }
});

const MODES: HostileMode[] = [
  'silent',
  'half-line',
  'drips',
  'late',
  'long-line',
  'endless',
  'garbage',
  'closes',
  'resets',
];
test('no server can hold it up, or make it believe that a mail was sent', async () => {
  await Promise.all(
    MODES.map(async (mode) => {
      const server = await hostile(mode);
      const second = await mailReceiver();
      const started = performance.now();
      const alone = await mailChannel([at(server)], { timeout: '1s' }).send(makeAlert());
      assert.ok(typeof alone === 'object' && 'retry' in alone, `${mode}: ${JSON.stringify(alone)}`);
      assert.not.match(fault(alone), /[\x00-\x1f\u202e]/);
      assert.is(await mailChannel([at(server), at(second)], { timeout: '1s' }).send(makeAlert()), 'sent', mode);
      assert.ok(performance.now() - started < 15_000, mode);
      assert.ok(server.written() < 8_000_000, `${mode}: ${server.written()}`);
      await server.stop();
      await second.stop();
    }),
  );
});

test('421 at every turn is a reason to try again', async () => {
  for (const word of [null, 'EHLO', 'MAIL', 'RCPT', 'DATA']) {
    const server = await hostile('scripted', {
      greeting: word === null ? '421 busy\r\n' : '220 x\r\n',
      answer: (line) => (word !== null && line.startsWith(word) ? '421 busy\r\n' : '250 ok\r\n'),
    });
    const result = await mailChannel([at(server)]).send(makeAlert());
    assert.ok(typeof result === 'object' && 'retry' in result, `${word}: ${JSON.stringify(result)}`);
    assert.match(fault(result), '421', String(word));
    await server.stop();
  }
});

test('only 250 means that a mail was taken', async () => {
  const server = await hostile('scripted', {
    greeting: '220 x\r\n',
    answer: (line) =>
      line === '.'
        ? '299 perhaps\r\n'
        : line === 'DATA'
          ? '354 go\r\n'
          : /^[A-Z]{4}( |$)/.test(line)
            ? '250 ok\r\n'
            : '',
  });
  const result = await mailChannel([at(server)]).send(makeAlert());
  assert.match(fault(result), 'perhaps');
  assert.ok(typeof result === 'object' && 'retry' in result);
  await server.stop();
});

test('dropped only when every way refuses for good', async () => {
  const refusing = await receiver({ refuse: { [OPS]: '550 5.1.1 no such user' } });
  const sender = await receiver({ refuseSender: '550 5.7.1 sender refused' });
  const content = await receiver({ refuseMail: '554 5.7.1 looks like spam' });
  const all = mailChannel([at(refusing), at(sender), at(content)]);
  const result = await all.send(makeAlert());
  assert.ok(typeof result === 'object' && 'drop' in result, JSON.stringify(result));
  assert.match(fault(result), 'no such user');
  assert.match(all.troubles.at(-1) ?? '', 'for good');
  const some = await mailChannel([at(refusing), at({ port: await closedPort() })]).send(makeAlert());
  assert.ok(typeof some === 'object' && 'retry' in some, JSON.stringify(some));
});

test('one refused recipient is told, and the others get the mail once', async () => {
  const relay = await receiver({ refuse: { [ROOT]: '550 5.1.1 no such user' } });
  const one = mailChannel([at(relay)], { to: [OPS, ROOT] });
  assert.is(await one.send(makeAlert()), 'sent');
  assert.match(one.troubles.at(-1) ?? '', `not delivered to ${ROOT}`);
  assert.equal(
    relay.mails.map(({ to }) => to),
    [[OPS]],
  );
});

test('one deferred recipient is tried again alone, and given up before the channel stands still', async () => {
  const relay = await receiver({ refuse: { [ROOT]: '452 4.2.2 over quota' } });
  const one = mailChannel([at(relay)], { to: [OPS, ROOT] });
  for (let turn = 0; turn < 2; turn++) {
    const result = await one.send(makeAlert());
    assert.match(fault(result), 'over quota');
  }
  assert.is(await one.send(makeAlert()), 'sent');
  assert.match(one.troubles.at(-1) ?? '', 'over quota');
  assert.is(relay.mails.length, 1);
  assert.match(fault(await one.send(makeAlert({}, 8))), 'over quota');
  assert.is(relay.mails.length, 2);
});

test('a way through a service that fails comes last', async () => {
  const own = await receiver();
  const other = await receiver();
  const via = [{ url: at(own), through: 'mta' }, at(other)];
  assert.is(await mailChannel(via).send(makeAlert(), { failing: ['mta'] }), 'sent');
  assert.equal([own.mails.length, other.mails.length], [0, 1]);
  assert.is(await mailChannel(via).send(makeAlert(), { failing: [] }), 'sent');
  assert.equal([own.mails.length, other.mails.length], [1, 1]);
  const dead = [{ url: at(own), through: 'mta' }, at({ port: await closedPort() })];
  assert.is(await mailChannel(dead).send(makeAlert(), { failing: ['mta'] }), 'sent');
  assert.is(own.mails.length, 2);
});

test.run();
