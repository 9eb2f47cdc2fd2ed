// Each fault really does what it says, to a real client; a restart cures what a restart can cure; heal undoes the rest.
import { existsSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { ImapFlow } from 'imapflow';
import { createTransport } from 'nodemailer';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { breakService, healService, look, stopAll } from '../../src/sandbox/break.ts';
import { placesOf } from '../../src/sandbox/places.ts';
import { makeSandbox, type TestSandbox, until } from '../support/sandbox.ts';

const test = suite<{ box: TestSandbox }>('sandbox faults');
test.before.each(async (context) => {
  context.box = await makeSandbox();
});
test.after.each(async ({ box }) => box.end());

/** The first line of a server, or how the connection went instead. */
function banner(port: number, ms = 700): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (text: string): void => {
      socket.destroy();
      resolve(text);
    };
    socket.setTimeout(ms, () => settle('silent'));
    socket.once('data', (data) => settle(data.toString()));
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code ?? 'error'));
  });
}

const mail = { from: 'probe@sandbox.test', to: 'probe@sandbox.test', subject: 's', text: 't' };
const send = (port: number, lmtp: boolean): Promise<string> =>
  createTransport({ host: '127.0.0.1', port, lmtp, secure: false, ignoreTLS: true } as Parameters<
    typeof createTransport
  >[0])
    .sendMail(mail)
    .then(
      (info) => info.response ?? 'sent',
      (error: { response?: string }) => error.response ?? String(error),
    );

test('kill: the process is gone', async ({ box }) => {
  const child = await box.start('mta');
  const told = await breakService(box.dir, 'mta', 'kill', 0);
  assert.is(told.ok, true);
  await until('it was killed', () => child.signalCode === 'SIGKILL');
  assert.equal(look(box.dir, 'mta'), { service: 'mta', pid: null, life: 'dead', faults: [] });
  assert.is(await banner(box.ports.smtp), 'ECONNREFUSED');
  const again = await breakService(box.dir, 'mta', 'kill', 0);
  assert.is(again.ok, false);
  assert.match(again.text, /does not run/);
});

test('hang: it accepts and says nothing; heal lets it go on', async ({ box }) => {
  const child = await box.start('mta');
  assert.ok((await breakService(box.dir, 'mta', 'hang', 0)).ok);
  assert.is(await banner(box.ports.smtp), 'silent');
  assert.equal(look(box.dir, 'mta').faults, ['hang']);
  assert.is((await breakService(box.dir, 'mta', 'refuse', 0)).ok, false, 'a stopped process follows nothing');
  assert.match((await healService(box.dir, 'mta')).text, /healed of hang; process \d+ runs/);
  assert.match(await banner(box.ports.smtp), /^220 mta\.sandbox\.test/);
  assert.is(look(box.dir, 'mta').pid, child.pid);
});

test('refuse: the process lives, every port of it is closed; heal opens them', async ({ box }) => {
  const child = await box.start('store');
  assert.ok((await breakService(box.dir, 'store', 'refuse', 0)).ok);
  assert.is(await banner(box.ports.lmtp), 'ECONNREFUSED');
  assert.is(await banner(box.ports.imap), 'ECONNREFUSED');
  assert.equal(look(box.dir, 'store'), { service: 'store', pid: child.pid, life: 'running', faults: ['refuse'] });
  assert.ok((await healService(box.dir, 'store')).ok);
  assert.match(await banner(box.ports.imap), /^\* OK /);
});

test('refuse and slow are of one process: a restart cures them', async ({ box }) => {
  for (const how of ['refuse', 'slow'] as const) {
    const child = await box.start('mta');
    assert.ok((await breakService(box.dir, 'mta', how, 5000)).ok);
    child.kill('SIGKILL');
    await until('it is gone', () => child.signalCode !== null);
    const next = await box.start('mta');
    assert.match(await banner(box.ports.smtp), /^220 /);
    assert.equal(look(box.dir, 'mta').faults, []);
    assert.is(existsSync(placesOf(box.dir, 'mta').fault), false);
    next.kill('SIGKILL');
    await until('it is gone', () => next.signalCode !== null);
  }
});

test('slow: the greeting comes late, on every protocol', async ({ box }) => {
  await box.start('store');
  await box.start('web');
  for (const service of ['store', 'web'] as const) assert.ok((await breakService(box.dir, service, 'slow', 300)).ok);
  const started = performance.now();
  assert.match(await banner(box.ports.imap), /^\* OK /);
  assert.ok(performance.now() - started >= 295);
  const asked = performance.now();
  assert.is((await fetch(`http://127.0.0.1:${box.ports.http}/health`)).status, 502);
  assert.ok(performance.now() - asked >= 295);
  assert.equal(look(box.dir, 'store').faults, ['slow']);
});

test('no-space at the mail server: 452 at MAIL FROM, after a restart too; heal makes room', async ({ box }) => {
  const child = await box.start('mta');
  assert.ok((await breakService(box.dir, 'mta', 'no-space', 0)).ok);
  assert.match(await send(box.ports.smtp, false), /^452 4\.3\.1 /);
  child.kill('SIGKILL');
  await until('it is gone', () => child.signalCode !== null);
  await box.start('mta');
  assert.match(await send(box.ports.smtp, false), /^452 4\.3\.1 /);
  assert.match((await healService(box.dir, 'mta')).text, /healed of no-space/);
  assert.match(await send(box.ports.smtp, false), /^250 /);
});

test('no-space at the store: 452 by LMTP, NO [OVERQUOTA] by IMAP, and the mail server keeps the mail', async ({
  box,
}) => {
  await box.start('store');
  await box.start('mta');
  assert.ok((await breakService(box.dir, 'store', 'no-space', 0)).ok);
  assert.match(await send(box.ports.lmtp, true), /^452 4\.2\.2 /);
  const client = new ImapFlow({
    host: '127.0.0.1',
    port: box.ports.imap,
    secure: false,
    doSTARTTLS: false,
    auth: { user: 'probe', pass: box.password },
    logger: false,
  });
  client.on('error', () => undefined);
  await client.connect();
  const refused = await client.append('INBOX', 'Subject: a\r\n\r\nb\r\n').then(String, (error: object) => error);
  assert.is((refused as { serverResponseCode?: string }).serverResponseCode, 'OVERQUOTA');
  await client.logout();
  assert.match(await send(box.ports.smtp, false), /^250 /);
  const spooled = (): number => readdirSync(placesOf(box.dir, 'mta').data).length;
  assert.is(spooled(), 1);
  assert.ok((await healService(box.dir, 'store')).ok);
  await until('the mail is delivered', () => spooled() === 0);
});

test('no-space at the web page is refused: it keeps nothing', async ({ box }) => {
  const told = await breakService(box.dir, 'web', 'no-space', 0);
  assert.is(told.ok, false);
  assert.match(told.text, /keeps nothing on disk; choose store or mta/);
});

test('misconfigure: the file is bad, the process gone, and a start finds it; heal restores the file', async ({
  box,
}) => {
  const child = await box.start('web');
  assert.ok((await breakService(box.dir, 'web', 'misconfigure', 0)).ok);
  await until('it was killed', () => child.signalCode === 'SIGKILL');
  assert.ok((await breakService(box.dir, 'web', 'misconfigure', 0)).ok, 'twice does no further harm');
  const checked = box.launch('web', ['--check-config']);
  assert.is(await checked.ended, 78);
  assert.match(checked.told(), 'settings.json');
  assert.is(await box.launch('web').ended, 78);
  assert.equal(look(box.dir, 'web').faults, ['misconfigure']);
  assert.match((await healService(box.dir, 'web')).text, /healed of misconfigure; does not run now/);
  assert.is(await box.launch('web', ['--check-config']).ended, 0);
});

test('loop: it crashes now and after each start, until it is healed', async ({ box }) => {
  const child = await box.start('mta');
  assert.ok((await breakService(box.dir, 'mta', 'loop', 0)).ok);
  await until('it is gone', () => child.exitCode === 1);
  const next = box.launch('mta');
  assert.is(await next.ended, 1);
  assert.match(next.told(), /runs as process \d+\n.*fatal/s);
  assert.equal(look(box.dir, 'mta').faults, ['loop']);
  assert.ok((await healService(box.dir, 'mta')).ok);
  await box.start('mta');
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.is(look(box.dir, 'mta').life, 'running');
});

test('a pid that belongs to somebody else by now is never touched', async ({ box }) => {
  const child = await box.start('mta');
  child.kill('SIGKILL');
  await until('it is gone', () => child.signalCode !== null);
  const { writeIdentity, self } = await import('../../src/sandbox/identity.ts');
  writeIdentity(placesOf(box.dir, 'mta').process, { ...self(null), startTicks: 1 });
  assert.is(look(box.dir, 'mta').life, 'dead');
  assert.is((await breakService(box.dir, 'mta', 'kill', 0)).ok, false);
  assert.equal(await stopAll(box.dir), []);
});

test('stop ends all, a stopped one too', async ({ box }) => {
  await box.start('store');
  await box.start('mta');
  await breakService(box.dir, 'store', 'hang', 0);
  const told = await stopAll(box.dir);
  assert.equal(
    told.map((one) => one.ok),
    [true, true],
  );
  assert.is(look(box.dir, 'store').life, 'dead');
  assert.is(look(box.dir, 'mta').life, 'dead');
});

test.run();
