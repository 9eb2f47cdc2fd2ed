// Who owns a group, as one node knows it: a compared write as renewal, silence measured by whoever looks on, and
// arithmetic that counts from the sending of the last good write. Pure: `at` is this node's monotonic clock, and only
// its rate matters. One machine a group; its answers are performed at once and not journalled: a right that is
// remembered is no right. docs/decisions/014.
import type { OwnerRecord, Timing } from './group-types.ts';
import type { Hold, OwnEffect, OwnEvent, Ownership, OwnMove, Seen, Writing } from './own-events.ts';

export type { OwnEffect, OwnEvent, Ownership, OwnMove, Seen } from './own-events.ts';

const SENT_MAX = 64;

export const newOwnership = (node: string, instance: string, boot: string, at: number): Ownership => ({
  ...{ node, instance, boot, startedAt: at, seen: null, promisedUntil: Number.NEGATIVE_INFINITY, hold: null },
  ...{
    writing: null,
    before: null,
    sent: [],
    writes: 0,
    data: null,
    failed: [],
    asking: false,
    askAt: 0,
    vacant: -1,
    told: null,
  },
});

/** Until when nobody else may begin, on our clock. */
export const untilOf = (timing: Timing, { hold }: Ownership): number =>
  hold ? Math.max(hold.goodAt, hold.promisedAt) + timing.silenceMs : Number.NEGATIVE_INFINITY;

const deadlineOf = (timing: Timing, o: Ownership): number => untilOf(timing, o) - timing.marginMs;

/** When something is due by itself. */
export function nextAt(timing: Timing, o: Ownership): number {
  if (o.hold) {
    const renew = o.writing ? Number.POSITIVE_INFINITY : lastSent(o) + timing.renewMs;
    const ask = o.asking ? Number.POSITIVE_INFINITY : Math.max(o.hold.goodAt + timing.failsafeMs, o.askAt);
    return Math.min(renew, ask, deadlineOf(timing, o));
  }
  return o.seen && o.vacant !== o.seen.order && !o.writing ? vacantAt(timing, o) : Number.POSITIVE_INFINITY;
}

const lastSent = (o: Ownership): number => o.sent.at(-1)?.at ?? Number.NEGATIVE_INFINITY;

/** Our own right of a life before, under this very kernel. */
const isOwn = ({ seen, node, boot }: Ownership): boolean =>
  seen?.record?.state === 'held' && seen.record.node === node && seen.record.boot === boot;

/** Taken over from somebody, and never in service since. */
const isUnused = ({ seen }: Ownership): boolean =>
  seen?.record?.taken === 'failover' && seen.record.data?.epoch !== seen.record.epoch;

/** Two configurations that differ: the longer silence counts, for the owner trusts in its own. */
const patient = (timing: Timing, record: OwnerRecord | null): Timing =>
  (record?.silenceMs ?? 0) > timing.silenceMs ? { ...timing, silenceMs: record?.silenceMs ?? 0 } : timing;

/** From when on the group may be taken by this node. */
function vacantAt(given: Timing, o: Ownership): number {
  if (o.hold || !o.seen) return Number.POSITIVE_INFINITY;
  const { record, at } = o.seen;
  const timing = patient(given, record);
  // Handed over: nobody else can hold anything by it.
  if (record?.state === 'released' && (record.to === null || record.to === o.node)) return at;
  // Our own of a life before under this very kernel. Or a try of ours that was given up as unanswered and came to be
  // written late, after we promised its owner to leave it to him: the promise stands. What a life before promised is
  // not known: what it took over and never used is not taken up at once.
  if (isOwn(o) && (!isUnused(o) || ours(o, o.seen.record))) return Math.max(at, o.promisedUntil);
  // A record that is gone says nothing about whoever held it: it may not have heard of it yet.
  return Math.max(at, o.startedAt, o.promisedUntil - timing.silenceMs) + timing.silenceMs;
}

export function own(timing: Timing, o: Ownership, event: OwnEvent): OwnMove {
  const [next, effects] = decideOwn(timing, o, event);
  // Whatever came: what is due by its time is done in the same move, so that no late event hides an end.
  if (event.kind === 'tick') return [next, effects];
  const [last, more] = tick(timing, next, event.at);
  return [last, [...effects, ...more]];
}

function decideOwn(timing: Timing, o: Ownership, event: OwnEvent): OwnMove {
  switch (event.kind) {
    case 'seen':
      return saw(timing, o, event.order, event.record, event.at);
    case 'take':
      return take(timing, o, event);
    case 'written':
      return written(timing, o, event.write, event.revision, event.at);
    case 'refused':
      return refused(timing, o, event);
    case 'unanswered':
      return unanswered(timing, o, event);
    case 'release':
      return release(timing, o, event);
    case 'active':
      return o.hold ? [{ ...o, data: { epoch: o.hold.epoch, node: o.node }, failed: [] }, []] : [o, []];
    case 'promised':
      return promised(timing, o, event);
    case 'promise-asked':
      return askedFor(timing, o, event);
    case 'tick':
      return tick(timing, o, event.at);
  }
}

// ------------------------------------------------------------------------------------------------------ what is seen

const epochOf = (order: number, record: OwnerRecord): number => (record.epoch === 0 ? order : record.epoch);

const ours = (o: Ownership, record: OwnerRecord | null): boolean =>
  record !== null && record.node === o.node && record.instance === o.instance;

function saw(timing: Timing, o: Ownership, order: number, record: OwnerRecord | null, at: number): OwnMove {
  if (o.seen && order <= o.seen.order) return [o, []];
  // Found on record before its answer came, or in its place.
  if (record && ours(o, record) && record.write === o.writing?.record.write)
    return written(timing, o, record.write, order, at);
  // Looked at again and still not there: since when it is not there does not change.
  const since = !record && o.seen && !o.seen.record ? o.seen.at : at;
  const seen: Seen = { order, record: record && { ...record, epoch: epochOf(order, record) }, at: since };
  const next = { ...o, seen };
  if (o.hold && order > o.hold.revision && !(record && ours(o, record))) return passed(next) ?? lose(next, 'taken');
  return tellOwner(next);
}

/** Everything was taken back and the release was on its way when somebody else took it: it is released. */
function passed(o: Ownership): OwnMove | null {
  if (!o.hold || o.writing?.kind !== 'release' || o.writing.record.state !== 'released') return null;
  const { epoch } = o.hold;
  const [next, told] = tellOwner({ ...o, hold: null, writing: null, asking: false });
  return [next, [{ kind: 'abandon' }, { kind: 'released', epoch }, ...told]];
}

/** Says who owns it when more changed than the renewal. */
function tellOwner(o: Ownership): OwnMove {
  const record = o.seen?.record ?? null;
  const told = record ? JSON.stringify({ ...record, write: 0 }) : '-';
  if (told === o.told && o.vacant < 0) return [o, []];
  return [{ ...o, told, vacant: -1 }, [{ kind: 'owner', record }]];
}

// -------------------------------------------------------------------------------------------------------- our writes

type More = Pick<OwnerRecord, 'state' | 'to' | 'failed' | 'taken' | 'epoch' | 'reason'>;

function write(timing: Timing, o: Ownership, kind: Writing['kind'], expect: number, at: number, more: More): OwnMove {
  const number = o.writes + 1;
  const { node, instance, boot, data } = o;
  const { silenceMs } = timing;
  // Last, because `more` may be a whole record of an earlier try: two tries under one number could not be told apart,
  // and the sending of the later would be believed of the earlier.
  const record: OwnerRecord = { ...more, schema: 1, node, instance, boot, write: number, data, silenceMs };
  const sent = [...o.sent, { write: number, at }].slice(-SENT_MAX);
  const writing = { kind, record, expect, sentAt: at };
  return [{ ...o, writes: number, sent, writing }, [{ kind: 'write', record, expect }]];
}

function take(timing: Timing, o: Ownership, event: Extract<OwnEvent, { kind: 'take' }>): OwnMove {
  if (o.hold || o.writing || !o.seen || event.at < vacantAt(timing, o)) return [o, [{ kind: 'beaten' }]];
  const { record, order } = o.seen;
  const taken = takenFrom(o.node, record);
  const data = record?.data ?? null;
  const failed = event.failed;
  const expect = record === null ? 0 : order;
  // A take of ours that came too late to be used: whose right it was before has not changed.
  const before = record && ours(o, record) && o.before ? o.before : record;
  return write(timing, { ...o, data, failed, before }, 'take', expect, event.at, {
    epoch: 0,
    taken,
    state: 'held',
    to: null,
    failed,
  });
}

function takenFrom(node: string, record: OwnerRecord | null): OwnerRecord['taken'] {
  if (record === null) return 'first';
  if (record.state === 'held' && record.node === node)
    // Taken, and never in service here: it is still what it was, and whoever had it may not be gone.
    return record.data?.node === node ? 'resumed' : record.taken;
  return record.state === 'released' && record.reason !== 'failover' ? 'planned' : 'failover';
}

function renew(timing: Timing, o: Ownership, hold: Hold, at: number): OwnMove {
  const { taken = 'first' } = o.seen?.record ?? {};
  const { failed } = o;
  const more = { epoch: hold.epoch, taken, state: 'held', to: null, failed } as const;
  return write(timing, o, 'renew', hold.revision, at, more);
}

function release(timing: Timing, o: Ownership, event: Extract<OwnEvent, { kind: 'release' }>): OwnMove {
  if (!o.hold) return [o, []];
  const { state, to, failed, reason, at } = event;
  const { taken = 'first' } = o.seen?.record ?? {};
  const more = { epoch: o.hold.epoch, taken, state, to, failed, reason };
  const [next, effects] = write(timing, o, 'release', o.hold.revision, at, more);
  return [next, o.writing ? [{ kind: 'abandon' }, ...effects] : effects];
}

/** A write of ours is on record: by its answer, or because it was found there. */
function written(timing: Timing, o: Ownership, number: number, revision: number, at: number): OwnMove {
  const { writing } = o;
  if (!writing || writing.record.write !== number) return [o, []];
  const { kind, record, sentAt } = writing;
  const epoch = record.epoch === 0 ? revision : record.epoch;
  const seen: Seen =
    o.seen && o.seen.order >= revision ? o.seen : { order: revision, record: { ...record, epoch }, at };
  const free = { ...o, writing: null, seen };
  if (kind === 'release') {
    const [told, effects] = tellOwner({ ...free, hold: null, asking: false });
    return [told, [{ kind: 'released', epoch }, ...effects]];
  }
  const promisedAt = o.hold?.promisedAt ?? Number.NEGATIVE_INFINITY;
  const hold: Hold = { epoch, revision, goodAt: sentAt, promisedAt };
  // It came so late that others may already believe us silent: the right is on record, and not to be used.
  if (at >= sentAt + timing.silenceMs - timing.marginMs && kind === 'take') {
    const [told, effects] = tellOwner(free);
    return [told, [...effects, { kind: 'beaten' }]];
  }
  const held = { ...free, hold };
  if (kind === 'renew') {
    const [told, effects] = tellOwner(held);
    return [told, [{ kind: 'renewed' }, ...effects]];
  }
  // Before our own write was seen: whose right it was.
  const { before } = o;
  const [told, effects] = tellOwner({ ...held, before: null });
  return [told, [{ kind: 'took', epoch, taken: record.taken, before }, ...effects, { kind: 'renewed' }]];
}

function refused(timing: Timing, o: Ownership, event: Extract<OwnEvent, { kind: 'refused' }>): OwnMove {
  const { writing } = o;
  if (!writing || writing.record.write !== event.write) return [o, []];
  const { current, at } = event;
  if (current && ours(o, current.record)) {
    if (current.record.write === event.write) return written(timing, o, event.write, current.revision, at);
    // An earlier try of ours, whose answer was lost, stands there: it counts from its own sending, and we go on on it.
    const sent = o.sent.find((one) => one.write === current.record.write);
    if (sent && writing.kind === 'release' && current.record.state !== 'held')
      return written(timing, o, event.write, current.revision, at);
    if (o.hold && sent) {
      const hold = { ...o.hold, revision: current.revision, goodAt: Math.max(o.hold.goodAt, sent.at) };
      const { kind, record } = writing;
      return write(timing, { ...o, hold, writing: null }, kind, current.revision, at, record);
    }
  }
  const gone = current && !ours(o, current.record) ? passed(o) : null;
  if (gone) {
    const [next, effects] = saw(timing, gone[0], current?.revision ?? 0, current?.record ?? null, at);
    return [next, [...gone[1], ...effects]];
  }
  const free = { ...o, writing: null };
  const [next, effects] = current
    ? saw(timing, { ...free, hold: null }, current.revision, current.record, at)
    : ([{ ...free, hold: null }, []] as const);
  if (o.hold) return [{ ...next, asking: false }, [{ kind: 'lost', epoch: o.hold.epoch, reason: 'taken' }, ...effects]];
  return [next, [...effects, { kind: 'beaten' }]];
}

/** Nobody said whether it was written. What holds is asked again, as a new write on the same revision. */
function unanswered(timing: Timing, o: Ownership, event: Extract<OwnEvent, { kind: 'unanswered' }>): OwnMove {
  const { writing, hold } = o;
  if (!writing || writing.record.write !== event.write) return [o, []];
  const free = { ...o, writing: null };
  if (writing.kind === 'take' || !hold) return [free, [{ kind: 'beaten' }]];
  const { kind, record } = writing;
  return write(timing, free, kind, hold.revision, event.at, record);
}

// ------------------------------------------------------------------------------------------------------ time and end

function lose(o: Ownership, reason: 'silence' | 'taken'): OwnMove {
  if (!o.hold) return [o, []];
  const { epoch } = o.hold;
  const effects: OwnEffect[] = o.writing ? [{ kind: 'abandon' }] : [];
  const [next, told] = tellOwner({ ...o, hold: null, writing: null, asking: false });
  return [next, [{ kind: 'lost', epoch, reason }, ...effects, ...told]];
}

function tick(timing: Timing, o: Ownership, at: number): OwnMove {
  if (!o.hold) {
    if (!o.seen || o.vacant === o.seen.order || o.writing || at < vacantAt(timing, o)) return [o, []];
    return [
      { ...o, vacant: o.seen.order },
      [{ kind: 'vacant', silentMs: Math.round(at - o.seen.at), ...(isOwn(o) && !isUnused(o) ? { own: true } : {}) }],
    ];
  }
  if (at >= deadlineOf(timing, o)) return lose(o, 'silence');
  let next = o;
  const effects: OwnEffect[] = [];
  if (!o.writing && at >= lastSent(o) + timing.renewMs) {
    const [renewed, more] = renew(timing, o, o.hold, at);
    next = renewed;
    effects.push(...more);
  }
  if (!o.asking && at >= Math.max(o.hold.goodAt + timing.failsafeMs, o.askAt)) {
    next = { ...next, asking: true };
    effects.push({ kind: 'ask', epoch: o.hold.epoch });
  }
  return [next, effects];
}

// ---------------------------------------------------------------------------------------------------------- failsafe

function promised(timing: Timing, o: Ownership, event: Extract<OwnEvent, { kind: 'promised' }>): OwnMove {
  if (!o.hold || !o.asking) return [o, []];
  const next = { ...o, asking: false, askAt: event.at + timing.renewMs };
  const { sentAt } = event;
  if (sentAt === null || sentAt <= o.hold.promisedAt) return [next, []];
  return [{ ...next, hold: { ...o.hold, promisedAt: sentAt } }, [{ kind: 'renewed' }]];
}

/** The owner cannot reach the coordinator, and asks to stay. Who agrees takes nothing for T from now on. */
function askedFor(given: Timing, o: Ownership, event: Extract<OwnEvent, { kind: 'promise-asked' }>): OwnMove {
  const { from, epoch, at } = event;
  const answer = (agreed: boolean, why: string): OwnEffect => ({ kind: 'answer', to: from, agreed, why });
  const record = o.seen?.record;
  if (o.hold) return [o, [answer(false, 'it is active here')]];
  if (o.writing?.kind === 'take') return [o, [answer(false, 'it is being taken here')]];
  if (!record) return [o, [answer(false, 'the owner is not known here')]];
  if (record.node !== from || record.epoch !== epoch || record.state !== 'held')
    return [o, [answer(false, `${record.node} owns it under ${record.epoch}`)]];
  const timing = patient(given, record);
  const [next, effects] = tellOwner({ ...o, promisedUntil: at + timing.silenceMs });
  return [next, [answer(true, ''), ...effects]];
}
