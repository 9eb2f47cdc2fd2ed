// What this node says of itself to all others, and what it sees of them when it looks around: put together from the
// groups, the view and the services, at the moment that it is asked.
import { candidatesOf, type GroupFacts, type NodeFacts } from '../../core/facts.ts';
import type { Survey } from '../../core/group-types.ts';
import type { Inventory } from '../../core/inventory.ts';
import { PUBLISH_MS } from '../../config/timing.ts';
import type { Config } from '../../config/types.ts';
import type { ClusterGroup } from './cluster-group.ts';
import { type ClusterView, freshen, type Word } from './cluster-view.ts';
import type { CopyWatch } from './copies.ts';
import type { ClusterDoors } from './cluster-doors.ts';

export interface Words {
  readonly config: Config;
  readonly view: ClusterView;
  readonly groups: ReadonlyMap<string, ClusterGroup>;
  readonly copies: CopyWatch;
  readonly inventory: Inventory;
  readonly doors: ClusterDoors;
}

export function ownFacts({ config, view, groups: held, copies, inventory, doors }: Words): NodeFacts {
  const { loop, ports, instance, version, configuration, healthOf } = doors;
  const groups: Record<string, GroupFacts> = {};
  for (const [name, group] of held) {
    const policy = config.groups?.[name]?.policy;
    const health = policy?.standby === 'running' ? healthOf(policy.services) : 'unknown';
    const of = { replication: copies.worst(name), proofs: copies.proofs(name), still: copies.pulls.still(name) };
    const facts = group.facts({ health, ...of });
    if (facts) groups[name] = facts;
  }
  return {
    ...{ schema: 1, node: config.node, instance, version, configuration, groups, inventory },
    time: new Date(ports.clock.wall()).toISOString(),
    maintenance: view.maintenance.has(loop.policy.node),
    ...(loop.policy.observe ? { observe: true } : {}),
  };
}

export function lookAround(words: Words, group: string): Survey {
  const { config, view, doors } = words;
  const policy = config.groups?.[group]?.policy;
  const held = words.groups.get(group);
  const { clock } = doors.ports;
  if (!policy || !held) return { candidates: [], answering: [] };
  const answering = doors.ways()?.answering() ?? null;
  const heard = new Map(view.heard);
  // Of oneself everything is known, and it is of now.
  heard.set(config.node, { facts: ownFacts(words), at: clock.monotonic() });
  const candidates = candidatesOf({
    ...{ group, policy, heard, now: clock.monotonic(), publishMs: PUBLISH_MS },
    silenceMs: config.cluster?.policy.timing.silenceMs ?? PUBLISH_MS,
    answering: answering && [...answering, config.node],
    ...{ owner: held.guard.owner, ownerAt: held.guard.seenAt, maintenance: new Set(view.maintenance.keys()) },
  });
  // Without paths, who was heard at the coordinator of late answers as well as can be known.
  return { candidates, answering: answering ?? candidates.filter((one) => one.reachable).map(({ node }) => node) };
}

/** Before a look around: an owner that fell silent and still answers over a path is asked how it is now, for what it
 *  said at the coordinator is of before. */
export async function askSilentOwner({ config, view, groups, doors }: Words, group: string): Promise<void> {
  const { loop, ports } = doors;
  const ways = doors.ways();
  const owner = groups.get(group)?.guard.owner?.node ?? null;
  if (owner === null || owner === config.node || !ways?.answering().includes(owner)) return;
  if (loop.node.groups?.[group]?.vacantSince !== null) await freshen(ways, view, owner, ports.clock);
}

/** A record of the coordinator becomes an event, or goes to the guard of its group. */
export function heedWord({ groups, doors: { loop } }: Words, word: Word, revision: number): void {
  if (!word) return;
  const { group } = word;
  switch (word.kind) {
    case 'owner':
      groups.get(group)?.guard.saw(revision, word.value);
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
