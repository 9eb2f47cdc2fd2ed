// Runs one check as the daemon would: options through its schema, a signal that ends, real ports where they are given.
import type { Check, CheckResult, Depth, Ports } from '../../src/define.ts';
import { clock } from '../../src/ports/clock.ts';
import { dns } from '../../src/ports/dns.ts';
import { exec } from '../../src/ports/exec.ts';
import { files } from '../../src/ports/files.ts';
import { http } from '../../src/ports/http.ts';
import { net } from '../../src/ports/net.ts';
import { secretsFrom } from '../../src/ports/secrets.ts';
import { udp } from '../../src/ports/udp.ts';

export const PASSWORD = 'p"w\\ 1';
const silentLog = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** Real doors where a check needs them; the others throw when touched. */
export function checkPorts(changes: Partial<Ports> = {}): Ports {
  const real: Partial<Ports> = {
    clock,
    dns,
    exec,
    files,
    http,
    net,
    log: silentLog,
    secrets: secretsFrom({ PROBE_PASSWORD: PASSWORD, LAB_PASSWORD: 'pw', WRONG_PASSWORD: 'wrong' }),
    udp,
    ...changes,
  };
  return new Proxy(real as Ports, {
    get(target, name: keyof Ports) {
      const found = target[name];
      if (!found) throw new Error(`this check should not need the port ${String(name)}`);
      return found;
    },
  });
}

export interface RunOptions {
  readonly depth?: Depth;
  readonly timeoutMs?: number;
  readonly ports?: Partial<Ports>;
  readonly memory?: Map<string, unknown>;
  readonly service?: string;
  /** The daemon loses interest after this long. */
  readonly abortMs?: number;
}

/** One run. `options` as written in a configuration file. */
export async function runCheck(check: Check, options: unknown, how: RunOptions = {}): Promise<CheckResult> {
  const stop = new AbortController();
  const timeoutMs = how.timeoutMs ?? 5000;
  const timer = setTimeout(() => stop.abort(new Error('the time is over')), how.abortMs ?? timeoutMs);
  try {
    return await check.run({
      options: check.options.parse(options),
      ports: checkPorts(how.ports),
      signal: stop.signal,
      timeoutMs,
      depth: how.depth ?? 'quick',
      service: how.service ?? 'test',
      memory: how.memory ?? new Map(),
    });
  } finally {
    clearTimeout(timer);
    stop.abort(new Error('the run is over'));
  }
}
