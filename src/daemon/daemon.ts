// The daemon put together: journal, loop, services, schedule, outbox. Everything of the outside comes in through its
// doors, so that the whole of it runs in a test on fake ports and a virtual clock.
import type { Effect, Event } from '../core/types.ts';
import type { Config } from '../config/types.ts';
import type { Ports } from '../ports/ports.ts';
import type { Store } from '../ports/store.ts';
import type { Plugins } from '../registry.ts';
import type { Alert, Background } from '../define.ts';
import { SubAgent } from './agent.ts';
import { knownOf } from './agent-known.ts';
import { Almanac } from './almanac.ts';
import { backgroundOf, testAlert } from './background.ts';
import { Calendar } from './calendar.ts';
import { Cluster } from './groups/cluster.ts';
import { Comm } from './groups/comm.ts';
import type { OutboxState } from './journal-format.ts';
import { Journal, type Limits, LIMITS, recover, type Recovered } from './journal.ts';
import { LoopLag } from './lag.ts';
import { type Incoming, Loop, type Told } from './loop.ts';
import { forgetTroubles, restoreFrom } from './life-before.ts';
import { Gate } from './groups/opening.ts';
import { scheduleDrills } from './groups/drill.ts';
import { Outbox, type Tested } from './outbox.ts';
import type { Recorder } from './recorder.ts';
import { type Beats, Schedule } from './schedule.ts';
import { type WatchedSecrets, watchSecrets } from './secrets.ts';
import { Services } from './services.ts';
import { type DaemonFacts, healthNow, type Status, statusOf } from './status.ts';
import { stepServices } from './groups/step-services.ts';
import { openTimeline, type Timeline, wallSteps } from './timeline.ts';
import { Wakes } from './wakes.ts';

/** Where results and decisions go for charts and reports. The daemon works on without it. */
export interface DaemonDoors {
  readonly ports: Ports;
  readonly plugins: Plugins;
  readonly store: Store;
  readonly recorder: Recorder | null;
  readonly version: string;
  readonly configuration: string;
  readonly pid: number;
  /** Random, new with every start: two lives of one node are two owners. Absent: the pid. */
  readonly instance?: string;
  readonly limits?: Limits;
  /** Called with every decision, for the live table. */
  readonly onTold?: (told: readonly Told[]) => void;
  /** Called a few times a second while the loop lives: the watchdog's proof. */
  readonly onBeat?: () => void;
}

const STALL_MS = 5000;
/** So long the first checks wait for the coordinator at the most. */
const CHECKS_WAIT_MS = 1000;
const TICK_MS = 1000;
/** The one alarm clock of telling, beside those of services: no service has such a name. */
const BELL = '/';

export class Daemon {
  readonly #doors: DaemonDoors;
  readonly #recovered: Recovered;
  readonly #timeline: Timeline;
  readonly #journal: Journal;
  readonly #outbox: Outbox;
  readonly #schedule: Schedule;
  readonly #wakes: Wakes;
  readonly #gate = new Gate();
  readonly #calendar: Calendar;
  readonly #secrets: WatchedSecrets;
  #lag: LoopLag | null = null;
  #config: Config;
  #startedAt = 0;
  readonly #wallStep: () => number;
  #trust: () => void = () => undefined;
  #ticking: (() => void) | null = null;
  readonly #almanac: Almanac;
  readonly #agent: SubAgent;
  readonly loop: Loop;
  readonly services: Services;
  readonly cluster: Cluster;
  readonly comm: Comm;

  constructor(config: Config, doors: DaemonDoors) {
    const { ports, store } = doors;
    this.#doors = doors;
    this.#config = config;
    this.#secrets = watchSecrets(ports.secrets, (bad, detail) =>
      this.loop.push({ kind: 'condition', name: 'secrets', bad, detail }),
    );
    const guarded = { ...ports, secrets: this.#secrets };
    this.#recovered = recover(store, new Date(ports.clock.wall()).toISOString());
    this.#timeline = openTimeline(ports.clock, ports.proc.bootId(), this.#recovered.last);
    this.loop = new Loop(config.policy, {
      clock: ports.clock,
      log: ports.log,
      timeline: this.#timeline,
      append: (entry) => this.#journal.append(entry),
      perform: (effect) => this.#perform(effect),
      channels: () => this.#outbox.channels,
      onAlerts: () => this.#outbox.poke(),
      onDecided: (told, event) => this.#onDecided(told, event),
      stallMs: STALL_MS,
    });
    this.#journal = new Journal(
      store,
      ports.clock,
      () => this.#snapshot(),
      {
        onTrouble: (bad, detail) => this.loop.push({ kind: 'condition', name: 'journal', bad, detail }),
      },
      doors.limits ?? LIMITS,
    );
    const pending = (): OutboxState => this.loop.outbox;
    const background = (alert: Alert): Background => backgroundOf(this.loop, alert);
    this.#outbox = new Outbox(
      { ports: guarded, node: config.node, stateDir: store.dir, pending, background },
      {
        onSent: (name, ids) => this.loop.sent(name, ids),
        onTrouble: (bad, detail) => this.loop.push({ kind: 'condition', name: 'outbox', bad, detail }),
        onChannelTrouble: (bad, detail) => this.loop.push({ kind: 'condition', name: 'channel', bad, detail }),
      },
    );
    this.services = new Services(doors.plugins, {
      ports: guarded,
      push: (event) => this.loop.push(event),
      epochOf: (service) => this.loop.node.services[service]?.epoch ?? 0,
      now: () => this.loop.now(),
      stalledUntil: () => this.loop.stalledUntil,
      onResult: (service, depth, ran) => doors.recorder?.result(service, depth, ran, ports.clock.wall()),
      onPluginTrouble: (bad, detail) => this.loop.push({ kind: 'condition', name: 'plugin', bad, detail }),
    });
    this.#schedule = new Schedule(ports.clock, (service, depth) =>
      this.#gate.pass(() => this.services.ask(service, depth, -1, false)),
    );
    this.#calendar = new Calendar(ports.log);
    this.#almanac = new Almanac(this.#calendar, ports.clock, {
      now: () => this.loop.now(),
      push: (event) => this.loop.push(event),
    });
    this.#wallStep = wallSteps(ports.clock);
    this.#wakes = new Wakes(ports.clock, () => this.loop.now());
    this.cluster = this.#makeCluster(config, guarded);
    this.comm = new Comm({ ports, loop: this.loop, cluster: () => this.cluster });
    this.#agent = new SubAgent({
      ...{ ports, version: doors.version, known: () => knownOf(this) },
      onTrouble: (bad, detail) => this.loop.push({ kind: 'condition', name: 'agent', bad, detail }),
      onAgain: () => this.#retell(),
    });
  }

  #makeCluster(config: Config, ports: Ports): Cluster {
    const { plugins, store, version, configuration, instance, pid } = this.#doors;
    return new Cluster(config, plugins, {
      ...{ ports, loop: this.loop, stateDir: store.dir, version, configuration, instance: instance ?? `${pid}` },
      services: stepServices(this.services, ports, () => this.loop.policy),
      healthOf: (names) => healthNow(this.loop, this.services, names),
      hoursOpen: (group) => this.#calendar.isOpen(this.#config.groups?.[group]?.switchbackHours ?? null),
      ways: () => this.comm.paths,
    });
  }

  /** The first checks have begun: what can wait for a right of before waits no more. */
  get begun(): Promise<void> {
    return this.#gate.opened;
  }

  get clock(): Ports['clock'] {
    return this.#doors.ports.clock;
  }

  get config(): Config {
    return this.#config;
  }

  #snapshot(): ReturnType<ConstructorParameters<typeof Journal>[2]> {
    const { policy, node, outbox, seq } = this.loop;
    const time = new Date(this.#doors.ports.clock.wall()).toISOString();
    return { policy, node, outbox, seq, mark: this.#timeline.mark(), time };
  }

  /** Folds what was, then looks at everything anew. The coordinator is opened and read meanwhile: a right of the life
   *  before may end in a moment, and is taken up before the first checks begin. */
  async start(): Promise<void> {
    this.cluster.open();
    const { snapshot, entries, damage } = this.#recovered;
    const fresh = snapshot === null && entries.length === 0;
    if (snapshot) restoreFrom(this.#recovered, this.loop, Object.keys(this.#config.alerts));
    this.#startedAt = this.loop.now();
    await this.#journal.open();
    this.#lag = new LoopLag(this.#doors.ports.clock, () => this.#beat());
    this.#adopt(this.#config);
    this.loop.push({ kind: 'configured', policy: this.#config.policy });
    forgetTroubles(this.loop, this.#journal.durable);
    if (damage !== null) this.loop.push({ kind: 'condition', name: 'state-lost', bad: true, detail: damage });
    if (this.#config.cluster) this.#gate.shut(this.#doors.ports.clock, CHECKS_WAIT_MS);
    this.loop.push({ kind: 'booted', fresh });
    this.#outbox.poke();
    this.#trustAgain();
    this.comm.configure(this.#config);
    // What was decided on what was heard is under way by then.
    void this.cluster.heard.then(() => this.loop.written).then(() => this.#gate.open());
    await this.cluster.start();
  }

  /** Budgets that may have been forgotten are strict until a whole window has passed: then nothing old can count. */
  #trustAgain(): void {
    const windows = Object.values(this.#config.policy.services).map((rules) => rules.windowMs);
    const waitMs = Math.max(this.#config.policy.repairs.windowMs, ...windows);
    const over = {
      kind: 'condition',
      name: 'state-lost',
      bad: false,
      detail: 'a whole budget window has passed',
    } as const;
    this.#trust = this.#doors.ports.clock.after(Math.min(waitMs, 86_400_000), () => this.loop.push(over));
  }

  /** Build all of the new first (the loader did), then swap: nothing here fails. */
  #adopt(config: Config, plugins: Plugins = this.#doors.plugins): void {
    this.#config = config;
    this.#secrets.forget();
    const channels = Object.entries(config.alerts).flatMap(([name, { type, ...rest }]) => {
      const plugin = plugins.alerts.get(type);
      return plugin ? [{ name, plugin, ...rest }] : [];
    });
    this.#outbox.configure(channels);
    this.services.configure(config, plugins);
    const beats = new Map<string, Beats>(
      Object.values(config.services).map((one) => [one.name, { quickMs: one.quick.everyMs, deepMs: one.deep.everyMs }]),
    );
    this.#schedule.configure(beats);
    this.#wakes.keep((name) => name === BELL || name in config.services);
    const keepMs = config.historyMs;
    const purge = async (): Promise<void> => this.#doors.recorder?.purge(this.#doors.ports.clock.wall() - keepMs);
    this.#calendar.set('purge', config.purgeAt, purge);
    this.#almanac.configure(config);
    scheduleDrills(this.#calendar, config, this);
    this.#agent.configure(config.agent ?? null);
  }

  /** A new configuration that was loaded whole, with its plugins. Counters, incidents, budgets and alarms stay. */
  reload(config: Config, plugins?: Plugins): void {
    this.#adopt(config, plugins);
    this.cluster.configure(config, plugins ?? this.#doors.plugins);
    this.loop.push({ kind: 'configured', policy: config.policy });
    this.comm.configure(config);
    this.loop.push({ kind: 'condition', name: 'configuration', bad: false, detail: 'the configuration is good' });
  }

  /** A configuration that was refused: nothing changes, and it is told. */
  refuse(detail: string): void {
    this.loop.push({ kind: 'condition', name: 'configuration', bad: true, detail });
  }

  #perform(effect: Exclude<Effect, { kind: 'notice' }>): void {
    switch (effect.kind) {
      case 'check':
        this.#gate.pass(() => this.services.ask(effect.service, effect.depth, effect.epoch, true));
        return;
      case 'repair':
        void this.services.repair(effect);
        return;
      case 'wake': {
        const { service, at, epoch } = effect;
        this.#wakes.set(service, at, () => this.loop.push({ kind: 'woke', service, epoch }));
        return;
      }
      case 'ring':
        this.#wakes.set(BELL, effect.at, () => this.loop.push({ kind: 'rang' }));
        return;
      case 'stop':
        void this.services.stop(effect.service);
        return;
      case 'switchover': {
        const { service, epoch } = effect;
        const detail = this.cluster.wantsAway(service, effect.incident);
        if (detail !== null) this.loop.push({ kind: 'switched', service, epoch, ok: false, detail });
        return;
      }
      default:
        this.cluster.perform(effect);
    }
  }

  /** The machine's SNMP daemon began anew: its managers may have forgotten what our traps said. */
  #retell(): void {
    const channels = Object.entries(this.#config.alerts).flatMap(([name, { type }]) => (type === 'snmp' ? [name] : []));
    if (channels.length > 0) this.loop.push({ kind: 'retell', channels, reason: 'the SNMP daemon was started anew' });
  }

  #beat(): void {
    this.loop.beat();
    this.#doors.onBeat?.();
    if (this.loop.node.tilt && !this.#ticking) {
      this.#ticking = this.#doors.ports.clock.after(TICK_MS, () => {
        this.#ticking = null;
        this.loop.push({ kind: 'tick' });
      });
    }
    const step = this.#wallStep();
    // Told, and nothing hangs on it.
    if (Math.abs(step) > 5000) this.loop.push({ kind: 'stepped', ms: Math.round(step) });
  }

  #onDecided(told: readonly Told[], event: Event): void {
    const { recorder, ports, onTold } = this.#doors;
    const wall = ports.clock.wall();
    for (const one of told) {
      recorder?.told(one, wall);
      const fields = { rule: one.rule, event: event.kind, incident: one.incident };
      ports.log.info(one.service === null ? one.text : `${one.service}: ${one.text}`, fields);
    }
    onTold?.(told);
  }

  /** Trouble of the history database: an alarm, and nothing else. */
  historyTrouble(bad: boolean, detail: string): void {
    this.loop.push({ kind: 'condition', name: 'history', bad, detail });
  }

  push(event: Incoming): void {
    this.loop.push(event);
  }

  /** Each channel, what waits for it, and its trouble. */
  channels(): ReturnType<Outbox['channelsNow']> {
    return this.#outbox.channelsNow();
  }

  /** Sends a test past the queue, and says what came of it. Null: no such channel. */
  testChannel(channel: string): Promise<Tested | null> {
    return this.#outbox.test(channel, testAlert(this.loop, this.#doors.ports.clock.wall(), channel));
  }

  status(): Status {
    const facts: DaemonFacts = {
      pid: this.#doors.pid,
      version: this.#doors.version,
      configuration: this.#doors.configuration,
      startedAt: this.#startedAt,
      durable: this.#journal.durable,
      loopLagMs: this.#lag?.read() ?? { p50: 0, p99: 0, max: 0 },
      dropped: this.loop.dropped,
    };
    return statusOf(this, this.#doors.ports.clock.wall(), facts);
  }

  /** SIGTERM: services stay as they are; what is decided is written; alerts get a moment to leave. */
  async close(): Promise<void> {
    this.#gate.close();
    this.#schedule.close();
    this.#almanac.close();
    await this.#agent.close();
    this.#calendar.close();
    this.#ticking?.();
    this.#trust();
    this.#wakes.close();
    await this.cluster.close();
    this.comm.close();
    // What was decided already is begun, and then ended properly.
    await this.loop.written;
    this.loop.push({ kind: 'stopping' });
    await this.services.close();
    await this.loop.written;
    await this.#outbox.close(3000);
    this.loop.close();
    this.#lag?.close();
    await this.#journal.close();
    await this.#doors.recorder?.close();
  }
}
