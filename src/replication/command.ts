// Any engine that has a program of its own: it prints its state as one line of JSON.
import {
  type ActionResult,
  defineReplication,
  opt,
  type ReplicationContext,
  type ReplicationFacts,
  z,
} from '../define.ts';
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

/** The host bounds each act as well. */
const LIMIT_MS = 110_000;

const unknown = (detail: string): ReplicationFacts => ({ state: 'failed', queue: null, lagMs: null, detail });

const options = z.strictObject({
  run: opt.argv('The program; prints {"state", "queue", "lagMs", "detail"} and ends with 0'),
  flush: opt.argv('Before a planned move: brings the copies up to date and ends with 0 when they are').optional(),
  'one-way': opt
    .flag(
      'What is written after the flush would be lost by a move: it is run once more when address and services are gone',
    )
    .default(false),
  turn: opt.argv('When another node is the active one: turns the direction; may be run again').optional(),
});
type Context = ReplicationContext<z.output<typeof options>>;

/** What the program printed, or why it could not be known. */
async function run(argv: readonly string[], context: Context): Promise<ActionResult> {
  const { ports, signal, node, owner, active } = context;
  const refused = refusal(ports, argv[0] ?? '');
  if (refused !== null) return { ok: false, detail: refused };
  const env = { WATCHKEEPER_NODE: node, WATCHKEEPER_OWNER: owner ?? '', WATCHKEEPER_ACTIVE: active ? '1' : '0' };
  const got = await ports.exec.run(argv, { timeoutMs: LIMIT_MS, signal, env });
  if (got.code === 0) return { ok: true, detail: got.stdout };
  const late = got.timedOut || signal.aborted;
  const why = got.failed ?? (late ? 'over its time' : (got.signal ?? `exit code ${got.code ?? 'none'}`));
  const said = troubleLine(got.stderr, got.stdout);
  return { ok: false, detail: `${plain(argv[0] ?? '', 100)}: ${why}${said ? `: "${said}"` : ''}` };
}

/** An act whose program need not be there. */
async function act(argv: readonly string[] | undefined, context: Context): Promise<ActionResult> {
  if (!argv) return { ok: true, detail: 'no program is configured for it' };
  const done = await run(argv, context);
  return done.ok ? { ok: true, detail: plain(done.detail.split('\n')[0] ?? '', 300) } : done;
}

export default defineReplication({
  about: 'Any engine that has a program of its own which prints state, queue and lag as JSON.',
  options,
  example: { run: ['/usr/local/sbin/replication-state'] },
  flushes: ({ flush }) => flush !== undefined,
  oneWay: ({ 'one-way': oneWay }) => oneWay,
  flush: (context) => act(context.options.flush, context),
  direct: (context) => act(context.options.turn, context),
  async look(context) {
    const got = await run(context.options.run, context);
    if (!got.ok) return unknown(got.detail);
    const name = plain(context.options.run[0] ?? '', 100);
    try {
      const read = answer.safeParse(JSON.parse(got.detail));
      return read.success ? read.data : unknown(`${name}: ${plain(z.prettifyError(read.error), 300)}`);
    } catch {
      return unknown(`${name} prints no JSON`);
    }
  },
});
