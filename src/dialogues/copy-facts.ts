// What a source of replication says of its copy, in one place. What is not given is not known.
import type { ReplicationFacts } from '../define.ts';

export const facts = (
  state: ReplicationFacts['state'],
  detail: string,
  queue: number | null = null,
  lagMs: number | null = null,
): ReplicationFacts => ({ state, queue, lagMs, detail });
