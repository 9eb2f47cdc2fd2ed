// One alert to several receivers that know nothing of each other. Each gets every alert, in order, and not again what
// it has taken. Who does not answer is left behind with a list of its own, on the disk before the alert counts as sent,
// and catches up by itself: it holds up nobody. With one receiver there is no list: the outbox keeps what it does not
// take.
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
  offer(item: T, signal: AbortSignal): Promise<SendResult>;
  close(): void;
}

interface Kept {
  readonly alert: Alert;
}

interface Place<T> {
  readonly receiver: Receiver<T>;
  /** The newest alert that it has. */
  taken: number;
  /** On its way, also after the one who offered it has gone. */
  flight: { readonly id: number; readonly answer: Promise<string | null> } | null;
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

function readLists<T>(store: Store, file: string): Readonly<Record<string, T[]>> {
  try {
    return JSON.parse(store.read(file)?.toString('utf8') ?? '{}') as Record<string, T[]>;
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

/** A disk that does not take it must not keep the others waiting: then memory has to do. */
async function keep<T>(fan: Fan<T>): Promise<void> {
  const { places, store, file } = fan;
  const lists = places.filter(({ behind }) => behind.length > 0).map((one) => [one.receiver.name, one.behind]);
  try {
    if (lists.length > 0) await store.replace(file, JSON.stringify(Object.fromEntries(lists)));
    else store.remove(file);
    fan.notKept = null;
  } catch (error) {
    fan.notKept = (error as Error).message;
  }
}

function attempt<T extends Kept>({ clock, stop }: Fan<T>, place: Place<T>, item: T): Promise<string | null> {
  const { id } = item.alert;
  if (place.taken >= id) return Promise.resolve(null);
  if (place.flight?.id === id) return place.flight.answer;
  const limit = new AbortController();
  const cancel = clock.after(FLIGHT_MS, () => limit.abort());
  const answer = place.receiver.deliver(item, AbortSignal.any([stop, limit.signal])).then((why) => {
    cancel();
    place.flight = null;
    place.why = why;
    if (why === null) place.taken = id;
    return why;
  });
  place.flight = { id, answer };
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
    if ((place.behind.at(-1)?.alert.id ?? 0) >= item.alert.id) continue;
    const all = [...place.behind, item];
    place.behind = bounded(all);
    place.dropped += all.length - place.behind.length;
  }
  await keep(fan);
  for (const place of idle) void catchUp(fan, place);
}

async function offer<T extends Kept>(fan: Fan<T>, item: T, signal: AbortSignal): Promise<SendResult> {
  const { places, clock } = fan;
  const gone = new Promise<'gone'>((resolve) =>
    signal.addEventListener('abort', () => resolve('gone'), { once: true }),
  );
  const asked = places.filter(({ behind }) => behind.length === 0);
  const answers = asked.map((place) => attempt(fan, place, item));
  const taken = answers.map(async (answer) => {
    if ((await answer) !== null) throw new Error('not this one');
  });
  const any = Promise.any(taken).then(
    () => true,
    () => false,
  );
  const some = await Promise.race([gone, any]);
  if (some === 'gone') return { retry: 'it did not answer in time' };
  if (!some) return { retry: places.map(({ receiver, why }) => `${receiver.name}: ${why ?? 'behind'}`).join('; ') };
  const enough = new AbortController();
  await Promise.race([gone, Promise.all(answers), clock.sleep(GRACE_MS, enough.signal).catch(() => undefined)]);
  enough.abort();
  const late = places.filter((place) => place.taken < item.alert.id);
  if (late.length > 0) await leaveBehind(fan, late, item);
  return 'sent';
}

export function fanOut<T extends Kept>(receivers: readonly Receiver<T>[], options: FanOptions): FanOut<T> {
  const stop = new AbortController();
  const lists = receivers.length === 1 ? {} : readLists<T>(options.store, options.file);
  const places = receivers.map((receiver): Place<T> => {
    const behind = lists[receiver.name] ?? [];
    return { receiver, taken: (behind[0]?.alert.id ?? 0) - 1, flight: null, behind, why: null, dropped: 0 };
  });
  const fan: Fan<T> = { ...options, places, stop: stop.signal, notKept: null };
  for (const place of places) if (place.behind.length > 0) void catchUp(fan, place);
  return { offer: (item, signal) => offer(fan, item, signal), close: () => stop.abort() };
}
