// The service control manager of Windows, in numbers: states, error codes and processes held by handle. It judges
// nothing and translates nothing. On any other system it loads nothing, and each call says that it is not here.
import { clock } from './clock.ts';
import { type Answer, type Handle, type RawStatus, type Win32, whyNoWin32, win32 } from './win32.ts';

/** dwCurrentState of a service. */
export const STATE = {
  stopped: 1,
  startPending: 2,
  stopPending: 3,
  running: 4,
  continuePending: 5,
  pausePending: 6,
  paused: 7,
} as const;

/** dwStartType 4: nobody can start it. */
export const DISABLED = 4;

export interface ServiceStatus {
  readonly state: number;
  /** 0 while it has no process. */
  readonly pid: number;
  readonly win32Exit: number;
  /** Means something when `win32Exit` is 1066. */
  readonly serviceExit: number;
  /** Raised by a service that is on its way and gets on; back at 0 when it has arrived. */
  readonly checkPoint: number;
  /** How long it asks to be waited for until the next check point, in ms. */
  readonly waitHint: number;
  /** Its process has other services too, as those of svchost.exe do. */
  readonly shared: boolean;
}

/** It was not done. `error` is Windows' number; null when Windows was not asked, or did not answer. */
export interface Refused {
  readonly error: number | null;
  readonly text: string;
}

/** A process that is held by a handle: as long as it is, its pid cannot become somebody else's. */
export interface HeldProcess {
  readonly pid: number;
  /** When it was born, in ms since 1601: with the pid it says who it is. */
  readonly born: number;
  /** The handle is signalled: whatever anybody else believes, it is dead. */
  ended(): boolean;
  /** Its exit code; null while it lives. */
  exitCode(): number | null;
  /** TerminateProcess; null when it was accepted. Death comes a moment later: ask `ended`. */
  terminate(): Refused | null;
  close(): void;
}

export interface Limits {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface Scm {
  status(service: string, limits: Limits): Promise<ServiceStatus | Refused>;
  /** dwStartType: 2 automatic, 3 on demand, 4 disabled. */
  startType(service: string, limits: Limits): Promise<number | Refused>;
  /** Null: it was accepted. A service that never reports in blocks this for up to 30 s on Windows (error 1053). */
  start(service: string, limits: Limits): Promise<Refused | null>;
  /** Sends the stop control. Null: it was accepted. */
  stop(service: string, limits: Limits): Promise<Refused | null>;
  /** Active services that stand on this one, in the order in which they are to be stopped. */
  dependents(service: string, limits: Limits): Promise<readonly string[] | Refused>;
  hold(pid: number, limits: Limits): Promise<HeldProcess | Refused>;
}

export const isRefused = (found: unknown): found is Refused =>
  typeof found === 'object' && found !== null && 'error' in found && 'text' in found;

const MANAGER_CONNECT = 1;
const ACCESS = { queryConfig: 1, queryStatus: 4, enumDependents: 8, start: 0x10, stop: 0x20 } as const;
const CONTROL_STOP = 1;
const SERVICE_ACTIVE = 1;
const SHARED_PROCESS = 0x20;
const SYNCHRONIZE_QUERY = 0x100000 | 0x1000;
const TERMINATE = 1;
const KILLED_CODE = 1;
const STATUS_BYTES = 36;
/** What QueryServiceConfigW needs at most, by its documentation. */
const CONFIG_BYTES = 8192;
const DEPENDENTS_BYTES = 65_536;

const refused = (call: string, error: number): Refused => ({ error, text: `${call}: error ${error}` });
const failed = (call: string, { got, error }: Answer): Refused | null =>
  got === 0 || got === null || got === 0n ? refused(call, error) : null;

/** Opens the service, works, and closes: an open handle would keep a service half alive that somebody deleted. */
async function onService<T>(
  api: Win32,
  service: string,
  access: number,
  work: (handle: Handle) => Promise<T | Refused>,
): Promise<T | Refused> {
  const manager = await api.openManager(null, null, MANAGER_CONNECT);
  const noManager = failed('OpenSCManagerW', manager);
  if (noManager) return noManager;
  try {
    const opened = await api.openService(manager.got, service, access);
    const noService = failed('OpenServiceW', opened);
    if (noService) return noService;
    try {
      return await work(opened.got as Handle);
    } finally {
      await api.closeService(opened.got);
    }
  } finally {
    await api.closeService(manager.got);
  }
}

/** What has been asked and not answered yet: of each question one at most, so that a manager that hangs costs one
 *  thread for each and no more. */
const underWay = new Map<string, Promise<unknown>>();

/** One that was put earlier is waited for, and not joined: its answer may be of the past. `over`: nobody wants the
 *  answer any more, so nothing is begun. */
async function afresh<T>(key: string, over: () => boolean, work: () => Promise<T>): Promise<T | Refused> {
  await underWay.get(key)?.catch(() => undefined);
  if (over()) return { error: null, text: 'it was given up' };
  const before = underWay.get(key) as Promise<T> | undefined;
  if (before) return before;
  const now = work().finally(() => underWay.delete(key));
  underWay.set(key, now);
  return now;
}

/** The answer, or a refusal when the time or the interest is over. The call itself cannot be taken back. */
async function within<T>(what: string, { timeoutMs, signal }: Limits, work: Promise<T>): Promise<T | Refused> {
  let over: () => void = () => undefined;
  let cancel: () => void = () => undefined;
  const late = new Promise<Refused>((resolve) => {
    over = () => resolve({ error: null, text: `${what} was given up` });
    const text = `the service control manager did not answer ${what} within ${Math.round(timeoutMs)} ms`;
    cancel = clock.after(timeoutMs, () => resolve({ error: null, text }));
    if (signal?.aborted) over();
    signal?.addEventListener('abort', over, { once: true });
  });
  try {
    return await Promise.race([work, late]);
  } catch (error) {
    return { error: null, text: `${what}: ${(error as Error).message}` };
  } finally {
    cancel();
    signal?.removeEventListener('abort', over);
  }
}

type Ask<T> = (api: Win32, handle: Handle) => Promise<T | Refused>;

async function ask<T>(
  verb: string,
  service: string,
  access: number,
  limits: Limits,
  work: Ask<T>,
): Promise<T | Refused> {
  const api = win32();
  if (!api) return { error: null, text: whyNoWin32() };
  let over = false;
  const isOver = (): boolean => over;
  const call = (): Promise<T | Refused> => onService(api, service, access, (handle) => work(api, handle));
  try {
    return await within(verb, limits, afresh(`${verb} ${service}`, isOver, call));
  } finally {
    over = true;
  }
}

async function readStatus(api: Win32, handle: Handle): Promise<ServiceStatus | Refused> {
  const raw = {} as RawStatus;
  const trouble = failed('QueryServiceStatusEx', await api.queryStatus(handle, 0, raw, STATUS_BYTES, [0]));
  if (trouble) return trouble;
  const { state, pid, win32Exit, serviceExit, checkPoint, waitHint, type } = raw;
  return { state, pid, win32Exit, serviceExit, checkPoint, waitHint, shared: (type & SHARED_PROCESS) !== 0 };
}

async function readStartType(api: Win32, handle: Handle): Promise<number | Refused> {
  const config = Buffer.alloc(CONFIG_BYTES);
  const trouble = failed('QueryServiceConfigW', await api.queryConfig(handle, config, config.length, [0]));
  // QUERY_SERVICE_CONFIGW begins with dwServiceType, dwStartType.
  return trouble ?? config.readUInt32LE(4);
}

async function readDependents(api: Win32, handle: Handle): Promise<readonly string[] | Refused> {
  const buffer = Buffer.alloc(DEPENDENTS_BYTES);
  const found = [0];
  const got = await api.enumDependents(handle, SERVICE_ACTIVE, buffer, buffer.length, [0], found);
  return failed('EnumDependentServicesW', got) ?? api.namesIn(buffer, found[0] ?? 0);
}

function held(api: Win32, pid: number, handle: Handle): HeldProcess {
  let open = true;
  const times = [[0], [0], [0], [0]] as const;
  api.times(handle, ...times);
  // A FILETIME counts 100 ns, and koffi has so big a number as bigint.
  const born = Number(BigInt(times[0][0] ?? 0) / 10_000n);
  const ended = (): boolean => open && api.waitFor(handle, 0).got === 0;
  return {
    pid,
    born,
    ended,
    exitCode() {
      const code = [0];
      return ended() && !failed('', api.exitCode(handle, code)) ? (code[0] ?? 0) : null;
    },
    terminate: () => (open ? failed('TerminateProcess', api.terminate(handle, KILLED_CODE)) : refused('closed', 6)),
    close() {
      if (open) api.closeHandle(handle);
      open = false;
    },
  };
}

/** Opening a process asks the kernel, not the service control manager: it does not block. */
function hold(pid: number): HeldProcess | Refused {
  const api = win32();
  if (!api) return { error: null, text: whyNoWin32() };
  // A protected process may be watched and not be ended: then the kill will say so.
  for (const access of [SYNCHRONIZE_QUERY | TERMINATE, SYNCHRONIZE_QUERY]) {
    const opened = api.openProcess(access, 0, pid);
    const trouble = failed('OpenProcess', opened);
    if (!trouble) return held(api, pid, opened.got as Handle);
    if (access === SYNCHRONIZE_QUERY) return trouble;
  }
  return refused('OpenProcess', 87);
}

export const scm: Scm = {
  status: (service, limits) => ask('status', service, ACCESS.queryStatus, limits, readStatus),
  startType: (service, limits) => ask('configuration', service, ACCESS.queryConfig, limits, readStartType),
  start: (service, limits) =>
    ask<null>('start', service, ACCESS.start, limits, async (api, handle) =>
      failed('StartServiceW', await api.startService(handle, 0, null)),
    ),
  stop: (service, limits) =>
    ask<null>('stop', service, ACCESS.stop, limits, async (api, handle) =>
      failed('ControlService', await api.controlService(handle, CONTROL_STOP, {})),
    ),
  dependents: (service, limits) => ask('dependents', service, ACCESS.enumDependents, limits, readDependents),
  hold: (pid) => Promise.resolve(hold(pid)),
};
