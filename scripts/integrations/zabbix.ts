// config/integrations/zabbix: trap items, a trigger for each alarm, and one for a heartbeat that stays away.
import { createHash } from 'node:crypto';
import { stringify } from 'yaml';
import type { Severity } from '../../src/core/types.ts';
import { alarms, heartbeat, isNotable, MADE, type NotificationKind, objectOid, singles, trapOid } from './events.ts';

const NAME = 'Watchkeeper by SNMP traps';
const LONGEST = '{$WATCHKEEPER.HEARTBEAT.MAX}';
const PRIORITIES: Readonly<Record<Severity, string>> = {
  critical: 'DISASTER',
  major: 'HIGH',
  minor: 'AVERAGE',
  warning: 'WARNING',
  indeterminate: 'INFO',
  cleared: 'INFO',
};

/** Zabbix knows things again by these, and takes version 4 only: so they are made to look like it, and never change. */
export function uuid(of: string): string {
  const hex = createHash('sha256').update(`watchkeeper ${of}`).digest('hex').slice(0, 32);
  const variant = '89ab'[Number.parseInt(hex[16] ?? '0', 16) % 4] ?? '8';
  return `${hex.slice(0, 12)}4${hex.slice(13, 16)}${variant}${hex.slice(17)}`;
}

/** Names with the MIB, numbers without: whatever snmptrapd prints. A dot stands for itself well enough. */
const says = (...kinds: readonly NotificationKind[]): string => {
  const either = kinds.flatMap((kind) => [kind.name, trapOid(kind)]).join('|');
  return `value=OID: [^ ]*(${either})([^0-9A-Za-z.]|$)`;
};
/** Its value, in the line that the trap receiver of Zabbix prints. A quotation mark has a backslash in a macro. */
const macro = (name: Parameters<typeof objectOid>[0]): string => {
  const pattern = `(?:${name}.0|${objectOid(name)})[^\\n]*?value=STRING: \\"?(.*?)\\"?\\s*(?:\\n|$)`;
  return `{{ITEM.VALUE}.regsub("${pattern}", "\\1")}`;
};

interface Item {
  readonly key: string;
  readonly name: string;
  readonly triggers: readonly object[];
}

const find = (key: string, kind: NotificationKind): string => `find(/${NAME}/${key},,"regexp","${says(kind)}")=1`;
const told = `${macro('wkNode')}: ${macro('wkSummary')}`;

function alarmItem({ raise, clear }: (typeof alarms)[number]): Item {
  const either = `snmptrap["${says(raise, clear)}"]`;
  return {
    key: either,
    name: raise.about,
    triggers: [
      {
        uuid: uuid(`trigger ${raise.event}`),
        expression: find(either, raise),
        recovery_mode: 'RECOVERY_EXPRESSION',
        recovery_expression: find(either, clear),
        correlation_mode: 'TAG_VALUE',
        correlation_tag: 'alarm',
        name: `Watchkeeper: ${raise.about}`,
        event_name: told,
        priority: PRIORITIES[raise.severity],
        description: `${raise.about}. The trap that clears it closes the problem of the same alarm key.`,
        type: 'MULTIPLE',
        manual_close: 'YES',
        tags: [
          { tag: 'alarm', value: macro('wkAlarmKey') },
          { tag: 'event', value: raise.event },
          { tag: 'service', value: macro('wkService') },
        ],
      },
    ],
  };
}

function singleItem(kind: NotificationKind): Item {
  const key = `snmptrap["${says(kind)}"]`;
  const trigger = {
    uuid: uuid(`trigger ${kind.event}`),
    expression: find(key, kind),
    recovery_mode: 'NONE',
    name: `Watchkeeper: ${kind.about}`,
    event_name: told,
    priority: PRIORITIES[kind.severity],
    description: `${kind.about}. It happens once: close it by hand.`,
    type: 'MULTIPLE',
    manual_close: 'YES',
    tags: [{ tag: 'event', value: kind.event }],
  };
  return { key, name: kind.about, triggers: isNotable(kind) ? [trigger] : [] };
}

function heartbeatItem(): Item {
  const key = `snmptrap["${says(heartbeat)}"]`;
  return {
    key,
    name: heartbeat.about,
    triggers: [
      {
        uuid: uuid('trigger no heartbeat'),
        expression: `nodata(/${NAME}/${key},${LONGEST})=1`,
        name: 'Watchkeeper: no heartbeat',
        priority: 'HIGH',
        description: 'The daemon, its machine or the way from it is down: nobody repairs anything there now.',
        manual_close: 'YES',
        tags: [{ tag: 'event', value: 'no-heartbeat' }],
      },
    ],
  };
}

export function zabbixTemplate(): string {
  const items = [heartbeatItem(), ...alarms.map(alarmItem), ...singles.map(singleItem)];
  const group = { uuid: uuid('group'), name: 'Templates/Applications' };
  const template = {
    uuid: uuid('template'),
    template: NAME,
    name: NAME,
    description:
      'Alarms of Watchkeeper, from the traps of a node. The host needs an SNMP interface with the address that they come from.',
    groups: [{ name: group.name }],
    items: items.map(({ key, name, triggers }) => ({
      uuid: uuid(`item ${key}`),
      name: `Watchkeeper: ${name}`,
      type: 'SNMP_TRAP',
      key,
      delay: '0',
      history: '30d',
      trends: '0',
      value_type: 'LOG',
      tags: [{ tag: 'component', value: 'watchkeeper' }],
      ...(triggers.length > 0 ? { triggers } : {}),
    })),
    macros: [
      { macro: LONGEST, value: '15m', description: 'How long a heartbeat may stay away: three times its interval' },
    ],
  };
  const whole = { zabbix_export: { version: '6.0', groups: [group], templates: [template] } };
  return `# ${MADE}\n${stringify(whole, { version: '1.1', lineWidth: 0 })}`;
}
