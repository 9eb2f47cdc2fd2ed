// config/integrations/opennms: event definitions that raise and clear alarms, for trapd of OpenNMS.
import { perceivedSeverity, probableCauses } from '../../src/core/severity.ts';
import type { Severity } from '../../src/core/types.ts';
import {
  alarms,
  DEFAULT_BASE,
  heartbeat,
  isNotable,
  MADE,
  type NotificationKind,
  notifications,
  place,
} from './events.ts';

const SEVERITIES: Readonly<Record<Severity, string>> = {
  critical: 'Critical',
  major: 'Major',
  minor: 'Minor',
  warning: 'Warning',
  indeterminate: 'Normal',
  cleared: 'Normal',
};

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
const uei = ({ name }: NotificationKind): string => `uei.opennms.org/vendor/watchkeeper/traps/${name}`;
const parm = (kind: NotificationKind, name: Parameters<typeof place>[1]): string => `%parm[#${place(kind, name)}]%`;

/** Which node told it does not matter: one relay may tell of many. The key holds the node. */
const key = (kind: NotificationKind): string => `${uei(kind)}:%dpname%:${parm(kind, 'wkAlarmKey')}`;

function alarmData(kind: NotificationKind): string | null {
  const pair = alarms.find(({ raise, clear }) => raise === kind || clear === kind);
  if (pair?.raise === kind) return `<alarm-data reduction-key="${key(kind)}" alarm-type="1" auto-clean="false"/>`;
  if (pair)
    return `<alarm-data reduction-key="${key(kind)}" alarm-type="2" clear-key="${key(pair.raise)}" auto-clean="false"/>`;
  return isNotable(kind) ? `<alarm-data reduction-key="${key(kind)}" alarm-type="3" auto-clean="false"/>` : null;
}

function decoder(number: number, values: Readonly<Record<string, number>>): string[] {
  return [
    '    <varbindsdecode>',
    `      <parmid>parm[#${number}]</parmid>`,
    ...Object.entries(values)
      .sort(([, a], [, b]) => a - b)
      .map(([name, value]) => `      <decode varbindvalue="${value}" varbinddecodedstring="${name}"/>`),
    '    </varbindsdecode>',
  ];
}

function event(kind: NotificationKind): string[] {
  const fields = kind.objects.map((name) => `&lt;dt&gt;${name}&lt;/dt&gt;&lt;dd&gt;${parm(kind, name)}&lt;/dd&gt;`);
  const mask = (name: string, value: string): string =>
    `      <maskelement><mename>${name}</mename><mevalue>${value}</mevalue></maskelement>`;
  const data = alarmData(kind);
  const told = `${parm(kind, 'wkNode')}: ${parm(kind, 'wkAlarmSeverityText')}: ${parm(kind, 'wkSummary')} ${parm(kind, 'wkAction')}`;
  return [
    '  <event>',
    '    <mask>',
    mask('id', `.${DEFAULT_BASE}`),
    mask('generic', '6'),
    mask('specific', String(kind.arc)),
    '    </mask>',
    `    <uei>${uei(kind)}</uei>`,
    `    <event-label>WATCHKEEPER-MIB: ${kind.name}</event-label>`,
    `    <descr>&lt;p&gt;${escape(kind.about)}.&lt;/p&gt;&lt;dl&gt;${fields.join('')}&lt;/dl&gt;</descr>`,
    `    <logmsg dest="${kind === heartbeat ? 'logonly' : 'logndisplay'}">${told}</logmsg>`,
    `    <severity>${SEVERITIES[kind.severity]}</severity>`,
    `    <operinstruct>${parm(kind, 'wkRunbook')}</operinstruct>`,
    ...decoder(place(kind, 'wkAlarmSeverity'), perceivedSeverity),
    ...decoder(place(kind, 'wkProbableCause'), probableCauses),
    ...(data === null ? [] : [`    ${data}`]),
    '  </event>',
  ];
}

export const opennmsEvents = (): string =>
  [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<!-- ${MADE} -->`,
    '<events xmlns="http://xmlns.opennms.org/xsd/eventconf">',
    ...notifications.flatMap(event),
    '</events>',
    '',
  ].join('\n');
