// Runs one check as the daemon would, without the daemon.
import type { Check, CheckResult, Depth, Ports } from '../../src/define.ts';

export interface Asked {
  readonly depth?: Depth;
  readonly timeoutMs?: number;
  readonly memory?: Map<string, unknown>;
}

/** Options as in the file; the check's own schema parses them. */
export function ask(check: Check, options: unknown, ports: Ports, asked: Asked = {}): Promise<CheckResult> {
  const timeoutMs = asked.timeoutMs ?? 5000;
  return check.run({
    options: check.options.parse(options),
    ports,
    signal: AbortSignal.timeout(timeoutMs),
    timeoutMs,
    depth: asked.depth ?? 'quick',
    service: 'test',
    memory: asked.memory ?? new Map(),
  });
}
