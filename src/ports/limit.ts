// A limit of time as a signal. By hand: what AbortSignal.any() makes of an AbortSignal.timeout() never ends once the
// garbage was collected in between, for nothing but the timer held it (nodejs/node issue 57736; Node 20 to 24).

/** Ends with the first of these signals, and after `ms` at the latest, with its reason or a TimeoutError. Keeps no
 *  process alive. */
export function within(ms: number, ...signals: readonly AbortSignal[]): AbortSignal {
  const own = new AbortController();
  const end = (reason: unknown): void => {
    clearTimeout(timer);
    for (const signal of signals) signal.removeEventListener('abort', over);
    own.abort(reason);
  };
  const over = (): void => end(signals.find(({ aborted }) => aborted)?.reason);
  const late = (): void => end(new DOMException(`over its limit of ${ms} ms`, 'TimeoutError'));
  const timer = setTimeout(late, ms).unref();
  for (const signal of signals) signal.addEventListener('abort', over, { once: true });
  if (signals.some(({ aborted }) => aborted)) over();
  return own.signal;
}
