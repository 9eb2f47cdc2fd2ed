// Feeds the history database: every result counted, every decision and failure kept whole.
import type { Ports } from '../ports/ports.ts';
import type { Depth } from '../core/types.ts';
import { type History, openHistory } from './history.ts';
import type { Told } from './loop.ts';
import type { Ran } from './run-check.ts';

/** What the daemon tells it. */
export interface Recorder {
  result(service: string, depth: Depth, ran: Ran, time: number): void;
  told(told: Told, time: number): void;
  purge(beforeWallMs: number): Promise<void>;
  close(): Promise<void>;
}

export type HistoryQuestion = Readonly<Record<string, string>>;

const number = (text: string | undefined): number | undefined => {
  const value = Number(text);
  return text === undefined || !Number.isFinite(value) ? undefined : value;
};

/** `rollups=STEP_MS` asks for response times and counts, else for what happened. */
export async function askHistory(history: History, question: HistoryQuestion, now: number): Promise<readonly object[]> {
  const { service, incident } = question;
  const from = number(question['from']);
  const to = number(question['to']);
  const limit = Math.max(1, Math.min(10_000, Math.floor(number(question['limit']) ?? 200)));
  const named = service === undefined ? {} : { service };
  const stepMs = number(question['rollups']);
  if (stepMs !== undefined)
    return history.rollups({ ...named, from: from ?? now - 3_600_000, to: to ?? now + 60_000, stepMs, limit });
  return history.events({
    ...named,
    ...(incident === undefined ? {} : { incident }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    limit,
  });
}

export function openRecorder(
  path: string,
  keepMs: number,
  ports: Ports,
  onTrouble: (detail: string | null) => void,
): { readonly recorder: Recorder; readonly history: History } {
  const history = openHistory({ path, keepMs, clock: ports.clock, onTrouble });
  const kindOf = (event: string): string => (event === 'checked' ? 'failure' : 'decision');
  const recorder: Recorder = {
    result: (service, depth, ran) => history.result({ service, depth, outcome: ran.verdict.outcome, ms: ran.ms }),
    told: (told, time) =>
      history.event({
        wall: time,
        at: told.at,
        service: told.service,
        kind: kindOf(told.event),
        outcome: null,
        cause: null,
        detail: `[${told.rule}] ${told.text}`,
        incident: told.incident,
      }),
    purge: async (before) => void (await history.purge(before)),
    close: async () => void (await history.close()),
  };
  return { recorder, history };
}
