// This node as one of a cluster: the coordinator's records, a guard and the steps of each group, what is told to the
// other nodes. Decides nothing: what it hears becomes events, and what is decided is performed here.
import type { NodeFacts } from '../../core/facts.ts';
import type { GroupEffect, SurveyReason } from '../../core/group-events.ts';
import type { GroupPolicy, Survey } from '../../core/group-types.ts';
import type { Inventory } from '../../core/inventory.ts';
import { PUBLISH_MS } from '../../config/timing.ts';
import type { ClusterConfig, Config } from '../../config/types.ts';
import {
  type Coordination,
  type Coordinator,
  CoordinationError,
  type CoordRecord,
  type MemberHealth,
  type Written,
} from '../../define.ts';
import type { Plugins } from '../../registry.ts';
import type { ClusterDoors, Clustered } from './cluster-doors.ts';
import { type ClusterView, emptyView, KEYS } from './cluster-view.ts';
import { ClusterGroup, type ClusterGroupDoors } from './cluster-group.ts';
import { askSilentOwner, heedWord, lookAround, ownFacts, type Words } from './cluster-words.ts';
import { lookAtMembers, troubles } from './coordinator-health.ts';
import { CopyWatch } from './copies.ts';
import { endingOrphans } from './drill-orphans.ts';
import { EtcdMember } from './etcd-member.ts';
import { type Guard, ownerKey } from './guard.ts';
import { gatherInventory, INVENTORY_MS } from './inventory.ts';
import type { Incoming } from '../loop.ts';
import { again } from '../again.ts';
import { openCoordinator, type Opened } from './opening.ts';
import { RecordFeed } from './record-feed.ts';
import { answerRequest, TEND_MS, tending, wish } from './requests.ts';
import { within } from '../../ports/limit.ts';

const SOON_MS = 30;
const READY_EVERY_MS = 15_000;
const MEMBERS_EVERY_MS = 5000;
const CALL_MS = 3000;
const REOPEN_MS = 5000;
const FIRST_MS = 1000;

export class Cluster implements Clustered {
  readonly #doors: ClusterDoors;
  readonly view: ClusterView = emptyView();
  #config: Config;
  #plugins: Plugins;
  #coordination: Coordination | null = null;
  #opening: Promise<Opened> | null = null;
  /** Resolves when the records were heard once, or nobody has any. */
  readonly heard: Promise<void>;
  #hear: () => void = () => undefined;
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
    this.heard = new Promise((resolve) => {
      this.#hear = resolve;
    });
    const { ports, stateDir, loop } = doors;
    this.#trouble = troubles((event) => loop.push(event));
    this.copies = new CopyWatch(config, plugins, {
      ...{ ports, stateDir },
      push: (event) => {
        const news = event.kind === 'group-copied' && event.epoch > (loop.node.groups?.[event.group]?.dataEpoch ?? 0);
        loop.push(event);
        // Whoever is asked for a move knows of this copy what was heard last.
        if (news) this.soon();
      },
      owner: (group) => {
        const record = this.#groups.get(group)?.guard.owner;
        return record?.state === 'held' ? { node: record.node, epoch: record.epoch } : null;
      },
      proofOf: (group, source) => {
        const owner = this.#groups.get(group)?.guard.owner?.node ?? '';
        return this.view.heard.get(owner)?.facts.groups[group]?.proofs?.[source] ?? null;
      },
      leaving: (group) => {
        const held = this.#groups.get(group);
        const owner = held?.guard.owner?.node ?? this.#config.node;
        if (owner === this.#config.node) return held?.leaving ?? null;
        return this.view.heard.get(owner)?.facts.groups[group]?.leaving ?? null;
      },
      stillOf: (group, node) => this.view.heard.get(node)?.facts.groups[group]?.still ?? null,
      others: (group) =>
        this.survey(group).candidates.flatMap(({ node, reachable }) =>
          reachable && node !== this.#config.node ? [node] : [],
        ),
      soon: () => this.soon(),
    });
  }

  get instance(): string {
    return this.#doors.instance;
  }

  get members(): readonly MemberHealth[] {
    return this.#members;
  }

  get coordination(): Coordination | null {
    return this.#coordination;
  }

  /** Begins to open the coordinator and to read it; nothing is heard of it before `start`. Never throws. */
  open(): void {
    const [cluster, plugin] = this.#chosen() ?? [];
    if (!cluster || !plugin) return;
    this.#opening = this.#openNow(cluster, plugin);
    // Told by `start`.
    this.#opening.catch(() => undefined);
  }

  /** Hears of the coordinator, and goes on until it is closed. Never throws: what fails is tried again and told. */
  async start(): Promise<void> {
    const [cluster, plugin] = this.#chosen() ?? [];
    if (!cluster || !plugin) return this.#hear();
    const member = this.#startMember(cluster).catch((error: Error) => this.#trouble('member', error.message));
    await Promise.all([member, this.#join(cluster, plugin)]);
  }

  #chosen(): readonly [ClusterConfig, Coordinator] | null {
    const { cluster } = this.#config;
    const plugin = cluster && this.#plugins.cluster.get(cluster.engine);
    return cluster && plugin ? [cluster, plugin] : null;
  }

  #openNow(cluster: ClusterConfig, plugin: Coordinator): Promise<Opened> {
    return openCoordinator(cluster, plugin, {
      ...{ ports: this.#doors.ports, node: this.#config.node, signal: this.#stop.signal },
    });
  }

  async #join(cluster: ClusterConfig, plugin: Coordinator): Promise<void> {
    const { ports, loop } = this.#doors;
    if (this.#stop.signal.aborted) return;
    this.#opening ??= this.#openNow(cluster, plugin);
    const opened = await this.#opening.catch((error: Error) => error.message);
    // Closed meanwhile: whoever closes us closes it.
    if (this.#stop.signal.aborted) return;
    this.#trouble('open', typeof opened === 'string' ? opened : null);
    if (typeof opened === 'string') {
      this.#opening = null;
      const retried = ports.clock.sleep(REOPEN_MS, this.#stop.signal).then(() => this.#join(cluster, plugin));
      retried.catch(() => undefined);
      return;
    }
    this.#coordination = opened.coordination;
    this.#makeGroups();
    this.#feed = this.#openFeed(opened);
    this.#every(PUBLISH_MS, () => this.publish());
    // A right of before goes first; a coordinator that does not answer holds up nothing.
    const first = this.heard.then(() => loop.written);
    const late = ports.clock.sleep(FIRST_MS, this.#stop.signal).catch(() => undefined);
    void Promise.race([first, late]).then(() => this.#lookOn());
  }

  #lookOn(): void {
    const { ports, loop } = this.#doors;
    const push = (event: Incoming): void => loop.push(event);
    this.#every(MEMBERS_EVERY_MS, async () => {
      this.#members = await lookAtMembers(this.#open(), push, this.#within());
    });
    this.#every(READY_EVERY_MS, () => this.#askReady());
    this.#every(INVENTORY_MS, async () => {
      this.#inventory = await gatherInventory(this.#config, ports, this.#stop.signal);
    });
    const tended = { cluster: this, loop, clock: ports.clock };
    this.#every(TEND_MS, tending(tended, endingOrphans(tended)));
  }

  async #startMember({ member }: ClusterConfig): Promise<void> {
    if (!member) return;
    const { ports, stateDir } = this.#doors;
    const onTrouble = (bad: boolean, detail: string): void => this.#trouble('member', bad ? detail : null);
    this.#member = new EtcdMember(member, { ports, stateDir, onTrouble });
    await this.#member.start();
  }

  #openFeed({ coordination, first }: Opened): RecordFeed {
    return new RecordFeed({
      ...{ coordination, first, clock: this.#doors.ports.clock, view: this.view },
      onWord: (word, revision) => {
        heedWord(this.#words(), word, revision);
        this.copies.heed();
      },
      onRead: (keys, revision) => {
        for (const [name, { guard }] of this.#groups) if (!keys.has(ownerKey(name))) guard.saw(revision, null);
        this.#hear();
      },
      trouble: (detail) => this.#trouble('', detail),
    });
  }

  #every(ms: number, work: () => Promise<void>): void {
    const { clock } = this.#doors.ports;
    void again(clock, ms, work, this.#stop.signal);
  }

  #within(ms = CALL_MS): AbortSignal {
    return within(ms, this.#stop.signal);
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
      flush: (group, to, signal) => this.copies.flush(group, to, signal),
      copied: (group) => this.copies.pulls.stop(group, 'the group is here now'),
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

  async #survey(group: string, turn: number, why: SurveyReason): Promise<void> {
    const { loop, hoursOpen } = this.#doors;
    await askSilentOwner(this.#words(), group);
    loop.push({ kind: 'group-surveyed', group, turn, why, survey: this.survey(group), hours: hoursOpen(group) });
  }

  /** What another node asks over a path. */
  answerTo(body: unknown): object {
    const { what } = (body ?? {}) as { readonly what?: unknown };
    return what === 'facts' ? this.facts() : { error: 'not understood' };
  }

  survey(group: string): Survey {
    return lookAround(this.#words(), group);
  }

  // ------------------------------------------------------------------------------------------------- what is published

  facts(): NodeFacts {
    return ownFacts(this.#words());
  }

  #words(): Words {
    const [doors, config, groups, inventory] = [this.#doors, this.#config, this.#groups, this.#inventory];
    return { doors, config, groups, inventory, view: this.view, copies: this.copies };
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

  async compare(key: string, value: string, expect: number): Promise<Written> {
    return this.#open().write(key, value, expect, this.#within());
  }

  async find(key: string): Promise<CoordRecord | null> {
    const { records } = await this.#open().read(key, this.#within());
    return records.find((one) => one.key === key) ?? null;
  }

  #open(): Coordination {
    if (!this.#coordination) throw new CoordinationError('failed', 'there is no cluster');
    return this.#coordination;
  }

  async put(key: string, value: object | null): Promise<void> {
    await this.#open().publish(key, value && JSON.stringify(value), this.#within());
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
    await (await this.#opening?.catch(() => null))?.coordination.close();
    // It outlives this daemon: the others need its vote.
    await this.#member?.close({ stop: false });
  }
}
