// Work done again and again, each time so long after the last one ended; what fails is tried at the next time.
import type { Clock } from '../ports/clock.ts';

export async function again(clock: Clock, ms: number, work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await work().catch(() => undefined);
    await clock.sleep(ms, signal).catch(() => undefined);
  }
}
