// One alert to several receivers that know nothing of each other. Each gets every alert, in the order in which they are
// offered, and not again what it has taken. Who does not answer is left behind with a list of its own, on the disk
// before the alert counts as sent, and catches up by itself: it holds up nobody. With one receiver there is no list:
// the outbox keeps what it does not take.
import type { Alert, Ports, SendResult } from '../define.ts';
import type { Store } from '../ports/store.ts';

export interface Receiver<T> {
  /** As people know it: address and port. */
  readonly name: string;
  /** null: it has it. Otherwise why not; never throws. */
  deliver(item: T, signal: AbortSignal): Promise<string | null>;
}

export interface FanOptions {
  readonly clock: Ports['clock'];
  /** Where the lists are kept, and under which name. */
  readonly store: Store;
  readonly file: string;
  /** A receiver is behind, or none is any more. */
  readonly onTrouble: (text: string | null) => void;
}

export interface FanOut<T> {
  /** `sent` when one has it and the others have it on their lists; with `all`, when every one has it, and no list. */
  offer(item: T, signal: AbortSignal, how?: { readonly all: boolean }): Promise<SendResult>;
  close(): void;
}

interface Kept {
  readonly alert: Alert;
}

interface Place<T> {
  readonly receiver: Receiver<T>;
  /** Alerts that it has, of those that are not yet sent as a whole. */
  readonly taken: Set<number>;
  /** On their way, one after the other, also after the one who offered them has gone. */
  readonly flights: Map<number, Promise<string | null>>;
  tail: Promise<unknown>;
  /** What it has still to get, oldest first. While there is any, nothing goes past it. */
  behind: T[];
  why: string | null;
  dropped: number;
}

/** One try, whatever its parts. Less than the 30 s that the outbox allows. */
const FLIGHT_MS = 25_000;
/** The others are given so long after the first that has it. */
const GRACE_MS = 2000;
const retryMs = (tries: number): number => Math.min(60_000, 1000 * 2 ** Math.min(tries, 6));
const BEHIND_MAX = 1000;
const KEEP_EVERY = 20;
const KEEP_MS = 3000;

/** At most so many: first what happened once goes, then what a newer one of the same key makes old, then the oldest. */
export function bounded<T extends Kept>(items: readonly T[], max = BEHIND_MAX): T[] {
  const kept = [...items];
  while (kept.length > max) {
    const once = kept.findIndex(({ alert }) => alert.notice.kind === 'once');
    const older = (): number =>
      kept.findIndex(({ alert }, at) => kept.slice(at + 1).some((next) => next.alert.notice.key === alert.notice.key));
    kept.splice(once >= 0 ? once : Math.max(0, older()), 1);
  }
  return kept;
}

function readLists<T extends Kept>(store: Store, file: string): Readonly<Record<string, T[]>> {
  try {
    const lists = JSON.parse(store.read(file)?.toString('utf8') ?? '{}') as Record<string, T[]>;
    const isItem = (item: Kept | null): boolean => Number.isSafeInteger(item?.alert?.id);
    if (Object.values(lists).every((list) => Array.isArray(list) && list.every(isItem))) return lists;
    throw new Error('no lists of alerts');
  } catch {
    // Torn by a broken disk: what was on it is lost, and set aside for whoever wants to look.
    store.rename(file, `${file}.damaged`);
    return {};
  }
}

interface Fan<T> extends FanOptions {
  readonly places: readonly Place<T>[];
  readonly stop: AbortSignal;
  /** Why what waits is not on the disk. */
  notKept: string | null;
  /** The write that is under way, and whether the lists have changed since it began. */
  writing: Promise<void> | null;
  changed: boolean;
}

function tell<T>({ places, notKept, onTrouble }: Fan<T>): void {
  const late = places.filter(({ behind, why }) => behind.length > 0 && why !== null);
  const told = late.map(({ receiver, why, behind, dropped }) => {
    const lost = dropped > 0 ? `, ${dropped} dropped` : '';
    return `${receiver.name}: ${why} (${behind.length} alerts wait for it${lost}; others have them)`;
  });
  const disk = late.length > 0 && notKept !== null ? [`what waits is not on the disk: ${notKept}`] : [];
  onTrouble(told.length > 0 ? [...told, ...disk].join('; ') : null);
}

async function write<T>(fan: Fan<T>): Promise<void> {
  const { places, store, file } = fan;
  while (fan.changed) {
    fan.changed = false;
    const lists = places.filter(({ behind }) => behind.length > 0).map((one) => [one.receiver.name, one.behind]);
    try {
      if (lists.length > 0) await store.replace(file, JSON.stringify(Object.fromEntries(lists)));
      else store.remove(file);
      fan.notKept = null;
    } catch (error) {
      fan.notKept = (error as Error).message;
    }
  }
}

/** One write at a time. A disk that is full or stands still must not keep the others waiting: then memory has to do. */
async function keep<T>(fan: Fan<T>): Promise<void> {
  const stuck = fan.writing !== null && fan.notKept !== null;
  fan.changed = true;
  fan.writing ??= write(fan).finally(() => {
    fan.writing = null;
  });
  if (stuck) return;
  const enough = new AbortController();
  const late = fan.clock.sleep(KEEP_MS, enough.signal).then(
    () => {
      fan.notKept = 'the disk does not answer';
    },
    () => undefined,
  );
  await Promise.race([fan.writing, late]);
  enough.abort();
}

async function fly<T extends Kept>({ clock, stop }: Fan<T>, place: Place<T>, item: T): Promise<string | null> {
  const { id } = item.alert;
  const limit = new AbortController();
  const cancel = clock.after(FLIGHT_MS, () => limit.abort());
  const why = await place.receiver.deliver(item, AbortSignal.any([stop, limit.signal]));
  cancel();
  place.flights.delete(id);
  place.why = why;
  if (why === null) place.taken.add(id);
  return why;
}

function attempt<T extends Kept>(fan: Fan<T>, place: Place<T>, item: T): Promise<string | null> {
  const { id } = item.alert;
  if (place.taken.has(id)) return Promise.resolve(null);
  const under = place.flights.get(id);
  if (under) return under;
  const answer = place.tail.then(() => fly(fan, place, item));
  place.tail = answer;
  place.flights.set(id, answer);
  return answer;
}

async function catchUp<T extends Kept>(fan: Fan<T>, place: Place<T>): Promise<void> {
  for (let tries = 0, next = place.behind[0]; next && !fan.stop.aborted; next = place.behind[0]) {
    if ((await attempt(fan, place, next)) !== null) {
      tries += 1;
      if (tries === 1) tell(fan);
      await fan.clock.sleep(retryMs(tries), fan.stop).catch(() => undefined);
      continue;
    }
    tries = 0;
    place.taken.delete(next.alert.id);
    place.behind = place.behind.filter((one) => one !== next);
    // Not at each: what is told twice after a crash has the same event id.
    if (place.behind.length % KEEP_EVERY === 0) await keep(fan);
    if (place.behind.length > 0) continue;
    place.dropped = 0;
    tell(fan);
  }
}

async function leaveBehind<T extends Kept>(fan: Fan<T>, late: readonly Place<T>[], item: T): Promise<void> {
  const idle = late.filter(({ behind }) => behind.length === 0);
  for (const place of late) {
    if (place.behind.some(({ alert }) => alert.id === item.alert.id)) continue;
    const all = [...place.behind, item];
    place.behind = bounded(all);
    place.dropped += all.length - place.behind.length;
  }
  await keep(fan);
  for (const place of idle) void catchUp(fan, place);
}

const gone = (signal: AbortSignal): Promise<'gone'> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve('gone'), { once: true }));
const LATE: SendResult = { retry: 'it did not answer in time' };
const refusal = (places: readonly Place<unknown>[]): SendResult => ({
  retry: places.map(({ receiver, why }) => `${receiver.name}: ${why ?? 'it is behind'}`).join('; '),
});

async function offer<T extends Kept>(fan: Fan<T>, item: T, signal: AbortSignal): Promise<SendResult> {
  const { places, clock } = fan;
  const { id } = item.alert;
  const asked = places.filter(({ behind }) => behind.length === 0);
  const answers = asked.map((place) => attempt(fan, place, item));
  const taken = answers.map(async (answer) => {
    if ((await answer) !== null) throw new Error('not this one');
  });
  const any = Promise.any(taken).then(
    () => true,
    () => false,
  );
  const over = gone(signal);
  const some = await Promise.race([over, any]);
  if (some === 'gone') return LATE;
  if (!some) return refusal(places);
  const enough = new AbortController();
  await Promise.race([over, Promise.all(answers), clock.sleep(GRACE_MS, enough.signal).catch(() => undefined)]);
  enough.abort();
  const late = places.filter((place) => !place.taken.has(id));
  for (const place of places) if (!late.includes(place)) place.taken.delete(id);
  if (late.length > 0) await leaveBehind(fan, late, item);
  return 'sent';
}

/** For a test by hand: who does not take it is said, and gets it no more. */
async function offerAll<T extends Kept>(fan: Fan<T>, item: T, signal: AbortSignal): Promise<SendResult> {
  const answers = fan.places.map((place) => attempt(fan, place, item));
  const some = await Promise.race([gone(signal), Promise.all(answers)]);
  if (some === 'gone') return LATE;
  for (const place of fan.places) place.taken.delete(item.alert.id);
  const without = fan.places.filter((_place, at) => some[at] !== null);
  return without.length > 0 ? refusal(without) : 'sent';
}

export function fanOut<T extends Kept>(receivers: readonly Receiver<T>[], options: FanOptions): FanOut<T> {
  const stop = new AbortController();
  // Also with one receiver: it may have been one of several before.
  const lists = readLists<T>(options.store, options.file);
  const places = receivers.map((receiver): Place<T> => {
    const behind = lists[receiver.name] ?? [];
    const none = {
      taken: new Set<number>(),
      flights: new Map<number, Promise<string | null>>(),
      tail: Promise.resolve(),
    };
    return { receiver, ...none, behind, why: null, dropped: 0 };
  });
  const fan: Fan<T> = { ...options, places, stop: stop.signal, notKept: null, writing: null, changed: false };
  for (const place of places) if (place.behind.length > 0) void catchUp(fan, place);
  return {
    offer: (item, signal, how) => (how?.all ? offerAll(fan, item, signal) : offer(fan, item, signal)),
    close: () => stop.abort(),
  };
}
