// What the daemon remembers for charts and reports. No decision reads it, and the daemon works on without it: trouble
// is told once and ends by itself. Results are rolled up here by the minute; rows wait in a bounded queue for the
// worker, one batch at a time, because the disk under it may be slow, full or gone.
import { Worker } from 'node:worker_threads';
import { addResult, emptyRollup } from '../core/rollup.ts';
import type { Depth, Outcome } from '../core/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { ChartRow, EventQuery, HistoryEvent, RollupQuery, SeriesRollup } from '../ports/history-store.ts';
import type { HistoryReply, HistoryRequest, HistoryWorkerData } from './history-worker.ts';

export type { ChartRow, EventQuery, HistoryEvent, RollupQuery } from '../ports/history-store.ts';

export interface HistoryResult {
  readonly service: string;
  readonly depth: Depth;
  readonly outcome: Outcome;
  readonly ms: number;
}

export interface HistoryOptions {
  readonly path: string;
  /** What is older than this is deleted by `purge`. */
  readonly keepMs: number;
  readonly clock: Clock;
  /** A sentence when the history is in trouble, null when it is well again. Called at changes only. */
  readonly onTrouble: (detail: string | null) => void;
  /** Default 1 GiB. */
  readonly maxBytes?: number;
}

/** Why a question has no answer: `closed`, `busy`, `timeout`, or the code of SQLite. */
export class HistoryError extends Error {
  readonly code: string;
  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}

interface Job {
  readonly request: HistoryRequest;
  readonly settle: (reply: HistoryReply) => void;
}

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Minutes older than this become hours at the next purge. */
const MINUTES_KEPT_MS = 2 * DAY_MS;
const MAX_ROWS = 10_000;
const MAX_QUESTIONS = 32;
const BATCH_ROWS = 1000;
const ANSWER_MS = 10_000;
const RETRY_MS = 5_000;
const CLOSE_MS = 2_000;
/** Keeps the thread small: it holds a batch, or the rows of one answer. */
const LIMITS = { maxOldGenerationSizeMb: 48, maxYoungGenerationSizeMb: 2, codeRangeSizeMb: 16, stackSizeMb: 2 };

/** How bad it is. Only a change for the worse, or to well, is told. */
const WELL = 0;
const TROUBLE = 1;
const DROPPING = 2;

export class History {
  readonly #options: HistoryOptions;
  /** The rollups of the running minute, by service and depth. */
  #minute = new Map<string, SeriesRollup>();
  #rollups: SeriesRollup[] = [];
  #events: HistoryEvent[] = [];
  #questions: Job[] = [];
  #worker: Worker | null = null;
  #running: Job | null = null;
  #dropped = 0;
  #state: number = WELL;
  #cancelFlush: () => void;
  #cancelRetry: (() => void) | null = null;
  #cancelLate: (() => void) | null = null;
  #closed = false;
  #ended = false;

  constructor(options: HistoryOptions) {
    this.#options = options;
    this.#cancelFlush = this.#flushLater();
  }

  /** Rows that could not be kept since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  /** One result of a check, now. */
  result({ service, depth, outcome, ms }: HistoryResult): void {
    if (this.#closed) return;
    const wall = Math.floor(this.#options.clock.wall() / MINUTE_MS) * MINUTE_MS;
    const key = `${depth} ${service}`;
    const open = this.#minute.get(key);
    if (open && open.wall !== wall) this.#flush();
    const before = this.#minute.get(key)?.rollup ?? emptyRollup;
    this.#minute.set(key, { service, depth, wall, rollup: addResult(before, outcome, ms) });
  }

  /** A change, a failure or a decision: kept whole. */
  event(event: HistoryEvent): void {
    if (this.#closed) return;
    this.#events.push(event);
    this.#bound();
    this.#pump();
  }

  /** Rejects with HistoryError. */
  async rollups(query: RollupQuery): Promise<readonly ChartRow[]> {
    this.#flush();
    return (await this.#ask({ kind: 'rollups', query })) as ChartRow[];
  }

  /** Newest first. Rejects with HistoryError. */
  async events(query: EventQuery): Promise<readonly HistoryEvent[]> {
    return (await this.#ask({ kind: 'events', query })) as HistoryEvent[];
  }

  /** Deletes what is older than `beforeWall`; resolves to the number of rows. Rejects with HistoryError. */
  async purge(beforeWall = this.#options.clock.wall() - this.#options.keepMs): Promise<number> {
    const minutesBefore = this.#options.clock.wall() - MINUTES_KEPT_MS;
    return (await this.#ask({ kind: 'purge', before: beforeWall, minutesBefore })) as number;
  }

  /** Writes what waits, and ends the thread. 'stuck': the disk does not answer; then process.exit() would wait for
   *  the thread for ever, and only SIGKILL ends the process. */
  async close(): Promise<'closed' | 'stuck'> {
    if (this.#closed) return 'closed';
    this.#flush();
    this.#closed = true;
    this.#cancelFlush();
    this.#cancelRetry?.();
    this.#cancelRetry = null;
    const ended = this.#end();
    let cancel: () => void = () => undefined;
    const late = new Promise<'stuck'>((resolve) => {
      cancel = this.#options.clock.after(CLOSE_MS, () => resolve('stuck'));
    });
    const how = await Promise.race([ended.then(() => 'closed' as const), late]);
    cancel();
    this.#cancelLate?.();
    this.#ended = true;
    return how;
  }

  async #end(): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      this.#questions.push({ request: { kind: 'close' }, settle: () => resolve() });
    });
    if (!this.#worker && this.#rollups.length + this.#events.length === 0) return;
    this.#pump();
    await idle;
    this.#ended = true;
    await this.#worker?.terminate();
  }

  #flushLater(): () => void {
    return this.#options.clock.after(MINUTE_MS, () => {
      this.#flush();
      this.#cancelFlush = this.#flushLater();
    });
  }

  #flush(): void {
    this.#rollups.push(...this.#minute.values());
    this.#minute = new Map();
    this.#bound();
    this.#pump();
  }

  /** The oldest rows give way: first minutes, of which there are many. */
  #bound(): void {
    let over = this.#rollups.length + this.#events.length - MAX_ROWS;
    if (over <= 0) return;
    this.#dropped += over;
    over -= this.#rollups.splice(0, over).length;
    this.#events.splice(0, over);
    this.#tell(DROPPING, `rows of the history are dropped: more than ${MAX_ROWS} wait for the database`);
  }

  #ask(request: HistoryRequest): Promise<unknown> {
    if (this.#closed) return Promise.reject(new HistoryError('closed', 'the history is closed'));
    if (this.#questions.length >= MAX_QUESTIONS)
      return Promise.reject(new HistoryError('busy', 'too many questions wait for the history'));
    return new Promise((resolve, reject) => {
      const cancel = this.#options.clock.after(ANSWER_MS, () =>
        reject(new HistoryError('timeout', `the history did not answer within ${ANSWER_MS / 1000} s`)),
      );
      const settle = (reply: HistoryReply): void => {
        cancel();
        if (reply.ok) resolve(reply.value);
        else reject(new HistoryError(reply.code, reply.detail));
      };
      this.#questions.push({ request, settle });
      this.#pump();
    });
  }

  /** Gives the worker its next job, if it has none: rows first, so that an answer shows them. */
  #pump(): void {
    if (this.#running || this.#ended) return;
    const job = this.#cancelRetry ? this.#questions.shift() : (this.#nextRows() ?? this.#questions.shift());
    if (!job) return;
    this.#running = job;
    this.#cancelLate = this.#options.clock.after(ANSWER_MS, () =>
      this.#tell(TROUBLE, `the history database did not answer within ${ANSWER_MS / 1000} s`),
    );
    this.#worker ??= this.#start();
    this.#worker.postMessage(job.request);
  }

  #nextRows(): Job | null {
    if (this.#rollups.length + this.#events.length === 0) return null;
    const rollups = this.#rollups.splice(0, BATCH_ROWS);
    const events = this.#events.splice(0, BATCH_ROWS);
    const settle = (reply: HistoryReply): void => {
      if (reply.ok) return;
      this.#tell(TROUBLE, `the history database cannot be written: ${reply.detail} (${reply.code})`);
      if (this.#closed) {
        this.#dropped += rollups.length + events.length;
        return;
      }
      this.#rollups.unshift(...rollups);
      this.#events.unshift(...events);
      this.#cancelRetry = this.#options.clock.after(RETRY_MS, () => {
        this.#cancelRetry = null;
        this.#pump();
      });
      this.#bound();
    };
    return { request: { kind: 'write', rollups, events }, settle };
  }

  #start(): Worker {
    const data: HistoryWorkerData = { path: this.#options.path, maxBytes: this.#options.maxBytes ?? 2 ** 30 };
    const file = import.meta.url.endsWith('.ts') ? 'history-worker.ts' : 'history-worker.js';
    const worker = new Worker(new URL(file, import.meta.url), {
      workerData: data,
      resourceLimits: LIMITS,
      env: {},
      execArgv: [],
    });
    // The daemon ends when it wants to, not when the history does.
    worker.unref();
    worker.on('message', (reply: HistoryReply) => this.#settle(reply));
    worker.on('error', (error) => this.#lost(worker, error.message));
    worker.on('exit', () => this.#lost(worker, 'its thread ended'));
    return worker;
  }

  #lost(worker: Worker, detail: string): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#settle({ ok: false, code: 'GONE', detail });
  }

  #settle(reply: HistoryReply): void {
    this.#cancelLate?.();
    const job = this.#running;
    this.#running = null;
    job?.settle(reply);
    if (reply.ok && reply.setAside) this.#tell(TROUBLE, `a damaged history database was set aside: ${reply.setAside}`);
    else if (reply.ok && !this.#cancelRetry) this.#tell(WELL, null);
    this.#pump();
  }

  #tell(state: number, detail: string | null): void {
    if (state === this.#state || (state !== WELL && state < this.#state)) return;
    this.#state = state;
    this.#options.onTrouble(detail);
  }
}

/** Starts nothing yet: the thread comes with the first row. */
export function openHistory(options: HistoryOptions): History {
  return new History(options);
}
