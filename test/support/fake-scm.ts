// A service control manager in memory that behaves as Windows does, also where Wine does not: it sees crashes (1067),
// guards dependents (1051), marks for deletion (1072) and has failure actions. Time is the test's clock.
import type { Clock } from '../../src/ports/clock.ts';
import type { HeldProcess, Refused, Scm, ServiceStatus } from '../../src/ports/scm.ts';
import { DISABLED, STATE } from '../../src/ports/scm.ts';

export interface FakeService {
  state: number;
  pid: number;
  win32Exit: number;
  serviceExit: number;
  checkPoint: number;
  waitHint: number;
  shared: boolean;
  startType: number;
  /** Who stands on it. */
  dependents: string[];
  /** What StartServiceW says instead of doing it; 0 = it does it. `never` = it does not come back. */
  startError: number | 'never';
  /** What a start leads to: RUNNING, START_PENDING for ever, or an end with this error. */
  starts: 'runs' | 'pends' | { readonly exit: number; readonly own?: number };
  /** What it does with a stop control: obeys, takes it and goes on, or answers with an error. */
  stops: 'obeys' | 'ignores' | number;
  /** STOPPED is said, but the process lives on. */
  lingers: boolean;
  /** The manager itself starts it again after a crash. */
  failureAction: boolean;
  /** The manager does not see a crash, as Wine's does not. */
  blind: boolean;
}

const refuse = (error: number): Refused => ({ error, text: `fake: error ${error}` });
const FRESH: FakeService = {
  ...{ state: STATE.stopped, pid: 0, win32Exit: 1077, serviceExit: 0, checkPoint: 0, waitHint: 0, shared: false },
  ...{ startType: 2, dependents: [], startError: 0, starts: 'runs', stops: 'obeys', lingers: false },
  ...{ failureAction: false, blind: false },
};

export class FakeScm implements Scm {
  readonly services = new Map<string, FakeService>();
  /** What was asked for, in order: `start mail`, `stop mail`, `kill 100`. */
  readonly asked: string[] = [];
  readonly living = new Set<number>();
  readonly open = new Set<object>();
  /** Pids that nobody may open, and such that survive TerminateProcess. */
  readonly closed = new Set<number>();
  readonly immortal = new Set<number>();
  /** The manager refuses everything with this. */
  broken: Refused | null = null;
  #pid = 100;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A service that runs already, unless told otherwise. */
  add(name: string, given: Partial<FakeService> = {}): FakeService {
    const service = { ...FRESH, ...given };
    this.services.set(name, service);
    if (given.state === undefined) this.run(service);
    return service;
  }
  run(service: FakeService): void {
    const pid = this.#pid++;
    this.living.add(pid);
    Object.assign(service, { state: STATE.running, pid, win32Exit: 0, serviceExit: 0 });
  }
  halt(service: FakeService, win32Exit = 0, serviceExit = 0): void {
    if (!service.lingers) this.living.delete(service.pid);
    Object.assign(service, { state: STATE.stopped, pid: 0, win32Exit, serviceExit });
  }
  crash(pid: number): void {
    this.living.delete(pid);
    for (const service of this.services.values()) {
      if (service.pid !== pid || service.blind) continue;
      this.halt(service, 1067);
      if (service.failureAction) this.run(service);
    }
  }

  #find(name: string): FakeService | Refused {
    return this.broken ?? this.services.get(name) ?? refuse(1060);
  }
  status(name: string): Promise<ServiceStatus | Refused> {
    const found = this.#find(name);
    return Promise.resolve('error' in found ? found : { ...found });
  }
  startType(name: string): Promise<number | Refused> {
    const found = this.#find(name);
    return Promise.resolve('error' in found ? found : found.startType);
  }
  start(name: string, { timeoutMs }: { timeoutMs: number }): Promise<Refused | null> {
    this.asked.push(`start ${name}`);
    const found = this.#find(name);
    if ('error' in found) return Promise.resolve(found);
    if (found.startError === 'never')
      return this.#clock.sleep(timeoutMs).then(() => ({ error: null, text: 'no answer to start' }));
    if (found.startError !== 0) return Promise.resolve(refuse(found.startError));
    if (found.startType === DISABLED) return Promise.resolve(refuse(1058));
    if (found.state !== STATE.stopped && !(found.blind && !this.living.has(found.pid)))
      return Promise.resolve(refuse(1056));
    this.run(found);
    if (found.starts === 'pends') found.state = STATE.startPending;
    else if (found.starts !== 'runs') this.halt(found, found.starts.exit, found.starts.own);
    return Promise.resolve(null);
  }
  stop(name: string): Promise<Refused | null> {
    this.asked.push(`stop ${name}`);
    const found = this.#find(name);
    if ('error' in found) return Promise.resolve(found);
    if (found.state === STATE.stopped) return Promise.resolve(refuse(1062));
    if (typeof found.stops === 'number') return Promise.resolve(refuse(found.stops));
    const stands = (other: string): boolean => this.services.get(other)?.state !== STATE.stopped;
    if (found.dependents.some(stands)) return Promise.resolve(refuse(1051));
    if (found.stops === 'obeys') this.halt(found);
    else found.state = STATE.stopPending;
    return Promise.resolve(null);
  }
  dependents(name: string): Promise<readonly string[] | Refused> {
    const found = this.#find(name);
    return Promise.resolve('error' in found ? found : found.dependents);
  }
  hold(pid: number): Promise<HeldProcess | Refused> {
    if (this.closed.has(pid)) return Promise.resolve(refuse(5));
    if (!this.living.has(pid)) return Promise.resolve(refuse(87));
    const held: HeldProcess = {
      pid,
      born: pid * 1000,
      ended: () => !this.living.has(pid),
      exitCode: () => (this.living.has(pid) ? null : 1),
      terminate: () => {
        this.asked.push(`kill ${pid}`);
        if (!this.immortal.has(pid)) this.crash(pid);
        return null;
      },
      close: () => void this.open.delete(held),
    };
    this.open.add(held);
    return Promise.resolve(held);
  }
}
