// The redis check against redis-server: well, and broken in the ways that happen.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import redis from '../../src/checks/redis.ts';
import type { CheckResult } from '../../src/define.ts';
import { net } from '../../src/ports/net.ts';
import { runCheck } from '../support/check.ts';
import { startRedis } from '../support/redis.ts';
import { stopped, until } from '../support/server.ts';

const test = suite('redis on a real server');
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const deep = { depth: 'deep', timeoutMs: 10_000 } as const;

test('well, and nothing stays behind; a password; stopped; gone', async () => {
  const server = await startRedis();
  const { port } = server;
  try {
    const quick = await runCheck(redis, { port });
    assert.is(said(quick), 'pass/-', quick.detail);
    const result = await runCheck(redis, { port, role: 'primary' }, deep);
    assert.is(said(result), 'pass/-', result.detail);
    assert.is(server.cli('DBSIZE').trim(), '0');
    server.cli('ACL', 'SETUSER', 'probe', 'on', '>pw', '~watchkeeper:*', '+ping', '+info', '+set', '+get', '+del');
    const user = { port, user: 'probe', password: 'env:LAB_PASSWORD' };
    const named = await runCheck(redis, user, deep);
    assert.is(said(named), 'pass/-', named.detail);
    const wrong = await runCheck(redis, { ...user, password: 'env:WRONG_PASSWORD' }, deep);
    assert.is(said(wrong), 'degraded/credentials', wrong.detail);
    const foreign = await runCheck(redis, { ...user, prefix: 'other:' }, deep);
    assert.is(said(foreign), 'degraded/credentials', foreign.detail);
    server.cli('CONFIG', 'SET', 'requirepass', 'pw');
    const none = await runCheck(redis, { port });
    assert.is(said(none), 'degraded/credentials', none.detail);
    const right = await runCheck(redis, { port, password: 'env:LAB_PASSWORD' }, deep);
    assert.is(said(right), 'pass/-', right.detail);
    await stopped(server.pid(), async () => {
      const hung = await runCheck(redis, { port }, { timeoutMs: 1000 });
      assert.is(said(hung), 'fail/hung', hung.detail);
    });
  } finally {
    await server.stop();
  }
  const gone = await runCheck(redis, { port });
  assert.is(said(gone), 'fail/refusing', gone.detail);
});

test('memory that is full, snapshots that cannot be written, too many clients', async () => {
  const server = await startRedis();
  const { port } = server;
  try {
    server.cli('CONFIG', 'SET', 'maxmemory', '100kb');
    const full = await runCheck(redis, { port }, deep);
    assert.is(said(full), 'fail/no-space', full.detail);
    assert.match(full.detail, 'OOM');
    server.cli('CONFIG', 'SET', 'maxmemory', '0');
    // A folder where its snapshot should be: the snapshot fails, and it takes no more writes.
    mkdirSync(join(server.folder, 'dump.rdb'));
    server.cli('CONFIG', 'SET', 'save', '3600 1');
    server.cli('SET', 'x', '1');
    server.cli('BGSAVE');
    await until('the snapshot that failed', () => server.cli('INFO').includes('rdb_last_bgsave_status:err'));
    const misconf = await runCheck(redis, { port }, deep);
    assert.is(said(misconf), 'fail/no-space', misconf.detail);
    assert.match(misconf.detail, 'MISCONF');
    server.cli('CONFIG', 'SET', 'save', '');
    server.cli('CONFIG', 'SET', 'maxclients', '1');
    const held = await net.open({
      port,
      signal: new AbortController().signal,
      timeoutMs: 5000,
    });
    const many = await runCheck(redis, { port }, deep);
    held.close();
    assert.is(said(many), 'degraded/overloaded', many.detail);
  } finally {
    await server.stop();
  }
});

test('a replica: in step, and without its primary', async () => {
  const primary = await startRedis();
  const replica = await startRedis('--replicaof', '127.0.0.1', String(primary.port));
  try {
    const options = { port: replica.port, role: 'replica' };
    await until('replication', () => replica.cli('INFO').includes('master_link_status:up'), 30_000);
    const well = await runCheck(redis, options, deep);
    assert.is(said(well), 'pass/-', well.detail);
    const role = await runCheck(redis, { ...options, role: 'primary' }, deep);
    assert.is(said(role), 'fail/misconfigured', role.detail);
    await primary.stop();
    await until('the end of the link', () => replica.cli('INFO').includes('master_link_status:down'), 30_000);
    const alone = await runCheck(redis, options, deep);
    assert.is(said(alone), 'degraded/dependency', alone.detail);
    assert.match(alone.detail, `no link to its primary 127.0.0.1:${primary.port}`);
  } finally {
    await replica.stop();
    await primary.stop();
  }
});

test.run();
