// One severity in the words and numbers of others: syslog, X.733 / RFC 3877, RFC 5674. Pure tables.
import type { Cause, Notice, Severity } from './types.ts';

/** RFC 5424 severity of an alarm, by the mapping of RFC 5674 section 2. */
export const syslogSeverity: Readonly<Record<Severity, 1 | 2 | 3 | 4 | 5>> = {
  critical: 1,
  major: 2,
  minor: 3,
  warning: 4,
  indeterminate: 5,
  cleared: 5,
};

/** The names of the RFC 5424 severities, index = number, as winston and `journalctl -p` spell them. */
export const syslogNames = ['emerg', 'alert', 'crit', 'error', 'warning', 'notice', 'info', 'debug'] as const;
export type SyslogName = (typeof syslogNames)[number];

/** ITU perceived severity (X.733, and ItuPerceivedSeverity of RFC 3877). */
export const perceivedSeverity: Readonly<Record<Severity, 1 | 2 | 3 | 4 | 5 | 6>> = {
  cleared: 1,
  indeterminate: 2,
  critical: 3,
  major: 4,
  minor: 5,
  warning: 6,
};

/** From what calls for a person at once to what does not. */
export const SEVERITIES: readonly Severity[] = ['critical', 'major', 'minor', 'warning', 'indeterminate', 'cleared'];

/** Is `one` at least as severe as `other`? */
export const asSevere = (one: Severity, other: Severity): boolean =>
  SEVERITIES.indexOf(one) <= SEVERITIES.indexOf(other);

export const highest = (all: readonly Severity[]): Severity => SEVERITIES.find((one) => all.includes(one)) ?? 'cleared';

/** RFC 5424 section 6.2.1, those that a service of the system may use. */
export const facilities = {
  user: 1,
  mail: 2,
  daemon: 3,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
} as const;
export type Facility = keyof typeof facilities;

type EventType = 'communicationsAlarm' | 'qualityOfServiceAlarm' | 'processingErrorAlarm' | 'other';
interface Itu {
  readonly probableCause: string;
  /** Its number in IANAItuProbableCause. */
  readonly number: number;
  readonly eventType: EventType;
}

/** Labels and numbers of IANA-ITU-ALARM-TC-MIB, in that registry's own spelling. */
const itu: Readonly<Record<Cause, Itu>> = {
  dead: { probableCause: 'softwareProgramAbnormallyTerminated', number: 545, eventType: 'processingErrorAlarm' },
  hung: { probableCause: 'timeoutExpired', number: 164, eventType: 'processingErrorAlarm' },
  refusing: { probableCause: 'applicationSubsystemFailure', number: 158, eventType: 'processingErrorAlarm' },
  misconfigured: { probableCause: 'configurationOrCustomizationError', number: 506, eventType: 'processingErrorAlarm' },
  'no-space': { probableCause: 'storageCapacityProblem', number: 151, eventType: 'processingErrorAlarm' },
  dependency: { probableCause: 'underlyingResourceUnavailable', number: 554, eventType: 'processingErrorAlarm' },
  overloaded: { probableCause: 'systemResourcesOverload', number: 207, eventType: 'qualityOfServiceAlarm' },
  credentials: { probableCause: 'authenticationFailure', number: 600, eventType: 'other' },
  expired: { probableCause: 'keyExpired', number: 609, eventType: 'other' },
};

/** probableCause and eventType of RFC 5674 section 3 for one of our causes. */
export function ituCause(cause: Cause | null): Itu {
  return cause ? itu[cause] : { probableCause: 'other', number: 1024, eventType: 'other' };
}

/** Every probable cause that we ever name, by its number. */
export const probableCauses: Readonly<Record<string, number>> = Object.fromEntries(
  [...Object.values(itu), ituCause(null)].map((one) => [one.probableCause, one.number]),
);

/** trendIndication of RFC 5674 section 3.5. */
export function trend(kind: Notice['kind']): 'moreSevere' | 'lessSevere' | 'noChange' {
  if (kind === 'raise') return 'moreSevere';
  return kind === 'clear' ? 'lessSevere' : 'noChange';
}
