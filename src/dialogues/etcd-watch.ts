// A watch on all members of etcd side by side: whoever knows a change first hands it on, once and in order. A member
// that hangs keeps its stream open in silence, so each is also asked how it is.
import type { CoordChange } from '../define.ts';
import type { Clock } from '../ports/clock.ts';
import { base64, EtcdFault, rangeEnd, statusAnswer, type WatchLine, watchLine } from './etcd.ts';
import type { Member } from './etcd-member.ts';

const ASK_MS = 500;
const ASK_LIMIT_MS = 1000;
const OPEN_AGAIN_MS = 200;
/** A stream that has not shown after so long what another one has is opened anew. */
const BEHIND_MS = 2000;
const SILENT_MS = 1500;

export interface WatchSpec {
  readonly prefix: string;
  /** Changes after this revision. */
  readonly after: number;
  readonly on: { change(change: CoordChange): void; lost(): void; silent(ms: number): void };
}

interface Shared {
  /** The newest revision handed on, and when. */
  last: number;
  lastMs: number;
  lifeMs: number;
  silent: boolean;
}

export function watchAll(members: readonly Member[], clock: Clock, spec: WatchSpec): { close(): void } {
  const over = new AbortController();
  const now = clock.monotonic();
  const shared: Shared = { last: spec.after, lastMs: now, lifeMs: now, silent: false };
  const alive = (): void => {
    shared.lifeMs = clock.monotonic();
    if (shared.silent && !over.signal.aborted) spec.on.silent(0);
    shared.silent = false;
  };
  const lost = (): void => {
    if (over.signal.aborted) return;
    over.abort();
    spec.on.lost();
  };
  /** All changes of one revision come in one line: those of an older line are known. */
  const take = ({ changes }: WatchLine): void => {
    const before = shared.last;
    for (const change of changes) {
      if (over.signal.aborted) return;
      if (change.revision <= before) continue;
      shared.last = change.revision;
      shared.lastMs = clock.monotonic();
      spec.on.change(change);
    }
  };
  for (const member of members) void follow(member, { clock, spec, shared, signal: over.signal, alive, lost, take });
  void tellSilence(clock, spec, shared, over.signal);
  return { close: () => over.abort() };
}

async function tellSilence(clock: Clock, spec: WatchSpec, shared: Shared, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(ASK_MS, signal).catch(() => undefined);
    const ms = clock.monotonic() - shared.lifeMs;
    if (signal.aborted || ms < SILENT_MS) continue;
    shared.silent = true;
    spec.on.silent(ms);
  }
}

interface Following {
  readonly clock: Clock;
  readonly spec: WatchSpec;
  readonly shared: Shared;
  readonly signal: AbortSignal;
  alive(): void;
  lost(): void;
  take(line: WatchLine): void;
}

/** Opens the stream of one member again and again. */
async function follow(member: Member, all: Following): Promise<void> {
  while (!all.signal.aborted) {
    const stream = new AbortController();
    const end = (): void => stream.abort();
    const { signal } = stream;
    all.signal.addEventListener('abort', end, { once: true });
    const seen = { revision: all.shared.last };
    void guard(member, all, seen, signal, end);
    try {
      await read(member, all, seen, signal);
    } catch (error) {
      if (error instanceof EtcdFault && error.kind === 'compacted') all.lost();
    } finally {
      all.signal.removeEventListener('abort', end);
      end();
    }
    await all.clock.sleep(OPEN_AGAIN_MS, all.signal).catch(() => undefined);
  }
}

function read(member: Member, all: Following, seen: { revision: number }, signal: AbortSignal): Promise<void> {
  const body = JSON.stringify({
    create_request: {
      key: base64(all.spec.prefix),
      range_end: rangeEnd(all.spec.prefix),
      start_revision: String(seen.revision + 1),
      progress_notify: true,
    },
  });
  return member.lines('/v3/watch', body, signal, (text) => {
    if (signal.aborted || text === '') return;
    const line = watchLine(text);
    member.checkCluster(line.header.cluster);
    for (const { revision } of line.changes) seen.revision = Math.max(seen.revision, revision);
    all.alive();
    all.take(line);
  });
}

/** Ends the stream when its member does not answer, or when others know what it ought to have told long ago. */
async function guard(
  member: Member,
  { clock, shared, alive }: Following,
  seen: { readonly revision: number },
  signal: AbortSignal,
  end: () => void,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(ASK_MS, signal).catch(() => undefined);
    if (signal.aborted) return;
    try {
      const { leader } = statusAnswer(await member.call('/v3/maintenance/status', '{}', signal, ASK_LIMIT_MS));
      // A member without a leader lives, but knows nothing new.
      if (leader !== '0') alive();
    } catch {
      return end();
    }
    if (seen.revision < shared.last && clock.monotonic() - shared.lastMs > BEHIND_MS) return end();
  }
}
