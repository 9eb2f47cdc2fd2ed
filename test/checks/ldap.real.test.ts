// The LDAP check against slapd: well, and broken in the ways that happen.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import ldap from '../../src/checks/ldap.ts';
import type { CheckResult } from '../../src/define.ts';
import { authority } from '../support/certificates.ts';
import { runCheck } from '../support/check.ts';
import { closedPort } from '../support/hostile.ts';
import { stopped, until } from '../support/server.ts';
import { ADMIN, PROBE, type Slapd, SUFFIX, startSlapd } from '../support/slapd.ts';

const test = suite('ldap on a real server');
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const deep = { depth: 'deep', timeoutMs: 10_000 } as const;
const account = { user: PROBE, password: 'env:LAB_PASSWORD' };
const admin = { user: ADMIN, password: 'env:LAB_PASSWORD' };
let slapd: Slapd;

test.before(async () => {
  slapd = await startSlapd();
});
test.after(() => slapd?.stop());

test('well: quick; deep with StartTLS, over TLS, and in plain text; a goodbye', async () => {
  const { port } = slapd;
  const quick = await runCheck(ldap, { port });
  assert.is(said(quick), 'pass/-', quick.detail);
  await until('its goodbye', () => slapd.log().includes('UNBIND'));
  const ca = join(slapd.folder, 'authority.pem');
  writeFileSync(ca, authority);
  const verified = { verify: true, servername: 'mail.test', ca };
  for (const way of [
    { port, tls: 'required', ...verified },
    { port: slapd.tls, tls: 'implicit', ...verified },
    { port, tls: 'off' },
    { port },
  ]) {
    const result = await runCheck(ldap, { ...way, ...account }, deep);
    assert.is(said(result), 'pass/-', result.detail);
    assert.ok(result.steps?.some((step) => step.name === `suffix ${SUFFIX}`));
  }
  const other = await runCheck(
    ldap,
    { port, ...account, tls: 'required', ...verified, servername: 'other.test' },
    deep,
  );
  assert.is(said(other), 'fail/misconfigured', other.detail);
  const nobody = await runCheck(ldap, { port }, deep);
  assert.is(said(nobody), 'pass/-', nobody.detail);
});

test('a login that is refused, a suffix that is away, a search that finds too little, a bad filter', async () => {
  const { port } = slapd;
  const search = { base: SUFFIX, filter: '(cn=u1)' };
  const table: [object, string][] = [
    [{ ...account, password: 'env:WRONG_PASSWORD' }, 'degraded/credentials'],
    [{ ...account, user: 'cn=nobody,dc=lab,dc=test' }, 'degraded/credentials'],
    [{ ...account, user: 'no DN at all' }, 'fail/misconfigured'],
    [{ suffixes: ['dc=away,dc=test'] }, 'fail/misconfigured'],
    [{ search }, 'pass/-'],
    [{ search: { ...search, attribute: 'Description', value: 'one' } }, 'pass/-'],
    [{ search: { ...search, attribute: 'description', value: 'two' } }, 'fail/misconfigured'],
    [{ search: { ...search, attribute: 'seeAlso' } }, 'fail/misconfigured'],
    [{ search: { ...search, least: 2 } }, 'fail/misconfigured'],
    [{ search: { ...search, filter: '(cn=u1' } }, 'unknown/-'],
  ];
  for (const [options, wanted] of table) {
    const result = await runCheck(ldap, { port, ...options }, deep);
    assert.is(said(result), wanted, `${JSON.stringify(options)}: ${result.detail}`);
  }
});

test('a write that is read back, one that is not allowed, and a database that is full', async () => {
  const write = { entry: PROBE };
  const well = await runCheck(ldap, { port: slapd.port, ...account, write }, deep);
  assert.is(said(well), 'pass/-', well.detail);
  const nobody = await runCheck(ldap, { port: slapd.port, write }, deep);
  assert.is(said(nobody), 'fail/misconfigured', nobody.detail);
  assert.match(nobody.detail, 'code 8');
  const small = await startSlapd({ maxBytes: 262_144 });
  try {
    let count = 0;
    const add = (size: number): boolean => {
      count += 1;
      const text = `description: ${'x'.repeat(size)}`;
      try {
        small.change(
          `dn: cn=f${count},${SUFFIX}\nchangetype: add\nobjectClass: organizationalRole\ncn: f${count}\n${text}\n`,
        );
        return true;
      } catch {
        return false;
      }
    };
    // The large ones, then the small ones that find room beside them.
    for (const size of [8000, 500, 1]) while (count < 1000 && add(size));
    // An entry of several pages needs as many new ones.
    const large = { entry: `cn=f1,${SUFFIX}`, attribute: 'street' };
    const full = await runCheck(ldap, { port: small.port, ...account, write: large }, deep);
    assert.is(said(full), 'fail/no-space', full.detail);
  } finally {
    await small.stop();
  }
});

test('stopped it hangs, killed it refuses, unwilling it is misconfigured', async () => {
  await stopped(slapd.pid(), async () => {
    const quick = await runCheck(ldap, { port: slapd.port }, { timeoutMs: 1000 });
    assert.is(said(quick), 'fail/hung', quick.detail);
    const result = await runCheck(ldap, { port: slapd.port, ...account }, { depth: 'deep', timeoutMs: 1000 });
    assert.is(said(result), 'fail/hung', result.detail);
  });
  const strict = await startSlapd({ global: 'require authc\ndisallow bind_anon', database: 'readonly on' });
  try {
    const quick = await runCheck(ldap, { port: strict.port });
    assert.is(said(quick), 'pass/-', quick.detail);
    const well = await runCheck(ldap, { port: strict.port, ...account }, deep);
    assert.is(said(well), 'pass/-', well.detail);
    const closed = await runCheck(ldap, { port: strict.port, ...account, write: { entry: PROBE } }, deep);
    assert.is(said(closed), 'fail/misconfigured', closed.detail);
    assert.match(closed.detail, 'code 53');
    process.kill(strict.pid(), 'SIGKILL');
    await until('its end', async () => said(await runCheck(ldap, { port: strict.port })) === 'fail/refusing');
  } finally {
    await strict.stop();
  }
});

test('a consumer: in step, behind its provider, and without it', async () => {
  // It asks its provider once, at its start, and then no more for an hour.
  const consumer = await startSlapd({ provider: slapd.port, once: true });
  const provider = `ldap://127.0.0.1:${slapd.port}`;
  const memory = new Map<string, unknown>();
  const ask = (more = {}, timeoutMs = 10_000): Promise<CheckResult> => {
    const all = { port: consumer.port, ...admin, provider, lag: '2s', ...more };
    return runCheck(ldap, all, { depth: 'deep', timeoutMs, memory });
  };
  const becomes = async (wanted: string): Promise<CheckResult> => {
    let seen = await ask();
    await until(wanted, async () => said((seen = await ask())) === wanted, 30_000).catch((error: Error) =>
      assert.unreachable(`${error.message}: ${seen.detail}`),
    );
    return seen;
  };
  try {
    await becomes('pass/-');
    const away = await ask({ provider: `ldap://127.0.0.1:${await closedPort()}` });
    assert.is(said(away), 'degraded/dependency', away.detail);
    assert.match(away.detail, 'its provider 127.0.0.1:');
    slapd.change(`dn: cn=u1,${SUFFIX}\nchangetype: modify\nreplace: description\ndescription: later\n`);
    const behind = await becomes('degraded/dependency');
    assert.match(behind.detail, /a change of its provider is missing for \d+ s in "dc=lab,dc=test"/);
    assert.is(said(await ask({ lag: '1h' })), 'pass/-');
    await stopped(slapd.pid(), async () => {
      const hung = await ask({}, 2000);
      assert.is(said(hung), 'degraded/dependency', hung.detail);
      assert.match(hung.detail, 'its provider');
    });
  } finally {
    await consumer.stop();
  }
});

test.run();
