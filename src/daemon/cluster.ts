// This node as one of a cluster: the coordinator's records, a guard and the steps of each group, what is told to the
// other nodes. Decides nothing: what it hears becomes events, and what is decided is performed here.
import { candidatesOf, type GroupFacts, type NodeFacts } from '../core/facts.ts';
import type { GroupEffect, SurveyReason } from '../core/group-events.ts';
import type { Candidate, GroupPolicy, Survey } from '../core/group-types.ts';
import type { Inventory } from '../core/inventory.ts';
import type { ClusterConfig, Config } from '../config/types.ts';
import {
  type Coordination,
  type Coordinator,
  CoordinationError,
  type CoordRecord,
  type MemberHealth,
  type StepServices,
  type Written,
} from '../define.ts';
import type { Ports } from '../ports/ports.ts';
import type { Plugins } from '../registry.ts';
import { type ClusterView, emptyView, freshen, KEYS, type Word } from './cluster-view.ts';
import { ClusterGroup, type ClusterGroupDoors } from './cluster-group.ts';
import { lookAtMembers, troubles } from './coordinator-health.ts';
import { CopyWatch } from './copies.ts';
import { EtcdMember } from './etcd-member.ts';
import { type Guard, ownerKey } from './guard.ts';
import { gatherInventory, INVENTORY_MS } from './inventory.ts';
import type { Incoming, Loop } from './loop.ts';
import type { Asking } from './paths.ts';
import { RecordFeed } from './record-feed.ts';
import { answerRequest, TEND_MS, tending, wish } from './requests.ts';

/** The ways to the other nodes, besides the coordinator. */
export interface Ways {
  /** Who answers now. */
  answering(): readonly string[];
  /** All of these promise to leave the group to us. */
  promise(group: string, epoch: number, nodes: readonly string[], signal: AbortSignal): Promise<boolean>;
  /** Asks one of them. */
  ask(node: string, body: object, signal: AbortSignal): Promise<Asking>;
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
}

export const PUBLISH_MS = 2000;
const SOON_MS = 30;
const READY_EVERY_MS = 15_000;
const MEMBERS_EVERY_MS = 5000;
const CALL_MS = 3000;
const REOPEN_MS = 5000;

export class Cluster {
  readonly #doors: ClusterDoors;
  readonly view: ClusterView = emptyView();
  #config: Config;
  #plugins: Plugins;
  #coordination: Coordination | null = null;
  #feed: RecordFeed | null = null;
  readonly #trouble: (of: string, detail: string | null) => void;
  #member: EtcdMember | null = null;
  readonly copies: CopyWatch;
  readonly #groups = new Map<string, ClusterGroup>();
  readonly #stop = new AbortController();
  #members: readonly MemberHealth[] = [];
  #inventory: Inventory = {};
  #publishing = false;
  #soon: (() => void) | null = null;

  constructor(config: Config, plugins: Plugins, doors: ClusterDoors) {
    this.#config = config;
    this.#plugins = plugins;
    this.#doors = doors;
    const { ports, stateDir, loop } = doors;
    this.#trouble = troubles((event) => loop.push(event));
    this.copies = new CopyWatch(config, plugins, {
      ...{ ports, stateDir, push: (event) => loop.push(event) },
      owner: (group) => {
        const record = this.#groups.get(group)?.guard.owner;
        return record?.state === 'held' ? { node: record.node, epoch: record.epoch } : null;
      },
      proofOf: (group) => {
        const owner = this.#groups.get(group)?.guard.owner?.node ?? '';
        return this.view.heard.get(owner)?.facts.groups[group]?.proof ?? null;
      },
    });
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
    await this.#startMember(cluster).catch((error: Error) => this.#trouble('member', error.message));
    await this.#join(cluster, plugin);
  }

  async #join(cluster: ClusterConfig, plugin: Coordinator): Promise<void> {
    const { ports, loop } = this.#doors;
    if (this.#stop.signal.aborted) return;
    const prefix = `/watchkeeper/${cluster.name}/v1/`;
    try {
      const options = cluster.options as never;
      this.#coordination = await plugin.open({ options, ports, node: this.#config.node, prefix });
      this.#trouble('open', null);
    } catch (error) {
      this.#trouble('open', (error as Error).message);
      const again = ports.clock.sleep(REOPEN_MS, this.#stop.signal).then(() => this.#join(cluster, plugin));
      again.catch(() => undefined);
      return;
    }
    this.#makeGroups();
    this.#feed = this.#openFeed(this.#coordination);
    this.#every(PUBLISH_MS, () => this.publish());
    const push = (event: Incoming): void => loop.push(event);
    this.#every(MEMBERS_EVERY_MS, async () => {
      this.#members = await lookAtMembers(this.#open(), push, this.#within());
    });
    this.#every(READY_EVERY_MS, () => this.#askReady());
    this.#every(INVENTORY_MS, async () => {
      this.#inventory = await gatherInventory(this.#config, ports, this.#stop.signal);
    });
    this.#every(TEND_MS, tending({ cluster: this, loop, clock: ports.clock }));
  }

  async #startMember({ member }: ClusterConfig): Promise<void> {
    if (!member) return;
    const { ports, stateDir } = this.#doors;
    const onTrouble = (bad: boolean, detail: string): void => this.#trouble('member', bad ? detail : null);
    this.#member = new EtcdMember(member, { ports, stateDir, onTrouble });
    await this.#member.start();
  }

  #openFeed(coordination: Coordination): RecordFeed {
    return new RecordFeed({
      ...{ coordination, clock: this.#doors.ports.clock, view: this.view },
      onWord: (word, revision) => this.#heed(word, revision),
      onRead: (keys, revision) => {
        for (const [name, { guard }] of this.#groups) if (!keys.has(ownerKey(name))) guard.saw(revision, null);
      },
      trouble: (detail) => this.#trouble('', detail),
    });
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
      if (held) held.configure(config);
      else this.#groups.set(name, new ClusterGroup(config, this.#groupDoors(cluster, coordination)));
    }
  }

  #groupDoors(cluster: ClusterConfig, coordination: Coordination): ClusterGroupDoors {
    const { ports, loop, instance, stateDir, services } = this.#doors;
    return {
      ...{ ports, loop, coordination, node: this.#config.node, instance, cluster, services, stateDir },
      plugins: () => this.#plugins,
      askAll: (group, epoch, signal) => this.#askAll(group, epoch, signal),
      flush: (group, signal) => this.copies.flush(group, signal),
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
    if (effect.kind === 'group-survey') void this.#survey(effect.group, effect.turn, effect.why);
    else if (effect.kind === 'group-answer')
      void answerRequest({ cluster: this, loop: this.#doors.loop, clock: this.#doors.ports.clock }, effect);
    else this.#groups.get(effect.group)?.perform(effect);
  }

  /** A service of this node is at the end of its ladder. Null: its group is asked to move. */
  wantsAway(service: string, incident: string | null): string | null {
    if (!this.#config.cluster) return 'this node stands alone';
    const request = wish(this.#config, service, incident);
    if (request === null) return 'it is in no group, so there is nothing to move';
    this.#doors.loop.push({ kind: 'group-requested', ...request });
    return null;
  }

  /** A look around; an owner that fell silent and still answers over a path is asked how it is now: what it said at the
   *  coordinator is of before. */
  async #survey(group: string, turn: number, why: SurveyReason): Promise<void> {
    const { loop, ports, hoursOpen } = this.#doors;
    const ways = this.#doors.ways();
    const owner = this.#groups.get(group)?.guard.owner?.node ?? null;
    const other = owner !== null && owner !== this.#config.node;
    if (other && loop.node.groups?.[group]?.vacantSince !== null && ways?.answering().includes(owner))
      await freshen(ways, this.view, owner, ports.clock);
    loop.push({ kind: 'group-surveyed', group, turn, why, survey: this.survey(group), hours: hoursOpen(group) });
  }

  /** What another node asks over a path. */
  answerTo(body: unknown): object {
    const { what } = (body ?? {}) as { readonly what?: unknown };
    return what === 'facts' ? this.facts() : { error: 'not understood' };
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
      silenceMs: this.#config.cluster?.policy.timing.silenceMs ?? PUBLISH_MS,
      answering: answering && [...answering, this.#config.node],
      ...{ owner: held.guard.owner, ownerAt: held.guard.seenAt, maintenance: new Set(this.view.maintenance.keys()) },
    });
    // Without paths, who was heard at the coordinator of late answers as well as can be known.
    return { candidates, answering: answering ?? candidates.filter((one) => one.reachable).map(({ node }) => node) };
  }

  // ------------------------------------------------------------------------------------------------- what is published

  facts(): NodeFacts {
    const { loop, ports, instance, version, configuration } = this.#doors;
    const groups: Record<string, GroupFacts> = {};
    for (const [name, held] of this.#groups) {
      const policy = this.#policy(name);
      const running = policy?.standby === 'running';
      const health = running ? this.#doors.healthOf(policy.services) : 'unknown';
      const facts = held.facts({ health, replication: this.copies.worst(name), proof: this.copies.proof(name) });
      if (facts) groups[name] = facts;
    }
    const { node } = this.#config;
    return {
      ...{ schema: 1, node, instance, version, configuration, groups },
      time: new Date(ports.clock.wall()).toISOString(),
      maintenance: this.view.maintenance.has(loop.policy.node),
      inventory: this.#inventory,
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

  async #askReady(): Promise<void> {
    await Promise.all([...this.#groups.values()].map((held) => held.askReady()));
    this.soon();
  }

  // ----------------------------------------------------------------------------------------------------------- the end

  configure(config: Config, plugins: Plugins): void {
    this.#config = config;
    this.#plugins = plugins;
    this.copies.configure(config, plugins);
    this.#makeGroups();
    void this.#askReady().catch(() => undefined);
  }

  async close(): Promise<void> {
    const groups = [...this.#groups.values()];
    await Promise.all(groups.map((held) => held.leave(false)));
    this.#stop.abort(new Error('closed'));
    this.#soon?.();
    this.#feed?.close();
    this.copies.close();
    for (const held of groups) held.close();
    await this.#coordination?.close();
    // It outlives this daemon: the others need its vote.
    await this.#member?.close({ stop: false });
  }
}
