// A context for one source of replication, as the daemon would make it: options through its schema, real ports.
import type { Replication, ReplicationContext, Shape } from '../../src/define.ts';
import { stores } from '../../src/ports/store.ts';
import { hostPorts } from './host.ts';

/** Options as in the file. This is node n2, and n1 is active, unless `more` says otherwise. */
export const sourceContext = <S extends Shape>(
  source: Replication<S>,
  options: unknown,
  more: Partial<Omit<ReplicationContext<never>, 'options'>> = {},
): ReplicationContext<never> => ({
  options: source.options.parse(options) as never,
  ports: hostPorts({ stores }),
  signal: AbortSignal.timeout(60_000),
  ...{ node: 'n2', group: 'mail', source: 'copy', active: false, owner: 'n1', nodes: ['n1', 'n2'] },
  words: { n1: { name: 'n1' }, n2: { name: 'n2' } },
  memory: new Map<string, unknown>(),
  stateDir: '/nonexistent',
  ...more,
});
