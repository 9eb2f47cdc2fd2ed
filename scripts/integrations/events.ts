// What every file for a NOC is made from: the notifications of the MIB, in pairs, with numbers from core/snmp.ts alone.
import {
  BRANCH,
  DEFAULT_BASE,
  HEARTBEAT,
  heartbeatObjects,
  type NotificationKind,
  notificationKinds,
  type TrapObjectName,
  trapObjects,
} from '../../src/core/snmp.ts';
import { catalogue } from '../../src/core/catalogue.ts';

export { DEFAULT_BASE, type NotificationKind };

/** As a comment's words, in every file. */
export const MADE = 'Made from the catalogue of events by "npm run generate". Not to be changed by hand.';

export const trapOid = ({ arc }: NotificationKind): string => `${DEFAULT_BASE}.${BRANCH.notifications}.${arc}`;
export const objectOid = (name: TrapObjectName): string =>
  `${DEFAULT_BASE}.${BRANCH.objects}.${{ ...trapObjects, ...heartbeatObjects }[name].arc}.0`;

/** The place of an object among those that a notification carries, from 1 on. */
export const place = ({ objects }: NotificationKind, name: TrapObjectName): number => objects.indexOf(name) + 1;

const all = notificationKinds();

/** Alarms, each with what clears it. */
export const alarms: readonly { readonly raise: NotificationKind; readonly clear: NotificationKind }[] = all
  .filter(({ clears }) => clears)
  .flatMap((clear) => {
    const raise = all.find(({ event, clears }) => event === clear.event && !clears);
    return raise ? [{ raise, clear }] : [];
  });

/** What happens once, without the heartbeat. */
export const singles: readonly NotificationKind[] = all.filter(
  ({ event }) => catalogue[event].kind === 'once' && event !== HEARTBEAT,
);

export const heartbeat: NotificationKind = all.find(({ event }) => event === HEARTBEAT) as NotificationKind;
export const notifications = all;

/** Single events that are worth a look, and not only a record. */
export const isNotable = ({ severity }: NotificationKind): boolean => severity !== 'indeterminate';
