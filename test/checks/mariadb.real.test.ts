// The MariaDB check against a real server: well, and broken in the ways that happen.
import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import mariadb from '../../src/checks/mariadb.ts';
import type { CheckResult } from '../../src/define.ts';
import { net } from '../../src/ports/net.ts';
import { authority } from '../support/certificates.ts';
import { runCheck } from '../support/check.ts';
import { type Mariadb, startMariadb } from '../support/mariadb.ts';
import { stopped, until } from '../support/server.ts';

const test = suite('mariadb on a real server');
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const deep = { depth: 'deep', timeoutMs: 10_000 } as const;
const account = { user: 'probe', password: 'env:LAB_PASSWORD', database: 'lab' };
let server: Mariadb;

test.before(async () => {
  server = await startMariadb('--log-bin', '--max-connections=20');
});
test.after(() => server?.stop());

test('well: quick; deep with TLS that is verified, in plain text, over the socket; its log stays silent', async () => {
  const lines = (): number => server.log().split('without authentication').length;
  const known = lines();
  const greets = await runCheck(mariadb, { port: server.port });
  assert.is(said(greets), 'pass/-', greets.detail);
  await until('the line in its log', () => lines() > known);
  const ca = join(server.folder, 'authority.pem');
  writeFileSync(ca, authority);
  const tls = { tls: 'required', verify: true, servername: 'mail.test', ca };
  const before = server.log();
  const ways = [
    { port: server.port, ...tls },
    { port: server.port, tls: 'off' },
    { port: server.port },
    { path: server.socket },
  ];
  for (const way of ways) {
    const quick = await runCheck(mariadb, { ...way, ...account });
    assert.is(said(quick), 'pass/-', quick.detail);
    const all = { ...way, ...account, query: 'SELECT 42, 1', expect: '42', write: true };
    const result = await runCheck(mariadb, all, deep);
    assert.is(said(result), 'pass/-', result.detail);
  }
  await new Promise((done) => setTimeout(done, 300));
  assert.is(server.log(), before);
  const other = await runCheck(mariadb, { port: server.port, ...account, ...tls, servername: 'other.test' }, deep);
  assert.is(said(other), 'fail/misconfigured', other.detail);
  const chain = await runCheck(mariadb, { port: server.port, ...account, verify: true, servername: 'mail.test' }, deep);
  assert.is(said(chain), 'fail/misconfigured', chain.detail);
  const address = await runCheck(mariadb, { port: server.port, ...account, verify: true }, deep);
  assert.is(said(address), 'unknown/-', address.detail);
});

test('each kind of no has its cause', async () => {
  server.sql('CREATE TABLE mysql.closed (x int); CREATE TABLE lab.open (x int)');
  const table: [object, string][] = [
    [{ password: 'env:WRONG_PASSWORD' }, 'degraded/credentials'],
    [{ user: 'nobody' }, 'degraded/credentials'],
    [{ database: 'away' }, 'degraded/credentials'],
    [{ role: 'replica' }, 'degraded/credentials'],
    [{ query: 'SELECT 1', expect: '2' }, 'fail/misconfigured'],
    [{ query: 'SELECT 1 FROM lab.open', expect: '2' }, 'fail/misconfigured'],
    [{ query: 'SELEKT 1' }, 'fail/misconfigured'],
    [{ query: 'SELECT * FROM mysql.closed' }, 'degraded/credentials'],
    [{ query: 'INSERT INTO lab.open VALUES (1)' }, 'fail/misconfigured'],
    [{ query: "SELECT repeat('x', 5000000)" }, 'fail/misconfigured'],
    [{ query: "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE lab.open" }, 'fail/misconfigured'],
  ];
  for (const [options, wanted] of table) {
    const result = await runCheck(mariadb, { port: server.port, ...account, ...options }, deep);
    assert.is(said(result), wanted, `${JSON.stringify(options)}: ${result.detail}`);
  }
  server.sql("GRANT REPLICA MONITOR ON *.* TO probe@'%'");
  const options = { port: server.port, ...account };
  assert.is(said(await runCheck(mariadb, { ...options, role: 'primary' }, deep)), 'pass/-');
  assert.is(said(await runCheck(mariadb, { ...options, role: 'replica' }, deep)), 'fail/misconfigured');
  server.sql('SET GLOBAL read_only = 1');
  const closed = await runCheck(mariadb, { ...options, role: 'primary' }, deep);
  server.sql('SET GLOBAL read_only = 0');
  assert.is(said(closed), 'fail/misconfigured', closed.detail);
  const slow = { ...options, query: 'SELECT SLEEP(30)' };
  const late = await runCheck(mariadb, slow, { depth: 'deep', timeoutMs: 1500 });
  assert.match(said(late), /^(degraded\/overloaded|fail\/hung|pass\/-)$/, late.detail);
  await until('the end of the question', () => !server.sql('SHOW PROCESSLIST').includes('SLEEP'));
});

test('too many connections, of all and of this user, are overload', async () => {
  server.sql("ALTER USER probe@'%' WITH MAX_QUERIES_PER_HOUR 1");
  await runCheck(mariadb, { port: server.port, ...account }, deep);
  const user = await runCheck(mariadb, { port: server.port, ...account }, deep);
  server.sql("ALTER USER probe@'%' WITH MAX_QUERIES_PER_HOUR 0; FLUSH USER_RESOURCES");
  assert.is(said(user), 'degraded/overloaded', user.detail);
  server.sql('SET GLOBAL max_connections = 10');
  const open = () => net.open({ port: server.port, signal: new AbortController().signal, timeoutMs: 10_000 });
  const held = await Promise.all(Array.from({ length: 12 }, open));
  await Promise.all(held.map((one) => one.readBytes(10)));
  for (const depth of ['quick', 'deep'] as const) {
    const many = await runCheck(mariadb, { port: server.port, ...account }, { depth });
    assert.is(said(many), 'degraded/overloaded', many.detail);
  }
  for (const one of held) one.close();
  await until('room', async () => said(await runCheck(mariadb, { port: server.port, ...account }, deep)) === 'pass/-');
});

test('a disk that is full is no-space', async () => {
  const disk = join(server.folder, 'small');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk]);
  const { uid, gid } = statSync(server.folder);
  chownSync(disk, uid, gid);
  let small: Mariadb | undefined;
  try {
    small = await startMariadb(
      `--tmpdir=${disk}`,
      '--default-tmp-storage-engine=MyISAM',
      '--tmp-memory-table-size=1024',
    );
    const options = { port: small.port, ...account, write: true };
    assert.is(said(await runCheck(mariadb, options, deep)), 'pass/-');
    execFileSync('sh', ['-c', `cat /dev/zero > '${join(disk, 'filler')}' 2>/dev/null || true`]);
    const full = await runCheck(mariadb, options, deep);
    assert.is(said(full), 'fail/no-space', full.detail);
  } finally {
    await small?.stop();
    execFileSync('umount', ['-l', disk]);
  }
});

test('a replica: in step, behind, broken', async () => {
  const replica = await startMariadb();
  try {
    server.sql("GRANT REPLICATION SLAVE ON *.* TO probe@'%'");
    replica.sql("GRANT REPLICA MONITOR ON *.* TO probe@'%'");
    const position = server.sql('SHOW MASTER STATUS').trim().split('\t');
    const from = `MASTER_HOST='127.0.0.1', MASTER_PORT=${server.port}, MASTER_USER='probe', MASTER_PASSWORD='pw'`;
    const at = `MASTER_LOG_FILE='${position[0]}', MASTER_LOG_POS=${position[1]}`;
    replica.sql(`CHANGE MASTER TO ${from}, ${at}, MASTER_CONNECT_RETRY=1; START SLAVE`);
    const options = { port: replica.port, ...account, role: 'replica', write: true, lag: '1s' };
    const becomes = async (wanted: string): Promise<CheckResult> => {
      let seen = await runCheck(mariadb, options, deep);
      await until(wanted, async () => said((seen = await runCheck(mariadb, options, deep))) === wanted, 30_000).catch(
        (error: Error) => assert.unreachable(`${error.message}: ${seen.detail}`),
      );
      return seen;
    };
    await becomes('pass/-');
    assert.is(said(await runCheck(mariadb, { ...options, role: 'primary' }, deep)), 'fail/misconfigured');
    // A row that the primary does not know of: the replica stops at it.
    server.sql('CREATE TABLE lab.twice (x int PRIMARY KEY)');
    await until('the table', () => replica.sql('SHOW TABLES IN lab').includes('twice'));
    replica.sql('INSERT INTO lab.twice VALUES (1)');
    server.sql('INSERT INTO lab.twice VALUES (1)');
    assert.match((await becomes('degraded/dependency')).detail, /does not follow its primary 127.0.0.1: ".*Duplicate/);
    replica.sql('STOP SLAVE; DELETE FROM lab.twice; START SLAVE');
    await becomes('pass/-');
    replica.sql('STOP SLAVE IO_THREAD');
    assert.match((await becomes('degraded/dependency')).detail, 'does not reach its primary');
  } finally {
    await replica.stop();
  }
});

test('stopped it hangs, killed it refuses', async () => {
  await stopped(server.pid(), async () => {
    for (const depth of ['quick', 'deep'] as const) {
      const result = await runCheck(mariadb, { port: server.port, ...account }, { depth, timeoutMs: 1000 });
      assert.is(said(result), 'fail/hung', result.detail);
    }
  });
  process.kill(server.pid(), 'SIGKILL');
  await until('its end', async () => said(await runCheck(mariadb, { port: server.port })) === 'fail/refusing');
});

test.run();
