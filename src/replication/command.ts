// Any engine that has a program of its own: it prints its state as one line of JSON.
import { defineReplication, opt, type ReplicationFacts, z } from '../define.ts';

const answer = z.object({
  state: z.enum(['healthy', 'initializing', 'synchronizing', 'suspended', 'failed', 'service-down']),
  queue: z.number().nonnegative().nullable().default(null),
  lagMs: z.number().nonnegative().nullable().default(null),
  detail: z.string().max(500).default(''),
});

const unknown = (detail: string): ReplicationFacts => ({ state: 'failed', queue: null, lagMs: null, detail });

export default defineReplication({
  about: 'Any engine that has a program of its own which prints state, queue and lag as JSON.',
  options: z.strictObject({
    run: opt.argv('The program; prints {"state", "queue", "lagMs", "detail"} and ends with 0'),
  }),
  example: { run: ['/usr/local/sbin/replication-state'] },
  async look({ options, ports, signal, node, owner, active }) {
    const env = { WATCHKEEPER_NODE: node, WATCHKEEPER_OWNER: owner ?? '', WATCHKEEPER_ACTIVE: active ? '1' : '0' };
    const got = await ports.exec.run(options.run, { timeoutMs: 60_000, signal, env });
    if (got.code !== 0) return unknown(`${options.run[0]}: ${got.failed ?? `exit code ${got.code ?? 'none'}`}`);
    try {
      const read = answer.safeParse(JSON.parse(got.stdout));
      return read.success ? read.data : unknown(`${options.run[0]}: ${z.prettifyError(read.error).slice(0, 300)}`);
    } catch {
      return unknown(`${options.run[0]} prints no JSON`);
    }
  },
});
