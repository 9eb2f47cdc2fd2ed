// The MIB before the strictest judge there is, and as the tools of a network operations centre read it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { mib } from '../../src/core/mib.ts';
import { DEFAULT_BASE, notificationKinds } from '../../src/core/snmp.ts';

const test = suite('mib, real tools');
const folder = mkdtempSync(join(tmpdir(), 'wk-mib-'));
const mibs = fileURLToPath(new URL('../../../node_modules/net-snmp/lib/mibs', import.meta.url));

function tool(argv: readonly string[], env: Record<string, string>): string {
  const ran = spawnSync(argv[0] ?? '', argv.slice(1), { env: { ...process.env, ...env }, timeout: 60_000 });
  assert.is(ran.error, undefined);
  return `${ran.stdout.toString()}${ran.stderr.toString()}`.replace(/^Created directory: .*\n/gm, '');
}

const fragment = {
  imports: { 'SNMPv2-SMI': ['Unsigned32'] },
  text: `wkThings OBJECT-TYPE
    SYNTAX Unsigned32
    MAX-ACCESS read-only
    STATUS current
    DESCRIPTION
        "How many."
    ::= { wkTables 1 }

wkThingsGroup OBJECT-GROUP
    OBJECTS { wkThings }
    STATUS current
    DESCRIPTION
        "Things."
    ::= { wkGroups 10 }`,
  groups: ['wkThingsGroup'],
};

const all = {
  'the one that ships': mib(),
  'with a number of its own': mib('1.3.6.1.4.1.32473'),
  'with a table more': mib(DEFAULT_BASE, [fragment]),
};
for (const [name, text] of Object.entries(all))
  test(`${name}: smilint has nothing to say`, () => {
    const path = join(folder, 'WATCHKEEPER-MIB.txt');
    writeFileSync(path, text);
    // It exits with 0 whatever it finds.
    assert.is(tool(['smilint', '-l', '6', path], { SMIPATH: mibs }), '');
  });

test('smilint would say it', () => {
  const path = join(folder, 'bad.txt');
  writeFileSync(path, mib().replace('wkGroups 1 }', 'wkGroups 2 }'));
  assert.match(tool(['smilint', '-l', '6', path], { SMIPATH: mibs }), /wkNotificationsGroup/);
});

test('snmptranslate knows every notification', () => {
  writeFileSync(join(folder, 'WATCHKEEPER-MIB.txt'), mib());
  const names = notificationKinds().map(({ name }) => `WATCHKEEPER-MIB::${name}`);
  const env = { MIBDIRS: `${mibs}:${folder}`, MIBS: 'WATCHKEEPER-MIB', SNMP_PERSISTENT_DIR: folder };
  const oids = tool(['snmptranslate', '-On', ...names], env)
    .trim()
    .split(/\n+/);
  assert.equal(
    oids,
    notificationKinds().map(({ arc }) => `.${DEFAULT_BASE}.0.${arc}`),
  );
});

test.after(() => rmSync(folder, { recursive: true, force: true }));
test.run();
