// The files for tools of a NOC, by their structure: every event is there once, with the numbers of the MIB, and what
// clears leads to what it clears. With the tools themselves: noc-files.real.test.ts.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { catalogue } from '../../src/core/catalogue.ts';
import { DEFAULT_BASE, notificationKinds } from '../../src/core/snmp.ts';

const test = suite('files for a NOC');
const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const read = (path: string): string => readFileSync(join(root, 'config/integrations', path), 'utf8');
const kinds = notificationKinds();
const alarmCount = Object.values(catalogue).filter(({ kind }) => kind === 'alarm').length;
const all = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, found]) => found ?? '');

test('OpenNMS: each notification once; each clear ends exactly one raise, by the alarm key', () => {
  const text = read('opennms/watchkeeper.events.xml');
  const numbers = all(text, /<mename>specific<\/mename><mevalue>(\d+)</g).map(Number);
  assert.equal(
    numbers,
    kinds.map(({ arc }) => arc),
  );
  const raised = all(text, /reduction-key="([^"]+)" alarm-type="1"/g);
  assert.is(raised.length, alarmCount);
  assert.is(new Set(raised).size, alarmCount);
  assert.equal(all(text, /alarm-type="2" clear-key="([^"]+)"/g), raised);
  assert.ok(raised.every((key) => key.endsWith(':%dpname%:%parm[#1]%')));
  assert.equal([...new Set(all(text, /<mename>id<\/mename><mevalue>([^<]+)</g))], [`.${DEFAULT_BASE}`]);
});

test('snmptt: each notification once, each variable at its place', () => {
  const text = read('snmptt/watchkeeper.conf');
  assert.equal(
    all(text, /^EVENT \S+ \.(\S+) "Watchkeeper" [A-Z]+$/gm),
    kinds.map(({ arc }) => `${DEFAULT_BASE}.0.${arc}`),
  );
  assert.is(all(text, /^(FORMAT \$5 \$3 \$1: \$9 \$10)$/gm).length, kinds.length);
});

interface Trigger {
  readonly uuid: string;
  readonly name: string;
  readonly expression: string;
  readonly recovery_mode?: string;
  readonly recovery_expression?: string;
  readonly correlation_mode?: string;
  readonly correlation_tag?: string;
  readonly event_name?: string;
  readonly priority: string;
  readonly manual_close: string;
  readonly type?: string;
  readonly tags: readonly { tag: string; value: string }[];
}
interface Item {
  readonly uuid: string;
  readonly name: string;
  readonly key: string;
  readonly type: string;
  readonly value_type: string;
  readonly delay: string;
  readonly triggers?: readonly Trigger[];
}
interface Template {
  readonly zabbix_export: {
    readonly version: string;
    readonly groups: readonly { readonly uuid: string; readonly name: string }[];
    readonly templates: readonly {
      readonly uuid: string;
      readonly template: string;
      readonly groups: readonly { readonly name: string }[];
      readonly items: readonly Item[];
      readonly macros: readonly { readonly macro: string }[];
    }[];
  };
}

/** What the receiver script of Zabbix writes for a trap, with names or with numbers. */
const trapText = (name: string, arc: number, key: string, numbers: boolean): string =>
  numbers
    ? `.1.3.6.1.6.3.1.1.4.1.0  type=6  value=OID: .${DEFAULT_BASE}.0.${arc}\n.${DEFAULT_BASE}.1.1.0  type=4  value=STRING: "${key}"\n`
    : `SNMPv2-MIB::snmpTrapOID.0 type=6 value=OID: WATCHKEEPER-MIB::${name}\nWATCHKEEPER-MIB::wkAlarmKey.0 type=4 value=STRING: ${key}\n`;
const quotedIn = (text: string): RegExp => new RegExp(/"regexp","([^"]+)"/.exec(text)?.[1] ?? 'nothing', 'm');

test('Zabbix: documented words only, and every id one of version 4', () => {
  const { zabbix_export: whole } = parse(read('zabbix/watchkeeper.yaml')) as Template;
  const [template] = whole.templates;
  assert.is(whole.version, '6.0');
  assert.equal(template?.groups[0]?.name, whole.groups[0]?.name);
  const items = template?.items ?? [];
  const triggers = items.flatMap((item) => item.triggers ?? []);
  const ids = [...whole.groups, ...whole.templates, ...items, ...triggers].map(({ uuid }) => uuid);
  assert.is(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
  for (const item of items) {
    assert.equal([item.type, item.value_type, item.delay], ['SNMP_TRAP', 'LOG', '0']);
    assert.match(item.key, /^snmptrap\["[^"]+"\]$/);
    assert.ok(item.name.length <= 255);
  }
  for (const one of triggers) {
    assert.ok(['DISASTER', 'HIGH', 'AVERAGE', 'WARNING', 'INFO'].includes(one.priority));
    assert.ok(['YES'].includes(one.manual_close));
    assert.ok([undefined, 'NONE', 'RECOVERY_EXPRESSION'].includes(one.recovery_mode));
    assert.is(one.correlation_mode, one.recovery_mode === 'RECOVERY_EXPRESSION' ? 'TAG_VALUE' : undefined);
    assert.ok(one.name.length <= 255 && one.expression.length <= 2048 && (one.event_name ?? '').length <= 2048);
    for (const { value } of one.tags) assert.ok(value.length <= 255, value);
  }
});

test('Zabbix: a raise opens, its clear closes by the alarm key, and nothing else does either', () => {
  const { zabbix_export: whole } = parse(read('zabbix/watchkeeper.yaml')) as Template;
  const [template] = whole.templates;
  const items = template?.items ?? [];
  const own = (event: string): Trigger | undefined =>
    items.flatMap((item) => item.triggers ?? []).find((one) => one.tags.some(({ value }) => value === event));
  for (const numbers of [false, true])
    for (const { name, arc } of kinds) {
      const text = trapText(name, arc, 'n1/x', numbers);
      const took = items.filter(({ key }) => new RegExp(key.slice('snmptrap["'.length, -2), 'm').test(text));
      assert.is(took.length, 1, `${name}: ${took.map(({ key }) => key).join(' ')}`);
    }
  for (const { raise, clear } of kinds.flatMap((clear) => {
    const raise = kinds.find(({ event, clears }) => event === clear.event && !clears);
    return clear.clears && raise ? [{ raise, clear }] : [];
  })) {
    const trigger = own(raise.event);
    assert.is(trigger?.correlation_tag, 'alarm');
    for (const numbers of [false, true]) {
      const [opens, closes] = [raise, clear].map(({ name, arc }) => trapText(name, arc, 'n1/x', numbers));
      assert.ok(quotedIn(trigger?.expression ?? '').test(opens ?? ''));
      assert.not.ok(quotedIn(trigger?.expression ?? '').test(closes ?? ''));
      assert.ok(quotedIn(trigger?.recovery_expression ?? '').test(closes ?? ''));
      assert.not.ok(quotedIn(trigger?.recovery_expression ?? '').test(opens ?? ''));
      const tag = trigger?.tags.find((one) => one.tag === 'alarm')?.value ?? '';
      const pattern = /regsub\("(.*)", "\\1"\)/.exec(tag)?.[1]?.replaceAll('\\"', '"') ?? 'nothing';
      for (const text of [opens, closes]) assert.is(new RegExp(pattern).exec(text ?? '')?.[1], 'n1/x', pattern);
    }
  }
  assert.match(
    own('no-heartbeat')?.expression ?? '',
    /^nodata\(.*wkHeartbeat.*,\{\$WATCHKEEPER\.HEARTBEAT\.MAX\}\)=1$/,
  );
  assert.equal(
    template?.macros.map(({ macro }) => macro),
    ['{$WATCHKEEPER.HEARTBEAT.MAX}'],
  );
});

test('LibreNMS: each notification has the handler', () => {
  const named = all(read('librenms/snmptraps.php'), /'WATCHKEEPER-MIB::(\w+)' =>/g);
  assert.equal(
    named,
    kinds.map(({ name }) => name),
  );
});

test('Alertmanager: every event of the catalogue has one route', () => {
  const text = read('alertmanager/watchkeeper.yml');
  const routed = all(text, /- alertname=~"([^"]+)"/g).concat(all(text, /- 'alertname=~"([^"]+)"'/g));
  for (const event of Object.keys(catalogue))
    assert.ok(
      routed.some((one) => one.split('|').includes(event)),
      event,
    );
});

test.run();
