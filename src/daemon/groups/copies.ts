// The copies of each group's data as this node sees them: every source is asked on its own beat, what it says is folded
// (core/replication.ts), and a forced write on the active node proves that "nothing waits" means "it works".
import {
  COPY_LIMITS,
  type CopyHistory,
  foldCopy,
  judgeCopy,
  type JudgedCopy,
  NO_HISTORY,
} from '../../core/replication.ts';
import type { ReplicationFacts } from '../../core/group-types.ts';
import type { Config, SourceConfig } from '../../config/types.ts';
import type { ActionResult, Replication, ReplicationContext } from '../../define.ts';
import type { Ports } from '../../ports/ports.ts';
import type { Plugins } from '../../registry.ts';
import type { Incoming } from '../loop.ts';
import { within } from '../../ports/limit.ts';
import { NO_PULL, type Pull, type PullDoors, Pulls } from './pulls.ts';

/** What a forced write on the active node came to; `n` counts them. */
export interface Proof {
  readonly n: number;
  readonly ok: boolean;
  readonly detail: string;
}

export type CopyVerb = 'suspend' | 'resume' | 'reseed';

export interface CopiesDoors extends Omit<PullDoors, 'clock'> {
  readonly ports: Ports;
  readonly stateDir: string;
  readonly push: (event: Incoming) => void;
  /** Who has the group now and under which epoch; null: nobody. */
  owner(group: string): { readonly node: string; readonly epoch: number } | null;
  /** The newest proof by one source that the active node told of. */
  proofOf(group: string, source: string): Proof | null;
}

interface Source {
  readonly group: string;
  readonly config: SourceConfig;
  readonly plugin: Replication;
  readonly memory: Map<string, unknown>;
  readonly stop: AbortController;
  history: CopyHistory;
  /** The number of the newest proof that was heard. */
  heard: number;
  provedAt: number;
  /** The epoch under which its newest facts were asked for. */
  under: number | null;
  /** The epoch under which it was proved last, and whether it arrived. */
  provedUnder: number | null;
  arrived: boolean;
  /** The newest proof of this node, while it has the group. */
  proof: Proof | null;
  /** Whether this node had the group at the last look; null: there was none. */
  active: boolean | null;
  /** Who had it last. */
  holder: string | null;
  level: string;
}

const FLUSH_MS = 110_000;
/** What did not arrive is tried again so soon: a standby that came back is none until something has. */
const AGAIN_MS = 15_000;
const OWNER_MS = 100;
const SEVERITY: readonly ReplicationFacts['state'][] = [
  'healthy',
  'synchronizing',
  'initializing',
  'suspended',
  'service-down',
  'failed',
];

const isOneWay = ({ plugin, config }: Source): boolean => plugin.oneWay?.(config.options as never) === true;

export class CopyWatch {
  readonly #doors: CopiesDoors;
  #config: Config;
  #sources: readonly Source[] = [];
  #count = 0;
  readonly pulls: Pulls;

  constructor(config: Config, plugins: Plugins, doors: CopiesDoors) {
    this.#doors = doors;
    this.pulls = new Pulls({ ...doors, clock: doors.ports.clock });
    this.#config = config;
    this.configure(config, plugins);
  }

  configure(config: Config, plugins: Plugins): void {
    this.#config = config;
    const old = this.#sources;
    this.#sources = Object.values(config.groups ?? {}).flatMap(({ name: group, sources }) =>
      sources.flatMap((one) => this.#source(group, one, plugins, old)),
    );
    for (const gone of old) if (!this.#sources.includes(gone)) this.#end(gone);
  }

  #source(group: string, config: SourceConfig, plugins: Plugins, old: readonly Source[]): readonly Source[] {
    const plugin = plugins.replication.get(config.type);
    if (!plugin) return [];
    const kept = old.find((one) => one.group === group && one.config.name === config.name && one.plugin === plugin);
    if (kept && JSON.stringify(kept.config) === JSON.stringify(config)) return [kept];
    const source: Source = {
      ...{ group, config, plugin, memory: new Map(), stop: new AbortController(), history: NO_HISTORY },
      ...{ heard: 0, provedAt: Number.NEGATIVE_INFINITY, provedUnder: null, arrived: true, proof: null },
      ...{ active: null, holder: null, under: null, level: 'ok' },
    };
    void this.#follow(source);
    return [source];
  }

  #end(source: Source): void {
    source.stop.abort(new Error('closed'));
    this.#say(source, 'ok', 'it is not configured any more');
  }

  async #follow(source: Source): Promise<void> {
    const { clock } = this.#doors.ports;
    while (!source.stop.signal.aborted) {
      await this.#look(source);
      await clock.sleep(source.config.everyMs, source.stop.signal).catch(() => undefined);
    }
  }

  #context(source: Source, timeoutMs: number, { signal }: Pull = NO_PULL): ReplicationContext<never> {
    const { ports, stateDir, owner } = this.#doors;
    const { node, cluster, groups = {} } = this.#config;
    const has = owner(source.group)?.node ?? null;
    return {
      ...{ options: source.config.options as never, ports, node, group: source.group, source: source.config.name },
      ...{ active: has === node, owner: has, nodes: groups[source.group]?.policy.nodes ?? [] },
      ...{ words: cluster?.words ?? {}, memory: source.memory, stateDir },
      signal: within(timeoutMs, source.stop.signal, ...(signal ? [signal] : [])),
    };
  }

  async #look(source: Source): Promise<void> {
    const { clock } = this.#doors.ports;
    const { config, plugin, group } = source;
    const limits = this.#limits(source);
    const has = this.#doors.owner(group)?.node ?? null;
    this.#turned(source, has === this.#config.node);
    await this.#direct(source, has);
    const pull = this.#pull(source);
    // Nothing is copied from a node that is about to give the group up.
    if (pull === null) return;
    const under = this.#doors.owner(group)?.epoch ?? null;
    const context = this.#context(source, config.timeoutMs, pull);
    const broken = (error: Error): ReplicationFacts => {
      return { state: 'failed', queue: null, lagMs: null, detail: error.message };
    };
    const facts = await plugin.look(context).catch(broken).finally(pull.end);
    if (source.stop.signal.aborted || pull.signal?.aborted) return;
    source.history = foldCopy(source.history, { kind: 'facts', at: clock.monotonic(), facts }, limits);
    source.under = under;
    await this.#prove(source, context.active);
    const judged = this.#judged(source);
    this.#say(source, judged.level, judged.detail);
    // The copy has what was made under this epoch, by every source of the group: it may stand for it later.
    if (under !== null && !context.active && this.#isWhole(group, under))
      this.#doors.push({ kind: 'group-copied', group, epoch: under });
  }

  /** Every source was asked under this epoch, which is that of now, and is well. */
  #isWhole(group: string, epoch: number): boolean {
    const well = ({ state, known, level }: JudgedCopy): boolean => state === 'healthy' && known && level === 'ok';
    const all = this.#of(group).every((one) => one.under === epoch && well(this.#judged(one)));
    return all && this.#doors.owner(group)?.epoch === epoch;
  }

  /** Begins what writes into the data of this node; null: not now. */
  #pull(source: Source): Pull | null {
    const active = this.#doors.owner(source.group)?.node === this.#config.node;
    return isOneWay(source) && !active ? this.pulls.begin(source.group) : NO_PULL;
  }

  /** News of other nodes. */
  heed(): void {
    this.pulls.heed(new Set(this.#sources.map(({ group }) => group)));
  }

  /** What leaves a node and what comes to it are two things: of the one nothing follows for the other. What it proved
   *  when it last had the group proves nothing of now. */
  #turned(source: Source, active: boolean): void {
    if (source.active !== null && source.active !== active) {
      source.history = NO_HISTORY;
      source.heard = 0;
      source.proof = null;
    }
    source.active = active;
  }

  /** Another node is the active one now: an engine that does not turn by itself is turned, and again at the next look
   *  if that failed. */
  async #direct(source: Source, owner: string | null): Promise<void> {
    const { config, plugin, group, holder } = source;
    if (owner === null || owner === holder) return;
    const broke = (error: Error): ActionResult => ({ ok: false, detail: error.message });
    const turned = await plugin.direct?.(this.#context(source, FLUSH_MS)).catch(broke);
    if (turned?.ok !== false) source.holder = owner;
    else this.#doors.ports.log.warn(`${group}: ${config.name} could not be turned to ${owner}: ${turned.detail}`);
  }

  /** The active node writes; the others hear of it with what it publishes. */
  async #prove(source: Source, active: boolean): Promise<void> {
    const { clock } = this.#doors.ports;
    const { config, plugin, group } = source;
    const now = clock.monotonic();
    const fold = ({ n, ok, detail }: Proof): void => {
      source.heard = n;
      source.history = foldCopy(
        source.history,
        { kind: 'proof', at: clock.monotonic(), ok, detail },
        this.#limits(source),
      );
    };
    if (!active) {
      const proof = this.#doors.proofOf(group, config.name);
      if (proof && proof.n !== source.heard) fold(proof);
      return;
    }
    if (config.proveMs === null || !plugin.prove) return;
    // Under a new epoch the others are behind until they have something of it.
    const epoch = this.#doors.owner(group)?.epoch ?? null;
    const pause = source.arrived ? config.proveMs : Math.min(config.proveMs, AGAIN_MS);
    if (epoch === source.provedUnder && now - source.provedAt < pause) return;
    source.provedAt = now;
    source.provedUnder = epoch;
    const broke = (error: Error): ActionResult => ({ ok: false, detail: error.message });
    const { ok, detail } = await plugin.prove(this.#context(source, config.timeoutMs)).catch(broke);
    source.arrived = ok;
    this.#count += 1;
    source.proof = { n: this.#count, ok, detail };
    fold(source.proof);
  }

  #limits({ config, plugin }: Source): typeof COPY_LIMITS {
    const proofMs = config.proveMs !== null && plugin.prove ? config.proveMs * 3 : null;
    const staleMs = Math.max(COPY_LIMITS.staleMs, config.everyMs * 3);
    return { ...COPY_LIMITS, warnUnits: config.warnUnits, failUnits: config.failUnits, proofMs, staleMs };
  }

  #judged(source: Source): JudgedCopy {
    return judgeCopy(source.history, this.#doors.ports.clock.monotonic(), this.#limits(source));
  }

  #say(source: Source, level: JudgedCopy['level'], detail: string): void {
    if (level === source.level) return;
    source.level = level;
    const { group, config } = source;
    this.#doors.push({ kind: 'copy', of: group, source: config.name, level, detail });
  }

  #of(group: string): readonly Source[] {
    return this.#sources.filter((one) => one.group === group);
  }

  /** The newest proof of this node by each source, for the others. */
  proofs(group: string): Readonly<Record<string, Proof>> {
    return Object.fromEntries(this.#of(group).flatMap(({ config, proof }) => (proof ? [[config.name, proof]] : [])));
  }

  /** Each source of a group, judged now. */
  all(group: string): readonly (JudgedCopy & { readonly name: string; readonly type: string })[] {
    return this.#of(group).map((source) => ({
      ...this.#judged(source),
      ...{ name: source.config.name, type: source.config.type },
    }));
  }

  /** All of them as one: the worst state, the longest queue, the greatest lag; not known as soon as one is not. */
  worst(group: string): ReplicationFacts | null {
    const all = this.all(group);
    const [first] = all;
    if (!first) return null;
    const sum = (pick: (one: JudgedCopy) => number | null): number | null =>
      all.reduce<number | null>((most, one) => {
        const value = pick(one);
        return most === null || value === null ? null : Math.max(most, value);
      }, 0);
    const worst = all.reduce(
      (bad, one) => (SEVERITY.indexOf(one.state) > SEVERITY.indexOf(bad.state) ? one : bad),
      first,
    );
    const { state, detail } = worst;
    return {
      state,
      detail: `${worst.name}: ${detail}`,
      queue: sum(({ queue }) => queue),
      lagMs: sum(({ lagMs }) => lagMs),
    };
  }

  /** Brings every copy of a group up to date, before a planned move. */
  async flush(group: string, to: string | null, signal: AbortSignal): Promise<ActionResult> {
    const broke = (error: Error): ActionResult => ({ ok: false, detail: error.message });
    const [loud] = this.#of(group).some(isOneWay) ? await this.pulls.othersStill(group, to, signal) : [];
    if (loud !== undefined) return { ok: false, detail: `${loud} does not say that it copies nothing from here now` };
    for (const source of this.#of(group)) {
      if (!source.plugin.flush) continue;
      const context = this.#context(source, FLUSH_MS);
      const both = AbortSignal.any([context.signal, signal]);
      const result = await source.plugin.flush({ ...context, signal: both }).catch(broke);
      if (!result.ok) return { ok: false, detail: `${source.config.name}: ${result.detail}` };
    }
    return { ok: true, detail: 'the copies are up to date' };
  }

  /** What an operator asks of one source, or of all that know how. */
  async act(group: string, name: string | null, verb: CopyVerb): Promise<readonly (ActionResult & { name: string })[]> {
    const broke = (error: Error): ActionResult => ({ ok: false, detail: error.message });
    const wanted = this.#of(group).filter(({ config }) => name === null || config.name === name);
    const done = wanted.map(async (source) => {
      const pull = verb === 'reseed' ? this.#pull(source) : NO_PULL;
      if (pull === null) return { ok: false, detail: 'the group is about to move', name: source.config.name };
      const context = this.#context(source, 3_600_000, pull);
      const moved = new AbortController();
      if (verb === 'reseed') void this.#whileHeldBy(group, context.owner, moved);
      const signal = AbortSignal.any([context.signal, moved.signal]);
      const result = (await source.plugin[verb]?.({ ...context, signal }).catch(broke)) ?? {
        ok: false,
        detail: `${source.config.type} knows no ${verb}`,
      };
      pull.end();
      moved.abort(new Error('it has ended'));
      this.#doors.ports.log.info(`${group}: ${verb} of ${source.config.name}: ${result.detail}`);
      return { ...result, name: source.config.name };
    });
    return Promise.all(done);
  }

  /** What is made anew from somebody must end when it is somebody else's, or ours. */
  async #whileHeldBy(group: string, holder: string | null, stop: AbortController): Promise<void> {
    while (!stop.signal.aborted) {
      if ((this.#doors.owner(group)?.node ?? null) !== holder) stop.abort(new Error('the group has moved'));
      await this.#doors.ports.clock.sleep(OWNER_MS, stop.signal).catch(() => undefined);
    }
  }

  close(): void {
    for (const { stop } of this.#sources) stop.abort(new Error('closed'));
    this.pulls.close();
  }
}
