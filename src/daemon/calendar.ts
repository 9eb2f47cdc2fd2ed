// Calendar work, and only that: purges and reports, by node-schedule. It follows the wall clock, may fire in a burst
// after a jump, and returns null for what it does not understand: all of that is caught here.
import cronParser from 'cron-parser';
import { type Job, scheduleJob } from 'node-schedule';
import type { Log } from '../ports/log.ts';

/** After a jump ahead every slot that was missed fires, one after another: those that are this late are skipped. */
const LATE_MS = 60_000;

export interface Hours {
  readonly at: string;
  readonly forMs: number;
  /** Null: that of the machine. */
  readonly zone: string | null;
}

/** When such hours began last, on the wall clock. node-schedule knows only what comes next; its own parser knows
 *  both. */
const begunAt = ({ at, zone }: Hours, now: Date): number =>
  cronParser
    .parseExpression(at, { currentDate: now, ...(zone === null ? {} : { tz: zone }) })
    .prev()
    .getTime();

export class Calendar {
  readonly #log: Log;
  readonly #jobs = new Map<string, Job>();
  readonly #running = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Sets (or replaces) a job by cron text of five or six fields. Throws on text that is no calendar entry, and then
   *  the old job stays. A run is never started over another. */
  set(name: string, cron: string, run: () => Promise<void>): void {
    // The library takes '' and '* * *' for "every minute".
    const fields = cron.trim().split(/\s+/).length;
    const job = (
      fields === 5 || fields === 6 ? scheduleJob(cron, (due) => this.#start(name, due, run)) : null
    ) as Job | null;
    if (!job) throw new Error(`"${cron}" is no calendar entry`);
    job.on('error', (error: Error) => this.#log.warn(`${name}: ${error.message}`));
    this.#jobs.get(name)?.cancel();
    this.#jobs.set(name, job);
  }

  #start(name: string, due: Date, run: () => Promise<void>): void {
    if (this.#running.has(name) || Date.now() - due.getTime() > LATE_MS) return;
    this.#running.add(name);
    run()
      .catch((error: Error) => this.#log.warn(`${name}: ${error.message}`))
      .finally(() => this.#running.delete(name));
  }

  /** Sets (or replaces) hours that begin by cron text in a time zone and last for a while. `onOpen` gets their end, on
   *  the wall clock; at once when they are under way. */
  hours(name: string, hours: Hours, onOpen: (untilWall: number) => void): void {
    const { at, forMs, zone } = hours;
    const rule = { rule: at, ...(zone === null ? {} : { tz: zone }) };
    const job = scheduleJob(rule, (due) => this.#start(name, due, async () => onOpen(due.getTime() + forMs)));
    if (!job) throw new Error(`"${at}" is no calendar entry`);
    job.on('error', (error: Error) => this.#log.warn(`${name}: ${error.message}`));
    this.#jobs.get(name)?.cancel();
    this.#jobs.set(name, job);
    const until = begunAt(hours, new Date()) + forMs;
    if (until > Date.now()) onOpen(until);
  }

  /** Are we within such hours now? Null: at any time. */
  isOpen(hours: Hours | null): boolean {
    return hours === null || begunAt(hours, new Date()) + hours.forMs > Date.now();
  }

  /** Takes out the jobs whose names begin like this, but for those that are kept. */
  keep(prefix: string, names: readonly string[]): void {
    for (const [name, job] of this.#jobs)
      if (name.startsWith(prefix) && !names.includes(name)) {
        job.cancel();
        this.#jobs.delete(name);
      }
  }

  close(): void {
    for (const job of this.#jobs.values()) job.cancel();
    this.#jobs.clear();
  }
}
