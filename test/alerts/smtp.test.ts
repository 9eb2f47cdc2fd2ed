import PostalMime, { type Email } from 'postal-mime';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import smtp from '../../src/alerts/smtp.ts';
import type { Alert, AlertChannel, Ports } from '../../src/define.ts';
import type { DnsAnswer, DnsQuestion } from '../../src/ports/dns.ts';
import { makeAlert } from '../support/alert.ts';
import { authority, elsewhere, expired } from '../support/certificates.ts';
import { closedPort, type HostileMode, hostile } from '../support/hostile.ts';
import { mailReceiver, type Receiver, type ReceiverOptions } from '../support/mail-receiver.ts';
import { SECRETS, type TestChannel, type TestDoors, testChannel } from '../support/send-alert.ts';

const test = suite('smtp alerts');
const FROM = 'watchkeeper@n1.example.org';
const OPS = 'ops@example.org';
const ROOT = 'root@example.org';

const open: Receiver[] = [];
test.after.each(async () => {
  await Promise.all(open.splice(0).map((one) => one.stop()));
});
async function receiver(options: ReceiverOptions = {}): Promise<Receiver> {
  const one = await mailReceiver(options);
  open.push(one);
  return one;
}

const at = ({ port }: { port: number }): string => `smtp://127.0.0.1:${port}`;
const channel = (via: readonly unknown[], more: object = {}, doors: TestDoors = {}): TestChannel =>
  testChannel(smtp as unknown as AlertChannel, { to: [OPS], from: FROM, via, timeout: '2s', ...more }, doors);
const read = (one: Receiver, index = 0): Promise<Email> => PostalMime.parse(one.mails[index]?.raw ?? '');
const header = (mail: Email, name: string): string | undefined => mail.headers.find(({ key }) => key === name)?.value;
const fault = (result: unknown): string =>
  String((result as { retry?: string }).retry ?? (result as { drop?: string }).drop ?? result);

/** Answers of a resolver, by name and type. */
function fakeDns(records: Readonly<Record<string, readonly string[] | DnsAnswer['code']>>): Partial<Ports> {
  const ask = ({ name, type, server = 'system' }: DnsQuestion): Promise<DnsAnswer> => {
    const found = records[`${server} ${name} ${type}`] ?? records[`${name} ${type}`] ?? 'no-data';
    const code = typeof found === 'string' ? found : 'ok';
    return Promise.resolve({ code, server, values: typeof found === 'string' ? [] : found, ms: 1 });
  };
  return { dns: { ask } };
}

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
  assert.is(await channel([at(relay)]).send(alert, background), 'sent');
  const mail = await read(relay);
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
  const one = channel([at(relay)]);
  const raise = makeAlert();
  const clear = makeAlert({ kind: 'clear', severity: 'cleared', at: 61_000 }, 8);
  const other = makeAlert({ incident: 'mta-2' }, 9);
  for (const alert of [raise, raise, clear, other]) assert.is(await one.send(alert), 'sent');
  // The second try of an alert that everybody has is no mail.
  assert.is(relay.mails.length, 3);
  assert.is(await channel([at(relay)]).send(raise), 'sent');
  const [first, cleared, next, again] = await Promise.all([0, 1, 2, 3].map((index) => read(relay, index)));
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
  const one = channel([at(relay)]);
  const alarm = { incident: null, service: null, key: 'node/n1/observer', event: 'observer-suspect' };
  await one.send(makeAlert(alarm));
  await one.send(makeAlert({ ...alarm, kind: 'clear', severity: 'cleared', at: 9000 }, 8));
  await one.send(makeAlert({ ...alarm, kind: 'once', event: 'daemon-started' }, 9));
  const [raise, clear, once] = await Promise.all([0, 1, 2].map((index) => read(relay, index)));
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
  assert.is(await channel([at(relay)]).send(alert), 'sent');
  const mail = await read(relay);
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
    const one = channel([at(way), at(second)]);
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
      const alone = await channel([at(server)], { timeout: '1s' }).send(makeAlert());
      assert.ok(typeof alone === 'object' && 'retry' in alone, `${mode}: ${JSON.stringify(alone)}`);
      assert.not.match(fault(alone), /[\x00-\x1f\u202e]/);
      assert.is(await channel([at(server), at(second)], { timeout: '1s' }).send(makeAlert()), 'sent', mode);
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
    const result = await channel([at(server)]).send(makeAlert());
    assert.ok(typeof result === 'object' && 'retry' in result, `${word}: ${JSON.stringify(result)}`);
    assert.match(fault(result), '421', String(word));
    await server.stop();
  }
});

test('dropped only when every way refuses for good', async () => {
  const refusing = await receiver({ refuse: { [OPS]: '550 5.1.1 no such user' } });
  const sender = await receiver({ refuseSender: '550 5.7.1 sender refused' });
  const content = await receiver({ refuseMail: '554 5.7.1 looks like spam' });
  const all = channel([at(refusing), at(sender), at(content)]);
  const result = await all.send(makeAlert());
  assert.ok(typeof result === 'object' && 'drop' in result, JSON.stringify(result));
  assert.match(fault(result), 'no such user');
  assert.match(all.troubles.at(-1) ?? '', 'for good');
  const some = await channel([at(refusing), at({ port: await closedPort() })]).send(makeAlert());
  assert.ok(typeof some === 'object' && 'retry' in some, JSON.stringify(some));
});

test('one refused recipient is told, and the others get the mail once', async () => {
  const relay = await receiver({ refuse: { [ROOT]: '550 5.1.1 no such user' } });
  const one = channel([at(relay)], { to: [OPS, ROOT] });
  assert.is(await one.send(makeAlert()), 'sent');
  assert.match(one.troubles.at(-1) ?? '', `not delivered to ${ROOT}`);
  assert.equal(
    relay.mails.map(({ to }) => to),
    [[OPS]],
  );
});

test('one deferred recipient is tried again alone, and given up before the channel stands still', async () => {
  const relay = await receiver({ refuse: { [ROOT]: '452 4.2.2 over quota' } });
  const one = channel([at(relay)], { to: [OPS, ROOT] });
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
  assert.is(await channel(via).send(makeAlert(), { failing: ['mta'] }), 'sent');
  assert.equal([own.mails.length, other.mails.length], [0, 1]);
  assert.is(await channel(via).send(makeAlert(), { failing: [] }), 'sent');
  assert.equal([own.mails.length, other.mails.length], [1, 1]);
  const dead = [{ url: at(own), through: 'mta' }, at({ port: await closedPort() })];
  assert.is(await channel(dead).send(makeAlert(), { failing: ['mta'] }), 'sent');
  assert.is(own.mails.length, 2);
});

const ca = (folderless: Partial<Ports> = {}): TestDoors => ({
  ports: { files: { readText: () => authority } as never, ...folderless },
});
const trusted = { ca: '/etc/ca.pem', servername: 'mail.test' };

test('TLS is checked where it is required', async () => {
  const bare = await receiver();
  const wrong = await receiver({ startTls: true, certificate: elsewhere });
  const old = await receiver({ startTls: true, certificate: expired });
  const fine = await receiver({ startTls: true });
  const smtps = await receiver({ implicit: true });
  const table: [Receiver, object, RegExp | null][] = [
    [bare, { tls: 'required' }, /STARTTLS/],
    [wrong, { tls: 'required', ...trusted }, /elsewhere|altnames/],
    [old, { tls: 'required', ...trusted }, /expired/],
    [fine, { tls: 'required' }, /certificate|unable to verify/],
    [fine, { tls: 'required', ...trusted }, null],
    [wrong, { tls: 'opportunistic' }, null],
    [bare, { tls: 'opportunistic' }, null],
    [smtps, { url: `smtps://127.0.0.1:${smtps.port}` }, /certificate/],
    [smtps, { url: `smtps://127.0.0.1:${smtps.port}`, ...trusted }, null],
    [wrong, { url: `submission://127.0.0.1:${wrong.port}`, ...trusted }, /altnames/],
  ];
  for (const [server, settings, refused] of table) {
    const before = server.mails.length;
    const one = channel([{ url: at(server), ...settings }], {}, ca());
    const result = await one.send(makeAlert());
    const name = JSON.stringify(settings);
    if (refused) assert.match(fault(result), refused, name);
    else assert.is(result, 'sent', name);
    assert.is(server.mails.length, before + (refused ? 0 : 1), name);
    if (!refused) assert.is(server.mails.at(-1)?.secure, server !== bare, name);
  }
});

test('a way that must be set right is told although another one works', async () => {
  const wrong = await receiver({ startTls: true, certificate: elsewhere });
  const second = await receiver();
  const one = channel([{ url: at(wrong), tls: 'required', ...trusted }, at(second)], {}, ca());
  assert.is(await one.send(makeAlert()), 'sent');
  assert.match(one.troubles.at(-1) ?? '', /altnames/);
});

test('where TLS is only wished for, a broken handshake does not stop the mail', async () => {
  const dialogue: string[] = [];
  const server = await hostile('scripted', {
    greeting: '220 x\r\n',
    answer(line) {
      dialogue.push(line);
      if (line.startsWith('EHLO')) return '250-x\r\n250 STARTTLS\r\n';
      if (line.startsWith('STARTTLS')) return '220 go\r\n';
      if (line.startsWith('\x16')) return null;
      return line === 'DATA' ? '354 go\r\n' : line === '.' || /^(MAIL|RCPT)/.test(line) ? '250 ok\r\n' : '';
    },
  });
  assert.is(await channel([at(server)]).send(makeAlert()), 'sent');
  assert.ok(dialogue.includes('STARTTLS'));
  await server.stop();
});

test('submission logs in, and never without TLS', async () => {
  const submission = await receiver({ startTls: true, password: 'pw' });
  const login = {
    url: `submission://127.0.0.1:${submission.port}`,
    user: 'probe',
    password: 'env:LAB_PASSWORD',
    ...trusted,
  };
  assert.is(await channel([login], {}, ca()).send(makeAlert()), 'sent');
  assert.is(submission.mails[0]?.user, 'probe');
  const wrong = channel([{ ...login, password: 'env:WRONG_PASSWORD' }], {}, ca());
  assert.match(fault(await wrong.send(makeAlert())), /535/);
  const missing = channel([{ ...login, password: 'env:NOT_THERE' }], {}, ca());
  assert.match(fault(await missing.send(makeAlert())), /NOT_THERE/);
  assert.not.match(fault(await wrong.send(makeAlert())), SECRETS.WRONG_PASSWORD);
  const open = { url: 'smtp://192.0.2.1', user: 'a', password: 'env:LAB_PASSWORD', tls: 'opportunistic' };
  assert.throws(() => channel([open]), /no password is sent/);
});

test('direct to the MX, in order of preference, and to the address where there is no MX', async () => {
  const server = await receiver();
  const dns = fakeDns({
    'example.org MX': ['20 live.example.org', '5 dead.example.org'],
    'dead.example.org A': ['127.0.0.9'],
    'live.example.org A': ['127.0.0.1'],
    'example.net A': ['127.0.0.1'],
    'null.example MX': ['0 '],
    'gone.example MX': 'no-name',
    'odd.example MX': 'server-failure',
  });
  const direct = (to: string, more: object = {}) =>
    channel([{ url: 'direct-to-mx', port: server.port, ...more }], { to: [to] }, { ports: dns }).send(makeAlert());
  assert.is(await direct('a@example.org'), 'sent');
  assert.is(await direct('a@example.net'), 'sent');
  assert.is(await direct('a@[127.0.0.1]'), 'sent');
  assert.equal(
    server.mails.map(({ to }) => to[0]),
    ['a@example.org', 'a@example.net', 'a@[127.0.0.1]'],
  );
  const never = await direct('a@null.example');
  assert.ok(typeof never === 'object' && 'drop' in never, JSON.stringify(never));
  assert.match(fault(await direct('a@gone.example')), 'there is no domain');
  const later = await direct('a@odd.example');
  assert.ok(typeof later === 'object' && 'retry' in later, JSON.stringify(later));
});

test('recipients of several domains go to the MX of each, and the second resolver helps', async () => {
  const server = await receiver();
  const dns = fakeDns({
    '192.0.2.53 a.example MX': 'timeout',
    '127.0.0.1 a.example MX': ['1 mx.a.example'],
    '127.0.0.1 mx.a.example A': ['127.0.0.1'],
    '192.0.2.53 mx.a.example A': 'timeout',
    'b.example A': ['127.0.0.1'],
  });
  const resolvers = ['192.0.2.53', '127.0.0.1'];
  const one = channel(
    [{ url: 'direct-to-mx', port: server.port, resolvers }],
    { to: ['x@a.example', 'y@b.example', 'z@a.example'] },
    { ports: dns },
  );
  assert.is(await one.send(makeAlert()), 'sent');
  assert.equal(
    server.mails.map(({ to }) => to),
    [['x@a.example', 'z@a.example'], ['y@b.example']],
  );
});

test('the sender of the envelope can be empty', async () => {
  const relay = await receiver();
  assert.is(await channel([at(relay)], { envelope: 'empty' }).send(makeAlert()), 'sent');
  assert.is(relay.mails[0]?.from, '');
  assert.is((await read(relay)).from?.address, FROM);
});

test('what cannot be meant is refused in the file', () => {
  const bad: [unknown, RegExp][] = [
    [['smtp://user:pw@relay.example.org'], /smtp:\/\/HOST/],
    [['http://relay'], /smtp:\/\/HOST/],
    [[{ url: 'direct-to-mx', user: 'a', password: 'env:A' }], /no login at an MX/],
    [[{ url: 'smtp://relay', port: 26 }], /for direct-to-mx/],
    [[{ url: 'smtps://relay', tls: 'none' }], /TLS from the first byte/],
    [[{ url: 'submission://relay', user: 'a' }], /come together/],
    [[{ url: 'smtp://relay', trough: 'mta' }], /trough/],
    [[], /./],
  ];
  for (const [via, text] of bad) assert.throws(() => channel(via as unknown[]), text, JSON.stringify(via));
  for (const to of ['ops', 'a@b\r\nX: y', 'a b@c', 'a@b>', '<a@b>', 'ü@example.org'])
    assert.throws(() => channel(['direct-to-mx'], { to: [to] }), /NAME@DOMAIN/, to);
});

test.run();
