// What waits in the queue of a Postfix when a group leaves its node: delivered first, and what is left stays, is held
// until the group comes back, or is handed over to the other node by SMTP. Postfix itself hands over: it removes a
// message when the other side has taken it, and not before.
import { type ActionResult, defineStep, opt, type Probe, type StepContext, z } from '../define.ts';
import { faultOf, type Instance, isTurned, run, turn, turnBack } from '../dialogues/postfix-turn.ts';
import { lineReader, parseMessage } from '../dialogues/queue.ts';
import { bad } from '../host/launch.ts';
import { count } from '../host/text.ts';

const options = z.strictObject({
  config: opt.path('The folder of its main.cf').default('/etc/postfix'),
  drain: opt.duration('How long to deliver before, and how long to hand over').prefault('30s'),
  leave: z
    .enum(['stay', 'hold', 'hand-over'])
    .default('stay')
    .describe('What is left: `stay`, `hold` until the group comes back to this node, `hand-over` to the other node'),
  to: z
    .string()
    .max(255)
    .regex(/^(\$to\.[A-Za-z0-9_-]+|[A-Za-z0-9_.:-]+)$/, 'expected a host, an address, or $to.WORD')
    .default('$to.host')
    .describe('The host that gets what is handed over; `$to.host` is the word `host` of the node that comes'),
  port: opt.port('Its SMTP port; it must relay for this node').default(25),
  'must-be-empty': opt
    .flag('When something is left after all, the move ends before anything is stopped')
    .default(false),
});
type Context = StepContext<z.output<typeof options>>;

const POLL_MS = 250;
const FLUSH_MS = 5000;
const LIST_MS = 30_000;
const MOST_IDS = 1_000_000;
const RECORD_MAX = 64 * 1024 * 1024;
const ID = /^[0-9A-Za-z]{1,40}$/;
const HOST = /^[A-Za-z0-9_.:-]{1,255}$/;

const instanceOf = ({ ports, signal, options: { config } }: Context): Instance => ({ ports, signal, config });

interface Waiting {
  /** Ids of what would be delivered, and of what is on hold already. */
  readonly ids: readonly string[];
  readonly held: ReadonlySet<string>;
}

/** What waits, or why it cannot be told. */
async function list(context: Context): Promise<Waiting | string> {
  const ids: string[] = [];
  const held = new Set<string>();
  let strange = 0;
  const lines = lineReader((line) => {
    const message = parseMessage(line);
    if (!message || !ID.test(message.id) || ids.length >= MOST_IDS) strange += 1;
    else if (message.queue === 'hold') held.add(message.id);
    else ids.push(message.id);
  });
  const more = { onStdout: (piece: Buffer) => lines.add(piece), timeoutMs: LIST_MS };
  const got = await run(instanceOf(context), ['postqueue', '-j'], more);
  lines.end();
  if (got.code !== 0) return faultOf('postqueue', got);
  return strange > 0 ? `${count(strange, 'line')} of postqueue -j cannot be read` : { ids, held };
}

/** Until nothing waits or the time is over; what waits still. */
async function drain(context: Context, what: string): Promise<Waiting | string> {
  const { ports, signal, options: wanted } = context;
  const started = ports.clock.monotonic();
  let most = 0;
  for (let flushed = Number.NEGATIVE_INFINITY; ; ) {
    const now = ports.clock.monotonic();
    if (now - flushed >= FLUSH_MS) {
      const got = await run(instanceOf(context), ['postqueue', '-f']);
      if (got.code !== 0) return faultOf('postqueue -f', got);
      flushed = now;
    }
    const found = await list(context);
    if (typeof found === 'string') return found;
    most = Math.max(most, found.ids.length);
    context.progress(most - found.ids.length, most, what);
    if (found.ids.length === 0 || now - started >= wanted.drain) return found;
    if (signal.aborted) return 'its time was over';
    await ports.clock.sleep(POLL_MS, signal).catch(() => undefined);
  }
}

// -------------------------------------------------------------------------------------------------------------- hold

const recordPath = ({ stateDir, group, step }: Context): string => `${stateDir}/${group}-${step}-held`;

/** Who is held by us is written down before: what somebody else holds is never let go. */
async function hold(context: Context, ids: readonly string[]): Promise<ActionResult> {
  const { ports, signal } = context;
  const path = recordPath(context);
  const before = recorded(context) ?? [];
  const input = `${[...new Set([...before, ...ids])].join('\n')}\n`;
  const steps = [
    ['dd', `of=${path}.new`, 'conv=fsync', 'status=none'],
    ['mv', '-f', '--', `${path}.new`, path],
  ];
  for (const argv of steps) {
    const got = await ports.exec.run(argv, { timeoutMs: LIST_MS, signal, input });
    if (got.code !== 0) return bad(faultOf(`${path} cannot be written`, got), 'no-space');
  }
  const got = await run(instanceOf(context), ['postsuper', '-h', '-'], { input, timeoutMs: LIST_MS });
  return got.code === 0 ? { ok: true, detail: `${count(ids.length, 'message')} held` } : bad(faultOf('postsuper', got));
}

/** Ids that this step holds; null: none. */
function recorded(context: Context): readonly string[] | null {
  const text = context.ports.files.readText(recordPath(context), RECORD_MAX);
  return text === null ? null : text.split('\n').filter((id) => ID.test(id));
}

/** Lets go what this step held, and nothing else. */
async function release(context: Context): Promise<ActionResult> {
  const ids = recorded(context);
  if (ids === null) return { ok: true, detail: 'nothing was held' };
  const input = `${ids.join('\n')}\n`;
  const got = await run(instanceOf(context), ['postsuper', '-H', '-'], { input, timeoutMs: LIST_MS });
  if (got.code !== 0) return bad(faultOf('postsuper', got));
  const { ports, signal } = context;
  const gone = await ports.exec.run(['rm', '-f', '--', recordPath(context)], { timeoutMs: LIST_MS, signal });
  return gone.code === 0 ? { ok: true, detail: `${count(ids.length, 'message')} let go` } : bad(faultOf('rm', gone));
}

// ----------------------------------------------------------------------------------------------------------- the step

/** The host that gets what is handed over; null when its word is not in the configuration. */
function hostOf({ options: { to: wanted }, to, words }: Context): string | null {
  const word = /^\$to\.(.+)$/.exec(wanted)?.[1];
  const host = word === undefined ? wanted : words[to]?.[word];
  return host !== undefined && HOST.test(host) ? host : null;
}

async function handOver(context: Context): Promise<Waiting | string> {
  const host = hostOf(context);
  if (host === null) return `node ${context.to} has no word for ${context.options.to}`;
  if (context.to === context.node) return 'it cannot be handed over to this node itself';
  const turned = await turn(instanceOf(context), host, context.options.port);
  return turned.ok ? drain(context, `to ${host}`) : turned.detail;
}

async function prepare(context: Context): Promise<ActionResult> {
  const { leave, 'must-be-empty': empty } = context.options;
  let left = await drain(context, 'delivered');
  // Also with an empty queue: what comes from now on goes to the other node at once.
  if (typeof left !== 'string' && leave === 'hand-over') left = await handOver(context);
  if (typeof left === 'string') return bad(left);
  const { ids } = left;
  if (ids.length === 0) return { ok: true, detail: 'nothing waits in the queue' };
  if (empty) return bad(`${count(ids.length, 'message')} left in the queue`);
  if (leave === 'hold') return hold(context, ids);
  return { ok: true, detail: `${count(ids.length, 'message')} stay in the queue` };
}

/** As it was before: routes, and what was held by us. */
async function back(context: Context): Promise<ActionResult> {
  const turned = await turnBack(instanceOf(context));
  if (!turned.ok) return turned;
  const released = await release(context);
  return { ok: released.ok, detail: `${turned.detail}; ${released.detail}` };
}

/** The routes are the node's again; what is held stays held until the group comes back. */
const undo = (context: Context): Promise<ActionResult> => turnBack(instanceOf(context));

async function probe(context: Context): Promise<Probe> {
  const turned = isTurned(instanceOf(context));
  if (turned === null) return { state: 'unknown', detail: 'its main.cf cannot be read' };
  const held = recorded(context);
  if (!turned && held === null) return { state: 'unknown', detail: 'nothing of this step is in its queue' };
  return { state: 'undone', detail: turned ? 'its mail is turned away' : `${held?.length} messages are held` };
}

async function ready(context: Context): Promise<ActionResult> {
  const got = await run(instanceOf(context), ['postconf', '-h', 'queue_directory']);
  return got.code === 0 ? { ok: true, detail: 'its configuration can be read' } : bad(faultOf('postconf', got));
}

export default defineStep({
  about: 'What waits in the queue of a Postfix: delivered before the group leaves, and the rest held or handed over.',
  options,
  example: { drain: '30s', leave: 'hand-over', to: '$to.host' },
  scope: 'node',
  exclusive: false,
  timeoutMs: 120_000,
  probe,
  do: back,
  undo,
  prepare,
  unprepare: back,
  ready,
});
