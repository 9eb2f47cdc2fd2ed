// config/integrations/snmptt: how snmptt says each notification in words.
import type { Severity } from '../../src/core/types.ts';
import { MADE, type NotificationKind, notifications, place, trapOid } from './events.ts';

const SEVERITIES: Readonly<Record<Severity, string>> = {
  critical: 'CRITICAL',
  major: 'MAJOR',
  minor: 'MINOR',
  warning: 'WARNING',
  indeterminate: 'INFORMATIONAL',
  cleared: 'NORMAL',
};

function event(kind: NotificationKind): string {
  const at = (name: Parameters<typeof place>[1]): string => `$${place(kind, name)}`;
  const told = [at('wkNode'), at('wkAlarmSeverityText'), at('wkAlarmKey')].join(' ');
  return [
    `EVENT ${kind.name} .${trapOid(kind)} "Watchkeeper" ${SEVERITIES[kind.severity]}`,
    `FORMAT ${told}: ${at('wkSummary')} ${at('wkAction')}`,
    'SDESC',
    `${kind.about}.`,
    'Variables:',
    ...kind.objects.map((name, index) => `  ${index + 1}: ${name}`),
    'EDESC',
    '',
  ].join('\n');
}

export const snmpttConf = (): string =>
  [`# ${MADE}`, 'MIB: WATCHKEEPER-MIB', '', ...notifications.map(event)].join('\n');
