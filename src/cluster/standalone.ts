// The embedded default: one node that agrees with itself. The records live in memory, so that after a start nobody owns
// anything; everything else is as with a real coordinator.
import { type Coordination, type CoordChange, type CoordRecord, defineCoordinator, z } from '../define.ts';

export default defineCoordinator({
  about: 'Stands alone: the records of the cluster live in the memory of the one node that it has.',
  options: z.strictObject({}),
  example: {},
  open: async ({ node }) => makeStore(node),
});

type Watching = { readonly prefix: string; change(change: CoordChange): void };

function makeStore(node: string): Coordination {
  const records = new Map<string, CoordRecord>();
  const watching = new Set<Watching>();
  let revision = 0;
  const put = (key: string, value: string | null): number => {
    revision++;
    if (value === null) records.delete(key);
    else records.set(key, { key, value, revision });
    const change = { key, value, revision };
    for (const one of watching) if (key.startsWith(one.prefix)) queueMicrotask(() => one.change(change));
    return revision;
  };
  return {
    async write(key, value, expect) {
      const current = records.get(key) ?? null;
      if ((current?.revision ?? 0) !== expect) return { ok: false, current };
      return { ok: true, revision: put(key, value) };
    },
    publish: async (key, value) => put(key, value),
    read: async (prefix) => ({ revision, records: [...records.values()].filter(({ key }) => key.startsWith(prefix)) }),
    watch(prefix, _after, { change }) {
      const one = { prefix, change };
      watching.add(one);
      return { close: () => void watching.delete(one) };
    },
    members: async () => [{ name: node, endpoint: 'memory', ok: true, leader: true, detail: 'this node', ms: 0 }],
    close: async () => watching.clear(),
  };
}
