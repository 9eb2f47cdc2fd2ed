// What people say about telling and about work, and what the calendar says: silences, acknowledgements, maintenance,
// quiet hours, and the moment at which something of these is due.
import { highest } from './severity.ts';
import { workOn } from './route.ts';
import type { Maintenance, NotifyState } from './telling.ts';
import type { Event } from './types.ts';
import { span } from './move.ts';
import { move, nudgeAll, say, tell, type Work } from './work.ts';

type Of<K extends Event['kind']> = Extract<Event, { kind: K }>;

export type Heard =
  | Of<'silenced' | 'unsilenced' | 'acked' | 'maintained' | 'maintenance-over'>
  | Of<'quiet' | 'rang' | 'heartbeat' | 'retell'>;

export function heard(work: Work, event: Heard): void {
  switch (event.kind) {
    case 'silenced':
      return silenced(work, event);
    case 'unsilenced':
      return unsilenced(work, event.id, event.by);
    case 'acked':
      return acked(work, event);
    case 'maintained':
      return maintained(work, event);
    case 'maintenance-over':
      return maintenanceOver(work, event.name, event.by);
    case 'quiet':
      return quiet(work, event.name, event.until);
    case 'rang':
      return rang(work);
    case 'heartbeat':
      return heartbeat(work);
    case 'retell':
      return say(work, 'retell', event.reason);
  }
}

const patch = (work: Work, notify: Partial<NotifyState>): void => {
  work.node = { ...work.node, notify: { ...work.node.notify, ...notify } };
};

const without = <T>(all: Readonly<Record<string, T>>, name: string): Readonly<Record<string, T>> =>
  Object.fromEntries(Object.entries(all).filter(([other]) => other !== name));

const remark = (comment: string): string => (comment === '' ? '' : `: ${comment}`);

// ---------------------------------------------------------------------------------------------------------- silences

function silenced(work: Work, { id, match, until, by, comment }: Of<'silenced'>): void {
  if (until <= work.at) return say(work, 'refused', 'a silence needs an end in the future');
  patch(work, { silences: { ...work.node.notify.silences, [id]: { id, match, since: work.at, until, by, comment } } });
  const text = `silenced by ${by} for ${span(until - work.at)}${remark(comment)}`;
  say(work, 'silenced', `${id}: ${text}`);
  tell(work, null, null, { event: 'silence-started', key: `silence/${id}`, summary: text, action: 'repairs go on' });
}

function unsilenced(work: Work, id: string, by: string): void {
  if (!Object.hasOwn(work.node.notify.silences, id)) return say(work, 'refused', `there is no silence ${id}`);
  patch(work, { silences: without(work.node.notify.silences, id) });
  say(work, 'unsilenced', `${id}: ended by ${by}`);
  const summary = `ended by ${by}: what is still active is told now`;
  tell(work, null, null, { event: 'silence-ended', key: `silence/${id}`, summary, action: 'telling again' });
}

function acked(work: Work, { key, by, comment }: Of<'acked'>): void {
  const alarm = Object.hasOwn(work.node.alarms, key) ? work.node.alarms[key] : undefined;
  if (!alarm) return say(work, 'refused', `there is no active alarm ${key}`);
  const { told } = work.node.notify;
  const known = told[key] ?? { to: {}, held: {}, reminders: 0, steps: 0, ack: null };
  if (known.ack) return say(work, 'refused', `it was acknowledged by ${known.ack.by} already`);
  patch(work, { told: { ...told, [key]: { ...known, ack: { at: work.at, by, comment } } } });
  const text = `${by} took it on${remark(comment)}`;
  say(work, 'acked', `${key}: ${text}`);
  const action = 'no more reminders';
  tell(work, alarm.service, alarm.incident, { event: 'alarm-acknowledged', key, summary: text, action });
}

// ------------------------------------------------------------------------------------------------------- maintenance

const counted = ({ length }: readonly string[]): string => `${length} service${length === 1 ? '' : 's'}`;

const HAND = 'maintenance ';
/** The wall clock and the timeline part by a little. */
const same = (one: number | undefined, other: number): boolean => one !== undefined && Math.abs(one - other) < 5000;

function maintained(work: Work, event: Of<'maintained'>): void {
  const { name, until, by, comment } = event;
  if (until <= work.at) return say(work, 'refused', 'a maintenance needs an end in the future');
  const known = work.node.notify.maintenance[name];
  // The calendar says it again after a restart; what somebody ended early stays ended.
  if (known && same(known.until, until)) return;
  const services = event.services.filter((one) => Object.hasOwn(work.node.services, one));
  const one: Maintenance = { name, services, since: work.at, until, by, comment };
  patch(work, { maintenance: { ...work.node.notify.maintenance, [name]: one } });
  const text = `${counted(services)}, by ${by}, for ${span(until - work.at)}${remark(comment)}`;
  say(work, 'maintained', `${name}: ${text}`);
  tell(work, null, null, {
    ...{ event: 'maintenance-started', key: `maintenance/${name}`, summary: text, action: 'no repair until then' },
  });
  for (const service of services) hold(work, service, one);
}

/** A pause ends a little after its maintenance, which ends it. */
const LATE_MS = 5000;

/** A service under work is left alone: paused, unless somebody paused it for longer. */
function hold(work: Work, service: string, { name, until, comment }: Maintenance): void {
  const pause = work.node.services[service]?.pause;
  if (pause && pause.until >= until) return;
  work.quietly = true;
  const by = `${HAND}${name}`;
  move(work, service, { kind: 'paused', at: work.at, service, until: until + LATE_MS, by, comment });
  work.quietly = false;
}

function maintenanceOver(work: Work, name: string, by: string): void {
  const one = Object.hasOwn(work.node.notify.maintenance, name) ? work.node.notify.maintenance[name] : undefined;
  if (!one || (one.services.length === 0 && one.until > work.at))
    return say(work, 'refused', `there is no maintenance ${name}`);
  const early = one.until > work.at;
  const others = without(work.node.notify.maintenance, name);
  patch(work, {
    maintenance: early ? { ...others, [name]: { ...one, services: [], comment: `ended early by ${by}` } } : others,
  });
  const text = `ended by ${by}: ${counted(one.services)} to be looked at anew`;
  say(work, 'maintenance-over', `${name}: ${text}`);
  tell(work, null, null, {
    ...{ event: 'maintenance-ended', key: `maintenance/${name}`, summary: text, action: 'looking' },
  });
  for (const service of one.services) {
    if (work.node.services[service]?.pause?.by !== `${HAND}${name}`) continue;
    const other = workOn({ notify: work.node.notify, at: work.at }, service);
    work.quietly = true;
    move(work, service, { kind: 'resumed', at: work.at, service, by: `the end of maintenance ${name}` });
    work.quietly = false;
    if (other) hold(work, service, other);
  }
  nudgeAll(work, (s) => s.waitsFor === 'maintenance', `maintenance ${name} is over`);
}

/** Somebody resumed it by hand: the work on it is over for this one. */
export function leaveMaintenance(work: Work, service: string): void {
  const { maintenance } = work.node.notify;
  const left = Object.entries(maintenance).map(([name, one]) => {
    const services = one.services.filter((other) => other !== service);
    return [name, services.length === one.services.length ? one : { ...one, services }] as const;
  });
  if (left.some(([name, one]) => one !== maintenance[name])) patch(work, { maintenance: Object.fromEntries(left) });
}

// ----------------------------------------------------------------------------------------------------------- the time

function quiet(work: Work, name: string, until: number): void {
  if (same(work.node.notify.quiet[name], until)) return;
  patch(work, { quiet: { ...work.node.notify.quiet, [name]: until } });
  say(work, 'quiet', `${name}: quiet hours for ${span(until - work.at)}`);
}

/** Something is due: what has an end that has come ends. */
function rang(work: Work): void {
  const { silences, maintenance, quiet: hours } = work.node.notify;
  const over = ([, one]: readonly [string, { readonly until: number }]): boolean => one.until <= work.at;
  for (const [id] of Object.entries(silences).filter(over)) unsilenced(work, id, 'its time');
  for (const [name] of Object.entries(maintenance).filter(over)) maintenanceOver(work, name, 'its time');
  const open = Object.entries(hours).filter(([, until]) => until > work.at);
  if (open.length < Object.keys(hours).length) patch(work, { quiet: Object.fromEntries(open) });
}

function heartbeat(work: Work): void {
  const alarms = Object.values(work.node.alarms);
  const worst = highest(alarms.map((alarm) => alarm.severity));
  const summary =
    alarms.length === 0 ? 'no alarm is active' : `active alarms: ${alarms.length}, the highest is ${worst}`;
  tell(work, null, null, { event: 'heartbeat', summary, action: 'none' });
}
