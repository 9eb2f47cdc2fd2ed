// What the daemon of the life before left behind: its journal is folded to the state that it had, and its own troubles
// end with it.
import { decide, emptyNode } from '../core/decide.ts';
import type { NodeState, Policy } from '../core/types.ts';
import { emptyOutbox, foldOutbox } from './backlog.ts';
import type { Recovered } from './journal.ts';
import type { Loop } from './loop.ts';

export function restoreFrom({ snapshot, entries, seq }: Recovered, loop: Loop, channels: readonly string[]): void {
  if (!snapshot) return;
  // A journal of an older version knows nothing of what newer ones remember.
  let node: NodeState = { ...emptyNode, ...snapshot.node };
  let policy: Policy = snapshot.policy;
  let outbox = { ...emptyOutbox, ...snapshot.outbox };
  for (const entry of entries) {
    if (entry.event) {
      node = decide(policy, node, entry.event)[0];
      if (entry.event.kind === 'configured') policy = entry.event.policy;
      loop.remember(entry, node);
    }
    outbox = foldOutbox(outbox, entry, channels);
  }
  loop.restore(node, policy, outbox, seq);
}

const OWN = ['configuration', 'history', 'secrets', 'plugin', 'outbox', 'channel', 'agent'] as const;
const CLUSTER = ['coordinator', 'member'] as const;

/** What the daemon of the life before had trouble with, this one has not seen: it ends, and is raised again if it goes
 *  on. Nobody else would ever end it. */
export function forgetTroubles(loop: Loop, durable: boolean): void {
  const detail = 'the daemon was started anew';
  for (const name of [...OWN, ...CLUSTER]) loop.push({ kind: 'condition', name, bad: false, detail });
  if (durable) loop.push({ kind: 'condition', name: 'journal', bad: false, detail });
}
