// Where everything of ours is in the tree of object identifiers: what is sent, the MIB and the agent all take their
// numbers from here. Pure tables. Numbers never change once released.
import { catalogue, type EventName } from './catalogue.ts';
import type { Notice, Severity } from './types.ts';

/** The project has no enterprise number of its own yet: this is below netSnmpPlaypen, Net-SNMP's tree for private
 *  tests. `base` of a channel puts another in its place; nothing else in the program knows this number. */
export const DEFAULT_BASE = '1.3.6.1.4.1.8072.9999.9999.7439';

/** What every enterprise's own numbers are below (SNMPv2-SMI). */
export const ENTERPRISES = '1.3.6.1.4.1';
const BASE = /^1\.3\.6\.1\.4\.1(\.(0|[1-9]\d{0,9})){1,7}$/;

/** In numbers, below `enterprises`, and short enough that a message with it stays small. */
export const isBase = (text: string): boolean =>
  BASE.test(text) && text.split('.').every((arc) => Number(arc) <= 4_294_967_295);

/** The branches below the base. The 0 of notifications makes them fit SNMPv1 (RFC 2578 section 8.5). */
export const BRANCH = { notifications: 0, objects: 1, tables: 2, conformance: 3 } as const;

export interface TrapObject {
  /** Its last arc but the instance: base.1.ARC.0 */
  readonly arc: number;
  /** A type of SMIv2, or a textual convention of SNMPv2-TC or of the MIB itself. */
  readonly syntax: 'WkText' | 'WkSeverity' | 'WkItuProbableCause' | 'Counter64' | 'Gauge32' | 'DateAndTime';
  readonly about: string;
}

/** In the order in which every notification carries them. */
export const trapObjects = {
  wkAlarmKey: {
    ...{ arc: 1, syntax: 'WkText' },
    about:
      'Who is who: the same in the notification that raises an alarm and in the one that clears it. ' +
      'Node and key, such as n1/service/mta/failing.',
  },
  wkAlarmSeverity: { arc: 2, syntax: 'WkSeverity', about: 'How severe it is, as a number of ItuPerceivedSeverity.' },
  wkAlarmSeverityText: { arc: 3, syntax: 'WkText', about: 'The same as a word, for those who see no MIB.' },
  wkService: { arc: 4, syntax: 'WkText', about: 'The service; empty when it is about the node itself.' },
  wkNode: { arc: 5, syntax: 'WkText', about: 'The node that tells it.' },
  wkEventId: {
    ...{ arc: 6, syntax: 'Counter64' },
    about:
      'Greater for each later event of the node, and the same at every try to deliver it: a repeat is known by it. ' +
      'What is severe may come before what is older. ' +
      'In SNMPv1, which has no such type, a Counter32 with its lower half.',
  },
  wkAlarmRaisedTime: { arc: 7, syntax: 'DateAndTime', about: 'When the alarm was raised, or when it happened.' },
  wkProbableCause: { arc: 8, syntax: 'WkItuProbableCause', about: 'The cause, as a number of IANAItuProbableCause.' },
  wkSummary: { arc: 9, syntax: 'WkText', about: 'What was seen, in one sentence.' },
  wkAction: { arc: 10, syntax: 'WkText', about: 'What is done about it; empty when nothing is.' },
  wkRunbook: { arc: 11, syntax: 'WkText', about: 'What a person does, or where it is written.' },
  wkRepeatCount: { arc: 12, syntax: 'Gauge32', about: 'How often this alarm was raised since it was last well.' },
} as const satisfies Readonly<Record<string, TrapObject>>;

/** What a heartbeat carries besides. */
export const heartbeatObjects = {
  wkActiveAlarms: { arc: 13, syntax: 'Gauge32', about: 'How many alarms of the node are active.' },
  wkHighestSeverity: {
    ...{ arc: 14, syntax: 'WkSeverity' },
    about: 'The highest severity among them; cleared when there are none.',
  },
} as const satisfies Readonly<Record<string, TrapObject>>;

export type TrapObjectName = keyof typeof trapObjects | keyof typeof heartbeatObjects;

export const HEARTBEAT: EventName = 'heartbeat';

/** Clears have the number of what they clear, plus this. */
const CLEARS = 1000;

export interface NotificationKind {
  readonly name: string;
  readonly arc: number;
  readonly event: EventName;
  readonly clears: boolean;
  readonly severity: Severity;
  readonly about: string;
  readonly objects: readonly TrapObjectName[];
}

/** `service-failing` → `wkServiceFailing` */
const nameOf = (event: string): string =>
  `wk${event
    .split('-')
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1))
    .join('')}`;

/** Every notification, in the order of the catalogue: alarms have two. */
export function notificationKinds(): readonly NotificationKind[] {
  return (Object.keys(catalogue) as EventName[]).flatMap((event) => {
    const { number, kind, severity, about } = catalogue[event];
    const common = Object.keys(trapObjects) as TrapObjectName[];
    const more = event === HEARTBEAT ? (Object.keys(heartbeatObjects) as TrapObjectName[]) : [];
    const raise: NotificationKind = {
      ...{ name: nameOf(event), arc: number, event, clears: false, severity, about },
      objects: [...common, ...more],
    };
    const clear: NotificationKind = {
      ...raise,
      ...{ name: `${raise.name}Cleared`, arc: number + CLEARS, clears: true, severity: 'cleared' },
      about: `Cleared: ${about}`,
    };
    return kind === 'alarm' ? [raise, clear] : [raise];
  });
}

/** The last number of what this notice is sent as; null: no event of the catalogue. */
export function trapNumber({ event, kind }: Pick<Notice, 'event' | 'kind'>): number | null {
  if (!Object.hasOwn(catalogue, event)) return null;
  return catalogue[event as EventName].number + (kind === 'clear' ? CLEARS : 0);
}

/** LifeKeeper's own traps, for a NOC that has rules for them: the numbers of those that say what an event of ours
 *  says. */
export const lifekeeperTraps: Readonly<Partial<Record<EventName, number>>> = {
  'daemon-started': 100,
  'daemon-stopping': 101,
  'recovery-started': 130,
  'recovery-failed': 131,
  'recovery-succeeded': 132,
  switchover: 110,
  'node-unreachable': 120,
  'path-down': 141,
};
/** And those that say that it is over. */
export const lifekeeperClears: Readonly<Partial<Record<EventName, number>>> = { 'path-down': 140 };
export const LIFEKEEPER_BASE = '1.3.6.1.4.1.7359.1';
/** How a move ended: 111 and 112 of one that was asked for, 121 and 122 after a node was lost. */
const LIFEKEEPER_MOVES: Readonly<Partial<Record<EventName, Readonly<Record<'planned' | 'failover', number>>>>> = {
  'group-in-service': { planned: 111, failover: 121 },
  'move-failed': { planned: 112, failover: 122 },
};

/** LifeKeeper's number for a notice; null: it has none. */
export function lifekeeperNumber({ event, kind, move }: Pick<Notice, 'event' | 'kind' | 'move'>): number | null {
  if (!Object.hasOwn(catalogue, event)) return null;
  const name = event as EventName;
  if (move) return LIFEKEEPER_MOVES[name]?.[move.how] ?? null;
  return (kind === 'clear' ? lifekeeperClears : lifekeeperTraps)[name] ?? null;
}

/** Below its base: message, resource, resources that came back, resources that did not. The last two go with the
 *  numbers of moves. */
export const LIFEKEEPER_OBJECT = { message: 1, resource: 2, recovered: 3, failed: 4 } as const;
