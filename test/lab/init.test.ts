// `watchkeeper init` on a real mail server: what it writes is accepted without a warning and kept by the daemon; called
// again it changes nothing, and shows what differs.
import { appendFileSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually, must } from './command.ts';
import { Lab } from './lab.ts';
import { PASSWORD } from './mail-files.ts';
import { awaitServices, makeMailNode, type MailNode } from './mail-node.ts';
import type { LabNode } from './node.ts';
import { repository } from './repository.ts';
import { Watch } from './watch.ts';
import { ask } from './watchkeeper.ts';

const test = suite('init');
const FILE = '/etc/watchkeeper/watchkeeper.yaml';
const SECRET = 'never-to-be-seen';
let lab: Lab;
let mail: MailNode;
let node: LabNode;
let watch: Watch;

const slapdConf = `include /etc/ldap/schema/core.schema
pidfile /run/slapd/slapd.pid
argsfile /run/slapd/slapd.args
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "dc=lab,dc=test"
rootdn "cn=admin,dc=lab,dc=test"
rootpw ${SECRET}
directory /var/lib/ldap
`;
const slapdDefaults = `SLAPD_CONF=/etc/ldap/slapd.conf
SLAPD_USER="openldap"
SLAPD_GROUP="openldap"
SLAPD_PIDFILE=
SLAPD_SERVICES="ldap:/// ldapi:///"
SLAPD_OPTIONS=""
`;

/** A directory and a spam filter beside the mail server, both as Debian starts them. */
async function more(): Promise<void> {
  node.put('/etc/ldap/slapd.conf', slapdConf, { mode: 0o644 });
  node.put('/etc/default/slapd', slapdDefaults);
  for (const name of ['data.mdb', 'lock.mdb']) node.remove(`/var/lib/ldap/${name}`);
  const top = 'dn: dc=lab,dc=test\nobjectClass: dcObject\nobjectClass: organization\no: Lab\ndc: lab\n';
  await must(['chroot', node.root, 'slapadd', '-f', '/etc/ldap/slapd.conf'], { input: top });
  await must(['chroot', node.root, 'chown', '-R', 'openldap:openldap', '/var/lib/ldap']);
  for (const level of [2, 3, 4, 5]) {
    mkdirSync(node.path(`/etc/rc${level}.d`), { recursive: true });
    symlinkSync('../init.d/slapd', node.path(`/etc/rc${level}.d/S01slapd`));
  }
  const wants = join(node.root, 'etc/systemd/system/multi-user.target.wants');
  symlinkSync('/lib/systemd/system/rspamd.service', join(wants, 'rspamd.service'));
  appendFileSync(
    node.path('/etc/postfix/main.cf'),
    `smtpd_milters = inet:127.0.0.1:11332\nmilter_default_action = accept\nunused_bind_pw = ${SECRET}\n`,
  );
  const unit = readFileSync(join(repository, 'config/systemd/watchkeeper.service'), 'utf8');
  node.put('/etc/systemd/system/watchkeeper.service', unit, { mode: 0o644 });
  node.remove('/etc/watchkeeper');
}

const listens = async (port: number): Promise<boolean> =>
  (await node.attempt(['bash', '-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`], { timeoutMs: 4000 })).code === 0;

const init = (...words: string[]) => ask(node, ['init', ...words], 90_000);

test('a mail server as an administrator has it', async () => {
  lab = await Lab.up({ nodes: ['mail'] });
  node = lab.node('mail');
  mail = await makeMailNode(node);
  await more();
  await mail.node.boot(60_000);
  await awaitServices(node, undefined, 60_000);
  await eventually('slapd', () => listens(389), 30_000);
  // It compiles its rules first, for some seconds where nothing else runs.
  await eventually('rspamd', () => listens(11_334), 240_000, 500);
});
test.after(() => lab.close());

test('without a terminal and without --yes it only shows', async () => {
  const shown = await init();
  assert.is(shown.code, 0, shown.stderr);
  assert.match(shown.stderr, 'there is no terminal to ask');
  assert.match(shown.stdout, '\nservices:\n');
  assert.is((await node.attempt(['test', '-e', FILE])).code, 1);
});

test('on a terminal it asks, and only a yes writes', async () => {
  const other = '/etc/other/watchkeeper.yaml';
  // script(1) gives it a terminal of its own.
  const onTerminal = (answer: string) =>
    node.attempt(['script', '-qec', `watchkeeper init --config ${other}`, '/dev/null'], {
      timeoutMs: 90_000,
      input: answer,
    });
  const no = await onTerminal('\n');
  assert.is(no.code, 1, no.stdout);
  assert.match(no.stdout, `Write this to ${other}? [y/N]`);
  assert.is((await node.attempt(['test', '-e', other])).code, 1);
  const yes = await onTerminal('y\n');
  assert.is(yes.code, 0, yes.stdout);
  assert.match(node.read(other), '\nservices:\n');
  node.remove('/etc/other');
});

test('--yes writes a file that is accepted without a warning', async () => {
  const written = await init('--yes');
  assert.is(written.code, 0, `${written.stdout}\n${written.stderr}`);
  const text = node.read(FILE);
  assert.is(text, written.stdout);
  assert.is((await node.exec(['stat', '-c', '%a %U %G', FILE])).trim(), '640 root root');
  for (const name of ['mta', 'store', 'directory', 'web', 'resolver', 'spamfilter'])
    assert.match(text, new RegExp(`^  ${name}:$`, 'm'));
  assert.not.match(text, 'postgresql', 'what is installed and neither enabled nor active is no service');
  for (const secret of [SECRET, PASSWORD]) assert.not.match(text + written.stderr, secret);
  const checked = await ask(node, ['config', 'check', FILE]);
  assert.is(checked.code, 0, checked.stdout);
  assert.is(checked.stderr, '', 'not one warning');
});

test('it read what the kits need', () => {
  const text = node.read(FILE);
  const [, mta = ''] = /^ {2}mta:\n([\s\S]*?)^ {2}\S|^ {2}mta:\n([\s\S]*)/m.exec(text)?.filter(Boolean) ?? [];
  for (const name of ['store', 'resolver', 'spamfilter'])
    assert.match(mta, new RegExp(`^      - ${name} #`, 'm'), text);
  for (const line of [
    /submission-port: 587 #/,
    /tls-name: mail\.lab\.test #/,
    /imaps-port: 993 #/,
    /lmtp: \/var\/spool\/postfix\/private\/dovecot-lmtp #/,
    /store: \/srv\/mail #/,
    /query: lab\.test #/,
    /^# {6}probe: probe@lab\.test$/m,
    /passwd-file|\/etc\/dovecot\/users/,
  ])
    assert.match(text, line);
});

test('the daemon keeps it: all is well, and at first it only looks', async () => {
  await node.exec(['systemctl', 'daemon-reload']);
  await node.exec(['systemctl', 'start', 'watchkeeper'], { timeoutMs: 30_000 });
  await eventually('the daemon', async () => (await ask(node, ['status'])).code !== 69, 30_000, 200);
  watch = new Watch(node);
  await watch.well(120_000);
});

test('called again it finds nothing to change', async () => {
  const again = await init('--yes');
  assert.is(again.code, 0, `${again.stdout}\n${again.stderr}`);
  assert.is(again.stdout, '');
});

test('without the line `observe: true` a service that was killed is repaired', async () => {
  const kept = node.read(FILE).replace(/^observe: true.*\n/m, '');
  node.put(FILE, kept);
  const reloaded = await ask(node, ['reload']);
  assert.is(reloaded.code, 0, reloaded.stderr);
  for (const [unit, port] of [
    ['nginx', 80],
    ['slapd', 389],
  ] as const) {
    await node.exec(['systemctl', 'kill', '-s', 'KILL', unit]);
    await eventually(`${unit} again`, () => listens(port), 60_000, 200);
  }
  await watch.well(120_000);
  const again = await init('--yes');
  assert.is(again.code, 0, `the file without that line is what would be proposed:\n${again.stdout}`);
});

test('what changed in the product is shown, and the file stays', async () => {
  const before = node.read(FILE);
  const changed = join('/etc/postfix', 'master.cf');
  node.put(changed, node.read(changed).replace(/^submission inet.*\n(?:[ \t].*\n)*/m, ''));
  const differs = await init('--yes');
  assert.is(differs.code, 1, differs.stderr);
  assert.match(differs.stdout, /^-\s+submission-port: 587/m);
  assert.match(differs.stderr, 'left as it is');
  assert.is(node.read(FILE), before);
});

test('with the password of the probe the deep checks are no comments any more', async () => {
  node.remove(FILE);
  node.put('/etc/watchkeeper/probe', `${PASSWORD}\n`, { mode: 0o600 });
  const written = await init('--yes');
  assert.is(written.code, 0, written.stderr);
  assert.match(node.read(FILE), /^ {6}password: file:\/etc\/watchkeeper\/probe/m);
  assert.not.match(written.stdout + written.stderr, PASSWORD);
  const deep = await ask(node, ['check', 'store', '--deep'], 60_000);
  await ask(node, ['reload'], 30_000);
  assert.is(deep.code, 0, deep.stdout);
  assert.is((await ask(node, ['check', 'mta', '--deep'], 60_000)).code, 0);
});

test.run();
