// One door of the lab to programs: bounded, argv only, and loud when a program fails. Not for the daemon.
import { exec } from '../../src/ports/exec.ts';
import type { ExecResult } from '../../src/ports/exec.ts';

export interface CommandOptions {
  readonly timeoutMs?: number;
  readonly input?: string;
}

/** The status of a thousand services is 1 MB of JSON. */
const OUTPUT_BYTES = 16 * 1024 * 1024;

/** Runs argv; the result is a value, also when it failed. */
export function attempt(argv: readonly string[], options: CommandOptions = {}): Promise<ExecResult> {
  const { timeoutMs = 20_000, input } = options;
  return exec.run(argv, { timeoutMs, maxBytes: OUTPUT_BYTES, ...(input ? { input } : {}) });
}

/** Runs argv and gives its standard output; throws with its own words when it did not end with 0. */
export async function must(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const got = await attempt(argv, options);
  if (got.code === 0) return got.stdout;
  const how = got.failed ?? (got.timedOut ? `no end within ${options.timeoutMs ?? 20_000} ms` : `exit ${got.code}`);
  throw new Error(`${argv.join(' ').slice(0, 300)}: ${how}: ${(got.stderr || got.stdout).trim().slice(-500)}`);
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks again and again until the answer is neither null nor false; null when it never was. */
export async function poll<T>(
  ask: () => T | null | false | Promise<T | null | false>,
  limitMs: number,
  everyMs = 50,
): Promise<T | null> {
  const end = performance.now() + limitMs;
  for (;;) {
    const got = await ask();
    if (got !== null && got !== false) return got;
    if (performance.now() >= end) return null;
    await sleep(everyMs);
  }
}

/** As poll, and throws with `what` when it never came. */
export async function eventually<T>(
  what: string,
  ask: () => T | null | false | Promise<T | null | false>,
  limitMs: number,
  everyMs = 50,
): Promise<T> {
  const got = await poll(ask, limitMs, everyMs);
  if (got === null) throw new Error(`${what}: not within ${limitMs} ms`);
  return got;
}
