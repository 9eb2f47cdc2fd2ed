// The only place that asks what time it is. `monotonic` decides; `wall` is for people, certificates and calendars.

export interface Clock {
  /** Milliseconds since 1970, as the machine believes. It may jump. */
  wall(): number;
  /** Milliseconds since the machine's boot (CLOCK_MONOTONIC), the same for every process; it never jumps. */
  monotonic(): number;
  /** A timer; the return value cancels it. */
  after(ms: number, run: () => void): () => void;
  /** Resolves after `ms`, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const clock: Clock = {
  wall: () => Date.now(),
  monotonic: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      const timer = setTimeout(done, ms);
      function done(): void {
        signal?.removeEventListener('abort', stopped);
        resolve();
      }
      function stopped(): void {
        clearTimeout(timer);
        reject(signal?.reason as Error);
      }
      signal?.addEventListener('abort', stopped, { once: true });
    });
  },
};
