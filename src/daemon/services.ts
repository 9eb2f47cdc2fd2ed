// The services as the daemon runs them: their checks made runnable, their managers, what was measured last. Asks the
// checks, carries out repairs, watches for deaths; everything that comes of it is pushed into the loop.
import type { Depth, Effect } from '../core/types.ts';
import type { LifeChange } from '../define.ts';
import type { Config, ServiceConfig } from '../config/types.ts';
import type { Ports } from '../ports/ports.ts';
import type { Plugins } from '../registry.ts';
import type { Incoming } from './loop.ts';
import { withEvidence } from './evidence.ts';
import { contextOf, type Managed, repair } from './repair.ts';
import { makeTurns, type Turns } from './turns.ts';
import { makeRunnables, type Ran, type Runnable, runChecks } from './run-check.ts';
import { within } from '../ports/limit.ts';

export interface Measured {
  readonly ran: Ran;
  readonly at: number;
}

interface Running {
  readonly config: ServiceConfig;
  readonly checks: readonly Runnable[];
  readonly manager: Managed | null;
  readonly last: { quick: Measured | null; deep: Measured | null };
  readonly asking: { quick: Asking | null; deep: Asking | null };
  /** Monotonic: the newest question of a depth that ended well was put then. */
  readonly wellAt: Record<Depth, number>;
  watch: { close(): void } | null;
  /** Monotonic: a start that is seen before then is our own. */
  ownStartUntil: number;
  repairing: boolean;
  /** The newest repair; resolved when none is under way. */
  work: Promise<unknown>;
  readonly stop: AbortController;
}

interface Asking {
  readonly epoch: number;
  readonly stop: AbortController;
}

export interface ServicesDoors {
  readonly ports: Ports;
  readonly push: (event: Incoming) => void;
  readonly epochOf: (service: string) => number;
  readonly now: () => number;
  /** Monotonic end of the newest stall: what began before is not believed. */
  readonly stalledUntil: () => number;
  readonly onResult: (service: string, depth: Depth, ran: Ran) => void;
  readonly onPluginTrouble: (bad: boolean, detail: string) => void;
}

/** After our own start, how long a start seen by the watch is taken for ours. */
const OWN_START_MS = 15_000;
const THROWS_MAX = 3;
const FINISH_MS = 10_000;

export class Services {
  readonly #doors: ServicesDoors;
  #plugins: Plugins;
  readonly #running = new Map<string, Running>();
  readonly #broken = new Set<string>();
  readonly #turns: Turns;
  #closing = false;

  constructor(plugins: Plugins, doors: ServicesDoors) {
    this.#plugins = plugins;
    this.#doors = doors;
    this.#turns = makeTurns(doors.ports.clock);
  }

  get names(): readonly string[] {
    return [...this.#running.keys()];
  }

  last(service: string): { readonly quick: Measured | null; readonly deep: Measured | null } {
    return this.#running.get(service)?.last ?? { quick: null, deep: null };
  }

  checks(service: string): readonly Runnable[] {
    return this.#running.get(service)?.checks ?? [];
  }

  /** Takes a new configuration: what did not change goes on untouched. */
  configure(config: Config, plugins: Plugins = this.#plugins): void {
    this.#plugins = plugins;
    for (const [name, running] of this.#running) {
      const next = config.services[name];
      if (next && JSON.stringify(next) === JSON.stringify(running.config)) continue;
      this.#end(running);
      this.#running.delete(name);
      for (const check of running.checks) this.#mended(`${name}/${check.name}`);
    }
    for (const service of Object.values(config.services))
      if (!this.#running.has(service.name)) this.#begin(service, config.stateDir);
  }

  #managed(config: ServiceConfig, stateDir: string): Managed | null {
    const plugin = config.manager ? this.#plugins.recovery.get(config.manager.type) : undefined;
    return config.manager && plugin ? { plugin, options: config.manager.options, memory: new Map(), stateDir } : null;
  }

  #begin(config: ServiceConfig, stateDir: string): void {
    const manager = this.#managed(config, stateDir);
    const running: Running = {
      config,
      checks: makeRunnables(config.checks, this.#plugins.checks),
      manager,
      last: { quick: null, deep: null },
      asking: { quick: null, deep: null },
      wellAt: { quick: Number.NEGATIVE_INFINITY, deep: Number.NEGATIVE_INFINITY },
      watch: null,
      ownStartUntil: 0,
      repairing: false,
      work: Promise.resolve(),
      stop: new AbortController(),
    };
    this.#running.set(config.name, running);
    void this.#startWatch(running);
  }

  async #startWatch(running: Running): Promise<void> {
    const { manager, config, stop } = running;
    if (!manager?.plugin.watch) return;
    const context = contextOf(config.name, manager, this.#doors.ports, stop.signal);
    try {
      const watch = await manager.plugin.watch(context, (change) => this.#onLife(running, change));
      if (stop.signal.aborted) watch.close();
      else running.watch = watch;
    } catch (error) {
      this.#doors.ports.log.warn(`${config.name} cannot be watched: ${(error as Error).message}`);
    }
  }

  #onLife(running: Running, change: LifeChange): void {
    if (running.stop.signal.aborted || running.repairing || this.#closing) return;
    const ours = this.#doors.ports.clock.monotonic() < running.ownStartUntil;
    if (!ours) this.#doors.push({ kind: change.kind, service: running.config.name, detail: change.detail });
    else if (change.kind === 'died') void this.#diedAfterRepair(running, change.detail);
  }

  /** The death of the process that a repair replaced can be told after the repair is over: it is no news. */
  async #diedAfterRepair(running: Running, detail: string): Promise<void> {
    const { manager, config, stop } = running;
    if (!manager) return;
    const context = contextOf(config.name, manager, this.#doors.ports, stop.signal);
    const seen = await manager.plugin.inspect(context).catch(() => null);
    if (stop.signal.aborted || running.repairing || seen?.state === 'running') return;
    this.#doors.push({ kind: 'died', service: config.name, detail });
  }

  #end(running: Running): void {
    running.stop.abort();
    running.asking.quick?.stop.abort();
    running.asking.deep?.stop.abort();
    running.watch?.close();
  }

  /** Asks a service, and pushes the verdict under `epoch` (-1: whatever is its epoch now). */
  ask(service: string, depth: Depth, wanted: number, fresh: boolean): void {
    const running = this.#running.get(service);
    if (!running || this.#closing) return;
    const epoch = wanted === -1 ? this.#doors.epochOf(service) : wanted;
    const held = running.asking[depth];
    if (held && held.epoch >= epoch) return;
    held?.stop.abort();
    void this.#ask(running, depth, epoch, fresh);
  }

  async #ask(running: Running, depth: Depth, epoch: number, fresh: boolean): Promise<void> {
    const { clock } = this.#doors.ports;
    const asking: Asking = { epoch, stop: new AbortController() };
    running.asking[depth] = asking;
    const { signal } = asking.stop;
    const done = await this.#turns.take();
    if (signal.aborted) return done();
    const started = clock.monotonic();
    const { timeoutMs } = running.config[depth];
    const ran = await runChecks(
      running.config.name,
      running.checks,
      depth,
      timeoutMs,
      this.#doors.ports,
      signal,
      fresh,
    );
    done();
    const service = running.config.name;
    const { manager, config, wellAt } = running;
    if (ran.verdict.outcome === 'pass') wellAt[depth] = started;
    const asked = { service, managed: manager, signs: config.logSigns, sinceMs: clock.monotonic() - wellAt[depth] };
    const told = await withEvidence(asked, ran, this.#doors.ports);
    if (running.asking[depth] === asking) running.asking[depth] = null;
    if (signal.aborted) return; // Somebody asked anew, or the service is no longer ours.
    running.last[depth] = { ran, at: this.#doors.now() };
    this.#pluginTrouble(running);
    this.#doors.onResult(running.config.name, depth, ran);
    const slept = this.#doors.stalledUntil() >= started;
    const verdict =
      slept && told.outcome !== 'pass'
        ? ({ outcome: 'unknown', detail: 'this daemon stood still meanwhile', check: ran.verdict.check } as const)
        : told;
    this.#doors.push({ kind: 'checked', service, depth, epoch, verdict });
  }

  #pluginTrouble(running: Running): void {
    for (const check of running.checks) {
      const name = `${running.config.name}/${check.name}`;
      const bad = check.throws >= THROWS_MAX;
      if (bad === this.#broken.has(name)) continue;
      if (!bad) {
        this.#mended(name);
        continue;
      }
      this.#broken.add(name);
      if (this.#broken.size === 1) this.#doors.onPluginTrouble(true, `the check ${name} breaks again and again`);
    }
  }

  /** It runs again, or is not ours any more. */
  #mended(name: string): void {
    if (this.#broken.delete(name) && this.#broken.size === 0)
      this.#doors.onPluginTrouble(false, 'every check runs again');
  }

  /** One look outside the schedule, for `watchkeeper check`: nothing is decided upon it. */
  async look(service: string, depth: Depth): Promise<Ran | null> {
    const running = this.#running.get(service);
    if (!running) return null;
    const { timeoutMs } = running.config[depth];
    const { signal } = running.stop;
    return runChecks(service, running.checks, depth, timeoutMs, this.#doors.ports, signal, true);
  }

  /** For the steps of a group: the service's manager, with a start and an end that are not told as somebody else's. */
  hands(service: string): { readonly manager: Managed | null; readonly repairMs: number; quiet(): void } | null {
    const running = this.#running.get(service);
    if (!running) return null;
    const quiet = (): void => {
      running.ownStartUntil = this.#doors.ports.clock.monotonic() + OWN_START_MS;
    };
    return { manager: running.manager, repairMs: running.config.policy.repairMs, quiet };
  }

  async repair(effect: Extract<Effect, { kind: 'repair' }>): Promise<void> {
    const running = this.#running.get(effect.service);
    if (!running || this.#closing) return;
    const { service, epoch } = effect;
    if (!running.manager) {
      const result = { ok: false, did: 'failed', detail: 'it has no manager: it is only watched' } as const;
      this.#doors.push({ kind: 'repaired', service, epoch, result });
      return;
    }
    running.repairing = true;
    for (const depth of ['quick', 'deep'] as const) running.asking[depth]?.stop.abort();
    running.asking.quick = null;
    running.asking.deep = null;
    const { ports } = this.#doors;
    const work = repair(service, running.manager, effect, ports, running.stop.signal);
    running.work = work;
    const result = await work;
    running.repairing = false;
    running.ownStartUntil = ports.clock.monotonic() + OWN_START_MS;
    this.#doors.push({ kind: 'repaired', service, epoch, result });
  }

  async stop(service: string): Promise<void> {
    const running = this.#running.get(service);
    if (!running?.manager) return;
    const context = contextOf(service, running.manager, this.#doors.ports, running.stop.signal);
    await running.manager.plugin.stop(context, { force: false }).catch((error: Error) => {
      this.#doors.ports.log.error(`${service} could not be stopped: ${error.message}`);
    });
  }

  /** The daemon goes; services stay as they are, but for those that were made to go with it. A repair under way gets
   *  time to end: half of one would leave the service down with nobody to look after it. */
  async close(): Promise<void> {
    this.#closing = true;
    const running = [...this.#running.values()];
    const enough = new AbortController();
    const finished = Promise.all(running.map((one) => one.work)).catch(() => undefined);
    await Promise.race([finished, this.#doors.ports.clock.sleep(FINISH_MS, enough.signal).catch(() => undefined)]);
    enough.abort();
    // First nobody looks any more: what ends now was ended by us.
    for (const one of running) this.#end(one);
    this.#running.clear();
    await Promise.all(running.map((one) => this.#release(one)));
  }

  async #release({ manager, config }: Running): Promise<void> {
    if (!manager?.plugin.release) return;
    const context = contextOf(config.name, manager, this.#doors.ports, within(5000));
    await manager.plugin.release(context).catch(() => undefined);
  }
}
