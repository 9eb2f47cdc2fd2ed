// The PostgreSQL check against a real server: well, and broken in the ways that happen.
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import postgresql from '../../src/checks/postgresql.ts';
import type { CheckResult } from '../../src/define.ts';
import { authority } from '../support/certificates.ts';
import { runCheck } from '../support/check.ts';
import { type Postgresql, startPostgresql } from '../support/postgresql.ts';
import { stopped, until } from '../support/server.ts';

const test = suite('postgresql on a real server');
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const deep = { depth: 'deep', timeoutMs: 10_000 } as const;
const account = { user: 'probe', password: 'env:LAB_PASSWORD' };
let server: Postgresql;

test.before(async () => {
  server = await startPostgresql({ tls: true, settings: 'log_connections = off' });
});
test.after(() => server?.stop());

test('well: quick with and without a login, and its log stays silent', async () => {
  const before = server.log();
  for (const options of [
    {},
    { tls: 'off' },
    account,
    { ...account, tls: 'off' },
    { path: server.socket, user: 'probe' },
  ]) {
    const quick = await runCheck(postgresql, { port: server.port, ...options });
    assert.is(said(quick), 'pass/-', `${JSON.stringify(options)}: ${quick.detail}`);
  }
  assert.is(server.log(), before);
});

test('well: deep, with TLS that is verified, over the socket, with a question and a write', async () => {
  const ca = join(server.folder, 'authority.pem');
  writeFileSync(ca, authority);
  const tls = { tls: 'required', verify: true, servername: 'mail.test', ca };
  const before = server.log();
  for (const way of [{ port: server.port, ...tls }, { port: server.port, tls: 'off' }, { path: server.socket }]) {
    const all = { ...way, ...account, query: 'SELECT 42, 1', expect: '42', write: true, role: 'primary' };
    const result = await runCheck(postgresql, all, deep);
    assert.is(said(result), 'pass/-', result.detail);
  }
  assert.is(server.log(), before);
  const other = await runCheck(postgresql, { port: server.port, ...account, ...tls, servername: 'other.test' }, deep);
  assert.is(said(other), 'fail/misconfigured', other.detail);
});

test('each kind of no has its cause', async () => {
  server.sql("CREATE ROLE crowd LOGIN PASSWORD 'pw' CONNECTION LIMIT 0; CREATE TABLE closed (x int)");
  const table: [object, string][] = [
    [{ password: 'env:WRONG_PASSWORD' }, 'degraded/credentials'],
    [{ user: 'nobody' }, 'degraded/credentials'],
    [{ password: undefined }, 'unknown/-'],
    [{ database: 'away' }, 'fail/misconfigured'],
    [{ user: 'crowd' }, 'degraded/overloaded'],
    [{ role: 'replica' }, 'fail/misconfigured'],
    [{ query: 'SELECT 1', expect: '2' }, 'fail/misconfigured'],
    [{ query: 'SELECT 1 WHERE false', expect: '2' }, 'fail/misconfigured'],
    [{ query: 'SELEKT 1' }, 'fail/misconfigured'],
    [{ query: 'SELECT * FROM closed' }, 'degraded/credentials'],
    [{ query: 'CREATE TABLE mine (x int)' }, 'fail/misconfigured'],
    [{ query: "SELECT repeat('x', 5000000)" }, 'fail/misconfigured'],
  ];
  for (const [options, wanted] of table) {
    const result = await runCheck(postgresql, { port: server.port, ...account, ...options }, deep);
    assert.is(said(result), wanted, `${JSON.stringify(options)}: ${result.detail}`);
  }
  const slow = { port: server.port, ...account, query: 'SELECT pg_sleep(30)' };
  const late = await runCheck(postgresql, slow, { depth: 'deep', timeoutMs: 1500 });
  assert.match(said(late), /^(degraded\/overloaded|fail\/hung)$/, late.detail);
  await until(
    'the end of the question',
    () => !server.sql('SELECT query FROM pg_stat_activity').includes('SELECT pg_sleep'),
  );
});

test('a disk that is full is no-space', async () => {
  const disk = join(server.folder, 'small');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]);
  try {
    const { uid, gid } = statSync(server.folder);
    chownSync(disk, uid, gid);
    chmodSync(disk, 0o700);
    server.sql(`CREATE TABLESPACE small LOCATION '${disk}'`);
    server.sql("GRANT CREATE ON TABLESPACE small TO probe; ALTER ROLE probe SET temp_tablespaces = 'small'");
    const room = await runCheck(postgresql, { port: server.port, ...account, write: true }, deep);
    assert.is(said(room), 'pass/-', room.detail);
    execFileSync('sh', ['-c', `cat /dev/zero > '${join(disk, 'filler')}' 2>/dev/null || true`]);
    const full = await runCheck(postgresql, { port: server.port, ...account, write: true }, deep);
    assert.is(said(full), 'fail/no-space', full.detail);
  } finally {
    execFileSync('umount', ['-l', disk]);
    server.sql('ALTER ROLE probe RESET ALL');
  }
});

test('a standby: in step, behind, and one that takes no questions', async () => {
  const standby = await startPostgresql({ standbyOf: server.port });
  try {
    const options = { port: standby.port, ...account, role: 'replica', write: true, lag: '2s' };
    const becomes = async (wanted: string): Promise<CheckResult> => {
      let seen = await runCheck(postgresql, options, deep);
      await until(
        wanted,
        async () => said((seen = await runCheck(postgresql, options, deep))) === wanted,
        30_000,
      ).catch((error: Error) => assert.unreachable(`${error.message}: ${seen.detail}`));
      return seen;
    };
    await becomes('pass/-');
    const superuser = (text: string): string =>
      execFileSync('psql', ['-h', standby.folder, '-p', String(standby.port), '-U', 'postgres', '-Atc', text], {
        env: { PGPASSWORD: 'pw', PATH: '/usr/bin:/bin' },
        encoding: 'utf8',
      });
    superuser('SELECT pg_wal_replay_pause()');
    server.sql('CREATE TABLE later (x int)');
    assert.match((await becomes('degraded/dependency')).detail, 's behind its primary');
    superuser('SELECT pg_wal_replay_resume()');
    await becomes('pass/-');
    // Nobody sends any more: all that came is done, and that is not enough.
    superuser("ALTER SYSTEM SET primary_conninfo = ''");
    superuser('SELECT pg_reload_conf()');
    await becomes('degraded/dependency');
  } finally {
    await standby.stop();
  }
  const closed = await startPostgresql({ standbyOf: server.port, settings: 'hot_standby = off' });
  try {
    for (const depth of ['quick', 'deep'] as const) {
      const result = await runCheck(postgresql, { port: closed.port, ...account }, { depth });
      assert.is(said(result), 'degraded/overloaded', result.detail);
      assert.match(result.detail, '57P03');
    }
  } finally {
    await closed.stop();
  }
});

test('stopped it hangs, killed it refuses', async () => {
  await stopped(server.pid(), async () => {
    for (const depth of ['quick', 'deep'] as const) {
      const result = await runCheck(postgresql, { port: server.port, ...account }, { depth, timeoutMs: 1000 });
      assert.is(said(result), 'fail/hung', result.detail);
    }
  });
  process.kill(server.pid(), 'SIGKILL');
  await until('its end', async () => said(await runCheck(postgresql, { port: server.port })) === 'fail/refusing');
});

test.run();
