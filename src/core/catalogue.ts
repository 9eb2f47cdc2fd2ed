// The one list of events. Log ids, trap numbers, mail subjects, documentation: all are made from it, in this order.
// Numbers and ids never change once released; new events get new numbers at the end of their block.
import type { Severity } from './types.ts';

export interface EventKind {
  /** The trap number's last arc, and the id in the Windows event log. */
  readonly number: number;
  readonly kind: 'alarm' | 'once';
  readonly severity: Exclude<Severity, 'cleared'>;
  /** Constant journald MESSAGE_ID (128 bit, hex). */
  readonly messageId: string;
  readonly about: string;
}

const kind = (
  number: number,
  kindOf: 'alarm' | 'once',
  severity: EventKind['severity'],
  messageId: string,
  about: string,
): EventKind => ({ number, kind: kindOf, severity, messageId, about });

export const catalogue = {
  'service-failing': kind(
    1,
    'alarm',
    'major',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a01',
    'A service fails its checks; repair is under way or held back',
  ),
  'service-given-up': kind(
    2,
    'alarm',
    'critical',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a02',
    'A service fails and nothing more is done about it here: a person is needed',
  ),
  'service-degraded': kind(
    3,
    'alarm',
    'warning',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a03',
    'A service works, but not as it should',
  ),
  'service-unknown': kind(
    4,
    'alarm',
    'minor',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a04',
    'The checks of a service cannot tell how it is',
  ),
  'service-flapping': kind(
    5,
    'alarm',
    'major',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a05',
    'A service comes and goes; repairs are frozen until it is calm',
  ),
  'service-blocked': kind(
    6,
    'alarm',
    'minor',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a06',
    'A service fails because something that it depends on fails',
  ),
  'observer-suspect': kind(
    20,
    'alarm',
    'major',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a20',
    'This daemon distrusts its own eyes: it looks and alerts, and repairs nothing',
  ),
  'configuration-refused': kind(
    21,
    'alarm',
    'warning',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a21',
    'A new configuration is bad; the old one goes on',
  ),
  'journal-trouble': kind(
    22,
    'alarm',
    'major',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a22',
    'The journal cannot be written; budgets are stricter and a crash would forget',
  ),
  'state-lost': kind(
    23,
    'alarm',
    'major',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a23',
    'Journal or snapshot was damaged and set aside; budgets are stricter',
  ),
  'history-trouble': kind(
    24,
    'alarm',
    'warning',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a24',
    'The history database cannot be written; charts and reports have a gap',
  ),
  'secret-unreadable': kind(
    25,
    'alarm',
    'warning',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a25',
    'A secret that the configuration names cannot be read',
  ),
  'plugin-trouble': kind(
    26,
    'alarm',
    'warning',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a26',
    'A plugin throws or hangs again and again',
  ),
  'outbox-trouble': kind(
    27,
    'alarm',
    'major',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a27',
    'Alerts cannot be delivered, or some had to be dropped',
  ),
  'channel-trouble': kind(
    28,
    'alarm',
    'major',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a28',
    'A channel of alerts has trouble of its own, such as a lost identity; it goes on sending',
  ),
  'agent-trouble': kind(
    29,
    'alarm',
    'warning',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a29',
    'The agent that managers poll has no SNMP daemon to answer through, or is refused by it',
  ),
  'recovery-started': kind(40, 'once', 'warning', '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a40', 'A repair was started'),
  'recovery-succeeded': kind(
    41,
    'once',
    'warning',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a41',
    'A repaired service passed its DeepCheck',
  ),
  'recovery-failed': kind(42, 'once', 'major', '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a42', 'A repair did not cure'),
  'service-adopted': kind(
    43,
    'once',
    'indeterminate',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a43',
    'Somebody else started or restarted a service; that was recognised',
  ),
  'switchover-wanted': kind(
    44,
    'once',
    'critical',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a44',
    'The ladder of a service is at its end; its group should move',
  ),
  'service-paused': kind(45, 'once', 'indeterminate', '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a45', 'Somebody paused a service'),
  'service-resumed': kind(
    46,
    'once',
    'indeterminate',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a46',
    'A pause ended, by hand or by its time',
  ),
  'would-have-acted': kind(
    47,
    'once',
    'warning',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a47',
    'Observe-only: a repair would have been started',
  ),
  'maintenance-started': kind(
    48,
    'once',
    'indeterminate',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a48',
    'A maintenance began: its services are not repaired, and their alerts wait',
  ),
  'maintenance-ended': kind(
    49,
    'once',
    'indeterminate',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a49',
    'A maintenance ended: its services are looked at anew',
  ),
  'alarm-acknowledged': kind(
    50,
    'once',
    'indeterminate',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a50',
    'Somebody took an alarm on: no more reminders and no escalation',
  ),
  'silence-started': kind(
    51,
    'once',
    'indeterminate',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a51',
    'Somebody silenced alerts for a time; repairs and clears go on',
  ),
  'silence-ended': kind(
    52,
    'once',
    'indeterminate',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a52',
    'A silence ended, by hand or by its time',
  ),
  'clock-stepped': kind(
    60,
    'once',
    'warning',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a60',
    'The wall clock jumped; no decision depends on it',
  ),
  'daemon-started': kind(61, 'once', 'indeterminate', '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a61', 'The daemon started'),
  'daemon-stopping': kind(
    62,
    'once',
    'indeterminate',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a62',
    'The daemon stops; services stay as they are',
  ),
  'configuration-loaded': kind(
    63,
    'once',
    'indeterminate',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a63',
    'A new configuration is in force',
  ),
  heartbeat: kind(
    64,
    'once',
    'indeterminate',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a64',
    'The daemon lives: the count of active alarms and the highest severity',
  ),
  'alerts-coalesced': kind(
    65,
    'once',
    'warning',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a65',
    'Several alerts in a burst were told as one',
  ),
  'alert-test': kind(
    66,
    'once',
    'indeterminate',
    '6f1c7f1e5b0f4f6b9f0a7b6d1f3c0a66',
    'A test of a channel, asked for by hand',
  ),
} as const satisfies Readonly<Record<string, EventKind>>;

export type EventName = keyof typeof catalogue;
