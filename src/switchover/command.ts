// Anything that has its own program: one argv each for probe, do and undo. The names of the nodes are handed over in
// the environment, never put into the words.
import { defineStep, opt, type StepContext, z } from '../define.ts';

const options = z.strictObject({
  do: opt.argv('Brings it here; exit code 0: it is in place'),
  undo: opt.argv('Takes it back; exit code 0: it is proved to be gone'),
  probe: opt
    .argv('Says whether it is in place: exit code 0 yes, 1 no, anything else: it could not tell. Without it: unknown')
    .optional(),
  prepare: opt.argv('Run on the node that will leave, before anything is stopped on a planned move').optional(),
  ready: opt.argv('Says whether it could be done on this node: exit code 0 yes').optional(),
});
type Options = z.output<typeof options>;

const RUN_MS = 3_600_000;

async function run(context: StepContext<Options>, argv: readonly string[], extra: Record<string, string> = {}) {
  const { ports, signal, group, step, node, to, from, lease, planned } = context;
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
  const why = got.failed ?? (got.timedOut ? 'over its time' : `exit code ${got.code ?? 'none'}`);
  return { code: got.failed === null && !got.timedOut ? got.code : null, detail: `${argv[0]}: ${why}` };
}

const act = async (context: StepContext<Options>, argv: readonly string[], extra?: Record<string, string>) => {
  const { code, detail } = await run(context, argv, extra);
  return { ok: code === 0, detail };
};

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
  do: (context) => act(context, context.options.do),
  undo: (context, { force }) => act(context, context.options.undo, { WATCHKEEPER_FORCE: force ? '1' : '0' }),
  prepare: async (context) =>
    context.options.prepare ? act(context, context.options.prepare) : { ok: true, detail: 'nothing to prepare' },
  ready: async (context) =>
    context.options.ready ? act(context, context.options.ready) : { ok: true, detail: 'not asked' },
});
