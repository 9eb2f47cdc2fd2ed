// Anything that has its own program: one argv each for probe, do and undo. The names of the nodes are handed over in
// the environment, never put into the words.
import { type ActionResult, defineStep, opt, type StepContext, z } from '../define.ts';
import { refusal, unrunnable } from '../dialogues/plugin.ts';
import { bad } from '../host/launch.ts';
import { troubleLine } from '../host/text.ts';

const options = z.strictObject({
  do: opt.argv('Brings it here; exit code 0: it is in place'),
  undo: opt.argv('Takes it back; exit code 0: it is proved to be gone'),
  probe: opt
    .argv('Says whether it is in place: exit code 0 yes, 1 no, anything else: it could not tell. Without it: unknown')
    .optional(),
  prepare: opt.argv('Run on the node that will leave, before anything is stopped on a planned move').optional(),
  unprepare: opt.argv('Takes back what prepare did, when the move ends after all').optional(),
  ready: opt.argv('Says whether it could be done on this node: exit code 0 yes').optional(),
});
type Context = StepContext<z.output<typeof options>>;

/** The daemon ends what takes longer than the step may: this is for what it would never end. */
const RUN_MS = 3_600_000;

interface Ran {
  /** Null: it was not run to its end. */
  readonly code: number | null;
  readonly detail: string;
}

async function run(context: Context, argv: readonly string[], extra: Readonly<Record<string, string>> = {}) {
  const { ports, signal, group, step, node, to, from, lease, planned } = context;
  const refused = refusal(ports, argv[0] ?? '');
  if (refused !== null) return { code: null, detail: refused };
  const got = await ports.exec.run(argv, {
    timeoutMs: RUN_MS,
    signal,
    env: {
      WATCHKEEPER_GROUP: group,
      WATCHKEEPER_STEP: step,
      WATCHKEEPER_NODE: node,
      WATCHKEEPER_TO: to,
      WATCHKEEPER_FROM: from ?? '',
      WATCHKEEPER_EPOCH: String(lease.epoch),
      WATCHKEEPER_PLANNED: planned ? '1' : '0',
      ...extra,
    },
  });
  const late = got.timedOut || signal.aborted;
  const why = got.failed ?? (late ? 'over its time' : (got.signal ?? `exit code ${got.code ?? 'none'}`));
  const said = got.code === 0 ? '' : troubleLine(got.stderr, got.stdout);
  const code = got.failed === null && !got.timedOut ? got.code : null;
  return { code, detail: `${argv[0]}: ${why}${said ? `: "${said}"` : ''}` } satisfies Ran;
}

async function act(context: Context, argv: readonly string[], extra?: Record<string, string>): Promise<ActionResult> {
  const { code, detail } = await run(context, argv, extra);
  return { ok: code === 0, detail };
}

const perhaps = async (context: Context, argv: readonly string[] | undefined): Promise<ActionResult> =>
  argv ? act(context, argv) : { ok: true, detail: 'no program for it' };

/** What the program did while the right ended may stand beside what the next node does: it is not called done. */
async function bring(context: Context): Promise<ActionResult> {
  const { lease, ports, options: wanted } = context;
  const done = await act(context, wanted.do);
  if (!done.ok || lease.untilMs() > ports.clock.monotonic()) return done;
  return bad(`${done.detail}, but the right ended meanwhile`);
}

/** What everybody may replace, or what is not there, would not be run when it matters. */
function unfit({ ports, options: wanted }: Context): string | null {
  for (const argv of [wanted.do, wanted.undo, wanted.probe, wanted.prepare, wanted.unprepare]) {
    const refused = argv ? unrunnable(ports, argv[0] ?? '') : null;
    if (refused !== null) return refused;
  }
  return null;
}

export default defineStep({
  about: 'Anything that has a program of its own to bring it here, take it back and look.',
  options,
  example: { do: ['/usr/local/sbin/attach'], undo: ['/usr/local/sbin/detach'] },
  scope: 'node',
  async probe(context) {
    if (!context.options.probe) return { state: 'unknown', detail: 'no probe is configured' };
    const { code, detail } = await run(context, context.options.probe);
    return { state: code === 0 ? 'done' : code === 1 ? 'undone' : 'unknown', detail };
  },
  do: bring,
  undo: (context, { force }) => act(context, context.options.undo, { WATCHKEEPER_FORCE: force ? '1' : '0' }),
  prepare: (context) => perhaps(context, context.options.prepare),
  unprepare: (context) => perhaps(context, context.options.unprepare),
  async ready(context) {
    const trouble = unfit(context);
    return trouble === null ? perhaps(context, context.options.ready) : bad(trouble, 'misconfigured');
  },
});
