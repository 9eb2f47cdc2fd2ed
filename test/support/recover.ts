// A context for one way to run a service, as the daemon would make it: options through its schema, real ports.
import type { Recovery, RecoveryContext } from '../../src/define.ts';
import type { Ports } from '../../src/ports/ports.ts';
import { proc } from '../../src/ports/proc.ts';
import { hostPorts } from './host.ts';

/** Options as in the file. */
export const recoveryContext = (
  recovery: Recovery,
  options: unknown,
  ports: Partial<Ports> = {},
  stateDir = '/nonexistent',
): RecoveryContext<never> => ({
  options: recovery.options.parse(options) as never,
  ports: hostPorts(ports),
  signal: new AbortController().signal,
  service: 'test',
  memory: new Map<string, unknown>(),
  stateDir,
});

/** The real port, and how many processes are watched for their end: before there is one, a death goes unseen. */
export function watchedProc(): { readonly proc: typeof proc; readonly watched: () => number } {
  let number = 0;
  const onExit: typeof proc.onExit = (identity, ended) => {
    number += 1;
    return proc.onExit(identity, ended);
  };
  return { proc: { ...proc, onExit }, watched: () => number };
}
