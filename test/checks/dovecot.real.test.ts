// The check of Dovecot's own view against a Dovecot, well and broken in the ways that happen.
import { renameSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/dovecot.ts';
import type { Check, CheckResult } from '../../src/define.ts';
import { type RunOptions, runCheck } from '../support/check.ts';
import { type Dovecot, frozen, nameOf, processTree, startDovecot, until } from '../support/servers.ts';

const test = suite('dovecot on a real server');
let dovecot: Dovecot;
test.before(async () => {
  dovecot = await startDovecot(
    `service imap-login {\n  process_limit = 2\n  service_count = 1\n}\nservice dict {\n  executable = /bin/false\n}\n`,
  );
});
test.after(() => dovecot?.stop());

const account = { user: 'probe@lab.test', password: 'env:LAB_PASSWORD' };
const options = (more: object = {}): object => ({ config: join(dovecot.folder, 'dovecot.conf'), ...more });
const run = (more: object = {}, how: RunOptions = {}): Promise<CheckResult> =>
  runCheck(check as unknown as Check, options(more), { timeoutMs: 20_000, ...how });
const deep: RunOptions = { depth: 'deep' };
const short = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}/${result.part ?? '-'}`;
const expect = async (more: object, how: RunOptions, wanted: string): Promise<CheckResult> => {
  const result = await run(more, how);
  assert.is(short(result), wanted, result.detail);
  return result;
};
const named = (name: string): number[] => processTree(dovecot.pid()).filter((pid) => nameOf(pid) === name);

test('well: quick and deep, with a login', async () => {
  await expect({ services: ['imap-login', 'lmtp', 'auth'] }, {}, 'pass/-/-');
  const result = await expect(account, deep, 'pass/-/-');
  assert.match(result.detail, 'users can log in');
  assert.ok(result.steps?.some((step) => step.name === 'auth test' && step.ok));
  await expect({ services: ['managesieve-login'] }, {}, 'fail/misconfigured/-');
});

test('a wrong password is the trouble of the probe', async () => {
  await expect({ ...account, password: 'env:WRONG_PASSWORD' }, deep, 'degraded/credentials/-');
});

test('users that cannot be read are the trouble of everybody', async () => {
  const users = join(dovecot.folder, 'users');
  renameSync(users, `${users}.away`);
  try {
    await until(
      'auth to read its users again',
      async () => {
        for (const pid of named('auth')) process.kill(pid, 'SIGTERM');
        return short(await run(account, deep)) === 'fail/dependency/auth';
      },
      60_000,
    );
  } finally {
    renameSync(`${users}.away`, users);
  }
  await until('logins again', async () => short(await run(account, deep)).startsWith('pass'), 60_000);
});

test('a hanging auth is a part that hangs, a hanging master is the whole', async () => {
  await run(account, deep);
  await frozen(named('auth'), async () => {
    await expect(account, { ...deep, timeoutMs: 3000 }, 'fail/hung/auth');
  });
  await frozen([dovecot.pid()], async () => {
    await expect({}, { timeoutMs: 2000 }, 'fail/hung/-');
  });
  await until('logins again', async () => short(await run(account, deep)).startsWith('pass'), 60_000);
});

test('a service at its limit drops connections', async () => {
  const sockets: Socket[] = [];
  try {
    await until(
      'a full imap-login',
      async () => {
        const socket = connect({ host: '127.0.0.1', port: dovecot.imap });
        socket.on('error', () => undefined);
        sockets.push(socket);
        return short(await run()) === 'degraded/overloaded/imap-login';
      },
      30_000,
    );
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

test('a crash is told with its part', async () => {
  const memory = new Map<string, unknown>();
  await run(account, { ...deep, memory });
  for (const pid of named('auth')) process.kill(pid, 'SIGSEGV');
  await until('the crash in the log', () => /killed with signal 11/.test(dovecot.log()), 30_000);
  await until(
    'a verdict about it',
    async () => short(await run({}, { ...deep, memory })) === 'degraded/dead/auth',
    30_000,
  );
});

test('a program that ends at once is throttled, and named', async () => {
  const poke = connect({ path: join(dovecot.folder, 'run', 'dict') });
  poke.on('error', () => undefined);
  try {
    await until(
      'a service that is not started any more',
      async () => short(await run()) === 'fail/refusing/dict',
      30_000,
    );
  } finally {
    poke.destroy();
  }
});

test('a Dovecot that is gone', async () => {
  process.kill(dovecot.pid(), 'SIGKILL');
  const main = dovecot.pid();
  await until('its end', () => !processTree(main).some((pid) => named('anvil').includes(pid)), 10_000);
  await until('the verdict', async () => short(await run()) === 'fail/refusing/-', 20_000);
});

test.run();
