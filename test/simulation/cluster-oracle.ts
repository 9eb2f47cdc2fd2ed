// Whether a node may take a group now, said a second time and in other words than elect.ts and takeover.ts do, with
// what only a god sees: when the owner's record was really written, and which failovers there were.
import * as assert from 'uvu/assert';
import type { GroupEvent } from '../../src/core/group-events.ts';
import type { GroupPolicy, GroupState } from '../../src/core/group-types.ts';
import { type Daemon, ownerKey } from './cluster-daemon.ts';
import type { ClusterProperties } from './cluster-properties.ts';
import type { Cluster } from './cluster-world.ts';

export type Surveyed = Extract<GroupEvent, { kind: 'group-surveyed' }>;

interface Take {
  readonly cluster: Cluster;
  readonly properties: ClusterProperties;
  readonly daemon: Daemon;
  readonly was: GroupState;
  readonly event: Surveyed;
}

export function checkTake(take: Take): void {
  const { cluster, daemon, was, event } = take;
  const { name } = daemon.machine;
  const policy = daemon.policy.groups?.[event.group] as GroupPolicy;
  const { owner, request } = was;
  const self = event.survey.candidates.find(({ node }) => node === name);
  assert.ok(self, 'who takes it knows itself');
  const resumes = owner?.node === name && owner.state === 'held';
  assert.ok(self.unready.length === 0, 'I-5: only what is ready is taken to');
  if (!resumes) {
    assert.ok(!self.maintenance, 'I-11: nothing comes to a node in maintenance');
    assert.ok(self.settled, 'I-11: nothing comes before the first round is complete');
  }
  if (policy.standby === 'running')
    assert.ok(self.health === 'ok' || self.health === 'degraded', 'I-5: not to what fails');
  const capacity = daemon.policy.cluster?.nodes[name]?.capacity ?? null;
  if (capacity !== null) assert.ok(self.load + 1 <= capacity, 'no node carries more than it can');
  data(take, policy);
  const person = request !== null && !request.by.startsWith('service ');
  if (owner && owner.node !== name) {
    if (owner.state === 'held') silence(take, policy, person);
    const fence = policy.steps.some(({ type }) => type === 'fence');
    const old = event.survey.candidates.find(({ node }) => node === owner.node);
    if (!fence) {
      assert.is.not(owner.state, 'stuck', 'I-14: what could not be stopped is not started elsewhere');
      const left = owner.state === 'held' && old?.dirty && event.survey.answering.includes(owner.node);
      assert.not(left, 'I-14: who answers is waited for until nothing of it is left there');
    }
    const newest = cluster.store.get(ownerKey(event.group)).revision === daemon.right(event.group).seen?.order;
    if (newest && owner.to !== null && owner.state === 'released' && owner.to !== name)
      assert.ok(cluster.queue.now - since(take) >= 2990, 'who was chosen has T to come');
  }
  site(take, policy);
}

const since = ({ properties, event }: Take): number => properties.written.get(event.group)?.at ?? 0;

/** Nobody who lives is passed over, nobody comes too early or too often, and nobody who only looks on. */
function silence({ cluster, properties, daemon, was, event }: Take, policy: GroupPolicy, person: boolean): void {
  const { now } = cluster.queue;
  if (person) return;
  const written = properties.written.get(event.group);
  // Another write may have come just now: then the compared write is refused.
  const right = daemon.right(event.group);
  const newest = cluster.store.get(ownerKey(event.group)).revision === right.seen?.order;
  // A core that is behind may wish what its own guard knows better: nothing is written then.
  if (newest && written && right.vacant === right.seen?.order)
    assert.ok(now - written.at >= policy.failover.afterMs * 0.99, 'the owner was silent for as long as was said');
  assert.not(daemon.policy.observe, 'I-11: who only looks on takes nothing over');
  assert.is(daemon.node.tilt, null, 'I-11: who doubts its eyes takes nothing over');
  const { mode, otherwise } = policy.failover;
  assert.is.not(mode, 'manual', 'a person takes it over, or nobody');
  if (mode === 'confirm') {
    const late = otherwise === 'move' && was.ask !== null && was.ask.said === null && was.ask.until <= event.at;
    assert.ok(was.ask?.said === 'yes' || late, 'a person said yes, or had the time to say no');
  }
  const last = properties.failovers.get(event.group);
  const knew = daemon.node.groups?.[event.group]?.owner?.epoch === last?.epoch;
  if (last && knew && now - last.at < policy.blockMs * 0.99)
    assert.ok((cluster.acked.get(event.group) ?? 0) >= last.epoch, 'I-8: one failover, and then a person looks at it');
}

/** I-6: no older data, and no more loss than is allowed. */
function data({ daemon, was, event }: Take, policy: GroupPolicy): void {
  const newest = was.owner?.data;
  const { name } = daemon.machine;
  if (policy.sources.length === 0 || !newest || newest.node === name) return;
  const force = was.request?.force ?? [];
  const self = event.survey.candidates.find(({ node }) => node === name);
  if (!force.includes('old-data'))
    assert.ok((self?.dataEpoch ?? 0) >= newest.epoch, 'I-6: who takes it has the data of the newest epoch');
  if (force.includes('data-loss') || policy.gate.kind === 'none') return;
  const { state = 'failed', queue = null, lagMs = null } = self?.replication ?? {};
  assert.ok(state === 'healthy' || state === 'synchronizing', `I-6: a copy that is ${state} is not taken`);
  const { gate } = policy;
  const near =
    gate.kind === 'rpo'
      ? lagMs !== null && lagMs <= gate.ms
      : queue !== null && queue <= (gate.kind === 'within' ? gate.units : 0);
  assert.ok(near, 'I-6: no more is lost than is allowed');
}

function site({ daemon, was, event }: Take, policy: GroupPolicy): void {
  const nodes = daemon.policy.cluster?.nodes ?? {};
  const { name } = daemon.machine;
  if (nodes[name]?.site !== 'far' || was.request?.to === name || was.request?.force.includes('site')) return;
  // Handed over by name, and the request is over since: whoever let go had asked.
  if (was.owner?.state === 'released' && was.owner.to === name) return;
  const home = was.owner ? nodes[was.owner.node]?.site : nodes[policy.nodes[0] ?? '']?.site;
  if (home !== 'home') return;
  const lives = event.survey.candidates.filter((one) => one.reachable && nodes[one.node]?.site === 'home');
  assert.equal(
    lives.map(({ node }) => node),
    [],
    'another site is for the day when this one is gone',
  );
}
