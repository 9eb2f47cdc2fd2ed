// One attempt at a part of a plugin, ended from outside: what a trial of the contract is made of.
import type { AlertChannel, Check, Coordinator, Recovery, Replication, SwitchStep } from '../define.ts';
import type { PluginKind } from '../registry.ts';

/** What holds says nothing; `fault` says what does not; `open` could not be tried. */
export interface Held {
  readonly rule: string;
  readonly fault?: string;
  readonly open?: string;
}

export interface Subject {
  readonly kind: PluginKind;
  readonly name: string;
  readonly plugin: Check | Recovery | AlertChannel | SwitchStep | Replication | Coordinator;
  /** Goes out through the library that it wraps, not through a port: options that lead to where nobody listens. */
  readonly ownWay?: object;
}

export const ABORT_MS = 300;
const GRACE_MS = 500;

export type Settled = { readonly value: unknown } | { readonly error: unknown } | 'still running';

/** Runs until the signal and a grace after it. */
export async function withSignal(work: (signal: AbortSignal) => Promise<unknown>): Promise<Settled> {
  const stop = new AbortController();
  const timers = [setTimeout(() => stop.abort(new Error('timeout')), ABORT_MS)];
  const late = new Promise<Settled>((resolve) => {
    timers.push(setTimeout(() => resolve('still running'), ABORT_MS + GRACE_MS));
  });
  const run = (async () => work(stop.signal))().then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  const settled = await Promise.race([run, late]);
  for (const timer of timers) clearTimeout(timer);
  return settled;
}

export const valueOf = <T>(settled: Settled): T | undefined =>
  settled === 'still running' ? undefined : ((settled as { value?: T }).value ?? undefined);
export const STILL = 'it does not obey its signal';
export const OWN_WAY = 'it goes out by no port of its context, so nothing can be said';

export const optionsOf = ({ plugin, ownWay }: Subject): never =>
  plugin.options.parse({ ...(plugin.example as object), ...ownWay }) as never;
