// An alert as an SNMP notification: what each value is, and how a message stays small enough for one packet. Nothing of
// how it travels. Text is cleaned and cut between characters.
import { clean } from '../core/clean.ts';
import { ituCause, perceivedSeverity } from '../core/severity.ts';
import {
  BRANCH,
  HEARTBEAT,
  heartbeatObjects,
  LIFEKEEPER_BASE,
  LIFEKEEPER_OBJECT,
  lifekeeperNumber,
  type TrapObject,
  trapNumber,
  trapObjects,
} from '../core/snmp.ts';
import type { Alert, Background } from '../define.ts';
import { type Trap, TYPE, type Varbind } from './snmp.ts';

/** All that is told of one alert: kept as it is for a manager that takes it later. */
export interface Told {
  readonly alert: Alert;
  readonly node: string;
  /** What a heartbeat says besides. */
  readonly active: Background['active'] | null;
}

const TEXT_MAX = 255;
/** Of the values; the rest of a message (v3 with everything, sysUpTime, snmpTrapOID) takes at most 340 octets more. */
export const VALUES_MAX = 1060;
/** So much of action, runbook, summary and names is told, less and less until it fits. */
const CUTS: readonly (readonly [action: number, runbook: number, summary: number, name: number])[] = [
  [TEXT_MAX, TEXT_MAX, TEXT_MAX, TEXT_MAX],
  [120, TEXT_MAX, TEXT_MAX, TEXT_MAX],
  [120, 120, TEXT_MAX, TEXT_MAX],
  [60, 60, 160, 64],
  [30, 30, 80, 40],
  [3, 3, 60, 24],
];

const text = (value: string, max = TEXT_MAX): string => clean(value.trim().replace(/\s*\n\s*/g, ' '), max);

function counter64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  // BER: as few octets as hold it, the first bit a sign.
  let from = 0;
  while (from < 7 && bytes[from] === 0 && (bytes[from + 1] ?? 0) < 0x80) from += 1;
  return bytes.subarray(from);
}

/** What does not fit would be refused by the library at each try, for ever. */
const gauge = (value: number): number => Math.min(4_294_967_295, Math.max(0, Math.trunc(value) || 0));

/** DateAndTime of SNMPv2-TC, in UTC. */
export function dateAndTime(ms: number): Buffer {
  const at = new Date(Number.isFinite(ms) ? ms : 0);
  const bytes = Buffer.alloc(11);
  bytes.writeUInt16BE(at.getUTCFullYear());
  const rest = [at.getUTCMonth() + 1, at.getUTCDate(), at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()];
  bytes.set([...rest, Math.floor(at.getUTCMilliseconds() / 100), '+'.charCodeAt(0), 0, 0], 2);
  return bytes;
}

/** The same key at every node would be one alarm to a NOC that sees them all through one relay. */
const alarmKey = (node: string, key: string): string =>
  `${node}/${key.startsWith(`node/${node}/`) ? key.slice(`node/${node}/`.length) : key}`;

type Values = Readonly<Record<string, string | number | Buffer>>;

function valuesOf({ alert, node, active }: Told, cut: (typeof CUTS)[number]): Values {
  const { id, time, notice } = alert;
  const [action, runbook, summary, name] = cut;
  const common: Readonly<Record<keyof typeof trapObjects, string | number | Buffer>> = {
    wkAlarmKey: text(alarmKey(node, notice.key)),
    wkAlarmSeverity: perceivedSeverity[notice.severity],
    wkAlarmSeverityText: notice.severity,
    wkService: text(notice.service ?? '', name),
    wkNode: text(node, name),
    wkEventId: counter64(id),
    wkAlarmRaisedTime: dateAndTime(Date.parse(time) - (notice.at - notice.raisedAt)),
    wkProbableCause: ituCause(notice.cause).number,
    wkSummary: text(notice.summary, summary),
    wkAction: text(notice.action, action),
    wkRunbook: text(notice.runbook ?? '', runbook),
    wkRepeatCount: gauge(notice.count),
  };
  if (!active) return common;
  const more: Readonly<Record<keyof typeof heartbeatObjects, number>> = {
    wkActiveAlarms: gauge(active.count),
    wkHighestSeverity: perceivedSeverity[active.highest],
  };
  return { ...common, ...more };
}

const TYPES: Readonly<Record<TrapObject['syntax'], number>> = {
  WkText: TYPE.octets,
  WkSeverity: TYPE.integer,
  WkItuProbableCause: TYPE.integer,
  Counter64: TYPE.counter64,
  Gauge32: TYPE.gauge32,
  DateAndTime: TYPE.octets,
};
const OBJECTS: Readonly<Record<string, TrapObject>> = { ...trapObjects, ...heartbeatObjects };

/** What a value takes on the wire, seldom a little less. */
const sizeOf = ({ oid, value }: Varbind): number => {
  const arcs = oid.split('.').reduce((sum, arc) => sum + Math.ceil(Math.log2(Number(arc) + 2) / 7), 0);
  return 10 + arcs + (typeof value === 'number' ? 5 : Buffer.byteLength(value as string | Buffer));
};

function varbindsOf(told: Told, base: string): readonly Varbind[] {
  let varbinds: Varbind[] = [];
  for (const cut of CUTS) {
    varbinds = Object.entries(valuesOf(told, cut)).flatMap(([name, value]) => {
      const object = OBJECTS[name];
      const oid = `${base}.${BRANCH.objects}.${object?.arc}.0`;
      return object ? [{ oid, type: TYPES[object.syntax], value }] : [];
    });
    if (varbinds.reduce((sum, one) => sum + sizeOf(one), 0) <= VALUES_MAX) break;
  }
  return varbinds;
}

/** The trap that LifeKeeper would send, where it has one for this: message, and the resource. */
function lifekeeperTrap({ alert: { notice }, node }: Told): Trap | null {
  const number = lifekeeperNumber(notice);
  if (number === null) return null;
  const object = (arc: number, value: string): Varbind => ({
    ...{ oid: `${LIFEKEEPER_BASE}.${arc}`, type: TYPE.octets },
    value: text(value),
  });
  const { message, resource, recovered, failed } = LIFEKEEPER_OBJECT;
  const arrived = notice.event === 'group-in-service' ? recovered : failed;
  return {
    oid: `${LIFEKEEPER_BASE}.0.${number}`,
    varbinds: [
      object(message, `${node}: ${notice.summary}`),
      ...(notice.service === null ? [] : [object(resource, notice.service)]),
      ...(notice.move ? [object(arrived, notice.move.group)] : []),
    ],
  };
}

export interface TrapOptions {
  readonly base: string;
  readonly lifekeeper: boolean;
}

/** What is sent for an alert, in this order; none: no event of the catalogue. Others that belong to the same alert,
 *  such as coldStart or warmStart with daemon-started, go here. */
export function trapsOf(told: Told, { base, lifekeeper }: TrapOptions): readonly Trap[] {
  const number = trapNumber(told.alert.notice);
  if (number === null) return [];
  const own = { oid: `${base}.${BRANCH.notifications}.${number}`, varbinds: varbindsOf(told, base) };
  const other = lifekeeper ? lifekeeperTrap(told) : null;
  return other ? [own, other] : [own];
}

export const carriesActive = (event: string): boolean => event === HEARTBEAT;
