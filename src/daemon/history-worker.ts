// The thread that owns the history database: one request, one reply, in order. It sets a damaged file aside by itself.
// A disk that hangs hangs this thread only; the main thread bounds what waits for it (history.ts).
import { parentPort, workerData } from 'node:worker_threads';
import {
  type EventQuery,
  type HistoryEvent,
  type HistoryStore,
  isDamage,
  openHistoryStore,
  type RollupQuery,
  type SeriesRollup,
  setAside,
} from '../ports/history-store.ts';

export type HistoryRequest =
  | { readonly kind: 'write'; readonly rollups: readonly SeriesRollup[]; readonly events: readonly HistoryEvent[] }
  | { readonly kind: 'rollups'; readonly query: RollupQuery }
  | { readonly kind: 'events'; readonly query: EventQuery }
  | { readonly kind: 'purge'; readonly before: number; readonly minutesBefore: number }
  | { readonly kind: 'close' };

export type HistoryReply =
  | { readonly ok: true; readonly value: unknown; readonly setAside: string | null }
  | { readonly ok: false; readonly code: string; readonly detail: string };

export interface HistoryWorkerData {
  readonly path: string;
  readonly maxBytes: number;
}

const { path, maxBytes } = workerData as HistoryWorkerData;
let store: HistoryStore | null = null;

function answer(request: HistoryRequest): unknown {
  if (request.kind === 'close') {
    store?.close();
    store = null;
    return null;
  }
  store ??= openHistoryStore(path, maxBytes);
  switch (request.kind) {
    case 'write':
      return store.write(request.rollups, request.events);
    case 'rollups':
      return store.rollups(request.query);
    case 'events':
      return store.events(request.query);
    case 'purge':
      return store.purge(request.before, request.minutesBefore);
  }
}

function closeQuietly(): void {
  try {
    store?.close();
  } catch {
    // It is about to be opened anew.
  }
  store = null;
}

function reply(request: HistoryRequest): HistoryReply {
  for (let attempt = 0, aside: string | null = null; ; attempt++) {
    try {
      return { ok: true, value: answer(request), setAside: aside };
    } catch (error) {
      closeQuietly();
      const { code = 'UNKNOWN', message } = error as { code?: string; message: string };
      if (attempt > 0 || !isDamage(error)) return { ok: false, code, detail: message };
      try {
        setAside(path);
        aside = `${code}: ${message}`;
      } catch (trouble) {
        return { ok: false, code, detail: `${message}; it cannot be set aside: ${(trouble as Error).message}` };
      }
    }
  }
}

parentPort?.on('message', (request: HistoryRequest) => {
  parentPort?.postMessage(reply(request));
  if (request.kind === 'close') parentPort?.close();
});
