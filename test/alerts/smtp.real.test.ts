// Mail alerts on the real servers: Postfix as relay, as MX and as the service that is watched and dead; BIND for the
// MX; Dovecot for the login of submission.
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import PostalMime, { type Email } from 'postal-mime';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import smtp from '../../src/alerts/smtp.ts';
import type { AlertChannel } from '../../src/define.ts';
import { makeAlert } from '../support/alert.ts';
import { type Bind, startBind } from '../support/bind.ts';
import { authority } from '../support/certificates.ts';
import { type Dovecot, startDovecot } from '../support/dovecot.ts';
import { liveDaemon, watched, whole } from '../support/live-daemon.ts';
import { type Postfix, startPostfix } from '../support/postfix.ts';
import { type TestChannel, testChannel } from '../support/send-alert.ts';
import { endTree, newFolder, stopped, until } from '../support/server.ts';

const OWNER = 5000;
const FROM = 'watchkeeper@n1.lab.test';
const OPS = 'ops@ops.test';

const test = suite('smtp alerts real');
let folder: string;
let watchedOne: Postfix;
let other: Postfix;
let bind: Bind;
let dovecot: Dovecot;

/** A Postfix that delivers for ops.test into a Maildir below `folder`. */
const intoMaildir = (): Readonly<Record<string, string>> => ({
  virtual_mailbox_domains: 'lab.test ops.test',
  virtual_mailbox_base: folder,
  virtual_mailbox_maps: 'inline:{{ops@ops.test=ops/}}',
  virtual_uid_maps: `static:${OWNER}`,
  virtual_gid_maps: `static:${OWNER}`,
  virtual_transport: 'virtual',
});

test.before(async () => {
  folder = newFolder('maildir');
  mkdirSync(join(folder, 'ops'));
  for (const path of [folder, join(folder, 'ops')]) chownSync(path, OWNER, OWNER);
  dovecot = await startDovecot();
  watchedOne = await startPostfix({ parameters: intoMaildir() });
  other = await startPostfix({ dovecot, parameters: intoMaildir() });
  bind = await startBind({
    'ops.test': '@ MX 10 live.ops.test.\n@ MX 5 dead.ops.test.\ndead A 127.0.0.9\nlive A 127.0.0.1',
    'null.test': '@ MX 0 .',
  });
});
test.after(async () => {
  for (const one of [watchedOne, other, bind, dovecot]) await one.stop();
  rmSync(folder, { recursive: true, force: true });
});

const files = (): string[] => {
  const dir = join(folder, 'ops/new');
  return existsSync(dir) ? readdirSync(dir).map((name) => join(dir, name)) : [];
};

/** The next mail that is delivered; it is taken away. */
async function arrived(): Promise<Email & { readonly raw: string }> {
  await until('a mail', () => files().length > 0, 30_000);
  const [path = ''] = files();
  const raw = readFileSync(path, 'utf8');
  rmSync(path);
  return { ...(await PostalMime.parse(raw)), raw };
}

const channel = (via: readonly unknown[], more: object = {}): TestChannel =>
  testChannel(smtp as unknown as AlertChannel, { to: [OPS], from: FROM, via, timeout: '8s', ...more });
const relay = ({ smtp: port }: Postfix): string => `smtp://127.0.0.1:${port}`;
const direct = (): object => ({ url: 'direct-to-mx', port: other.smtp, resolvers: [bind.address] });

test('a relay delivers it, over TLS where that is offered', async () => {
  const evil = 'said "220 x"\r\nBcc: u1@lab.test\r\n grüße \u202e <b>';
  assert.is(await channel([relay(other)]).send(makeAlert({ summary: evil })), 'sent');
  const mail = await arrived();
  assert.match(mail.subject ?? '', /^\[watchkeeper n1\] MAJOR mta: said "220 x"\\r\\nBcc: u1@lab\.test/);
  assert.match(mail.text ?? '', /grüße \\u\{202e\} <b>/);
  assert.match(mail.html ?? '', '&#60;b&#62;');
  assert.is(
    mail.headers.find(({ key }) => key === 'bcc'),
    undefined,
  );
  assert.match(mail.raw, /Return-Path: <watchkeeper@n1\.lab\.test>/);
  assert.match(mail.raw, /with ESMTPS/);
  assert.match(mail.raw, /from n1\.lab\.test/);
  await new Promise((done) => setTimeout(done, 300));
  assert.is(files().length, 0);
});

test('TLS that must be good: with the authority and the name, and not without', async () => {
  const ca = join(folder, 'ca.pem');
  writeFileSync(ca, authority);
  const strict = { url: relay(other), tls: 'required', ca };
  assert.is(await channel([strict]).send(makeAlert()), 'sent');
  await arrived();
  const wrong = await channel([{ ...strict, servername: 'elsewhere.test' }]).send(makeAlert());
  assert.ok(typeof wrong === 'object' && 'retry' in wrong, JSON.stringify(wrong));
  const submission = { url: `submission://127.0.0.1:${other.submission}`, ca, user: 'u1@lab.test' };
  assert.is(await channel([{ ...submission, password: 'env:LAB_PASSWORD' }]).send(makeAlert()), 'sent');
  await arrived();
  const refused = await channel([{ ...submission, password: 'env:WRONG_PASSWORD' }]).send(makeAlert());
  assert.match((refused as { retry: string }).retry, /AUTH \S+: 535/);
});

test('straight to the MX: the first of two is dead', async () => {
  assert.is(await channel([direct()]).send(makeAlert()), 'sent');
  assert.match((await arrived()).subject ?? '', 'MAJOR');
});

test('a domain that takes no mail, one that is not there, one that nobody knows, and a refused mailbox', async () => {
  const to = async (one: string): Promise<string> =>
    JSON.stringify(await channel([direct()], { to: [one] }).send(makeAlert()));
  assert.match(await to('a@null.test'), /"drop":.*takes no mail/);
  assert.match(await to('a@nowhere.ops.test'), /"retry":.*there is no domain/);
  assert.match(await to('a@broken.test'), /"retry":.*server-failure/);
  assert.match(await to('nobody@ops.test'), /"drop":.*550.*User unknown/);
});

test('it arrives while the Postfix that is told of stands still', async () => {
  const via = [{ url: relay(watchedOne), through: 'mta' }, direct()];
  await stopped(watchedOne.pid(), async () => {
    const started = performance.now();
    assert.is(await channel(via, { timeout: '20s' }).send(makeAlert(), { failing: ['mta'] }), 'sent');
    assert.ok(performance.now() - started < 12_000, 'the dead way was not tried first');
    await arrived();
    // Nobody knows yet that it is dead: the way is tried, in its time, and left.
    assert.is(await channel(via, { timeout: '2s' }).send(makeAlert({}, 8)), 'sent');
    await arrived();
  });
});

test('the daemon tells by mail that the mail server died', async () => {
  const daemon = liveDaemon('mail-alert');
  try {
    const check = { type: 'smtp', port: watchedOne.smtp };
    daemon.write(
      whole(
        daemon,
        { mta: watched(check, { quick: { every: '500ms', timeout: '400ms' } }) },
        {
          alerts: {
            admin: {
              type: 'smtp',
              to: [OPS],
              from: FROM,
              via: [{ url: relay(watchedOne), through: 'mta' }, direct()],
            },
          },
        },
      ),
    );
    await daemon.up();
    await until('a healthy mta', async () => (await daemon.service('mta')).health === 'ok', 20_000);
    for (const path of files()) rmSync(path);
    await endTree(watchedOne.pid());
    let mail = await arrived();
    for (let turn = 0; turn < 10 && !/MAJOR/.test(mail.subject ?? ''); turn++) mail = await arrived();
    assert.match(mail.subject ?? '', /^\[watchkeeper n1\] MAJOR mta: /);
    assert.match(mail.text ?? '', /^What happened/m);
    assert.ok(mail.references);
  } finally {
    await daemon.end();
  }
});

test.run();
