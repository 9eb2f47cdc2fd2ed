// Runs a service through the service control manager of Windows. States and errors are numbers, never translated text;
// whether it lives is told by the handle of its process, whatever the manager believes.
import { type ActionResult, defineRecovery, type LifeChange, opt, type RecoveryContext, z } from '../define.ts';
import {
  again,
  bad,
  good,
  letGo,
  limits,
  look,
  sayNo,
  type ServiceCase,
  startDependents,
  stopInOrder,
  terminate,
} from '../host/service-control.ts';
import { clean } from '../host/text.ts';
import { endingOf, errorCause, errorText, type ServiceReading } from '../host/windows-service.ts';
import { DISABLED, type HeldProcess, isRefused, STATE } from '../ports/scm.ts';

const options = z.strictObject({
  service: z
    .string()
    .min(1)
    .max(256)
    .regex(/^[^\\/\p{C}]+$/u, 'expected the name of one service, without / and \\')
    .describe('The name of the service, not the one that is shown: MSExchangeTransport, W3SVC'),
  'start-timeout': opt
    .duration('How long a start may take. Windows itself waits 30 s for a service that never reports')
    .prefault('35s'),
  'stop-timeout': opt.duration('How long an orderly stop may take; then TerminateProcess').prefault('20s'),
  'kill-shared': opt
    .flag('Its process may be killed though other services live in it (svchost.exe, inetinfo.exe)')
    .default(false),
});
type Context = RecoveryContext<z.output<typeof options>>;

const caseOf = ({ options: wanted, ports, signal, memory }: Context): ServiceCase => ({
  ports,
  signal,
  memory,
  service: wanted.service,
  startMs: wanted['start-timeout'],
  stopMs: wanted['stop-timeout'],
  killShared: wanted['kill-shared'],
});

/** In the memory: it is down because we stopped it, or could not start it. A stop that is not ours is somebody's. */
const OURS = 'down-by-us';

/** Somebody's will, seen in what the service control manager says. */
function byHand({ condition }: ServiceReading, memory: Map<string, unknown>): boolean {
  if (condition === 'paused') return true;
  return !memory.has(OURS) && ['stopped', 'starting', 'stopping'].includes(condition);
}

async function inspect(context: Context) {
  const one = caseOf(context);
  const now = await look(one);
  if (isRefused(now)) {
    const { detail } = sayNo(one.service, 'could not be asked about', now);
    return { state: 'unknown', byHand: false, detail, evidence: { error: String(now.error ?? 'none') } } as const;
  }
  if (now.condition === 'running') context.memory.delete(OURS);
  const { state, detail, process, evidence } = now;
  const type = now.status.state === STATE.stopped ? await one.ports.scm.startType(one.service, limits(one)) : null;
  if (type === DISABLED)
    return {
      ...{ state, byHand: true, detail: `${detail}, and is disabled: somebody forbade to start it` },
      evidence: { ...evidence, start: 'disabled' },
    };
  const start = isRefused(type) ? { start: clean(type.text) } : {};
  const main = process && !process.ended() ? { pid: process.pid, startTicks: process.born, exe: null } : null;
  return {
    state,
    byHand: byHand(now, context.memory),
    detail,
    ...(main ? { main } : {}),
    evidence: { ...evidence, ...start },
  };
}

/** After StartServiceW has said yes: until it says RUNNING with a living process, or has ended, or the time is over. */
async function untilRunning(one: ServiceCase, begun: number): Promise<ActionResult> {
  const { clock } = one.ports;
  const end = begun + one.startMs;
  for (;;) {
    const now = await look(one);
    const ms = Math.round(clock.monotonic() - begun);
    if (!isRefused(now)) {
      const { condition, status, detail } = now;
      if (condition === 'running') return good(`${one.service} was started in ${ms} ms as pid ${status.pid}`);
      if (condition === 'failed')
        return bad(`${one.service} was started and ended ${endingOf(status)}`, errorCause(status.win32Exit));
      if (condition === 'stopped') return bad(`${one.service} was started and stopped at once`);
      if (condition === 'dead') return bad(`${one.service} was started: ${detail}`);
    }
    if (await again(one, end)) continue;
    if (one.signal.aborted) return bad(`the start of ${one.service} was given up after ${ms} ms`);
    return bad(`${one.service} was still starting after ${ms} ms: ${isRefused(now) ? now.text : now.detail}`, 'hung');
  }
}

/** Asks for the start until it is accepted. Null: now it is to be waited for. */
async function askToStart(one: ServiceCase, begun: number): Promise<ActionResult | null> {
  const { clock, scm } = one.ports;
  const end = begun + one.startMs;
  for (;;) {
    const left = Math.max(1, end - clock.monotonic());
    const got = await scm.start(one.service, { timeoutMs: left, signal: one.signal });
    if (got === null) return null;
    if (got.error === null) return bad(got.text, clock.monotonic() >= end && !one.signal.aborted ? 'hung' : undefined);
    if (got.error === 1056) {
      const now = await look(one);
      if (!isRefused(now) && now.condition === 'running') return good(`${now.detail} already`);
      if (!isRefused(now) && now.condition === 'starting') return null;
    } else if (got.error !== 1055) return sayNo(one.service, 'was not started', got);
    // 1056 of a service that is stopping, or whose death is not noticed yet; 1055: another start is under way.
    if (await again(one, end)) continue;
    return bad(`${one.service} was not started within ${one.startMs} ms: ${errorText(got.error)}`, 'hung');
  }
}

async function start(context: Context): Promise<ActionResult> {
  const one = caseOf(context);
  const begun = one.ports.clock.monotonic();
  context.memory.set(OURS, true);
  const result = (await askToStart(one, begun)) ?? (await untilRunning(one, begun));
  if (!result.ok) return result;
  context.memory.delete(OURS);
  return { ...result, detail: `${result.detail}${await startDependents(one)}` };
}

async function stop(context: Context, how: { readonly force: boolean }): Promise<ActionResult> {
  const one = caseOf(context);
  const now = await look(one);
  if (isRefused(now)) return sayNo(one.service, 'could not be asked about', now);
  const { condition, process, status } = now;
  const lives = process !== null && !process.ended();
  if (condition === 'dead' || (status.state === STATE.stopped && !lives)) return good(now.detail);
  context.memory.set(OURS, true);
  if (how.force) return terminate(one, now);
  const orderly = await stopInOrder(one, process);
  if (orderly.ok) return orderly;
  if (one.signal.aborted) return orderly;
  const after = await look(one);
  const killed = await terminate(one, isRefused(after) || after.status.pid === 0 ? now : after);
  return { ...killed, detail: `${orderly.detail}; ${killed.detail}` };
}

/** What a start would meet: asked before a service that still runs is stopped for a restart. */
async function validate(context: Context): Promise<ActionResult> {
  const one = caseOf(context);
  const type = await one.ports.scm.startType(one.service, limits(one));
  if (isRefused(type)) return sayNo(one.service, 'could not be asked about', type);
  return type === DISABLED ? bad(`${one.service}: ${errorText(1058)}`, 'misconfigured') : good('it can be started');
}

const GLANCE_MS = 100;
/** The manager is asked this often; the handle of the process at each glance. */
const LOOK_MS = 1000;

/** Looks at the handle ten times a second, which costs microseconds, and asks the manager once a second: a service
 *  that shares its process can stop without a death, and a start by others has to be seen. */
async function watch(context: Context, onChange: (change: LifeChange) => void): Promise<{ close(): void }> {
  // It outlives the call that began it, and with it that call's signal.
  const one: ServiceCase = { ...caseOf(context), memory: new Map(), signal: new AbortController().signal };
  const { clock } = one.ports;
  let closed = false;
  let cancel = (): void => undefined;
  /** Undefined before the first look: what runs then is no news. */
  let living: HeldProcess | 'unseen' | null | undefined;
  let lookedAt = -LOOK_MS;
  const died = (detail: string): void => {
    living = null;
    onChange({ kind: 'died', detail });
  };
  const ask = async (): Promise<void> => {
    lookedAt = clock.monotonic();
    const now = await look(one);
    if (closed || isRefused(now)) return;
    const runs = now.condition === 'running' ? (now.process ?? 'unseen') : null;
    const before = living;
    living = now.condition === 'stopping' || now.condition === 'stuck' ? (before ?? null) : runs;
    if (before && living === null) return died(now.detail);
    if (before !== undefined && living && living !== before) onChange({ kind: 'started', detail: now.detail });
  };
  const glance = async (): Promise<void> => {
    if (living && living !== 'unseen' && living.ended()) died(`its process, pid ${living.pid}, ended`);
    if (clock.monotonic() - lookedAt >= LOOK_MS) await ask().catch(() => undefined);
    if (!closed) cancel = clock.after(GLANCE_MS, () => void glance());
  };
  await glance();
  return {
    close() {
      closed = true;
      cancel();
      letGo(one.memory);
    },
  };
}

export default defineRecovery({
  about: 'Runs a service through the service control manager of Windows; judges by the handle of its process.',
  options,
  example: { service: 'MSExchangeTransport', 'stop-timeout': '30s' },
  inspect,
  start,
  stop,
  validate,
  watch,
  release: (context) => Promise.resolve(letGo(context.memory)),
});
