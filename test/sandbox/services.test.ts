// Each service of the sandbox, asked by the client libraries that everybody uses.
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { ImapFlow } from 'imapflow';
import { createTransport } from 'nodemailer';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { placesOf } from '../../src/sandbox/places.ts';
import { preflight } from '../../src/sandbox/preflight.ts';
import { makeSandbox, type TestSandbox, until } from '../support/sandbox.ts';

const test = suite<{ box: TestSandbox }>('sandbox services');
test.before.each(async (context) => {
  context.box = await makeSandbox();
});
test.after.each(async ({ box }) => box.end());

const host = '127.0.0.1';
const plain = {
  host,
  secure: false,
  ignoreTLS: true,
  connectionTimeout: 2000,
  greetingTimeout: 2000,
  socketTimeout: 2000,
};
const mail = { from: 'probe@sandbox.test', to: 'probe@sandbox.test', subject: 'hello', text: 'Grüße' };
const submit = (box: TestSandbox, pass = box.password) =>
  createTransport({ ...plain, port: box.ports.smtp, auth: { user: 'probe', pass } });

async function login(box: TestSandbox, pass = box.password): Promise<ImapFlow> {
  const auth = { user: 'probe', pass };
  const client = new ImapFlow({ host, port: box.ports.imap, secure: false, doSTARTTLS: false, auth, logger: false });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

const responseOf = (error: unknown): string => (error as { response?: string }).response ?? String(error);

test('a mail travels: SMTP, spool, LMTP, IMAP; then it is deleted for good', async ({ box }) => {
  await box.start('store');
  await box.start('mta');
  const sent = await submit(box).sendMail({ ...mail, headers: { 'X-Token': 'abc' } });
  assert.match(sent.response, /^250 2\.0\.0 Ok: queued as /);
  const client = await login(box);
  const lock = await client.getMailboxLock('INBOX');
  assert.equal(await client.search({ header: { 'X-Token': 'other' } }, { uid: true }), []);
  let uids: number[] = [];
  await until('the mail arrives', async () => {
    uids = (await client.search({ header: { 'X-Token': 'abc' } }, { uid: true })) || [];
    return uids.length === 1;
  });
  const found = await client.fetchOne(uids.join(','), { source: true, envelope: true }, { uid: true });
  assert.ok(found);
  assert.is(found.envelope?.subject, 'hello');
  assert.match(found.source?.toString() ?? '', /^Return-Path: <probe@sandbox\.test>\r\n/);
  await until('the spool is empty again', () => readdirSync(placesOf(box.dir, 'mta').data).length === 0);
  assert.is(readdirSync(placesOf(box.dir, 'store').data).length, 1);
  assert.ok(await client.messageDelete(uids, { uid: true }));
  await until('the file is gone too', () => readdirSync(placesOf(box.dir, 'store').data).length === 0);
  lock.release();
  await client.logout();
});

test('append, flags, fetch and expunge by IMAP, seen by a second session', async ({ box }) => {
  await box.start('store');
  const one = await login(box);
  const two = await login(box);
  await one.mailboxOpen('INBOX');
  await two.mailboxOpen('INBOX');
  const appended = await one.append('INBOX', 'Subject: a\r\n\r\nbody\r\n', ['\\Seen']);
  assert.ok(appended && appended.uid);
  const second = await two.append('INBOX', 'Subject: b\r\n\r\nbody\r\n');
  assert.ok(second && second.uid);
  assert.ok(await one.messageDelete([appended.uid], { uid: true }));
  assert.ok(await two.messageFlagsAdd([second.uid], ['\\Flagged'], { uid: true }));
  const left = await two.fetchOne('1', { envelope: true, flags: true });
  assert.ok(left);
  assert.is(left.envelope?.subject, 'b');
  assert.ok(left.flags?.has('\\Flagged'));
  await one.logout();
  await two.logout();
});

test('a search without a match is answered with an empty list', async ({ box }) => {
  await box.start('store');
  const socket = connect(box.ports.imap, host);
  let told = '';
  socket.on('data', (data) => (told += data.toString()));
  socket.write(
    `a LOGIN probe ${box.password}\r\nb SELECT INBOX\r\nc UID SEARCH HEADER X-Token none\r\nd SEARCH ALL\r\n`,
  );
  await until('the last answer', () => told.includes('\r\nd OK'));
  socket.destroy();
  assert.match(told, '\r\n* SEARCH\r\nc OK');
  assert.match(told, '\r\n* SEARCH\r\nd OK');
});

test('mail outlives a kill of the store, under a new UIDVALIDITY', async ({ box }) => {
  const child = await box.start('store');
  const lmtp = createTransport({ ...plain, lmtp: true, port: box.ports.lmtp } as Parameters<typeof createTransport>[0]);
  await lmtp.sendMail(mail);
  child.kill('SIGKILL');
  await until('it is gone', () => child.signalCode !== null);
  await box.start('store');
  const client = await login(box);
  const status = await client.status('INBOX', { messages: true, uidValidity: true });
  assert.ok(status);
  assert.is(status.messages, 1);
  assert.ok(Number(status.uidValidity) > 1_000_000);
  await client.logout();
});

test('the mail server spools while the store is away, over a kill of its own, and delivers later', async ({ box }) => {
  const child = await box.start('mta');
  await submit(box).sendMail(mail);
  const spooled = (): number => readdirSync(placesOf(box.dir, 'mta').data).length;
  assert.is(spooled(), 1);
  child.kill('SIGKILL');
  await until('it is gone', () => child.signalCode !== null);
  await box.start('mta');
  await box.start('store');
  await until('it is delivered', () => spooled() === 0);
  assert.is(readdirSync(placesOf(box.dir, 'store').data).length, 1);
});

test('relay, strangers and wrong passwords are refused with their codes', async ({ box }) => {
  await box.start('store');
  await box.start('mta');
  const refused = async (to: string): Promise<string> =>
    submit(box)
      .sendMail({ ...mail, to })
      .then(String, responseOf);
  assert.match(await refused('somebody@example.org'), /^554 5\.7\.1 Relay access denied/);
  assert.match(await refused('nobody@sandbox.test'), /^550 5\.1\.1 /);
  assert.match(await submit(box, 'wrong').verify().then(String, responseOf), /^535 5\.7\.8 /);
  const bad = await login(box, 'wrong').then(String, (error: { authenticationFailed?: boolean }) => error);
  assert.is((bad as { authenticationFailed?: boolean }).authenticationFailed, true);
});

test('the page counts mails, and says which neighbour does not work', async ({ box }) => {
  const store = await box.start('store');
  await box.start('mta');
  await box.start('web');
  const get = (path: string) => fetch(`http://${host}:${box.ports.http}${path}`, { signal: AbortSignal.timeout(2000) });
  assert.equal(await (await get('/health')).json(), { status: 200, messages: 0, problems: [] });
  assert.match(await (await get('/')).text(), /0 messages in the store/);
  assert.is((await get('/no-such-page')).status, 404);
  store.kill('SIGSTOP');
  const started = performance.now();
  const answer = await get('/health');
  assert.is(answer.status, 502);
  assert.ok(performance.now() - started < 1000, 'in time, though the store hangs');
  assert.match(((await answer.json()) as { problems: string[] }).problems.join(), /^store: no answer in 650 ms$/);
});

test('--check-config finds bad settings, and a start says the same', async ({ box }) => {
  const good = box.launch('mta', ['--check-config']);
  assert.is(await good.ended, 0);
  const { settings } = placesOf(box.dir, 'mta');
  writeFileSync(settings, readFileSync(settings, 'utf8').replace('127.0.0.1', '0.0.0.0'));
  const bad = box.launch('mta', ['--check-config']);
  assert.is(await bad.ended, 78);
  assert.match(bad.told(), /settings\.json: smtp: expected a loopback address/);
  const start = box.launch('mta');
  assert.is(await start.ended, 78);
});

test('a port that is taken is named', async ({ box }) => {
  await box.start('mta');
  assert.equal(await preflight(box.dir), [], 'our own service may hold it');
  const again = box.launch('mta');
  assert.is(await again.ended, 69);
  assert.match(again.told(), `127.0.0.1:${box.ports.smtp} is taken by another program`);
  const foreign = createServer().listen(box.ports.http, host);
  await once(foreign, 'listening');
  const problems = await preflight(box.dir);
  foreign.close();
  assert.is(problems.length, 1);
  assert.match(problems[0] ?? '', `port ${box.ports.http} of 127.0.0.1 (web, http) is taken`);
});

test('SIGTERM ends each service at once, with clients connected', async ({ box }) => {
  for (const service of ['store', 'mta', 'web'] as const) {
    const { child, ended } = box.launch(service);
    await until(`${service} runs`, () => readdirSync(placesOf(box.dir, service).home).includes('process.json'));
    const client = service === 'store' ? await login(box) : null;
    const started = performance.now();
    child.kill('SIGTERM');
    assert.is(await ended, 0, service);
    assert.ok(performance.now() - started < 1000, service);
    client?.close();
  }
});

test.run();
