// This node as one of a cluster: the coordinator's records, a guard and the steps of each group, what is told to the
// other nodes. Decides nothing: what it hears becomes events, and what is decided is performed here.
import { candidatesOf, type GroupFacts, type NodeFacts } from '../core/facts.ts';
import type { GroupEffect } from '../core/group-events.ts';
import type { Candidate, GroupPolicy, MoveRequest, ReplicationFacts, Survey } from '../core/group-types.ts';
import type { ClusterConfig, Config } from '../config/types.ts';
import {
  type ActionResult,
  type Coordination,
  CoordinationError,
  type CoordRecord,
  type MemberHealth,
  type StepServices,
  type Written,
} from '../define.ts';
import type { Ports } from '../ports/ports.ts';
import type { Plugins } from '../registry.ts';
import { type ClusterView, emptyView, forget, heed, KEYS, type Word } from './cluster-view.ts';
import { ClusterGroup, type ClusterGroupDoors } from './cluster-group.ts';
import { type Guard, ownerKey } from './guard.ts';
import type { Loop } from './loop.ts';
import { TEND_MS, tending } from './requests.ts';

/** The ways to the other nodes, besides the coordinator. */
export interface Ways {
  /** Who answers now. */
  answering(): readonly string[];
  /** All of these promise to leave the group to us. */
  promise(group: string, epoch: number, nodes: readonly string[], signal: AbortSignal): Promise<boolean>;
}

/** What is known of the copies of each group. */
export interface Copies {
  worst(group: string): ReplicationFacts | null;
  flush(group: string, signal: AbortSignal): Promise<ActionResult>;
}

export interface ClusterDoors {
  readonly ports: Ports;
  readonly loop: Loop;
  readonly services: StepServices;
  readonly stateDir: string;
  readonly version: string;
  readonly configuration: string;
  readonly instance: string;
  /** Health of a group's services on this node, in one word. */
  healthOf(services: readonly string[]): Candidate['health'];
  hoursOpen(group: string): boolean;
  readonly ways: () => Ways | null;
  readonly copies: () => Copies | null;
}

export const PUBLISH_MS = 2000;
const SOON_MS = 30;
const READY_EVERY_MS = 15_000;
const MEMBERS_EVERY_MS = 5000;
const CALL_MS = 3000;
const RETRY_MS = 1000;

export class Cluster {
  readonly #doors: ClusterDoors;
  readonly view: ClusterView = emptyView();
  #config: Config;
  #plugins: Plugins;
  #coordination: Coordination | null = null;
  #watch: { close(): void } | null = null;
  readonly #groups = new Map<string, ClusterGroup>();
  readonly #stop = new AbortController();
  #members: readonly MemberHealth[] = [];
  #publishing = false;
  #soon: (() => void) | null = null;

  constructor(config: Config, plugins: Plugins, doors: ClusterDoors) {
    this.#config = config;
    this.#plugins = plugins;
    this.#doors = doors;
  }

  get members(): readonly MemberHealth[] {
    return this.#members;
  }

  get coordination(): Coordination | null {
    return this.#coordination;
  }

  /** Opens the coordinator and goes on until it is closed. Never throws: what fails is tried again and told. */
  async start(): Promise<void> {
    const { cluster } = this.#config;
    const plugin = cluster && this.#plugins.cluster.get(cluster.engine);
    if (!cluster || !plugin) return;
    const { ports } = this.#doors;
    const prefix = `/watchkeeper/${cluster.name}/v1/`;
    const options = cluster.options as never;
    this.#coordination = await plugin.open({ options, ports, node: this.#config.node, prefix });
    this.#makeGroups();
    void this.#readAll();
    this.#every(PUBLISH_MS, () => this.publish());
    this.#every(MEMBERS_EVERY_MS, () => this.#lookAtMembers());
    this.#every(READY_EVERY_MS, () => this.#askReady());
    this.#every(TEND_MS, tending({ cluster: this, loop: this.#doors.loop, clock: ports.clock }));
  }

  #every(ms: number, work: () => Promise<void>): void {
    const { clock } = this.#doors.ports;
    const go = async (): Promise<void> => {
      while (!this.#stop.signal.aborted) {
        await work().catch(() => undefined);
        await clock.sleep(ms, this.#stop.signal).catch(() => undefined);
      }
    };
    void go();
  }

  #within(ms = CALL_MS): AbortSignal {
    return AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ms)]);
  }

  // ------------------------------------------------------------------------------------------------------- the groups

  #policy(group: string): GroupPolicy | undefined {
    return this.#config.groups?.[group]?.policy;
  }

  #makeGroups(): void {
    const { cluster, groups = {} } = this.#config;
    const coordination = this.#coordination;
    if (!cluster || !coordination) return;
    for (const [name, held] of this.#groups)
      if (!(name in groups)) {
        this.#groups.delete(name);
        void held.leave(true).finally(() => held.close());
      }
    for (const [name, config] of Object.entries(groups)) {
      const held = this.#groups.get(name);
      if (held) held.configure(config, cluster);
      else this.#groups.set(name, new ClusterGroup(config, this.#groupDoors(cluster, coordination)));
    }
  }

  #groupDoors(cluster: ClusterConfig, coordination: Coordination): ClusterGroupDoors {
    const { ports, loop, instance, stateDir, services } = this.#doors;
    return {
      ...{ ports, loop, coordination, node: this.#config.node, instance, cluster, services, stateDir },
      plugins: () => this.#plugins,
      askAll: (group, epoch, signal) => this.#askAll(group, epoch, signal),
      flush: async (group, signal) =>
        (await this.#doors.copies()?.flush(group, signal)) ?? { ok: true, detail: 'there are no copies' },
      trouble: (of, detail) => this.#trouble(of, detail),
      soon: () => this.soon(),
    };
  }

  async #askAll(group: string, epoch: number, signal: AbortSignal): Promise<boolean> {
    const others = (this.#policy(group)?.nodes ?? []).filter((node) => node !== this.#config.node);
    if (others.length === 0) return true;
    return (await this.#doors.ways()?.promise(group, epoch, others, signal)) ?? false;
  }

  /** Another node owns the group and cannot reach the coordinator. */
  promise(from: string, group: string, epoch: number): { readonly agreed: boolean; readonly why: string } {
    const held = this.#groups.get(group);
    return held ? held.guard.promise(from, epoch) : { agreed: false, why: 'no such group here' };
  }

  perform(effect: GroupEffect): void {
    if (effect.kind === 'group-survey') {
      const { group, turn } = effect;
      const hours = this.#doors.hoursOpen(group);
      this.#doors.loop.push({ kind: 'group-surveyed', group, turn, survey: this.survey(group), hours });
    } else if (effect.kind === 'group-answer') void this.#answer(effect);
    else this.#groups.get(effect.group)?.perform(effect);
  }

  async #answer({ group, id, ok, text }: Extract<GroupEffect, { kind: 'group-answer' }>): Promise<void> {
    const { loop } = this.#doors;
    const service = /^service (.+)$/.exec(id)?.[1];
    if (service !== undefined) {
      const state = loop.node.services[service];
      if (state?.phase === 'switching' && !ok)
        loop.push({ kind: 'switched', service, epoch: state.epoch, ok: false, detail: text });
      return;
    }
    const answer = { id, ok, text: text.slice(0, 2000), node: this.#config.node };
    await this.put(KEYS.answer(group), answer).catch(() => undefined);
    if (this.view.requests.get(group)?.id === id) await this.put(KEYS.request(group), null).catch(() => undefined);
  }

  /** A service of this node is at the end of its ladder. Null: it is in a group that is asked. */
  wantsAway(service: string, incident: string | null): string | null {
    const group = Object.values(this.#config.groups ?? {}).find(({ policy }) => policy.services.includes(service));
    if (!this.#config.cluster) return 'this node stands alone';
    if (!group) return 'it is in no group, so there is nothing to move';
    const request: MoveRequest = {
      ...{ id: `service ${service}`, verb: 'failover', to: null, by: `service ${service}`, force: [] },
      comment: incident ?? '',
    };
    this.#doors.loop.push({ kind: 'group-requested', group: group.name, request });
    return null;
  }

  survey(group: string): Survey {
    const policy = this.#policy(group);
    const held = this.#groups.get(group);
    const { clock } = this.#doors.ports;
    if (!policy || !held) return { candidates: [], answering: [] };
    const answering = this.#doors.ways()?.answering() ?? null;
    const heard = new Map(this.view.heard);
    // Of oneself everything is known, and it is of now.
    heard.set(this.#config.node, { facts: this.facts(), at: clock.monotonic() });
    const candidates = candidatesOf({
      ...{ group, policy, heard, now: clock.monotonic(), publishMs: PUBLISH_MS },
      answering: answering && [...answering, this.#config.node],
      ...{ owner: held.guard.owner, ownerAt: held.guard.seenAt, maintenance: new Set(this.view.maintenance.keys()) },
    });
    return { candidates, answering: answering ?? [] };
  }

  // ------------------------------------------------------------------------------------------------- what is published

  facts(): NodeFacts {
    const { loop, ports, instance, version, configuration } = this.#doors;
    const groups: Record<string, GroupFacts> = {};
    for (const [name, held] of this.#groups) {
      const policy = this.#policy(name);
      const running = policy?.standby === 'running';
      const health = running ? this.#doors.healthOf(policy.services) : 'unknown';
      const facts = held.facts({ health, replication: this.#doors.copies()?.worst(name) ?? null });
      if (facts) groups[name] = facts;
    }
    const { node } = this.#config;
    return {
      ...{ schema: 1, node, instance, version, configuration, groups },
      time: new Date(ports.clock.wall()).toISOString(),
      maintenance: this.view.maintenance.has(loop.policy.node),
    };
  }

  /** Something changed that others wait to see. */
  soon(): void {
    this.#soon ??= this.#doors.ports.clock.after(SOON_MS, () => {
      this.#soon = null;
      void this.publish().catch(() => undefined);
    });
  }

  async publish(): Promise<void> {
    if (this.#publishing || !this.#coordination) return;
    this.#publishing = true;
    await this.put(KEYS.node(this.#config.node), this.facts()).finally(() => {
      this.#publishing = false;
    });
  }

  guardOf(group: string): Guard | undefined {
    return this.#groups.get(group)?.guard;
  }

  /** Once, after a while, unless it is closed before. */
  later(ms: number, work: () => Promise<void>): void {
    const { clock } = this.#doors.ports;
    void clock
      .sleep(ms, this.#stop.signal)
      .then(work)
      .catch(() => undefined);
  }

  monotonic(): number {
    return this.#doors.ports.clock.monotonic();
  }

  /** Writes a record only if its newest revision is this one. */
  async compare(key: string, value: string, expect: number): Promise<Written> {
    return this.#open().write(key, value, expect, this.#within());
  }

  /** One record as it stands now. */
  async find(key: string): Promise<CoordRecord | null> {
    const { records } = await this.#open().read(key, this.#within());
    return records.find((one) => one.key === key) ?? null;
  }

  #open(): Coordination {
    if (!this.#coordination) throw new CoordinationError('failed', 'there is no cluster');
    return this.#coordination;
  }

  /** Writes a record that is not compared; null deletes it. */
  async put(key: string, value: object | null): Promise<void> {
    await this.#open().publish(key, value && JSON.stringify(value), this.#within());
  }

  // ---------------------------------------------------------------------------------------------------- what is heard

  async #readAll(): Promise<void> {
    const { clock } = this.#doors.ports;
    while (!this.#stop.signal.aborted && this.#coordination) {
      try {
        const { revision, records } = await this.#coordination.read('', this.#within());
        const keys = new Set(records.map(({ key }) => key));
        for (const word of forget(this.view, keys)) this.#heed(word, revision);
        for (const one of records) this.#heed(heed(this.view, one.key, one.value, clock.monotonic()), one.revision);
        for (const [name, { guard }] of this.#groups) if (!keys.has(ownerKey(name))) guard.saw(revision, null);
        this.#follow(this.#coordination, revision);
        return;
      } catch (error) {
        this.#trouble('', (error as Error).message);
        await clock.sleep(RETRY_MS, this.#stop.signal).catch(() => undefined);
      }
    }
  }

  #follow(coordination: Coordination, after: number): void {
    this.#watch?.close();
    this.#watch = coordination.watch('', after, {
      change: ({ key, value, revision }) =>
        this.#heed(heed(this.view, key, value, this.#doors.ports.clock.monotonic()), revision),
      lost: () => void this.#readAll(),
      silent: (ms) => this.#trouble('', ms > 0 ? `no member has shown a sign of life for ${Math.round(ms)} ms` : null),
    });
    this.#trouble('', null);
  }

  #heed(word: Word, revision: number): void {
    if (!word) return;
    const { loop } = this.#doors;
    const { group } = word;
    switch (word.kind) {
      case 'owner':
        this.#groups.get(group)?.guard.saw(revision, word.value);
        return;
      case 'request':
        if (word.request) loop.push({ kind: 'group-requested', group, request: word.request });
        else if (word.was !== null) loop.push({ kind: 'group-request-gone', group, id: word.was });
        return;
      case 'confirm':
        loop.push({ kind: 'group-confirmed', group, by: word.by, yes: word.yes });
        return;
      case 'ack':
        loop.push({ kind: 'group-acked', group, epoch: word.epoch, by: word.by });
    }
  }

  readonly #troubles = new Map<string, string>();

  /** Alarmed while anything of it goes on. */
  #trouble(of: string, detail: string | null): void {
    const before = this.#troubles.size;
    if (detail === null) this.#troubles.delete(of);
    else this.#troubles.set(of, detail);
    if ((before === 0) === (this.#troubles.size === 0)) return;
    const bad = this.#troubles.size > 0;
    this.#doors.loop.push({ kind: 'condition', name: 'coordinator', bad, detail: detail ?? 'it answers again' });
  }

  async #lookAtMembers(): Promise<void> {
    if (!this.#coordination) return;
    this.#members = await this.#coordination.members(this.#within());
    const down = this.#members.filter(({ ok }) => !ok);
    const bad = down.length > 0;
    const detail = bad
      ? down.map(({ name, endpoint, detail: why }) => `${name || endpoint}: ${why}`).join('; ')
      : 'all members answer';
    this.#doors.loop.push({ kind: 'condition', name: 'member', bad, detail });
  }

  async #askReady(): Promise<void> {
    await Promise.all([...this.#groups.values()].map((held) => held.askReady()));
    this.soon();
  }

  // ----------------------------------------------------------------------------------------------------------- the end

  configure(config: Config, plugins: Plugins): void {
    this.#config = config;
    this.#plugins = plugins;
    this.#makeGroups();
    void this.#askReady().catch(() => undefined);
  }

  async close(): Promise<void> {
    const groups = [...this.#groups.values()];
    await Promise.all(groups.map((held) => held.leave(false)));
    this.#stop.abort(new Error('closed'));
    this.#soon?.();
    this.#watch?.close();
    for (const held of groups) held.close();
    await this.#coordination?.close();
  }
}
