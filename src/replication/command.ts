// Any engine that has a program of its own: it prints its state as one line of JSON.
import { defineReplication, opt, type ReplicationFacts, z } from '../define.ts';
import { refusal } from '../dialogues/plugin.ts';
import { plain } from '../dialogues/quote.ts';
import { troubleLine } from '../host/text.ts';

const answer = z.object({
  state: z.enum(['healthy', 'initializing', 'synchronizing', 'suspended', 'failed', 'service-down']),
  queue: z.number().nonnegative().nullable().default(null),
  lagMs: z.number().nonnegative().nullable().default(null),
  detail: z
    .string()
    .max(10_000)
    .default('')
    .transform((text) => plain(text, 300)),
});

const unknown = (detail: string): ReplicationFacts => ({ state: 'failed', queue: null, lagMs: null, detail });

export default defineReplication({
  about: 'Any engine that has a program of its own which prints state, queue and lag as JSON.',
  options: z.strictObject({
    run: opt.argv('The program; prints {"state", "queue", "lagMs", "detail"} and ends with 0'),
  }),
  example: { run: ['/usr/local/sbin/replication-state'] },
  async look({ options, ports, signal, node, owner, active }) {
    const refused = refusal(ports, options.run[0] ?? '');
    if (refused !== null) return unknown(refused);
    const env = { WATCHKEEPER_NODE: node, WATCHKEEPER_OWNER: owner ?? '', WATCHKEEPER_ACTIVE: active ? '1' : '0' };
    const got = await ports.exec.run(options.run, { timeoutMs: 60_000, signal, env });
    const name = plain(options.run[0] ?? '', 100);
    if (got.code !== 0) {
      const late = got.timedOut || signal.aborted;
      const why = got.failed ?? (late ? 'over its time' : (got.signal ?? `exit code ${got.code ?? 'none'}`));
      const said = troubleLine(got.stderr, got.stdout);
      return unknown(`${name}: ${why}${said ? `: "${said}"` : ''}`);
    }
    try {
      const read = answer.safeParse(JSON.parse(got.stdout));
      return read.success ? read.data : unknown(`${name}: ${plain(z.prettifyError(read.error), 300)}`);
    } catch {
      return unknown(`${name} prints no JSON`);
    }
  },
});
