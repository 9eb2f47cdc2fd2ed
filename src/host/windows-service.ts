// What the service control manager and the process itself together say about a Windows service, and what Windows' error
// numbers mean for a repair. The manager alone may say RUNNING of a service whose process is dead. It only reads.
import type { Cause, RunState } from '../define.ts';
import { type HeldProcess, type ServiceStatus, STATE } from '../ports/scm.ts';

export type ServiceCondition =
  | 'running'
  | 'dead' // the manager knows a process that has ended, or is not there
  | 'paused'
  | 'starting'
  | 'stopping'
  | 'stuck' // starting or stopping, and no longer getting on
  | 'stopped' // orderly
  | 'never-started'
  | 'failed';

export interface ServiceReading {
  readonly condition: ServiceCondition;
  readonly state: RunState;
  readonly detail: string;
  readonly status: ServiceStatus;
  /** Held by its handle; null when it has none, or it may not be opened. */
  readonly process: HeldProcess | null;
  readonly evidence: Readonly<Record<string, string>>;
}

/** The process of a service: held, known to be gone, or (`unseen`) not to be opened by us. */
export type ProcessSight = HeldProcess | 'gone' | 'unseen' | null;

const STATES: Readonly<Record<ServiceCondition, RunState>> = {
  running: 'running',
  dead: 'failed',
  paused: 'running',
  starting: 'changing',
  stopping: 'changing',
  stuck: 'changing',
  stopped: 'stopped',
  'never-started': 'stopped',
  failed: 'failed',
};
const NAMES = new Map<number, string>(
  Object.entries(STATE).map(([name, number]) => [
    number,
    name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase(),
  ]),
);

export const NEVER_STARTED = 1077;
const SERVICE_SPECIFIC = 1066;

/** A word for a person, and a cause where the number names one. Numbers of winerror.h. */
const ERRORS: Readonly<Record<number, readonly [text: string, cause?: Cause]>> = {
  2: ['its program file is not there', 'misconfigured'],
  3: ['the folder of its program is not there', 'misconfigured'],
  5: ['access is denied to the account of this daemon', 'misconfigured'],
  6: ['the service manager lost our handle'],
  39: ['the disk is full', 'no-space'],
  112: ['the disk is full', 'no-space'],
  123: ['this is not the name of a service', 'misconfigured'],
  193: ['its program file is no Windows program', 'misconfigured'],
  1051: ['other services that run depend on it'],
  1052: ['it does not take this control now'],
  1053: ['it did not report in time', 'hung'],
  1054: ['it could not make a thread', 'overloaded'],
  1055: ['the service database is locked'],
  1056: ['it runs already'],
  1057: ['the account that it is to run as is not valid', 'credentials'],
  1058: ['it is disabled: somebody forbade to start it', 'misconfigured'],
  1059: ['it depends on itself, by way of others', 'misconfigured'],
  1060: ['there is no such service', 'misconfigured'],
  1061: ['it cannot take a control now'],
  1062: ['it does not run'],
  1067: ['its process ended unexpectedly'],
  1068: ['a service that it depends on could not be started', 'dependency'],
  1069: ['it could not log on: password or right of its account', 'credentials'],
  1070: ['it hung in its start', 'hung'],
  1072: ['it is marked for deletion: somebody removed it and still has it open', 'misconfigured'],
  1075: ['a service that it depends on does not exist', 'misconfigured'],
  1079: ['its account differs from that of others in its process', 'misconfigured'],
  1115: ['the machine is shutting down'],
};

export const errorText = (error: number): string => `${ERRORS[error]?.[0] ?? 'Windows says no'} (error ${error})`;
export const errorCause = (error: number): Cause | undefined => ERRORS[error]?.[1];

/** How it ended, in numbers and a word. */
export function endingOf({ win32Exit, serviceExit }: ServiceStatus): string {
  if (win32Exit === SERVICE_SPECIFIC) return `with its own code ${serviceExit} (error ${win32Exit})`;
  return ERRORS[win32Exit] ? `with: ${errorText(win32Exit)}` : `with error ${win32Exit}`;
}

function conditionOf({ state, win32Exit }: ServiceStatus, gone: boolean, stuck: boolean): ServiceCondition {
  if (state === STATE.stopped) {
    if (win32Exit === NEVER_STARTED) return 'never-started';
    return win32Exit === 0 ? 'stopped' : 'failed';
  }
  if (gone) return 'dead';
  switch (state) {
    case STATE.running:
      return 'running';
    case STATE.paused:
      return 'paused';
    case STATE.stopPending:
      return stuck ? 'stuck' : 'stopping';
    default:
      return stuck ? 'stuck' : 'starting';
  }
}

function sentence(service: string, condition: ServiceCondition, status: ServiceStatus, code: number | null): string {
  const name = NAMES.get(status.state) ?? String(status.state);
  const as = status.pid > 0 ? ` as pid ${status.pid}` : '';
  switch (condition) {
    case 'running':
      return `${service} runs${as}`;
    case 'dead': {
      const how = code === null ? '' : ` with exit code ${code}`;
      return `the process of ${service}, pid ${status.pid}, has ended${how}, though the service manager says ${name}`;
    }
    case 'paused':
      return `${service} was paused by somebody`;
    case 'starting':
    case 'stopping':
      return `${service} is ${condition} (${name}, check point ${status.checkPoint})`;
    case 'stuck':
      return `${service} stays ${name}${as} and does not get on (check point ${status.checkPoint})`;
    case 'stopped':
      return `${service} was stopped in an orderly way`;
    case 'never-started':
      return `${service} has not been started since boot`;
    case 'failed':
      return `${service} ended ${endingOf(status)}`;
  }
}

/** Everything that is known about a service at this moment, as one reading. `stuck`: it has been on its way for longer
 *  than it may. */
export function readService(
  service: string,
  status: ServiceStatus,
  sight: ProcessSight,
  stuck: boolean,
): ServiceReading {
  const process = typeof sight === 'string' ? null : sight;
  const gone = sight === 'gone' || (process?.ended() ?? false);
  const condition = conditionOf(status, gone, stuck);
  const lives = sight === 'unseen' ? 'may not be opened' : gone ? 'ended' : 'lives';
  return {
    condition,
    state: STATES[condition],
    detail: sentence(service, condition, status, gone ? (process?.exitCode() ?? null) : null),
    status,
    process,
    evidence: {
      service,
      state: NAMES.get(status.state) ?? String(status.state),
      pid: status.pid > 0 ? String(status.pid) : 'none',
      ...(status.pid > 0 ? { process: lives } : {}),
      exit: String(status.win32Exit),
      ...(status.win32Exit === SERVICE_SPECIFIC ? { 'own-exit': String(status.serviceExit) } : {}),
      ...(status.waitHint > 0
        ? { 'wait-hint': `${status.waitHint} ms`, 'check-point': String(status.checkPoint) }
        : {}),
    },
  };
}
