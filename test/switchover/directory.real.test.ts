// 14,000 users of a real OpenLDAP change their node: in one transaction, and one by one where that is not to be had.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { StepContext } from '../../src/define.ts';
import { secretsFrom } from '../../src/ports/secrets.ts';
import { openStore } from '../../src/ports/store.ts';
import directory from '../../src/switchover/directory.ts';
import { hostPorts } from '../support/host.ts';
import { ADMIN, PROBE, type Slapd, SUFFIX, startSlapd } from '../support/slapd.ts';

const test = suite('switchover/directory on a real server');
const USERS = 14_000;
const OTHERS = 10;
const BOUND = `cn=mover,${SUFFIX}`;
const schema = 'include /etc/ldap/schema/cosine.schema\ninclude /etc/ldap/schema/misc.schema\n';
let slapd: Slapd;
let state = '';
const shown: string[] = [];

const entry = (name: string, node: string): string =>
  `dn: cn=${name},${SUFFIX}\nchangetype: add\nobjectClass: organizationalRole\nobjectClass: inetLocalMailRecipient\n` +
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
}

function context(way: Way = {}): StepContext<never> {
  const { from = 'n1', to = 'n2', epoch = 5, bind = ADMIN, filter = '(mailHost=$from.host)', lease } = way;
  const options = {
    ...{ url: `ldap://127.0.0.1:${slapd.port}`, tls: 'off', bind, password: 'env:LAB_PASSWORD', base: SUFFIX },
    ...{ filter, set: { mailHost: '$to.host' } },
  };
  const words = { n1: { host: 'n1.test' }, n2: { host: 'n2.test' }, bad: { host: '*)(cn=*' } };
  return {
    ...{ options: directory.options.parse(options) as never, node: to, to, from, group: 'mail', step: 'people', words },
    ports: hostPorts({ secrets: secretsFrom({ LAB_PASSWORD: 'pw' }), stores: { open: openStore } }),
    signal: AbortSignal.timeout(300_000),
    lease: { epoch, untilMs: lease ?? (() => Number.POSITIVE_INFINITY) },
    ...{ planned: false, services: {} as never, memory: new Map(), stateDir: state },
    progress: (done: number, total: number, text: string) => void shown.push(`${done}/${total} ${text}`),
  } as StepContext<never>;
}

test.before(async () => {
  state = mkdtempSync(join(tmpdir(), 'wkd-'));
  slapd = await startSlapd({
    ...{ maxBytes: 536_870_912, global: `${schema}modulepath /usr/lib/ldap\nmoduleload constraint\n` },
    database:
      'index mailHost eq\n' +
      'overlay constraint\n' +
      `constraint_attribute mailHost regex ^n2 restrict="ldap:///${SUFFIX}??sub?(cn=both)"\n`,
  });
  const users = Array.from({ length: USERS }, (_, n) => entry(`user${n}`, 'n1.test'));
  const others = Array.from({ length: OTHERS }, (_, n) => entry(`other${n}`, 'n2.test'));
  const ldif = [...users, ...others].join('');
  const argv = ['-x', '-H', `ldap://127.0.0.1:${slapd.port}`, '-D', ADMIN, '-w', 'pw'];
  execFileSync('ldapmodify', argv, { input: ldif, stdio: ['pipe', 'ignore', 'pipe'], timeout: 300_000 });
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
  slapd.change(entry('both', 'n2.test'));
  const done = await timed('one by one', () => directory.do(context({ from: 'n2', to: 'n1', epoch: 9 })));
  assert.not.ok(done.ok);
  assert.match(done.detail, `${USERS + OTHERS} entries changed, 1 could not be: "cn=both,${SUFFIX}": code 19`);
  assert.is(count('(mailHost=n1.test)'), USERS + OTHERS);
  assert.is(count('(mailHost=n2.test)'), 1);
});

test.run();
