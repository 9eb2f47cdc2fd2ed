// Calendar work, and only that: purges and reports, by node-schedule. It follows the wall clock, may fire in a burst
// after a jump, and returns null for what it does not understand: all of that is caught here.
import { type Job, scheduleJob } from 'node-schedule';
import type { Log } from '../ports/log.ts';

export class Calendar {
  readonly #log: Log;
  readonly #jobs = new Map<string, Job>();
  readonly #running = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Sets (or replaces) a job by cron text. Throws on text that is no calendar entry. A run is never started over
   * another. */
  set(name: string, cron: string, run: () => Promise<void>): void {
    this.#jobs.get(name)?.cancel();
    const job = scheduleJob(name, cron, () => {
      if (this.#running.has(name)) return;
      this.#running.add(name);
      run()
        .catch((error: Error) => this.#log.warn(`${name}: ${error.message}`))
        .finally(() => this.#running.delete(name));
    }) as Job | null;
    if (!job) throw new Error(`"${cron}" is no calendar entry`);
    job.on('error', (error: Error) => this.#log.warn(`${name}: ${error.message}`));
    this.#jobs.set(name, job);
  }

  close(): void {
    for (const job of this.#jobs.values()) job.cancel();
    this.#jobs.clear();
  }
}
