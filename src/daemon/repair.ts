// Carries out one rung on one service, through its manager: look first, never start a bad configuration, never fight
// somebody who works on it by hand, clear what a dead service left behind, then start. Bounded in all.
import type { Cause, Effect, RepairResult, Rung, Step } from '../core/types.ts';
import type { ActionResult, Inspection, Recovery, RecoveryContext } from '../define.ts';
import type { Ports } from '../ports/ports.ts';

/** A service's manager, ready to be called. */
export interface Managed {
  readonly plugin: Recovery;
  readonly options: unknown;
  readonly memory: Map<string, unknown>;
  readonly stateDir: string;
}

export const contextOf = (
  service: string,
  managed: Managed,
  ports: Ports,
  signal: AbortSignal,
): RecoveryContext<never> => ({
  options: managed.options as never,
  ports,
  signal,
  service,
  memory: managed.memory,
  stateDir: managed.stateDir,
});

interface Job {
  readonly manager: Recovery;
  readonly context: RecoveryContext<never>;
  readonly rung: Rung;
  readonly cause: Cause;
  readonly part: string | undefined;
  readonly ports: Ports;
  readonly steps: Step[];
}

/** What is to be done about what. */
export type Task = Pick<Extract<Effect, { kind: 'repair' }>, 'rung' | 'cause' | 'part' | 'timeoutMs'>;

export async function repair(
  service: string,
  managed: Managed,
  { rung, cause, part, timeoutMs }: Task,
  ports: Ports,
  stop: AbortSignal,
): Promise<RepairResult> {
  const limit = new AbortController();
  const cancel = ports.clock.after(timeoutMs, () => limit.abort(new Error('timeout')));
  const signal = AbortSignal.any([limit.signal, stop]);
  const context = contextOf(service, managed, ports, signal);
  const job: Job = { manager: managed.plugin, context, rung, cause, part, ports, steps: [] };
  const late = new Promise<RepairResult>((resolve) => {
    const over = (): void => resolve({ ok: false, did: 'failed', detail: 'it did not end in time' });
    signal.addEventListener('abort', () => ports.clock.after(500, over), { once: true });
  });
  try {
    const result = await Promise.race([carryOut(job), late]);
    return { ...result, steps: job.steps };
  } catch (error) {
    const { message } = error as Error;
    const detail = signal.aborted ? `it did not end in time: ${message}` : `it broke: ${message}`;
    return { ok: false, did: 'failed', detail, steps: job.steps };
  } finally {
    cancel();
  }
}

async function step<R extends { readonly detail: string }>(
  job: Job,
  name: string,
  run: () => Promise<R>,
  good: (result: R) => boolean,
): Promise<R> {
  // Given up: what was decided after that is somebody else's work. Above all nothing is started that late.
  if (job.context.signal.aborted) throw new Error(`given up before "${name}"`);
  const started = job.ports.clock.monotonic();
  const result = await run();
  const ms = Math.round(job.ports.clock.monotonic() - started);
  job.steps.push({ name, ms, ok: good(result), detail: result.detail });
  return result;
}

const act = (job: Job, name: string, run: () => Promise<ActionResult>): Promise<ActionResult> =>
  step(job, name, run, (result) => result.ok);

const refused = (result: ActionResult, fallback: Cause): RepairResult => ({
  ok: false,
  did: 'refused',
  cause: result.cause ?? fallback,
  detail: result.detail,
});

async function carryOut(job: Job): Promise<RepairResult> {
  const { manager, context, rung, cause } = job;
  const seen = await step<Inspection>(
    job,
    'inspect',
    () => manager.inspect(context),
    (one) => one.state !== 'unknown',
  );
  if (seen.byHand) return { ok: false, did: 'held', detail: seen.detail, soon: seen.state === 'changing' };
  const running = seen.state === 'running';
  if (running && cause === 'dead') return { ok: true, did: 'adopted', detail: seen.detail };
  if (rung.name === 'command') return ownCommand(job);
  if (rung.name === 'reload') return reload(job, running);
  if (rung.name === 'part') return onePart(job, running);
  return restart(job, running);
}

async function reload(job: Job, running: boolean): Promise<RepairResult> {
  const { manager, context } = job;
  if (!running || !manager.reload) return { ok: false, did: 'failed', detail: 'it is not running, or knows no reload' };
  const checked = await validate(job);
  if (!checked.ok) return refused(checked, 'misconfigured');
  const done = await act(job, 'reload', () => manager.reload?.(context) ?? Promise.resolve(checked));
  return { ok: done.ok, did: done.ok ? 'done' : 'failed', detail: done.detail };
}

/** One part of it alone. Its configuration is read anew by that part only, so a bad one is no reason against it. */
async function onePart(job: Job, running: boolean): Promise<RepairResult> {
  const { manager, context, part } = job;
  if (!running || !manager.repairPart || part === undefined)
    return { ok: false, did: 'failed', detail: 'it is not running, or none of its parts can be repaired alone' };
  const done = await act(job, `part ${part}`, () => manager.repairPart?.(context, part) ?? Promise.resolve(NOTHING));
  return { ok: done.ok, did: done.ok ? 'done' : 'failed', detail: done.detail };
}

const validate = async (job: Job): Promise<ActionResult> =>
  job.manager.validate
    ? act(job, 'validate', () => job.manager.validate?.(job.context) ?? Promise.resolve(NOTHING))
    : NOTHING;

const NOTHING: ActionResult = { ok: true, detail: 'nothing to do' };

async function restart(job: Job, running: boolean): Promise<RepairResult> {
  const { manager, context, rung, cause } = job;
  const force = rung.name === 'kill-and-start' || cause === 'hung' || cause === 'dead';
  if (!running) {
    // It serves nobody now: what is left of it can go while its configuration is read.
    const [checked, swept] = await Promise.all([validate(job), clear(job, true)]);
    if (!checked.ok) return refused(checked, 'misconfigured');
    if (!swept.ok) return swept.cause ? refused(swept, 'misconfigured') : failed('clearing', swept);
    return start(job);
  }
  // It runs, if badly: it is not stopped for a configuration that would not start again.
  const checked = await validate(job);
  if (!checked.ok) return refused(checked, 'misconfigured');
  if (manager.restart && !force) {
    const done = await act(job, 'restart', () => manager.restart?.(context) ?? Promise.resolve(NOTHING));
    return done.ok ? { ok: true, did: 'done', detail: done.detail } : failed('restart', done);
  }
  const stopped = await clear(job, force);
  if (!stopped.ok) return stopped.cause ? refused(stopped, 'misconfigured') : failed('stop', stopped);
  return start(job);
}

const failed = (what: string, result: ActionResult): RepairResult => ({
  ok: false,
  did: 'failed',
  detail: `${what}: ${result.detail}`,
});

/** Stop (bounded, to the last of its processes), then sweep away what holds its ports. */
async function clear(job: Job, force: boolean): Promise<ActionResult> {
  const { manager, context } = job;
  const stopped = await act(job, force ? 'kill' : 'stop', () => manager.stop(context, { force }));
  if (!stopped.ok || !manager.sweep) return stopped;
  return act(job, 'sweep', () => manager.sweep?.(context) ?? Promise.resolve(NOTHING));
}

async function start(job: Job): Promise<RepairResult> {
  const started = await act(job, 'start', () => job.manager.start(job.context));
  if (started.ok) return { ok: true, did: 'done', detail: started.detail };
  return started.cause === 'misconfigured' || started.cause === 'no-space'
    ? refused(started, started.cause)
    : failed('start', started);
}

async function ownCommand(job: Job): Promise<RepairResult> {
  const run = job.rung.run ?? [];
  const done = await act(job, 'command', async () => {
    const result = await job.ports.exec.run(run, { timeoutMs: 3_600_000, signal: job.context.signal });
    const why = result.failed ?? (result.timedOut ? 'over its time' : `exit code ${result.code}`);
    return { ok: result.code === 0, detail: `${run[0]}: ${why} ${result.stderr.slice(0, 200)}`.trim() };
  });
  return { ok: done.ok, did: done.ok ? 'done' : 'failed', detail: done.detail };
}
