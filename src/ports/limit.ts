// A limit of time as a signal. By hand: what AbortSignal.any() makes of an AbortSignal.timeout() never ends once the
// garbage was collected in between, for nothing but the timer held it (nodejs/node issue 57736; Node 20 to 24).

export interface Limit {
  /** Ends with the first of the signals, and after the time at the latest, with its reason or a TimeoutError. */
  readonly signal: AbortSignal;
  /** It is not needed any more: what it left in signals that live on is taken out. */
  done(): void;
}

/** For what is asked many times under a signal that lives for months. Keeps no process alive. */
export function limited(ms: number, ...signals: readonly AbortSignal[]): Limit {
  const own = new AbortController();
  const done = (): void => {
    clearTimeout(timer);
    for (const signal of signals) signal.removeEventListener('abort', over);
  };
  const end = (reason: unknown): void => {
    done();
    own.abort(reason);
  };
  const over = (): void => end(signals.find(({ aborted }) => aborted)?.reason);
  const late = (): void => end(new DOMException(`over its limit of ${ms} ms`, 'TimeoutError'));
  const timer = setTimeout(late, ms).unref();
  for (const signal of signals) signal.addEventListener('abort', over, { once: true });
  if (signals.some(({ aborted }) => aborted)) over();
  return { signal: own.signal, done };
}

/** The same, for what ends with its signals or its time anyway. */
export const within = (ms: number, ...signals: readonly AbortSignal[]): AbortSignal => limited(ms, ...signals).signal;
