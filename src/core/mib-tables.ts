// What can be polled, as data: the tables and the single values below `wkTables`, and those columns of two standard
// MIBs that a daemon can fill. The text of the MIB and the answers of the agent are both made from it. Numbers never
// change once released.

/** Numbers of a word; the word is what rows carry. */
export type Enumeration = Readonly<Record<string, number>>;

export type Syntax =
  | 'WkText'
  | 'WkSeverity'
  | 'WkItuProbableCause'
  | 'DateAndTime'
  | 'Gauge32'
  | 'Integer32'
  | 'TruthValue'
  /** Of the standard MIBs only. */
  | 'TimeStamp'
  | 'TimeInterval'
  | Enumeration;

export interface Column {
  readonly arc: number;
  readonly syntax: Syntax;
  readonly about: string;
  /** It stands in the identifier of its row only. A text: so many octets at most. */
  readonly index?: true | number;
}

export interface Table {
  readonly arc: number;
  /** `wkService` → wkServiceTable, wkServiceEntry. */
  readonly stem: string;
  readonly about: string;
  /** Names of columns, of this table or of another; a text at the end is IMPLIED. */
  readonly index: readonly string[];
  readonly columns: Readonly<Record<string, Column>>;
}

const text = (arc: number, about: string): Column => ({ arc, syntax: 'WkText', about });
const gauge = (arc: number, about: string): Column => ({ arc, syntax: 'Gauge32', about });
const date = (arc: number, about: string): Column => ({ arc, syntax: 'DateAndTime', about });
const word = (arc: number, syntax: Syntax, about: string): Column => ({ arc, syntax, about });

export const OUTCOME = { pass: 1, degraded: 2, fail: 3, unknown: 4 } as const;
export const HEALTH = { ok: 1, degraded: 2, failing: 3, unknown: 4 } as const;
export const DEPTH = { quick: 1, deep: 2 } as const;
export const PHASE = {
  ...{ healthy: 1, suspect: 2, restarting: 3, verifying: 4, waiting: 5 },
  ...{ switching: 6, relinquished: 7, failed: 8, paused: 9 },
} as const;
export const ROLE = { standalone: 1, active: 2, standby: 3 } as const;

const services: Table = {
  ...{ arc: 1, stem: 'wkService', about: 'The services that are kept working.', index: ['wkServiceName'] },
  columns: {
    wkServiceName: { arc: 1, syntax: 'WkText', about: 'Its name.', index: 64 },
    wkServiceIndex: word(
      2,
      'Integer32',
      'The same as applIndex of NETWORK-SERVICES-MIB: made from its name, so that it outlives restarts.',
    ),
    wkServiceKit: text(3, 'Which kit it is an instance of; empty when it is of none.'),
    wkServicePhase: word(4, PHASE, 'Where it is on the way from failing to well.'),
    wkServiceHealth: word(5, HEALTH, 'How it is, in one word.'),
    wkServiceSince: date(6, 'Since when it is in this phase.'),
    wkServiceIncident: text(7, 'The incident it is in; empty when it is in none.'),
    wkServiceCause: text(8, 'The cause of what is wrong with it; empty when nothing is, or nobody knows.'),
    wkServiceBlockedBy: text(9, 'The service at fault that it depends on; empty when none is.'),
    wkServiceWhy: text(10, 'The last decision about it, as a sentence.'),
    wkServiceAttempts: gauge(11, 'Repairs since it was last stable.'),
    wkServiceQuickOutcome: word(12, OUTCOME, 'What its last QuickCheck said; absent before the first.'),
    wkServiceQuickLatency: gauge(13, 'How long that took, in milliseconds.'),
    wkServiceQuickAge: gauge(14, 'How long ago that was, in seconds.'),
    wkServiceDeepOutcome: word(15, OUTCOME, 'What its last DeepCheck said; absent before the first.'),
    wkServiceDeepLatency: gauge(16, 'How long that took, in milliseconds.'),
    wkServiceDeepAge: gauge(17, 'How long ago that was, in seconds.'),
  },
};

const checks: Table = {
  ...{ arc: 2, stem: 'wkCheck', about: 'The last answer of every check, a row for each depth it was asked at.' },
  index: ['wkServiceIndex', 'wkCheckDepth', 'wkCheckName'],
  columns: {
    wkCheckDepth: { arc: 1, syntax: DEPTH, about: 'For which question it was asked.', index: true },
    wkCheckName: { arc: 2, syntax: 'WkText', about: 'Its name, unique in the service.', index: 64 },
    wkCheckService: text(3, 'The service.'),
    wkCheckType: text(4, 'What kind of check it is.'),
    wkCheckOutcome: word(5, OUTCOME, 'What it said.'),
    wkCheckCause: text(6, 'The cause it gave; empty when it gave none.'),
    wkCheckLatency: gauge(7, 'How long it took, in milliseconds.'),
    wkCheckAge: gauge(8, 'How long ago it was asked, in seconds.'),
    wkCheckDetail: text(9, 'What was seen, in one sentence.'),
  },
};

const alarms: Table = {
  ...{ arc: 3, stem: 'wkAlarm', about: 'The alarms that are active now.', index: ['wkAlarmIndex'] },
  columns: {
    wkAlarmIndex: { arc: 1, syntax: 'WkText', about: 'Its key on this node.', index: 110 },
    wkAlarmNotified: text(2, 'Its key in notifications: the same as wkAlarmKey there.'),
    wkAlarmEvent: text(3, 'The event that raised it, such as service-failing.'),
    wkAlarmNumber: gauge(4, 'The number of that event: the last arc of its notification.'),
    wkAlarmPerceivedSeverity: word(5, 'WkSeverity', 'How severe it is.'),
    wkAlarmService: text(6, 'The service; empty when it is about the node itself.'),
    wkAlarmIncident: text(7, 'The incident it belongs to; empty when it belongs to none.'),
    wkAlarmCause: text(8, 'The cause; empty when nobody knows.'),
    wkAlarmProbableCause: word(9, 'WkItuProbableCause', 'The cause, as a number of IANAItuProbableCause.'),
    wkAlarmRaised: date(10, 'When it was raised.'),
    wkAlarmSummary: text(11, 'What was seen, in one sentence.'),
    wkAlarmAcknowledgedBy: text(12, 'Who took it on; empty when nobody did.'),
    wkAlarmTold: text(13, 'The channels that were told of it, with commas.'),
    wkAlarmCount: gauge(14, 'How often it was raised since it was last well.'),
  },
};

const nodes: Table = {
  ...{ arc: 4, stem: 'wkNode', about: 'The nodes of the cluster; a node that stands alone is its only one.' },
  index: ['wkNodeName'],
  columns: {
    wkNodeName: { arc: 1, syntax: 'WkText', about: 'Its name.', index: 64 },
    wkNodeRole: word(2, ROLE, 'What it is to the others.'),
    wkNodeServices: gauge(3, 'How many services it keeps working.'),
  },
};

const groups: Table = {
  ...{ arc: 5, stem: 'wkGroup', about: 'Groups of services that move together; none on a node that stands alone.' },
  index: ['wkGroupName'],
  columns: {
    wkGroupName: { arc: 1, syntax: 'WkText', about: 'Its name.', index: 64 },
    wkGroupNode: text(2, 'The node that has it; empty when none has.'),
    wkGroupServices: gauge(3, 'How many services are in it.'),
  },
};

const channels: Table = {
  ...{ arc: 6, stem: 'wkChannel', about: 'The ways out for alerts, and what waits there.', index: ['wkChannelName'] },
  columns: {
    wkChannelName: { arc: 1, syntax: 'WkText', about: 'Its name.', index: 64 },
    wkChannelWaiting: gauge(2, 'How many alerts wait.'),
    wkChannelProblem: text(3, 'What it has trouble with; empty when it has none.'),
  },
};

export const tables = { services, checks, alarms, nodes, groups, channels } as const;
export type TableName = keyof typeof tables;

/** Single values: base.2.10.ARC.0 */
export const SCALARS_ARC = 10;
export const scalars = {
  wkDaemonVersion: text(1, 'Which version runs.'),
  wkObserveOnly: word(2, 'TruthValue', 'Does it look and alert, and repair nothing?'),
  wkInTilt: word(3, 'TruthValue', 'Does it distrust its own eyes, and repair nothing until it does no more?'),
  wkAlarmsActive: gauge(4, 'How many alarms are active.'),
  wkAlarmsHighest: word(5, 'WkSeverity', 'The highest severity among them; cleared when there are none.'),
  wkDaemonSince: date(6, 'When the daemon started.'),
} as const satisfies Readonly<Record<string, Column>>;

/** NETWORK-SERVICES-MIB (RFC 2788) and MTA-MIB (RFC 2789): numbers and names of their columns, as far as they can be
 *  known from outside. */
export const STANDARD = { appl: '1.3.6.1.2.1.27.1', mta: '1.3.6.1.2.1.28.1', mtaGroup: '1.3.6.1.2.1.28.2' } as const;
export type StandardName = keyof typeof STANDARD;

export const OPER_STATUS = { up: 1, down: 2, halted: 3, congested: 4, restarting: 5, quiescing: 6 } as const;

const standard = (arc: number, syntax: Syntax): Column => ({ arc, syntax, about: '' });
export const standardTables: Readonly<Record<StandardName, Pick<Table, 'index' | 'columns'>>> = {
  appl: {
    index: ['applIndex'],
    columns: {
      applName: standard(2, 'WkText'),
      applVersion: standard(4, 'WkText'),
      applUptime: standard(5, 'TimeStamp'),
      applOperStatus: standard(6, OPER_STATUS),
      applLastChange: standard(7, 'TimeStamp'),
      applDescription: standard(16, 'WkText'),
    },
  },
  mta: {
    index: ['applIndex'],
    columns: { mtaStoredMessages: standard(2, 'Gauge32'), mtaStoredVolume: standard(5, 'Gauge32') },
  },
  mtaGroup: {
    index: ['applIndex', 'mtaGroupIndex'],
    columns: {
      mtaGroupStoredMessages: standard(4, 'Gauge32'),
      mtaGroupOldestMessageStored: standard(12, 'TimeInterval'),
      mtaGroupName: standard(25, 'WkText'),
    },
  },
};
