// Doors that do not work, for the contract of plugins: one set throws at every touch, one never answers until it is
// told to stop, one shouts. Clock and log work: without them nothing can end.
import type { Ports } from '../define.ts';
import { clock } from '../ports/clock.ts';

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** An object of which every member is a function made by `answer`. */
const door = (answer: (name: string, args: readonly unknown[]) => unknown): object =>
  new Proxy(
    {},
    {
      get:
        (_target, name) =>
        (...args: unknown[]) =>
          answer(String(name), args),
    },
  );

function ports(answer: (door: string, name: string, args: readonly unknown[]) => unknown): Ports {
  const working: Record<string, unknown> = { clock, log: quiet };
  return new Proxy({} as Ports, {
    get: (_target, name) => working[String(name)] ?? door((member, args) => answer(String(name), member, args)),
  });
}

/** The same doors, and whether anybody knocked at one: who goes out by a way of its own cannot be judged by them. */
export function watched(given: Ports): { readonly ports: Ports; readonly used: () => boolean } {
  let used = false;
  const get = (target: Ports, name: string | symbol): unknown => {
    used ||= name !== 'clock' && name !== 'log';
    return target[name as keyof Ports];
  };
  return { ports: new Proxy(given, { get }), used: () => used };
}

export const throwingPorts = (): Ports =>
  ports((name, member) => {
    throw new Error(`the port ${name}.${member} is broken`);
  });

/** Answers of the doors that answer at once, for a machine on which there is nothing. */
const NOTHING: Readonly<Record<string, unknown>> = {
  'files.list': [],
  'proc.byExe': [],
  'proc.tree': [],
  'proc.cgroup': [],
  'proc.holders': [],
  'proc.bootId': 'boot',
  'proc.alive': false,
  'proc.signal': false,
  'proc.onExit': () => undefined,
  'secrets.read': 'secret',
  'systemLog.hasJournal': true,
  'systemLog.journal': 'sent',
};
const AT_ONCE = /^(files|proc|secrets|systemLog)\.(?!append)|^sysinfo\.load$/;

interface Limits {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

/** Ends as the real doors do: at the signal or the time limit that it was given. Without either: never. */
function silence(args: readonly unknown[]): Promise<never> {
  const limits = args.map((arg) => (arg instanceof AbortSignal ? { signal: arg } : arg) as Limits | undefined);
  return new Promise((_resolve, reject) => {
    const end = (): void => reject(Object.assign(new Error('no answer'), { code: 'timeout' }));
    for (const limit of limits) {
      if (typeof limit !== 'object' || limit === null) continue;
      if (limit.signal?.aborted) end();
      limit.signal?.addEventListener('abort', end, { once: true });
      if (typeof limit.timeoutMs === 'number') setTimeout(end, limit.timeoutMs).unref();
    }
  });
}

export const silentPorts = (): Ports =>
  ports((name, member, args) => {
    const path = `${name}.${member}`;
    return AT_ONCE.test(path) ? (NOTHING[path] ?? null) : silence(args);
  });
