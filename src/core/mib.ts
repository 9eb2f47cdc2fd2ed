// The MIB as text, made from the catalogue of events and the tables of object identifiers. Pure: the same base gives
// the same text. Holds no numbers of its own but those of the statement of conformance.
import { mibFragments } from './mib-fragments.ts';
import { enumeration, listed, type MibFragment, quoted } from './mib-words.ts';
import { perceivedSeverity, probableCauses } from './severity.ts';
import {
  BRANCH,
  DEFAULT_BASE,
  ENTERPRISES,
  heartbeatObjects,
  notificationKinds,
  type NotificationKind,
  type TrapObject,
  trapObjects,
} from './snmp.ts';
import type { Severity } from './types.ts';

/** Raised by hand with every change of a definition. */
const REVISIONS = [{ date: '202611250000Z', about: 'The first version.' }] as const;

/** `1.3.6.1.4.1.8072.1` → `enterprises wkArc1(8072) 1`: what lies between gets names, or smilint complains. */
function parentOf(base: string): string {
  const arcs = base.slice(ENTERPRISES.length + 1).split('.');
  const named = arcs.slice(0, -1).map((arc, index) => `wkArc${index + 1}(${arc})`);
  return ['enterprises', ...named, arcs.at(-1)].join(' ');
}

function importsOf(fragments: readonly MibFragment[]): string {
  const needed: Record<string, Set<string>> = {
    'SNMPv2-SMI': new Set([
      'MODULE-IDENTITY',
      'OBJECT-TYPE',
      'NOTIFICATION-TYPE',
      'Counter64',
      'Gauge32',
      'enterprises',
    ]),
    'SNMPv2-TC': new Set(['TEXTUAL-CONVENTION', 'DateAndTime']),
    'SNMPv2-CONF': new Set(['MODULE-COMPLIANCE', 'OBJECT-GROUP', 'NOTIFICATION-GROUP']),
  };
  for (const { imports } of fragments)
    for (const [module, names] of Object.entries(imports))
      needed[module] = new Set([...(needed[module] ?? []), ...names]);
  return Object.entries(needed)
    .map(([module, names]) => `    ${listed([...names], '    ')}\n        FROM ${module}`)
    .join('\n');
}

function head(base: string, fragments: readonly MibFragment[]): string {
  const newest = REVISIONS[0].date;
  const revisions = REVISIONS.map(({ date, about }) => `    REVISION "${date}"\n    DESCRIPTION\n        "${about}"`);
  return `WATCHKEEPER-MIB DEFINITIONS ::= BEGIN

-- Made from the catalogue of events by "npm run generate"; for another base
-- by "watchkeeper mib". Not to be changed by hand.

IMPORTS
${importsOf(fragments)};

watchkeeper MODULE-IDENTITY
    LAST-UPDATED "${newest}"
    ORGANIZATION "The Watchkeeper project"
    CONTACT-INFO
        "The issues of the project's repository."
    DESCRIPTION
        ${quoted(
          'What Watchkeeper tells a network operations centre: a daemon that keeps services working, mail first. An ' +
            'alarm has two notifications, one that raises it and one that clears it, with the same wkAlarmKey; what ' +
            'happens once has one. All of them carry the same objects in the same order.',
          '        ',
        )}
${revisions.join('\n')}
    ::= { ${parentOf(base)} }

wkNotifications OBJECT IDENTIFIER ::= { watchkeeper ${BRANCH.notifications} }
wkObjects       OBJECT IDENTIFIER ::= { watchkeeper ${BRANCH.objects} }
wkTables        OBJECT IDENTIFIER ::= { watchkeeper ${BRANCH.tables} }
wkConformance   OBJECT IDENTIFIER ::= { watchkeeper ${BRANCH.conformance} }
wkCompliances   OBJECT IDENTIFIER ::= { wkConformance 1 }
wkGroups        OBJECT IDENTIFIER ::= { wkConformance 2 }
`;
}

const conventions = `
WkText ::= TEXTUAL-CONVENTION
    DISPLAY-HINT "255t"
    STATUS current
    DESCRIPTION
        "Text for people in UTF-8, on one line, without control characters."
    SYNTAX OCTET STRING (SIZE (0..255))

WkSeverity ::= TEXTUAL-CONVENTION
    STATUS current
    DESCRIPTION
        "The severity of an alarm, with the numbers of ItuPerceivedSeverity
         in ITU-ALARM-TC-MIB (RFC 3877)."
    SYNTAX INTEGER {
                ${enumeration(perceivedSeverity)}
            }

WkItuProbableCause ::= TEXTUAL-CONVENTION
    STATUS current
    DESCRIPTION
        "The probable cause of an alarm, with numbers and names of
         IANAItuProbableCause in IANA-ITU-ALARM-TC-MIB (RFC 3877)."
    SYNTAX INTEGER {
                ${enumeration(probableCauses)}
            }
`;

const objectType = ([name, { arc, syntax, about }]: readonly [string, TrapObject]): string => `
${name} OBJECT-TYPE
    SYNTAX ${syntax}
    MAX-ACCESS accessible-for-notify
    STATUS current
    DESCRIPTION
        ${quoted(about, '        ')}
    ::= { wkObjects ${arc} }
`;

/** What the converters of snmptt and of old managers know. */
const SNMPTT: Readonly<Record<Severity, string>> = {
  critical: 'CRITICAL',
  major: 'MAJOR',
  minor: 'MINOR',
  warning: 'WARNING',
  indeterminate: 'INFORMATIONAL',
  cleared: 'NORMAL',
};

/** A message for people from what is carried: severity, service, summary and action, by their places. */
function notificationType({ name, arc, about, objects, severity }: NotificationKind): string {
  const at = (object: keyof typeof trapObjects): number => objects.indexOf(object);
  const shown = [at('wkNode'), at('wkAlarmSeverityText'), at('wkService'), at('wkSummary'), at('wkAction')];
  const raised = at('wkAlarmRaisedTime');
  return `
${name} NOTIFICATION-TYPE
    OBJECTS {
        ${listed(objects, '        ')}
    }
    STATUS current
    DESCRIPTION
        ${quoted(`${about}.`, '        ')}
    --#TYPE "${about}"
    --#SUMMARY "%s: %s: %s %s %s"
    --#ARGUMENTS {${shown.join(',')}}
    --#SEVERITY ${SNMPTT[severity]}
    --#TIMEINDEX ${raised}
    --#HELP "watchkeeper.hlp"
    --#HELPTAG ${arc}
    --#STATE OPERATIONAL
    ::= { wkNotifications ${arc} }
`;
}

function conformance(kinds: readonly NotificationKind[], fragments: readonly MibFragment[]): string {
  const more = fragments.flatMap(({ groups }) => groups);
  const objects = Object.keys({ ...trapObjects, ...heartbeatObjects });
  const names = kinds.map(({ name }) => name);
  return `
wkObjectsGroup OBJECT-GROUP
    OBJECTS {
        ${listed(objects, '        ')}
    }
    STATUS current
    DESCRIPTION
        "What notifications carry."
    ::= { wkGroups 1 }

wkNotificationsGroup NOTIFICATION-GROUP
    NOTIFICATIONS {
        ${listed(names, '        ')}
    }
    STATUS current
    DESCRIPTION
        "Every notification."
    ::= { wkGroups 2 }

wkCompliance MODULE-COMPLIANCE
    STATUS current
    DESCRIPTION
        "What every Watchkeeper does."
    MODULE
        MANDATORY-GROUPS {
            ${listed(['wkObjectsGroup', 'wkNotificationsGroup', ...more], '            ')}
        }
    ::= { wkCompliances 1 }

END
`;
}

export function mib(base: string = DEFAULT_BASE, fragments: readonly MibFragment[] = mibFragments): string {
  const kinds = notificationKinds();
  const objects = Object.entries<TrapObject>({ ...trapObjects, ...heartbeatObjects });
  return [
    head(base, fragments),
    conventions,
    ...objects.map(objectType),
    ...kinds.map(notificationType),
    ...fragments.map(({ text }) => `\n${text.trim()}\n`),
    conformance(kinds, fragments),
  ].join('');
}
