// syncrepl between two slapd: well, the provider frozen or gone, a consumer that lags.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import ldap from '../../src/replication/ldap.ts';
import { sourceContext } from '../support/replication.ts';
import { frozen, until } from '../support/server.ts';
import { ADMIN, PROBE, type Slapd, startSlapd, SUFFIX } from '../support/slapd.ts';

const test = suite('replication ldap on real servers');
let provider: Slapd;
let consumer: Slapd;
let lazy: Slapd;
test.before(async () => {
  provider = await startSlapd();
  consumer = await startSlapd({ provider: provider.port });
  lazy = await startSlapd({ provider: provider.port, once: true });
});
test.after(async () => {
  for (const server of [lazy, consumer, provider]) await server?.stop();
});

const url = (of: Slapd): string => `ldap://127.0.0.1:${of.port}`;
const options = (second: Slapd, more: object = {}): object => ({
  servers: { n1: url(provider), n2: url(second) },
  ...{ tls: 'off', suffix: SUFFIX, bind: ADMIN, password: 'env:LAB_PASSWORD', probe: { entry: PROBE } },
  ...more,
});
type More = Parameters<typeof sourceContext>[2];
const standby = (of = consumer, given: object = {}, more: More = {}) => sourceContext(ldap, options(of, given), more);
const active = (of = consumer, given: object = {}, more: More = {}) =>
  standby(of, given, { node: 'n1', active: true, ...more });

test('well: both have the same, a write arrives, and a flush ends', async () => {
  await until('the copy', async () => (await ldap.look(standby())).state === 'healthy', 30_000);
  const seen = await ldap.look(standby());
  assert.equal([seen.queue, seen.lagMs], [0, 0]);
  assert.is((await ldap.look(active())).state, 'healthy');
  const proof = await ldap.prove?.(active());
  assert.is(proof?.ok, true, proof?.detail);
  assert.is((await ldap.flush?.(active()))?.ok, true);
  assert.is((await ldap.prove?.(standby()))?.ok, false);
});

test('a consumer that lags: how long is known, how much is not', async () => {
  await until('its copy', async () => (await ldap.look(standby(lazy))).state !== 'initializing', 30_000);
  provider.change(`dn: cn=u1,${SUFFIX}\nchangetype: modify\nreplace: description\ndescription: two\n`);
  const seen = await ldap.look(standby(lazy));
  assert.equal([seen.state, seen.queue], ['synchronizing', null], seen.detail);
  assert.ok(seen.lagMs !== null && seen.lagMs > 0 && seen.lagMs < 120_000);
  const short = { signal: AbortSignal.timeout(1000) };
  assert.is((await ldap.flush?.(active(lazy, {}, short)))?.ok, false);
  assert.is((await ldap.prove?.(active(lazy, {}, { signal: AbortSignal.timeout(1000) })))?.ok, false);
});

test('a wrong password is never well', async () => {
  assert.is((await ldap.look(standby(consumer, { password: 'env:WRONG_PASSWORD' }))).state, 'failed');
});

test('the provider frozen, then gone: nothing is known', async () => {
  await frozen([provider.pid()], async () => {
    const seen = await ldap.look(standby(consumer, {}, { signal: AbortSignal.timeout(1000) }));
    assert.equal([seen.state, seen.lagMs], ['service-down', null], seen.detail);
  });
  await provider.stop();
  const gone = await ldap.look(standby());
  assert.equal([gone.state, gone.lagMs], ['service-down', null], gone.detail);
  await consumer.stop();
  assert.is((await ldap.look(standby())).state, 'service-down');
});

test.run();
