// The calls of kernel32 and advapi32 that the service control manager and the event log need, through koffi: loaded at
// the first use, on Windows only. What asks a service may block, so such calls run in Node's threads. Decides nothing.
import { createRequire } from 'node:module';
import type { KoffiFunc } from 'koffi';

/** A handle, or null; koffi has pointers as bigint. */
export type Handle = bigint;

/** SERVICE_STATUS_PROCESS, in its own order. */
export interface RawStatus {
  readonly type: number;
  readonly state: number;
  readonly accepts: number;
  readonly win32Exit: number;
  readonly serviceExit: number;
  readonly checkPoint: number;
  readonly waitHint: number;
  readonly pid: number;
  readonly flags: number;
}

/** What a call gave, and GetLastError() right behind it: it means something only when the call failed. */
export interface Answer {
  readonly got: unknown;
  readonly error: number;
}
type Call = (...args: unknown[]) => Promise<Answer>;
type Quick = (...args: unknown[]) => Answer;

export interface Win32 {
  readonly openManager: Call;
  readonly openService: Call;
  readonly closeService: Call;
  /** The last but one argument is filled with a RawStatus. */
  readonly queryStatus: Call;
  readonly queryConfig: Call;
  readonly startService: Call;
  readonly controlService: Call;
  readonly enumDependents: Call;
  readonly openSource: Call;
  readonly closeSource: Call;
  /** The last but one argument is an array of texts, ended by null. */
  readonly reportEvent: Call;
  /** Names of the services in a buffer of ENUM_SERVICE_STATUSW. */
  namesIn(buffer: Buffer, count: number): readonly string[];
  readonly openProcess: Quick;
  readonly waitFor: Quick;
  readonly terminate: Quick;
  readonly exitCode: Quick;
  readonly times: Quick;
  readonly closeHandle: Quick;
}

function bind(): Win32 {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const kernel = koffi.load('kernel32.dll');
  const advapi = koffi.load('advapi32.dll');
  const words = ['type', 'state', 'accepts', 'win32Exit', 'serviceExit', 'checkPoint', 'waitHint'];
  const fields = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, 'uint32']));
  koffi.struct('SERVICE_STATUS', fields(words));
  koffi.struct('SERVICE_STATUS_PROCESS', fields([...words, 'pid', 'flags']));
  const entry = koffi.struct('ENUM_SERVICE_STATUSW', { name: 'str16', shown: 'str16', status: 'SERVICE_STATUS' });
  const lastError = kernel.func('uint32 __stdcall GetLastError()') as unknown as () => number;
  const quick = (prototype: string): Quick => {
    const call = kernel.func(prototype) as unknown as (...args: unknown[]) => unknown;
    return (...args) => ({ got: call(...args), error: lastError() });
  };
  const slow = (prototype: string): Call => {
    const call = advapi.func(prototype) as KoffiFunc<(...args: unknown[]) => unknown>;
    return (...args) =>
      new Promise((resolve, reject) => {
        // koffi keeps the thread's GetLastError for the callback, and only until that has returned.
        call.async(...args, (broken: unknown, got: unknown) =>
          broken ? reject(broken as Error) : resolve({ got, error: lastError() }),
        );
      });
  };
  return {
    openManager: slow('void *__stdcall OpenSCManagerW(str16 machine, str16 database, uint32 access)'),
    openService: slow('void *__stdcall OpenServiceW(void *manager, str16 name, uint32 access)'),
    closeService: slow('int __stdcall CloseServiceHandle(void *handle)'),
    queryStatus: slow(
      'int __stdcall QueryServiceStatusEx(void *h, int level, _Out_ SERVICE_STATUS_PROCESS *s, uint32 n, _Out_ uint32 *need)',
    ),
    queryConfig: slow('int __stdcall QueryServiceConfigW(void *h, void *config, uint32 n, _Out_ uint32 *need)'),
    startService: slow('int __stdcall StartServiceW(void *h, uint32 count, void *words)'),
    controlService: slow('int __stdcall ControlService(void *h, uint32 control, _Out_ SERVICE_STATUS *s)'),
    enumDependents: slow(
      'int __stdcall EnumDependentServicesW(void *h, uint32 which, void *s, uint32 n, _Out_ uint32 *need, _Out_ uint32 *count)',
    ),
    openSource: slow('void *__stdcall RegisterEventSourceW(str16 machine, str16 source)'),
    closeSource: slow('int __stdcall DeregisterEventSource(void *source)'),
    reportEvent: slow(
      'int __stdcall ReportEventW(void *h, uint16 type, uint16 category, uint32 id, void *user, uint16 count, uint32 size, str16 *texts, void *data)',
    ),
    namesIn: (buffer, count) =>
      Array.from({ length: count }, (_, index) => {
        const found = koffi.decode(buffer, index * koffi.sizeof(entry), entry) as { readonly name: string };
        return found.name;
      }),
    openProcess: quick('void *__stdcall OpenProcess(uint32 access, int inherit, uint32 pid)'),
    waitFor: quick('uint32 __stdcall WaitForSingleObject(void *handle, uint32 ms)'),
    terminate: quick('int __stdcall TerminateProcess(void *handle, uint32 code)'),
    exitCode: quick('int __stdcall GetExitCodeProcess(void *handle, _Out_ uint32 *code)'),
    times: quick(
      'int __stdcall GetProcessTimes(void *h, _Out_ uint64 *born, _Out_ uint64 *ended, _Out_ uint64 *kernel, _Out_ uint64 *user)',
    ),
    closeHandle: quick('int __stdcall CloseHandle(void *handle)'),
  };
}

let bound: Win32 | null | undefined;
let trouble = '';

/** The calls, or null where they cannot be had: another system than Windows, or koffi has no binary for this one. */
export function win32(): Win32 | null {
  if (bound !== undefined) return bound;
  bound = null;
  try {
    if (process.platform === 'win32') bound = bind();
    else trouble = `${process.platform} has neither service control manager nor event log: this is for Windows only`;
  } catch (error) {
    trouble = `Windows cannot be called: ${(error as Error).message}`;
  }
  return bound;
}

/** Why `win32()` is null, for messages. */
export const whyNoWin32 = (): string => trouble;
