// The ways out of mail alerts: TLS, logins, MX hosts, and what may not be written.
import type { Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Ports } from '../../src/define.ts';
import { makeAlert } from '../support/alert.ts';
import { authority, elsewhere, expired, good } from '../support/certificates.ts';
import { hostile } from '../support/hostile.ts';
import { at, fakeDns, fault, FROM, mailChannel, readMail, receiver, stopReceivers } from '../support/mail-channel.ts';
import { mailReceiver, type Receiver } from '../support/mail-receiver.ts';
import { SECRETS, type TestDoors } from '../support/send-alert.ts';

const test = suite('smtp ways');
test.after.each(stopReceivers);

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
    const one = mailChannel([{ url: at(server), ...settings }], {}, ca());
    const result = await one.send(makeAlert());
    const name = JSON.stringify(settings);
    if (refused) assert.match(fault(result), refused, name);
    else assert.is(result, 'sent', name);
    assert.is(server.mails.length, before + (refused ? 0 : 1), name);
    if (!refused) assert.is(server.mails.at(-1)?.secure, server !== bare, name);
  }
});

test('what a server shouts inside TLS is bounded too', async () => {
  const flood = (socket: Socket): void => {
    const chunk = Buffer.alloc(65_536, 0x78);
    const more = (): void => {
      if (!socket.destroyed && socket.bytesWritten < 100_000_000 && socket.write(chunk)) setImmediate(more);
      else socket.once('drain', more);
    };
    more();
  };
  let greeted = 0;
  const server = await hostile('scripted', {
    greeting: '220 x\r\n',
    tls: good,
    answer(line, socket) {
      if (line === 'STARTTLS') return '220 go\r\n';
      greeted += 1;
      if (greeted === 1) return '250-x\r\n250 STARTTLS\r\n';
      flood(socket);
      return '';
    },
  });
  const result = await mailChannel([{ url: at(server), ...trusted }], {}, ca()).send(makeAlert());
  assert.ok(typeof result === 'object' && 'retry' in result, JSON.stringify(result));
  assert.is(greeted, 2);
  assert.ok(server.written() < 12_000_000, String(server.written()));
  await server.stop();
});

test('a way that must be set right is told although another one works', async () => {
  const wrong = await receiver({ startTls: true, certificate: elsewhere });
  const second = await receiver();
  const one = mailChannel([{ url: at(wrong), tls: 'required', ...trusted }, at(second)], {}, ca());
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
  assert.is(await mailChannel([at(server)]).send(makeAlert()), 'sent');
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
  assert.is(await mailChannel([login], {}, ca()).send(makeAlert()), 'sent');
  assert.is(submission.mails[0]?.user, 'probe');
  const wrong = mailChannel([{ ...login, password: 'env:WRONG_PASSWORD' }], {}, ca());
  assert.match(fault(await wrong.send(makeAlert())), /535/);
  const missing = mailChannel([{ ...login, password: 'env:NOT_THERE' }], {}, ca());
  assert.match(fault(await missing.send(makeAlert())), /NOT_THERE/);
  assert.not.match(fault(await wrong.send(makeAlert())), SECRETS.WRONG_PASSWORD);
  const open = { url: 'smtp://192.0.2.1', user: 'a', password: 'env:LAB_PASSWORD', tls: 'opportunistic' };
  assert.throws(() => mailChannel([open]), /no password is sent/);
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
    mailChannel([{ url: 'direct-to-mx', port: server.port, ...more }], { to: [to] }, { ports: dns }).send(makeAlert());
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

test('the preference of MX hosts is a number, and the less the sooner', async () => {
  const first = await receiver();
  const second = await mailReceiver({}, first.port, '127.0.0.2');
  const dns = fakeDns({
    'example.org MX': ['10 b.example.org', '9 a.example.org'],
    'a.example.org A': ['127.0.0.1'],
    'b.example.org A': ['127.0.0.2'],
  });
  const one = mailChannel([{ url: 'direct-to-mx', port: first.port }], {}, { ports: dns });
  assert.is(await one.send(makeAlert()), 'sent');
  await second.stop();
  assert.equal([first.mails.length, second.mails.length], [1, 0]);
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
  const one = mailChannel(
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

test('all resolvers of the system are asked, and one that is silent is no reason to wait for ever', async () => {
  const server = await receiver();
  const dns = fakeDns({
    '192.0.2.53 example.org MX': 'timeout',
    '192.0.2.53 example.org A': 'timeout',
    '2001:db8::53 example.org A': ['127.0.0.1'],
  });
  const readText = (path: string): string | null =>
    path === '/etc/resolv.conf' ? '# x\nsearch a.example\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n' : null;
  const ports = { ...dns, files: { readText } as never };
  const one = mailChannel([{ url: 'direct-to-mx', port: server.port }], {}, { ports });
  assert.is(await one.send(makeAlert()), 'sent');
  const none = { ...fakeDns({ 'system example.org A': ['127.0.0.1'] }), files: { readText: () => null } as never };
  const other = mailChannel([{ url: 'direct-to-mx', port: server.port }], {}, { ports: none });
  assert.is(await other.send(makeAlert()), 'sent');
});

test('the sender of the envelope can be empty', async () => {
  const relay = await receiver();
  assert.is(await mailChannel([at(relay)], { envelope: 'empty' }).send(makeAlert()), 'sent');
  assert.is(relay.mails[0]?.from, '');
  assert.is((await readMail(relay)).from?.address, FROM);
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
  for (const [via, text] of bad) assert.throws(() => mailChannel(via as unknown[]), text, JSON.stringify(via));
  for (const to of ['ops', 'a@b\r\nX: y', 'a b@c', 'a@b>', '<a@b>', 'ü@example.org'])
    assert.throws(() => mailChannel(['direct-to-mx'], { to: [to] }), /NAME@DOMAIN/, to);
});

test.run();
