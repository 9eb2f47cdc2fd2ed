// A machine in memory for the whole daemon: services with a truth, a check that tells it, a manager that cures it, a
// channel that keeps what it was told. The daemon under test is the real one; only its doors are these.
import type { Config, ServiceConfig } from '../../src/config/types.ts';
import type { Cause, Policy, ServicePolicy } from '../../src/core/types.ts';
import { type Alert, defineAlert, defineCheck, defineRecovery, type LifeChange, z } from '../../src/define.ts';
import type { Ports } from '../../src/ports/ports.ts';
import type { Plugins } from '../../src/registry.ts';
import { policy, servicePolicy } from './policies.ts';
import { VirtualClock } from './virtual-clock.ts';

export interface Thing {
  truth: 'fine' | Cause | 'throws' | 'hangs';
  starts: number;
  stops: number;
  /** A start that does not help. */
  stubborn: boolean;
  byHand: boolean;
  badConfig: boolean;
  /** What its manager says, whatever the truth is. */
  stopped: boolean;
  onLife: ((change: LifeChange) => void) | null;
}

const named = z.object({ thing: z.string() });

export class FakeMachine {
  readonly clock: VirtualClock;
  readonly things = new Map<string, Thing>();
  readonly sent: Alert[] = [];
  channelBroken = false;
  boot = 'boot-1';
  readonly logged: string[] = [];
  readonly plugins: Plugins;
  readonly ports: Ports;

  constructor(names: readonly string[], clock = new VirtualClock()) {
    this.clock = clock;
    for (const name of names)
      this.things.set(name, {
        truth: 'fine',
        starts: 0,
        stops: 0,
        stubborn: false,
        byHand: false,
        badConfig: false,
        stopped: false,
        onLife: null,
      });
    this.plugins = {
      checks: new Map([['truth', this.#check() as never]]),
      recovery: new Map([['hand', this.#recovery() as never]]),
      alerts: new Map([['memory', this.#alert() as never]]),
      ...{ switchover: new Map(), replication: new Map(), cluster: new Map() },
    };
    const log = (text: string): void => void this.logged.push(text);
    this.ports = {
      clock: this.clock,
      log: { debug: log, info: log, warn: log, error: log },
      proc: { bootId: () => this.boot },
    } as unknown as Ports;
  }

  thing(name: string): Thing {
    const thing = this.things.get(name);
    if (!thing) throw new Error(`no thing ${name}`);
    return thing;
  }

  #check() {
    return defineCheck({
      about: 'Tells the truth.',
      depth: 'both',
      options: named,
      example: { thing: 'a' },
      run: async ({ options, signal }) => {
        const { truth } = this.thing(options.thing);
        await this.clock.sleep(10, signal).catch(() => undefined);
        if (truth === 'throws') throw new Error('plugin \u001b[31mbroke');
        if (truth === 'hangs') return new Promise<never>(() => undefined);
        return truth === 'fine'
          ? { outcome: 'pass', detail: 'fine' }
          : { outcome: 'fail', cause: truth, detail: truth };
      },
    });
  }

  #recovery() {
    return defineRecovery({
      about: 'Cures by hand.',
      options: named,
      example: { thing: 'a' },
      inspect: async ({ options }) => {
        const thing = this.thing(options.thing);
        const state = thing.truth === 'dead' || thing.stopped ? 'stopped' : 'running';
        return { state, byHand: thing.byHand, detail: state, evidence: {} };
      },
      start: async ({ options }) => {
        const thing = this.thing(options.thing);
        thing.starts++;
        if (!thing.stubborn) thing.truth = 'fine';
        thing.stopped = false;
        return { ok: true, detail: 'started' };
      },
      stop: async ({ options }) => {
        this.thing(options.thing).stops++;
        return { ok: true, detail: 'stopped' };
      },
      validate: async ({ options }) =>
        this.thing(options.thing).badConfig
          ? { ok: false, cause: 'misconfigured', detail: 'line 3 is bad' }
          : { ok: true, detail: 'good' },
      watch: async ({ options }, onChange) => {
        this.thing(options.thing).onLife = onChange;
        return { close: () => undefined };
      },
    });
  }

  #alert() {
    return defineAlert({
      about: 'Keeps it.',
      reader: 'record',
      options: z.object({}),
      example: {},
      send: async (alert) => {
        if (this.channelBroken) return { retry: 'nobody listens' };
        this.sent.push(alert);
        return 'sent';
      },
    });
  }

  config(services: Readonly<Record<string, Partial<ServicePolicy>>>, patch: Partial<Policy> = {}): Config {
    const rules = Object.fromEntries(Object.entries(services).map(([name, one]) => [name, servicePolicy(one)]));
    const made = Object.entries(rules).map(([name, one]): [string, ServiceConfig] => [
      name,
      {
        name,
        kit: null,
        checks: [{ name: 'truth', type: 'truth', depths: ['quick', 'deep'], options: { thing: name }, everyMs: null }],
        quick: { everyMs: 1000, timeoutMs: 800 },
        deep: { everyMs: 30_000, timeoutMs: 4000 },
        logSigns: [],
        manager: { type: 'hand', options: { thing: name } },
        policy: one,
      },
    ]);
    return {
      node: 'n1',
      services: Object.fromEntries(made),
      policy: policy(rules, patch),
      alerts: { memory: { type: 'memory', options: {} } },
      stateDir: '/memory',
      runDir: '/memory',
      historyMs: 86_400_000,
      purgeAt: '0 3 * * *',
      sandbox: false,
      files: [],
    };
  }
}
