// Moves of a Windows service that more than one deed is made of: a look with the process held by its handle, an orderly
// stop, an end by force. What is remembered from one look to the next lies in the memory that it is given.
import type { ActionResult, Ports } from '../define.ts';
import { type HeldProcess, isRefused, type Limits, type Refused, type ServiceStatus, STATE } from '../ports/scm.ts';
import { count } from './text.ts';
import { errorCause, errorText, type ProcessSight, readService, type ServiceReading } from './windows-service.ts';

/** One service and how it may be treated. */
export interface ServiceCase {
  readonly ports: Ports;
  readonly signal: AbortSignal;
  readonly memory: Map<string, unknown>;
  readonly service: string;
  readonly startMs: number;
  readonly stopMs: number;
  /** Its process may be killed though others live in it. */
  readonly killShared: boolean;
}

/** One question to the service control manager. */
const ASK_MS = 5000;
const STEP_MS = 50;
const KILL_MS = 5000;
/** How long the service control manager may need to notice a death. */
const NOTICE_MS = 500;
const INVALID_PARAMETER = 87; // OpenProcess: there is no such pid.

export const good = (detail: string): ActionResult => ({ ok: true, detail });
export const bad = (detail: string, cause?: ActionResult['cause']): ActionResult => ({
  ok: false,
  detail,
  ...(cause ? { cause } : {}),
});
export const limits = (one: ServiceCase, timeoutMs = ASK_MS): Limits => ({
  timeoutMs: Math.max(1, Math.min(timeoutMs, ASK_MS)),
  signal: one.signal,
});
export const sayNo = (service: string, what: string, { error, text }: Refused): ActionResult =>
  error === null ? bad(text) : bad(`${service} ${what}: ${errorText(error)}`, errorCause(error));

/** Waits a moment; false when nobody is interested any more or the time is over. */
export async function again(one: ServiceCase, end: number): Promise<boolean> {
  const { clock } = one.ports;
  if (one.signal.aborted || clock.monotonic() >= end) return false;
  await clock.sleep(STEP_MS);
  return !one.signal.aborted;
}

/** The process behind a pid. The handle is kept as long as the manager names this pid: so the pid stays this process's,
 *  and a kill can hit nobody else, even if the manager goes on naming a dead one. */
async function sightOf(one: ServiceCase, pid: number): Promise<ProcessSight> {
  const before = one.memory.get('process') as HeldProcess | undefined;
  if (pid === 0) return null;
  if (before?.pid === pid) return before;
  const opened = await one.ports.scm.hold(pid, limits(one));
  if (isRefused(opened)) return opened.error === INVALID_PARAMETER ? 'gone' : 'unseen';
  const now = one.memory.get('process') as HeldProcess | undefined;
  if (now?.pid === pid) {
    opened.close();
    return now;
  }
  now?.close();
  one.memory.set('process', opened);
  return opened;
}

export function letGo(memory: Map<string, unknown>): void {
  (memory.get('process') as HeldProcess | undefined)?.close();
  memory.delete('process');
}

/** Has it been on its way without a new check point for longer than it asked for, and than we allow? */
function isStuck(one: ServiceCase, { state, pid, checkPoint, waitHint }: ServiceStatus): boolean {
  const { memory, ports } = one;
  const key = `${state} ${pid} ${checkPoint}`;
  const known = memory.get('step') as { readonly key: string; readonly since: number } | undefined;
  const now = ports.clock.monotonic();
  if (known?.key !== key) memory.set('step', { key, since: now });
  const allowed = Math.max(waitHint, state === STATE.stopPending ? one.stopMs : one.startMs);
  return known?.key === key && now - known.since >= allowed;
}

export async function look(one: ServiceCase): Promise<ServiceReading | Refused> {
  const status = await one.ports.scm.status(one.service, limits(one));
  if (isRefused(status)) return status;
  return readService(one.service, status, await sightOf(one, status.pid), isStuck(one, status));
}

/** Nothing of it lives any more, as far as we can see. */
const isDown = ({ condition, process, status }: ServiceReading): boolean =>
  condition === 'dead' || (status.state === STATE.stopped && (status.shared || process === null || process.ended()));

/** Until it is down, with the process that it had; null when it came to be, else what it was at the end. */
async function untilDown(one: ServiceCase, process: HeldProcess | null, end: number): Promise<string | null> {
  for (;;) {
    const now = await look(one);
    const lives = process !== null && !process.ended();
    if (!isRefused(now) && isDown(now) && (!lives || now.status.shared)) return null;
    if (await again(one, end)) continue;
    if (isRefused(now)) return now.text;
    return now.status.state === STATE.stopped ? 'it says STOPPED, but its process lives' : now.detail;
  }
}

/** Stops what stands on it, in order and without force: these are not our services. Who was stopped is remembered. */
async function stopDependents(one: ServiceCase, end: number): Promise<string> {
  const { scm } = one.ports;
  const names = await scm.dependents(one.service, limits(one));
  if (isRefused(names)) return `its dependents could not be listed: ${names.text}`;
  const stopped: string[] = [];
  for (const name of names.slice(0, 50)) {
    const other = { ...one, service: name, memory: new Map<string, unknown>() };
    const got = await scm.stop(name, limits(other));
    const down = got === null && (await untilDown(other, null, end)) === null;
    letGo(other.memory);
    if (down) stopped.push(name);
  }
  one.memory.set('dependents', [...((one.memory.get('dependents') as string[] | undefined) ?? []), ...stopped]);
  const short = stopped.length < names.length ? ` of ${names.length}` : '';
  return `${count(stopped.length, 'dependent service')}${short} stopped first: ${stopped.join(', ') || 'none'}`;
}

/** Starts again what was stopped for its sake, the last one first; how that went, for the detail. */
export async function startDependents(one: ServiceCase): Promise<string> {
  const names = ((one.memory.get('dependents') as string[] | undefined) ?? []).toReversed();
  one.memory.delete('dependents');
  if (names.length === 0) return '';
  const failed: string[] = [];
  for (const name of names) {
    const got = await one.ports.scm.start(name, { timeoutMs: one.startMs, signal: one.signal });
    if (got !== null && got.error !== 1056)
      failed.push(`${name}: ${got.error === null ? got.text : errorText(got.error)}`);
  }
  const started = `; its dependents were started again: ${names.join(', ')}`;
  return failed.length === 0 ? started : `${started}; that failed for ${failed.join(', ')}`;
}

/** A stop control and its end, within the stop time; stops dependents first when Windows asks for it (1051). */
export async function stopInOrder(one: ServiceCase, process: HeldProcess | null): Promise<ActionResult> {
  const { clock, scm } = one.ports;
  const begun = clock.monotonic();
  const end = begun + one.stopMs;
  let first = '';
  for (;;) {
    const got = await scm.stop(one.service, limits(one, end - clock.monotonic()));
    if (got === null || got.error === 1062) break;
    if (got.error === 1051 && first === '') {
      first = `${await stopDependents(one, end)}; `;
      continue;
    }
    // 1061: it is on its way already, or still busy. 1051: a dependent needs a moment more.
    const soon = got.error === 1061 || got.error === 1051;
    if (soon && (await again(one, end))) {
      const now = await look(one);
      if (!isRefused(now) && isDown(now)) break;
      continue;
    }
    return bad(`${first}${sayNo(one.service, 'did not take the stop control', got).detail}`);
  }
  const left = await untilDown(one, process, end);
  const ms = Math.round(clock.monotonic() - begun);
  return left === null ? good(`${first}stopped in ${ms} ms`) : bad(`${first}it did not stop within ${ms} ms: ${left}`);
}

/** TerminateProcess on the process of this reading, until its handle is signalled. */
export async function terminate(one: ServiceCase, { status, process }: ServiceReading): Promise<ActionResult> {
  const { clock, scm } = one.ports;
  if (status.pid === 0 || process?.ended()) return good('its process is gone');
  if (status.shared && !one.killShared)
    return bad(`pid ${status.pid} has other services too (shared process): it is not killed for this one`, 'hung');
  // A handle of our own: the kept one is changed for another as soon as the service has a new process.
  const target = await scm.hold(status.pid, limits(one));
  if (isRefused(target))
    return target.error === INVALID_PARAMETER
      ? good('its process is gone')
      : sayNo(one.service, `could not be killed as pid ${status.pid}`, target);
  try {
    const begun = clock.monotonic();
    const refused = target.terminate();
    // 5 also comes from a process that is about to end.
    if (refused && refused.error !== 5) return sayNo(one.service, 'could not be killed', refused);
    while (!target.ended())
      if (!(await again(one, begun + KILL_MS)))
        return refused
          ? sayNo(one.service, 'could not be killed', refused)
          : bad(`pid ${status.pid} lives still, ${KILL_MS} ms after TerminateProcess`, 'hung');
    const ms = Math.round(clock.monotonic() - begun);
    await noticed(one, status.pid);
    return good(`killed pid ${status.pid} in ${ms} ms`);
  } finally {
    target.close();
  }
}

/** Gives the service control manager a moment to notice the death: until then it would say "runs already" (1056). */
async function noticed(one: ServiceCase, pid: number): Promise<void> {
  const end = one.ports.clock.monotonic() + NOTICE_MS;
  do {
    const status = await one.ports.scm.status(one.service, limits(one));
    if (isRefused(status) || status.pid !== pid) return;
  } while (await again(one, end));
}
