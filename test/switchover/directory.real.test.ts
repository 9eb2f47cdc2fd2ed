// 14,000 users of a real OpenLDAP change their node: in one transaction, and one by one where that is not to be had.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { StepContext } from '../../src/define.ts';
import { secretsFrom } from '../../src/ports/secrets.ts';
import { openStore } from '../../src/ports/store.ts';
import directory from '../../src/switchover/directory.ts';
import { authority } from '../support/certificates.ts';
import { hostPorts } from '../support/host.ts';
import { ADMIN, PROBE, type Slapd, SUFFIX, startSlapd } from '../support/slapd.ts';

const test = suite('switchover/directory on a real server');
/** The bench moves 14,000; what holds for these holds for them. */
const USERS = 3000;
const OTHERS = 10;
const BOUND = `cn=mover,${SUFFIX}`;
const schema = 'include /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/misc.schema\n';
let slapd: Slapd;
let state = '';
const shown: string[] = [];

const entry = (name: string, node: string): string =>
  `dn: cn=${name},${SUFFIX}\nobjectClass: organizationalRole\nobjectClass: inetLocalMailRecipient\n` +
  `cn: ${name}\nmailHost: ${node}\n\n`;

const count = (filter: string): number =>
  execFileSync(
    'ldapsearch',
    ['-x', '-LLL', '-H', `ldap://127.0.0.1:${slapd.port}`, '-D', ADMIN, '-w', 'pw', '-b', SUFFIX, filter, '1.1'],
    {
      encoding: 'utf8',
      maxBuffer: 16_777_216,
    },
  )
    .split('\n')
    .filter((line) => line.startsWith('dn:')).length;

interface Way {
  readonly from?: string | null;
  readonly to?: string;
  readonly epoch?: number;
  readonly bind?: string;
  readonly filter?: string;
  readonly lease?: () => number;
  readonly place?: object;
  progress?(done: number, total: number): void;
}

function context(way: Way = {}): StepContext<never> {
  const { from = 'n1', to = 'n2', epoch = 5, bind = ADMIN, filter = '(mailHost=$from.host)', lease } = way;
  const options = {
    ...{ url: `ldap://127.0.0.1:${slapd.port}`, tls: 'off', bind, password: 'env:LAB_PASSWORD', base: SUFFIX },
    ...{ filter, set: { mailHost: '$to.host' } },
    ...way.place,
  };
  const words = { n1: { host: 'n1.test' }, n2: { host: 'n2.test' }, bad: { host: '*)(cn=*' } };
  return {
    ...{ options: directory.options.parse(options) as never, node: to, to, from, group: 'mail', step: 'people', words },
    ports: hostPorts({ secrets: secretsFrom({ LAB_PASSWORD: 'pw' }), stores: { open: openStore } }),
    signal: AbortSignal.timeout(300_000),
    lease: { epoch, untilMs: lease ?? (() => Number.POSITIVE_INFINITY) },
    ...{ planned: false, services: {} as never, memory: new Map(), stateDir: state },
    progress: (done: number, total: number, text: string) => {
      shown.push(`${done}/${total} ${text}`);
      way.progress?.(done, total);
    },
  } as StepContext<never>;
}

test.before(async () => {
  state = mkdtempSync(join(tmpdir(), 'wkd-'));
  const users = Array.from({ length: USERS }, (_, n) => entry(`user${n}`, 'n1.test'));
  const others = Array.from({ length: OTHERS }, (_, n) => entry(`other${n}`, 'n2.test'));
  slapd = await startSlapd({
    entries: [...users, ...others].join(''),
    ...{ maxBytes: 536_870_912, global: `${schema}modulepath /usr/lib/ldap\nmoduleload constraint\n` },
    database:
      'index mailHost eq\n' +
      'overlay constraint\n' +
      `constraint_attribute mailHost regex ^n2 restrict="ldap:///${SUFFIX}??sub?(cn=both)"\n`,
  });
});
test.after(async () => {
  await slapd?.stop();
  rmSync(state, { recursive: true, force: true });
});

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const answer = await work();
  console.log(`${what}: ${Math.round(performance.now() - started)} ms`);
  return answer;
}

test('14,000 in one transaction; taken back, only those', async () => {
  assert.equal(await directory.probe(context()), { state: 'undone', detail: `${USERS} entries have the old value` });
  const may = await directory.ready?.(context());
  assert.ok(may?.ok, may?.detail);
  assert.is(count('(mailHost=n1.test)'), USERS, 'to ask changes nothing');
  const done = await timed('one transaction', () => directory.do(context()));
  assert.ok(done.ok, done.detail);
  assert.match(shown.join('\n'), 'in one transaction');
  assert.is(count('(mailHost=n2.test)'), USERS + OTHERS);
  assert.is((await directory.probe(context())).state, 'done');
  const again = await directory.do(context());
  assert.ok(again.ok, again.detail);
  const other = await directory.undo(context({ epoch: 6 }), { force: false });
  assert.match(other.detail, 'nothing was changed');
  const back = await timed('taken back', () => directory.undo(context(), { force: false }));
  assert.ok(back.ok, back.detail);
  assert.is(count('(mailHost=n1.test)'), USERS);
  assert.is(count('(mailHost=n2.test)'), OTHERS, 'those that were there before stay');
});

test('without the right nothing is changed; in the middle of the work it ends, and the rest is found again', async () => {
  const gone = await directory.do(context({ lease: () => Number.NEGATIVE_INFINITY }));
  assert.not.ok(gone.ok);
  assert.is(count('(mailHost=n1.test)'), USERS);
  slapd.change(`dn: cn=user7,${SUFFIX}\nchangetype: modify\nreplace: mailHost\nmailHost: n3.test\n`);
  const done = await directory.do(context());
  assert.ok(done.ok, done.detail);
  assert.is(count('(mailHost=n3.test)'), 1, 'what somebody else has changed stays');
  slapd.change(`dn: cn=user7,${SUFFIX}\nchangetype: modify\nreplace: mailHost\nmailHost: n2.test\n`);
});

test('one that may not write, a wrong password, hostile words, nobody before, a dead server', async () => {
  const reader = await directory.ready?.(context({ from: 'n2', to: 'n1', bind: '' }));
  assert.not.ok(reader?.ok, 'bound as nobody');
  const wrong = await directory.do(context({ from: 'n2', to: 'n1', bind: BOUND }));
  assert.not.ok(wrong.ok);
  assert.match(wrong.detail, 'code 49');
  const hostile = await directory.probe(context({ from: 'bad' }));
  assert.equal(hostile, { state: 'done', detail: '0 entries have the old value' });
  assert.ok((await directory.do(context({ from: null }))).ok);
  assert.is((await directory.probe(context({ from: 'unheard' }))).state, 'unknown');
  const probe = await directory.ready?.(context({ from: 'n2', to: 'n1', bind: PROBE }));
  assert.ok(probe?.ok, probe?.detail);
});

test('one entry that cannot be changed: no transaction; the others are, and it is counted and named', async () => {
  slapd.change(entry('both', 'n2.test').replace('\n', '\nchangetype: add\n'));
  const done = await timed('one by one', () => directory.do(context({ from: 'n2', to: 'n1', epoch: 9 })));
  assert.not.ok(done.ok);
  assert.match(done.detail, `${USERS + OTHERS} entries changed, 1 could not be: "cn=both,${SUFFIX}": code 19`);
  assert.is(count('(mailHost=n1.test)'), USERS + OTHERS);
  assert.is(count('(mailHost=n2.test)'), 1);
});

test('the server is killed at half: said so; once it is there again, the rest is found and changed', async () => {
  const back = await directory.do(context({ epoch: 10 }));
  assert.ok(back.ok, back.detail);
  const killed = await directory.do(
    context({
      ...{ from: 'n2', to: 'n1', epoch: 11 },
      progress: (done, total) => void (done >= total / 2 && done < total && process.kill(slapd.pid(), 'SIGKILL')),
    }),
  );
  assert.not.ok(killed.ok);
  await slapd.boot();
  const before = count('(mailHost=n1.test)');
  assert.ok(before > USERS * 0.4 && before < USERS, `${before} were changed`);
  const rest = await directory.do(context({ from: 'n2', to: 'n1', epoch: 11 }));
  assert.match(rest.detail, '1 could not be');
  assert.is(count('(mailHost=n1.test)'), USERS + OTHERS);
});

test('the right ends at half: so does the work, and the count is told', async () => {
  assert.ok((await directory.do(context({ epoch: 12 }))).ok);
  let until = Number.POSITIVE_INFINITY;
  const late = await directory.do(
    context({
      ...{ from: 'n2', to: 'n1', epoch: 13, lease: () => until },
      progress: (done, total) => void (done >= total / 2 && (until = Number.NEGATIVE_INFINITY)),
    }),
  );
  assert.not.ok(late.ok);
  assert.match(late.detail, 'has ended');
  const moved = count('(mailHost=n1.test)');
  assert.ok(moved >= USERS / 2 && moved < USERS * 0.65, `${moved} were changed`);
  assert.match(late.detail, `${moved} entries changed`);
});

test('StartTLS and ldaps, trusted and not; a list that cannot be read is no proof', async () => {
  const ca = join(state, 'ca.pem');
  writeFileSync(ca, authority);
  const implicit = { url: `ldaps://127.0.0.1:${slapd.tls}` };
  for (const place of [
    { tls: 'required', ca },
    { ...implicit, ca },
  ]) {
    assert.is((await directory.probe(context({ place }))).state, 'undone');
  }
  assert.is((await directory.probe(context({ place: { tls: 'required' } }))).state, 'unknown');
  assert.is((await directory.probe(context({ place: implicit }))).state, 'unknown');
  writeFileSync(join(state, 'mail.people.entries'), '{ half');
  const back = await directory.undo(context(), { force: false });
  assert.not.ok(back.ok);
  assert.match(back.detail, 'could not be read');
});

test('the words of Active Directory', () => {
  const options = directory.options.parse({
    ...{ url: 'ldaps://dc.example.org', base: 'dc=example,dc=org', filter: '(homeMDB=$from.mdb)' },
    set: { homeMDB: '$to.mdb', msExchHomeServerName: '$to.exchange', msExchHomeMTA: '$to.mta' },
  });
  assert.is(Object.keys(options.set).length, 3);
});

test.run();
