// The guest command as a monitoring system runs it, as a process, on a real Dovecot: login and mail, exit codes, lines.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { call, watchkeeper } from '../support/guest.ts';
import { readNagios } from '../support/nagios-line.ts';
import { type Dovecot, frozen, processTree, startDovecot } from '../support/servers.ts';

const test = suite('guest on a real Dovecot');
let dovecot: Dovecot;
test.before(async () => {
  dovecot = await startDovecot();
  writeFileSync(join(dovecot.folder, 'password'), 'pw\n', { mode: 0o600 });
  writeFileSync(join(dovecot.folder, 'wrong'), 'not it\n', { mode: 0o600 });
});
test.after(async () => dovecot?.stop());

const ask = (...words: string[]) => {
  const kit = ['--kit', 'dovecot', '--host', '127.0.0.1', '--set', `imap-port=${dovecot.imap}`];
  return call([watchkeeper, 'check', ...kit, '-o', 'nagios', ...words]);
};
const login = (password: string): string[] => {
  const file = `password=file:${join(dovecot.folder, password)}`;
  return ['--deep', '--set', 'user=probe@lab.test', '--set', file, '--timeout', '30'];
};

test('well: one line, exit code 0, times as performance data; quick and deep', async () => {
  for (const words of [['--timeout', '30'], login('password')]) {
    const { code, out, err } = await ask(...words);
    assert.equal([code, err], [0, ''], out);
    const line = readNagios(out);
    assert.equal([line.service, line.state], ['DOVECOT', 'OK']);
    assert.ok(
      line.data.some(({ label, unit }) => label.includes('time') && unit === 'ms'),
      out,
    );
  }
});

test('a refused login is the probe, by name; the password is nowhere', async () => {
  const { code, out, err } = await ask(...login('wrong'));
  assert.is(code, 1);
  assert.match(out, /^DOVECOT WARNING \(credentials\) - /);
  assert.not.match(out + err, /not it/);
});

test('hung and gone', async () => {
  await frozen(processTree(dovecot.pid()), async () => {
    const { code, out } = await ask('--timeout', '2s');
    assert.is(code, 2);
    assert.match(out, /^DOVECOT CRITICAL \(hung\) - /);
  });
  const { code, out } = await ask('--set', 'imap-port=1');
  assert.is(code, 2);
  assert.match(out, /^DOVECOT CRITICAL \(refusing\) - /);
});

test.run();
