// Comm paths as the node's alarms: one for each path that fails, and one for a node to which none is left.
import { conditionAt } from './alarms.ts';
import type { Event, Policy } from './types.ts';
import { say, type Work } from './work.ts';

const keyOf = (peer: string, address?: string): string => `path/${peer}${address === undefined ? '' : `/${address}`}`;

/** The addresses at which this node hears another: its first meets our first, and so on. */
function addressesOf({ cluster, node }: Policy, peer: string): readonly string[] {
  const own = cluster?.nodes[node]?.paths ?? [];
  return peer === node ? [] : (cluster?.nodes[peer]?.paths ?? []).slice(0, own.length);
}

function set(work: Work, key: string, event: 'path-down' | 'node-unreachable', bad: boolean, text: string): boolean {
  const [alarms, notices] = conditionAt(key, work.policy, work.node.alarms, event, bad, text, work.at);
  if (alarms === work.node.alarms) return false;
  work.node = { ...work.node, alarms };
  for (const notice of notices) work.effects.push({ kind: 'notice', notice });
  return true;
}

function judgeNode(work: Work, peer: string): void {
  const addresses = addressesOf(work.policy, peer);
  const { alarms } = work.node;
  const bad = addresses.length > 0 && addresses.every((address) => keyOf(peer, address) in alarms);
  const text = `${peer} answers on none of its paths (${addresses.join(', ')})`;
  if (set(work, keyOf(peer), 'node-unreachable', bad, text))
    say(work, 'node-unreachable', bad ? text : `over: ${peer} answers again`);
}

export function onPath(work: Work, { peer, address, up, detail }: Extract<Event, { kind: 'path' }>): void {
  // It was taken out of the configuration while the word was on its way.
  if (!addressesOf(work.policy, peer).includes(address)) return;
  const text = `the path to ${peer} at ${address} ${up ? 'works' : 'fails'}: ${detail}`;
  if (!set(work, keyOf(peer, address), 'path-down', !up, text)) return;
  say(work, 'path-down', up ? `over: ${text}` : text);
  judgeNode(work, peer);
}

/** Alarms of paths that are not in the configuration any more end. */
export function configurePaths(work: Work, policy: Policy): void {
  const peers = Object.keys(policy.cluster?.nodes ?? {});
  const known = new Set(
    peers.flatMap((peer) => [keyOf(peer), ...addressesOf(policy, peer).map((address) => keyOf(peer, address))]),
  );
  const held = Object.values(work.node.alarms).filter(({ key }) => key.startsWith('path/'));
  if (held.length === 0) return;
  for (const { key, event } of held)
    if (!known.has(key)) set(work, key, event as 'path-down', false, 'it is not in the configuration any more');
  const now = { ...work, policy };
  for (const peer of peers) judgeNode(now, peer);
  work.node = now.node;
}
