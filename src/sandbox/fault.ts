// What `sandbox break` asks of a running service, by a file in the service's folder. The other faults need no help
// from the service: kill and hang are signals, no-space is a file too many, misconfigure is a broken settings file.
import { readFileSync, rmSync } from 'node:fs';
import { z } from 'zod';

const shape = z.discriminatedUnion('how', [
  /** These two wedge one process: a new one starts well. */
  z.object({ how: z.literal('refuse'), pid: z.number() }),
  z.object({ how: z.literal('slow'), pid: z.number(), delayMs: z.number().int().min(1).max(600_000) }),
  /** Whoever starts, crashes: until it is healed. */
  z.object({ how: z.literal('loop') }),
]);
export type Fault = z.output<typeof shape>;

/** The fault that this very process shall have. One that was meant for a process before it is void. */
export function readFault(path: string, pid: number): Fault | null {
  try {
    const fault = shape.parse(JSON.parse(readFileSync(path, 'utf8')));
    return fault.how === 'loop' || fault.pid === pid ? fault : null;
  } catch {
    return null;
  }
}

export const clearFault = (path: string): void => rmSync(path, { force: true });
