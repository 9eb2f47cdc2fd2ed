// Who is told of what a decision says: each channel hears of an alarm once, of its end if it heard of the alarm, and
// again when nobody takes it on. What was told is part of the state, so that a crash, a silence or a quiet night
// forgets nothing. Pure.
import { raiseOf } from './alarms.ts';
import { heldBy, routesFor, type Target, type View, whereTo } from './route.ts';
import type { NotifyState, Route, ToldAlarm } from './telling.ts';
import type { Alarm, Decision, Effect, Event, NodeState, Notice, Policy } from './types.ts';

export const nothingTold: NotifyState = { told: {}, silences: {}, maintenance: {}, quiet: {}, ringAt: null };

type Out = Extract<Effect, { kind: 'notice' }>;

interface Telling extends View {
  readonly policy: Policy;
  /** A copy of this decision's own. */
  readonly told: Record<string, ToldAlarm>;
  readonly out: Out[];
}

/** After these all that had to wait is looked at anew; after the end of an alarm what was held back. */
const OPENS: ReadonlySet<Event['kind']> = new Set(['rang', 'unsilenced', 'configured', 'booted', 'maintenance-over']);

/** Gives each notice of a decision its channels, and adds what is due. An event that says nothing and changes nothing
 *  leaves the very same decision. */
export function tellAll(policy: Policy, before: NodeState, decision: Decision, event: Event): Decision {
  const [node, effects, whys] = decision;
  if (!policy.routing) return decision;
  const notices = effects.filter((effect) => effect.kind === 'notice');
  const opens = OPENS.has(event.kind);
  const ends = notices.some(({ notice }) => notice.kind === 'clear');
  const retold = event.kind === 'retell' ? event.channels : null;
  if (notices.length === 0 && !opens && !retold && node.notify === before.notify) return decision;
  const { alarms, services, notify } = node;
  const told = { ...notify.told };
  const t: Telling = { policy, routing: policy.routing, alarms, services, notify, told, at: event.at, out: [] };
  for (const { notice } of notices) say(t, notice);
  if ((event.kind === 'booted' && !event.fresh) || retold) again(t, notices, retold);
  const seen = opens ? Object.keys(alarms) : [...raised(notices), ...(ends ? waiting(t) : [])];
  if (opens || ends) freed(t, seen);
  if (event.kind === 'rang') {
    remind(t);
    escalate(t);
  }
  const ringAt = nextRing(t, seen, opens ? null : notify.ringAt);
  const others = effects.filter((effect) => effect.kind !== 'notice');
  const ring: readonly Effect[] =
    ringAt !== null && (ringAt !== before.notify.ringAt || event.kind === 'booted')
      ? [{ kind: 'ring', at: ringAt }]
      : [];
  return [{ ...node, notify: { ...notify, told, ringAt } }, [...others, ...t.out, ...ring], whys];
}

const raised = (notices: readonly Out[]): readonly string[] =>
  notices.filter(({ notice }) => notice.kind === 'raise').map(({ notice }) => notice.key);

const send = (t: Telling, notice: Notice, to: readonly string[], why?: Out['again']): void =>
  void t.out.push({ kind: 'notice', notice, to, ...(why ? { again: why } : {}) });

const free = (targets: readonly Target[]): readonly string[] =>
  targets.filter(({ held }) => held === null).map(({ channel }) => channel);

const heldOf = (targets: readonly Target[]): ToldAlarm['held'] =>
  Object.fromEntries(targets.flatMap(({ channel, held }) => (held === null ? [] : [[channel, held]])));

const stamped = (channels: readonly string[], at: number): ToldAlarm['to'] =>
  Object.fromEntries(channels.map((channel) => [channel, at]));

/** A notice that the decision made: new, or an end. */
function say(t: Telling, notice: Notice): void {
  const known = t.told[notice.key];
  if (notice.kind === 'clear') {
    // Who heard of it hears of its end, whatever is silenced. Who did not hear of it has nothing to forget.
    send(t, notice, known ? Object.keys(known.to) : free(whereTo(t, notice)));
    delete t.told[notice.key];
    return;
  }
  if (notice.kind === 'once') {
    const heard = notice.event === 'alarm-acknowledged' ? known : undefined;
    send(t, notice, heard ? Object.keys(heard.to) : free(whereTo(t, notice)));
    return;
  }
  const targets = whereTo(t, notice);
  const to = free(targets);
  send(t, notice, to);
  t.told[notice.key] = { to: stamped(to, t.at), held: heldOf(targets), reminders: 0, steps: 0, ack: null };
}

/** The raise of an alarm as it would be told now. */
const noticeOf = (t: Telling, alarm: Alarm, more = 0): Notice => {
  const notice = raiseOf(alarm, t.policy);
  return { ...notice, at: t.at, count: notice.count + more };
};

/** Whoever may have lost what it heard hears it again: all of them, or these. A record loses nothing. */
function again(t: Telling, notices: readonly Out[], only: readonly string[] | null): void {
  const fresh = new Set(raised(notices));
  for (const alarm of Object.values(t.alarms)) {
    const known = t.told[alarm.key];
    if (!known || fresh.has(alarm.key)) continue;
    const targets = whereTo(t, noticeOf(t, alarm)).filter(({ channel }) => Object.hasOwn(known.to, channel));
    const lossy = ({ route, channel }: Target): boolean => !route.record && (only?.includes(channel) ?? true);
    const to = free(targets.filter(lossy));
    if (to.length === 0) continue;
    send(t, noticeOf(t, alarm, known.reminders), to, 'restart');
    t.told[alarm.key] = { ...known, to: { ...known.to, ...stamped(to, t.at) } };
  }
}

/** Alarms that somebody should hear of and has not. */
const waiting = ({ told, alarms }: Telling): readonly string[] =>
  Object.keys(told).filter((key) => key in alarms && Object.keys(told[key]?.held ?? {}).length > 0);

/** What had to wait and need not any more. */
function freed(t: Telling, keys: readonly string[]): void {
  for (const alarm of keys.flatMap((key) => t.alarms[key] ?? [])) {
    const known = t.told[alarm.key] ?? { to: {}, held: {}, reminders: 0, steps: 0, ack: null };
    const targets = whereTo(t, noticeOf(t, alarm)).filter(({ channel }) => !Object.hasOwn(known.to, channel));
    const to = free(targets);
    if (to.length > 0) send(t, noticeOf(t, alarm), to, 'held');
    if (to.length === 0 && sameKeys(known.held, heldOf(targets)) && t.told[alarm.key]) continue;
    t.told[alarm.key] = { ...known, to: { ...known.to, ...stamped(to, t.at) }, held: heldOf(targets) };
  }
}

const sameKeys = (one: object, other: object): boolean => JSON.stringify(one) === JSON.stringify(other);

/** When a channel is due to hear of an alarm again; null: never, or not while it is held back. */
const remindAt = (known: ToldAlarm, { channel, route, held }: Target): number | null => {
  const last = known.to[channel];
  return last === undefined || held !== null || route.remindMs === null || known.ack ? null : last + route.remindMs;
};

function remind(t: Telling): void {
  for (const alarm of Object.values(t.alarms)) {
    const known = t.told[alarm.key];
    if (!known) continue;
    const due = whereTo(t, noticeOf(t, alarm)).filter((target) => (remindAt(known, target) ?? t.at + 1) <= t.at);
    if (due.length === 0) continue;
    const to = due.map(({ channel }) => channel);
    const reminders = known.reminders + 1;
    send(t, noticeOf(t, alarm, reminders), to, 'reminder');
    t.told[alarm.key] = { ...known, reminders, to: { ...known.to, ...stamped(to, t.at) } };
  }
}

interface Step {
  readonly route: Route;
  readonly at: number;
  readonly to: readonly string[];
}

/** The steps that are still to be taken for an alarm, in order. They call somebody, even on a record's route. */
function stepsOf(t: Telling, alarm: Alarm): readonly Step[] {
  const known = t.told[alarm.key];
  if (!known || known.ack) return [];
  return routesFor(t.routing, noticeOf(t, alarm))
    .flatMap((route) =>
      route.escalate.map(({ afterMs, to }) => ({
        route: { ...route, record: false },
        at: alarm.raisedAt + afterMs,
        to,
      })),
    )
    .sort((a, b) => a.at - b.at)
    .slice(known.steps);
}

function escalate(t: Telling): void {
  for (const alarm of Object.values(t.alarms)) {
    for (const step of stepsOf(t, alarm)) {
      const notice = noticeOf(t, alarm);
      const known = t.told[alarm.key];
      if (!known || step.at > t.at || heldBy(t, step.route, notice).held !== null) break;
      const to = step.to.filter((channel) => !Object.hasOwn(known.to, channel));
      if (to.length > 0) send(t, notice, to, 'escalation');
      t.told[alarm.key] = { ...known, steps: known.steps + 1, to: { ...known.to, ...stamped(to, t.at) } };
    }
  }
}

/** When something of this alarm is due. */
function dueOf(t: Telling, alarm: Alarm): readonly (number | null)[] {
  const known = t.told[alarm.key];
  if (!known) return [];
  const notice = noticeOf(t, alarm);
  const targets = whereTo(t, notice);
  const [step] = stepsOf(t, alarm);
  const wait = step && heldBy(t, step.route, notice);
  const stepAt = wait?.held ? wait.until : step?.at;
  return [
    ...targets.map((target) => target.until),
    ...targets.map((target) => remindAt(known, target)),
    stepAt ?? null,
  ];
}

/** The next moment at which something is due: of these alarms, of all that has an end, and what was known. */
function nextRing(t: Telling, keys: readonly string[], known: number | null = null): number | null {
  const { silences, maintenance, quiet } = t.notify;
  const ends = [...Object.values(silences), ...Object.values(maintenance)].map((one) => one.until);
  const alarms = keys.flatMap((key) => t.alarms[key] ?? []);
  const all = [known, ...ends, ...Object.values(quiet), ...alarms.flatMap((alarm) => dueOf(t, alarm))];
  const times = all.filter((time) => time !== null);
  return times.length > 0 ? Math.max(t.at + 1, Math.min(...times)) : null;
}
