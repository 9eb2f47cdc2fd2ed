// Runs a service as a container, by the command line of its engine. What an engine cannot end any more dies by SIGKILL
// from here, if it is seen to be that container's: an engine may be on another machine.
import {
  type ActionResult,
  defineRecovery,
  type Evidence,
  type Inspection,
  opt,
  type RecoveryContext,
  z,
} from '../define.ts';
import { evidenceOf, treeOf, UNSEEN } from '../host/evidence.ts';
import { killUntilGone, leftOver } from '../host/kill.ts';
import { bad, launch, runOut } from '../host/launch.ts';
import { watchLife } from '../host/life-watch.ts';
import { freePorts } from '../host/ports-held.ts';
import { clean, count, troubleLine } from '../host/text.ts';
import { validateBy } from '../host/validate.ts';
import type { ExecResult } from '../ports/exec.ts';
import type { ProcessFacts } from '../ports/proc.ts';

const options = z.strictObject({
  container: z
    .string()
    .max(200)
    .regex(/^[A-Za-z0-9][\w.-]*$/, 'expected the name of a container')
    .describe('The container, by its name'),
  engine: z.enum(['docker', 'podman']).default('docker').describe('Whose command line is used'),
  'reload-signal': z
    .string()
    .regex(/^[A-Z0-9]{1,12}$/, 'expected a signal such as HUP')
    .describe('Sent to its main process for a reload: `HUP`')
    .optional(),
  validate: opt.argv('Reads the configuration as a start would; not 0 = do not start').optional(),
  ports: z.array(opt.port('A TCP port')).max(32).default([]).describe('TCP ports that must be free before a start'),
  'start-timeout': opt.duration('How long its start may take').prefault('60s'),
  'stop-timeout': opt.duration('How long it may take to end after its stop signal; then SIGKILL').prefault('10s'),
});
type Context = RecoveryContext<z.output<typeof options>>;

const ASK_MS = 10_000;
const KILL_MS = 3000;
/** An engine's own work around a stop. */
const MARGIN_MS = 5000;

const STATES: Readonly<Record<string, Inspection['state']>> = {
  running: 'running',
  paused: 'running',
  restarting: 'changing',
  removing: 'changing',
  stopping: 'changing',
  created: 'stopped',
  configured: 'stopped',
  initialized: 'stopped',
  dead: 'failed',
};

export interface ContainerState {
  readonly id: string;
  readonly status: string;
  readonly pid: number;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** `starting`, `healthy`, `unhealthy`; '' without a health check. */
  readonly health: string;
  readonly error: string;
}

const word = (value: unknown): string => (typeof value === 'string' ? clean(value) : '');
const whole = (value: unknown): number => (Number.isSafeInteger(value) ? Number(value) : 0);

/** `ID {"Status": …}`, as `inspect` prints it for FORMAT; null when it is none. */
export function parseContainer(text: string): ContainerState | null {
  const [, id = '', json = ''] = /^([0-9a-f]{12,64}) (\{.*\})\s*$/s.exec(text) ?? [];
  let state: Readonly<Record<string, unknown>>;
  try {
    state = JSON.parse(json) as Readonly<Record<string, unknown>>;
  } catch {
    return null;
  }
  const { Status: status, Pid: pid, ExitCode: exitCode, OOMKilled: oomKilled, Error: error } = state;
  if (typeof status !== 'string') return null;
  const health = (state['Health'] ?? state['Healthcheck']) as { Status?: unknown } | null | undefined;
  return {
    ...{ id, status: word(status).toLowerCase(), pid: whole(pid), exitCode: whole(exitCode) },
    ...{ oomKilled: oomKilled === true, health: word(health?.Status), error: word(error) },
  };
}

const FORMAT = '{{.Id}} {{json .State}}';

const engine = (context: Context, timeoutMs: number, ...words: readonly string[]): Promise<ExecResult> =>
  runOut(context, [context.options.engine, ...words], timeoutMs);

interface Look {
  readonly state: ContainerState | null;
  readonly main: ProcessFacts | null;
  /** Why there is no state. */
  readonly why: string;
  readonly missing: boolean;
}

async function look(context: Context): Promise<Look> {
  const { container, engine: name } = context.options;
  const got = await engine(context, ASK_MS, 'inspect', '--type', 'container', '--format', FORMAT, container);
  const state = got.code === 0 ? parseContainer(got.stdout.trim()) : null;
  const said = troubleLine(got.stderr, got.stdout);
  const why = got.failed ?? (got.timedOut ? 'gave no answer' : `says "${said}"`);
  return {
    state,
    main: mainOf(context, state),
    why: `${name} ${why}`,
    missing: /no such (container|object)/i.test(said),
  };
}

/** Its main process, if it is on this machine: a number alone would be anybody's. */
function mainOf({ ports }: Context, state: ContainerState | null): ProcessFacts | null {
  if (!state || state.pid <= 1 || !ports.proc.cgroupOf(state.pid)?.includes(state.id)) return null;
  const found = ports.proc.facts(state.pid);
  return found && found.state !== 'Z' && found.state !== 'X' ? found : null;
}

function stateOf(state: ContainerState): Inspection['state'] {
  if (state.status === 'exited' || state.status === 'stopped')
    return state.exitCode === 0 && !state.oomKilled ? 'stopped' : 'failed';
  return STATES[state.status] ?? 'unknown';
}

function sentence(name: string, state: ContainerState): string {
  const ended = state.status === 'exited' || state.status === 'stopped' || state.status === 'dead';
  const more = [
    ...(ended ? [`exit code ${state.exitCode}`] : []),
    ...(state.oomKilled ? ['killed because memory ran out'] : []),
    ...(state.health === '' || ended ? [] : [`health: ${state.health}`]),
    ...(state.error === '' ? [] : [`"${state.error}"`]),
  ];
  return `the container ${name} is ${state.status}${more.length > 0 ? ` (${more.join(', ')})` : ''}`;
}

async function inspect(context: Context): Promise<Inspection> {
  const { container } = context.options;
  const { state, main, why } = await look(context);
  if (!state) return { state: 'unknown', byHand: false, detail: why, evidence: { container, status: 'none' } };
  const { status, pid, exitCode, oomKilled, health } = state;
  const evidence: Record<string, string> = { container, status, pid: String(pid || 'none') };
  evidence['exit-code'] = String(exitCode);
  if (oomKilled) evidence['oom-killed'] = 'yes';
  if (health !== '') evidence['health'] = health;
  // Nobody pauses or removes one by accident.
  const byHand = status === 'paused' || status === 'removing' || status === 'stopping';
  return { state: stateOf(state), byHand, detail: sentence(container, state), ...(main ? { main } : {}), evidence };
}

function answer(context: Context, got: ExecResult, what: string): ActionResult {
  const { engine: name, container } = context.options;
  if (got.code === 0) return { ok: true, detail: `${name} ${what} ${container} took ${Math.round(got.ms)} ms` };
  if (got.failed) return bad(`${name} could not be run: ${got.failed}`);
  if (got.timedOut) return bad(`${name} ${what} did not end within ${Math.round(got.ms)} ms`, 'hung');
  const said = troubleLine(got.stderr, got.stdout);
  const missing = /no such (container|object|image)|executable file not found|invalid reference/i.test(said);
  const full = /no space left/i.test(said);
  return bad(`${name} ${what} says "${said}"`, missing ? 'misconfigured' : full ? 'no-space' : undefined);
}

async function start(context: Context): Promise<ActionResult> {
  const { container, engine: name, 'start-timeout': limitMs } = context.options;
  // podman leaves a process of its own beside each container.
  return answer(context, await launch(context, [name, 'start', container], limitMs), 'start');
}

/** SIGKILL by the engine; then, for what it cannot end, from here. */
async function kill(context: Context, main: ProcessFacts | null): Promise<ActionResult> {
  const { ports, options: wanted } = context;
  const family = main ? ports.proc.tree(main.pid).flatMap((pid) => ports.proc.facts(pid) ?? []) : [];
  const got = await engine(context, MARGIN_MS, 'kill', '-s', 'KILL', wanted.container);
  const pids = (): readonly number[] => family.filter((one) => ports.proc.alive(one)).map((one) => one.pid);
  const end = await killUntilGone(ports, { pids }, KILL_MS, context.signal);
  if (end.left.length > 0) return bad(leftOver(end.left), 'hung');
  if (end.killed > 0)
    return { ok: true, detail: `killed ${count(end.killed, 'process', 'processes')} that the engine had left` };
  const killed = answer(context, got, 'kill');
  if (killed.ok || family.length > 0)
    return { ok: true, detail: `the container was killed in ${Math.round(got.ms)} ms` };
  return killed;
}

async function stop(context: Context, { force }: { readonly force: boolean }): Promise<ActionResult> {
  const { container, 'stop-timeout': limitMs } = context.options;
  const { state, main, why, missing } = await look(context);
  if (!state) return bad(why, missing ? 'misconfigured' : undefined);
  const rests = stateOf(state) === 'stopped' || stateOf(state) === 'failed';
  if (rests && !main) return { ok: true, detail: sentence(container, state) };
  if (force) return kill(context, main);
  const seconds = String(Math.ceil(limitMs / 1000));
  const stopped = answer(context, await engine(context, limitMs + MARGIN_MS, 'stop', '-t', seconds, container), 'stop');
  if (stopped.ok && !(main && context.ports.proc.alive(main))) return stopped;
  const killed = await kill(context, main);
  return { ...killed, detail: `${stopped.detail}; ${killed.detail}` };
}

async function restart(context: Context): Promise<ActionResult> {
  const { container, engine: name, 'stop-timeout': stopMs, 'start-timeout': startMs } = context.options;
  const words = [name, 'restart', '-t', String(Math.ceil(stopMs / 1000)), container];
  const got = answer(context, await launch(context, words, stopMs + startMs), 'restart');
  if (got.ok || context.signal.aborted) return got;
  const stopped = await stop(context, { force: true });
  const again = stopped.ok ? await start(context) : stopped;
  return { ...again, detail: `${got.detail}; ${again.detail}` };
}

async function reload(context: Context): Promise<ActionResult> {
  const { container, 'reload-signal': signal } = context.options;
  if (signal === undefined) return bad('no reload-signal is configured');
  return answer(context, await engine(context, ASK_MS, 'kill', '-s', signal, container), 'kill');
}

async function sweep(context: Context): Promise<ActionResult> {
  const { state } = await look(context);
  if (state?.status === 'running') return { ok: true, detail: 'nothing to sweep: it runs' };
  const freed = await freePorts(context.ports, { ports: context.options.ports, exe: [] }, context.signal);
  return freed.ok ? { ok: true, detail: freed.detail } : bad(freed.detail, 'misconfigured');
}

/** A proxy of the engine holds the ports of a container, or nobody: who listens there says nothing. */
async function evidence(context: Context): Promise<Evidence> {
  const { state, main } = await look(context);
  if (!state || (state.pid > 0 && !main)) return UNSEEN;
  return evidenceOf(context.ports, { living: treeOf(context.ports, main), main, claim: null });
}

export default defineRecovery({
  about: 'Runs a service as a container of docker or podman.',
  options,
  example: { container: 'mail', engine: 'podman', ports: [25, 143] },
  inspect,
  start,
  stop,
  restart,
  reload,
  sweep,
  evidence,
  validate: (context) => validateBy(context.ports, context.options.validate, context.signal),
  watch: async (context, onChange) =>
    watchLife({ ports: context.ports, look: async () => (await look(context)).main, glance: () => true, onChange }),
});
