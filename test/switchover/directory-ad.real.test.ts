// The example for Active Directory as it ships, on a real OpenLDAP that has been taught its attributes: homeMDB and
// msExchHomeMTA are names of entries, msExchHomeServerName is text. Not Active Directory itself.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { load } from '../../src/config/load.ts';
import type { StepContext } from '../../src/define.ts';
import { files } from '../../src/ports/files.ts';
import { secretsFrom } from '../../src/ports/secrets.ts';
import { openStore } from '../../src/ports/store.ts';
import { plugins } from '../../src/registry.ts';
import directory from '../../src/switchover/directory.ts';
import { withStandIns } from '../support/cluster-plugins.ts';
import { good } from '../support/config-folder.ts';
import { hostPorts } from '../support/host.ts';
import { ADMIN, type Slapd, SUFFIX, startSlapd } from '../support/slapd.ts';

const test = suite('switchover/directory, the attributes of Active Directory');
const USERS = 250;
/** Names, and that the name of an entry is compared as one; the numbers are of OpenLDAP's tree for experiments. */
const SCHEMA = `
attributetype ( 1.3.6.1.4.1.4203.666.1.7400 NAME 'homeMDB' EQUALITY distinguishedNameMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.1.7401 NAME 'msExchHomeServerName' EQUALITY caseIgnoreMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.1.7402 NAME 'msExchHomeMTA' EQUALITY distinguishedNameMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.4203.666.3.7400 NAME 'user' SUP top AUXILIARY
  MAY ( homeMDB $ msExchHomeServerName $ msExchHomeMTA ) )
`;
const example = fileURLToPath(new URL('../../../config/examples/active-directory.yaml', import.meta.url));
const loaded = good(
  load(example, { files, plugins: withStandIns(await plugins()), hostname: 'n1', uid: null, modes: false }),
);
const words = loaded.config.cluster?.words ?? {};
const step = loaded.config.groups?.['mail']?.steps.find(({ type }) => type === 'directory');

let slapd: Slapd;
let state = '';

const entry = (name: string, node: string): string => {
  const { mdb = '', server = '', mta = '' } = words[node] ?? {};
  return (
    `dn: cn=${name},${SUFFIX}\nobjectClass: organizationalRole\nobjectClass: user\ncn: ${name}\n` +
    `homeMDB: ${mdb}\nmsExchHomeServerName: ${server}\nmsExchHomeMTA: ${mta}\n\n`
  );
};
const count = (filter: string): number =>
  execFileSync(
    'ldapsearch',
    ['-x', '-LLL', '-H', `ldap://127.0.0.1:${slapd.port}`, '-D', ADMIN, '-w', 'pw', '-b', SUFFIX, filter, '1.1'],
    { encoding: 'utf8' },
  )
    .split('\n')
    .filter((line) => line.startsWith('dn:')).length;
const on = (node: string): number => {
  const { mdb, server, mta } = words[node] ?? {};
  return count(`(&(homeMDB=${mdb})(msExchHomeServerName=${server})(msExchHomeMTA=${mta}))`);
};

/** The options of the example, but for where the server is and who we are there. */
function context(from: string, to: string, epoch: number): StepContext<never> {
  const place = { url: `ldap://127.0.0.1:${slapd.port}`, tls: 'off', ca: undefined, base: SUFFIX, bind: ADMIN };
  const options = { ...(step?.options as object), ...place, password: 'env:LAB_PASSWORD' };
  return {
    ...{ options: options as never, node: to, to, from, group: 'mail', step: 'mailboxes', words },
    ports: hostPorts({ secrets: secretsFrom({ LAB_PASSWORD: 'pw' }), stores: { open: openStore } }),
    signal: AbortSignal.timeout(120_000),
    lease: { epoch, untilMs: () => Number.POSITIVE_INFINITY },
    ...{ planned: false, services: {} as never, memory: new Map(), stateDir: state, progress: () => undefined },
  } as StepContext<never>;
}

test.before(async () => {
  state = mkdtempSync(join(tmpdir(), 'wkad-'));
  writeFileSync(join(state, 'ad.schema'), SCHEMA);
  const users = Array.from({ length: USERS }, (_, n) => entry(`user${n}`, 'n1'));
  slapd = await startSlapd({
    entries: [...users, entry('there', 'n2')].join(''),
    global: `include /etc/ldap/schema/cosine.schema\ninclude ${join(state, 'ad.schema')}\n`,
    database: 'index homeMDB eq\n',
  });
});
test.after(async () => {
  await slapd?.stop();
  rmSync(state, { recursive: true, force: true });
});

test('all three attributes of every mailbox go over together, and back', async () => {
  assert.ok(step, 'the example has a step directory');
  const may = await directory.ready?.(context('n1', 'n2', 5));
  assert.ok(may?.ok, may?.detail);
  const done = await directory.do(context('n1', 'n2', 5));
  assert.ok(done.ok, done.detail);
  assert.equal([on('n1'), on('n2')], [0, USERS + 1]);
  assert.is((await directory.probe(context('n1', 'n2', 5))).state, 'done');
  const back = await directory.undo(context('n1', 'n2', 5), { force: false });
  assert.ok(back.ok, back.detail);
  assert.equal([on('n1'), on('n2')], [USERS, 1]);
});

test('names of entries are compared as names: spaces and case are no difference; a mailbox that was half moved is named', async () => {
  const mdb = words['n1']?.['mdb']?.toLowerCase().replaceAll(',', ', ');
  slapd.change(`dn: cn=user1,${SUFFIX}\nchangetype: modify\nreplace: homeMDB\nhomeMDB: ${mdb}\n`);
  slapd.change(
    `dn: cn=user2,${SUFFIX}\nchangetype: modify\nreplace: msExchHomeServerName\nmsExchHomeServerName: /o=Other\n`,
  );
  const done = await directory.do(context('n1', 'n2', 7));
  assert.not.ok(done.ok, 'one is left that does not have the old server');
  assert.match(done.detail, `${USERS - 1} entries changed`);
  assert.equal([on('n1'), on('n2')], [0, USERS]);
});

test.run();
