// Streaming between two PostgreSQL: well, replay paused, the standby and the primary gone.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import postgresql from '../../src/replication/postgresql.ts';
import { type Postgresql, startPostgresql } from '../support/postgresql.ts';
import { sourceContext } from '../support/replication.ts';
import { processTree } from '../support/pids.ts';
import { frozen, until } from '../support/server.ts';

const test = suite('replication postgresql on real servers');
let primary: Postgresql;
let copy: Postgresql;
test.before(async () => {
  primary = await startPostgresql();
  copy = await startPostgresql({ standbyOf: primary.port });
});
test.after(async () => {
  await copy?.stop();
  await primary?.stop();
});

const options = (more: object = {}): object => ({
  servers: { n1: { host: '127.0.0.1', port: primary.port }, n2: { host: '127.0.0.1', port: copy.port } },
  ...{ user: 'postgres', password: 'env:LAB_PASSWORD' },
  ...more,
});
type More = Parameters<typeof sourceContext>[2];
const standby = (given: object = {}, more: More = {}) => sourceContext(postgresql, options(given), more);
const active = (more: More = {}) => standby({}, { node: 'n1', active: true, ...more });
const soon = (): More => ({ signal: AbortSignal.timeout(1000) });

test('well: a proof arrives and nothing is missing', async () => {
  const ready = async (): Promise<boolean> => (await postgresql.look(standby())).state === 'healthy';
  await until('the copy', ready, 30_000);
  const proof = await postgresql.prove?.(active());
  assert.is(proof?.ok, true, proof?.detail);
  await until('rest', ready, 30_000);
  assert.is((await postgresql.look(active())).state, 'healthy');
  assert.is((await postgresql.prove?.(standby()))?.ok, false);
});

test('replay paused: the bytes are counted', async () => {
  copy.sql('SELECT pg_wal_replay_pause()');
  primary.sql('CREATE TABLE t AS SELECT generate_series(1, 1000) AS n');
  const seen = await postgresql.look(standby());
  assert.is(seen.state, 'suspended', seen.detail);
  assert.ok(seen.queue !== null && seen.queue > 1000, seen.detail);
  assert.is((await postgresql.flush?.(active(soon())))?.ok, false);
  copy.sql('SELECT pg_wal_replay_resume()');
  assert.is((await postgresql.flush?.(active()))?.ok, true);
});

test('a wrong password, a frozen primary, and none: never well', async () => {
  assert.is.not((await postgresql.look(standby({ password: 'env:WRONG_PASSWORD' }))).state, 'healthy');
  await frozen(processTree(primary.pid()), async () => {
    const seen = await postgresql.look(standby({}, soon()));
    assert.equal([seen.state, seen.lagMs], ['service-down', null], seen.detail);
  });
  await primary.stop();
  assert.is((await postgresql.look(standby())).state, 'service-down');
});

test.run();
