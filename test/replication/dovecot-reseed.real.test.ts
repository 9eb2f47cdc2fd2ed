// Two Dovecots whose copies have gone apart: the one that is not active is made anew from the one that is.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import dovecot from '../../src/replication/dovecot.ts';
import { sourceContext } from '../support/replication.ts';
import { type Dovecot, freePorts, startDovecot, until } from '../support/servers.ts';
import { stepFolder } from '../support/step.ts';

const test = suite('replication dovecot: reseed on real servers');
const folder = stepFolder();
const [near = 0, far = 0] = await freePorts(2);
const settings = (port: number, place = 'maildir:~/Maildir'): string => `mail_location = ${place}
service doveadm {
  inet_listener {
    port = ${port}
  }
}
doveadm_password = lab
`;
let one: Dovecot;
let two: Dovecot;
let flat: Dovecot;
test.before(async () => {
  const [third = 0] = await freePorts(1);
  one = await startDovecot(settings(near), true);
  two = await startDovecot(settings(far), true);
  flat = await startDovecot(settings(third, 'maildir:~/'), true);
});
test.after(async () => {
  for (const server of [one, two, flat]) await server?.stop();
  folder.remove();
});

const conf = (of: Dovecot): string => join(of.folder, 'dovecot.conf');
const options = (of: Dovecot, more: object = {}): object => ({
  to: { n1: `tcp:127.0.0.1:${near}`, n2: `tcp:127.0.0.1:${far}` },
  ...{ users: 'u*', every: '1s', config: conf(of) },
  ...more,
});
type More = Parameters<typeof sourceContext>[2];
const active = (more: More = {}) =>
  sourceContext(dovecot, options(one), { node: 'n1', active: true, stateDir: folder.path, ...more });
const standby = (given: object = {}, more: More = {}) =>
  sourceContext(dovecot, options(two, given), { stateDir: folder.path, source: 'other', ...more });

const box = (of: Dovecot, ...words: string[]): string =>
  execFileSync('doveadm', ['-c', conf(of), ...words], { encoding: 'utf8', input: 'Subject: x\n\nx\n' });
const save = (of: Dovecot, user: string): string => box(of, 'save', '-u', `${user}@lab.test`);
const shown = (of: Dovecot, user: string): string =>
  box(of, '-f', 'tab', 'mailbox', 'status', '-u', `${user}@lab.test`, 'messages uidvalidity guid', '*');
const home = (of: Dovecot, user: string): string => join(of.mail, `${user}@lab.test`);
const USERS = ['u1', 'u2', 'u3'];

test('the standby is as the active node, what is only there goes, and nothing of it gets to the active node', async () => {
  for (const user of USERS) for (let n = 0; n < 3; n += 1) save(one, user);
  assert.is((await dovecot.flush?.(active()))?.ok, true);
  // Both went on by themselves: INBOX emptied, mails of its own, a folder that is there twice, one that is here only.
  box(two, 'expunge', '-u', 'u1@lab.test', 'mailbox', 'INBOX', 'all');
  for (const user of ['u1', 'u2', 'u2']) save(two, user);
  save(one, 'u2');
  for (const of of [one, two]) box(of, 'mailbox', 'create', '-u', 'u3@lab.test', 'Twice');
  box(two, 'mailbox', 'create', '-u', 'u3@lab.test', 'Alone');
  writeFileSync(join(home(two, 'u1'), '.dovecot.sieve'), 'keep;');
  const before = USERS.map((user) => shown(one, user));
  const memory = new Map<string, unknown>();
  const work = dovecot.reseed?.(standby({}, { memory }));
  await until('a reseed under way', () => memory.has('anew'), 20_000);
  assert.is((await dovecot.look(standby({}, { memory }))).state, 'initializing');
  const done = await work;
  assert.is(done?.ok, true, done?.detail);
  assert.is.not((await dovecot.look(standby({}, { memory }))).state, 'initializing');
  assert.equal([USERS.map((user) => shown(two, user)), USERS.map((user) => shown(one, user))], [before, before]);
  assert.match(shown(two, 'u3'), 'Twice');
  assert.not.match(shown(two, 'u3'), 'Alone');
  assert.ok(existsSync(join(home(two, 'u1'), '.dovecot.sieve')), 'what is no mail stays');
  assert.not.ok(readdirSync(home(two, 'u1')).some((name) => name.includes('before-reseed')));
  // And from then on it is a copy as before: both ways, and nothing is deleted by it.
  save(one, 'u3');
  assert.is((await dovecot.flush?.(active()))?.ok, true);
  assert.equal(
    USERS.map((user) => shown(two, user)),
    USERS.map((user) => shown(one, user)),
  );
  assert.match(shown(one, 'u1'), 'INBOX\t3\t');
});

test('never on the active node, nor from nobody', async () => {
  save(one, 'u4');
  const mine = shown(one, 'u4');
  for (const context of [
    active(),
    standby({}, { owner: 'n2' }),
    standby({}, { owner: null }),
    standby({}, { owner: 'n9' }),
  ])
    assert.is((await dovecot.reseed?.(context))?.ok, false);
  assert.is(shown(one, 'u4'), mine);
});

test('nobody there, or given up: not ok, and what was there is there again', async () => {
  const before = USERS.map((user) => shown(two, user));
  const [closed = 0] = await freePorts(1);
  const away = await dovecot.reseed?.(standby({ to: { n1: `tcp:127.0.0.1:${closed}` } }));
  assert.is(away?.ok, false);
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 30);
  const over = await dovecot.reseed?.(standby({}, { signal: stop.signal }));
  assert.is(over?.ok, false, over?.detail);
  assert.equal(
    USERS.map((user) => shown(two, user)),
    before,
  );
  assert.not.ok(USERS.some((user) => existsSync(`${home(two, user)}/Maildir.before-reseed`)));
});

test('a user without any mail gets all of it; mail that is not in a folder of its own is left alone', async () => {
  rmSync(join(home(two, 'u1'), 'Maildir'), { recursive: true });
  assert.is((await dovecot.reseed?.(standby()))?.ok, true);
  assert.is(shown(two, 'u1'), shown(one, 'u1'));
  save(flat, 'u1');
  const left = await dovecot.reseed?.(standby({ config: conf(flat) }));
  assert.is(left?.ok, false);
  assert.match(left?.detail ?? '', 'its mail and its home are one folder');
  assert.match(shown(flat, 'u1'), 'INBOX\t1\t');
});

test.run();
