// Where deferred mail wants to go: how much of it waits for each domain.
import type { QueuedMessage } from './queue.ts';
import { plain } from './quote.ts';

export interface Destination {
  readonly domain: string;
  readonly count: number;
}

export interface Destinations {
  add(message: QueuedMessage): void;
  /** Messages that are deferred. */
  total(): number;
  /** The domains that most of them wait for. */
  top(): readonly Destination[];
}

/** Beyond so many different domains the rest counts as one. */
const MAX_DOMAINS = 2000;
const REST = 'other domains';

export function destinations(): Destinations {
  const counts = new Map<string, number>();
  let total = 0;
  return {
    add(message) {
      if (message.queue !== 'deferred') return;
      total += 1;
      for (const found of message.domains) {
        const domain = plain(found, 120);
        const name = counts.has(domain) || counts.size < MAX_DOMAINS ? domain : REST;
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
    },
    total: () => total,
    top: () =>
      [...counts]
        .filter(([domain]) => domain !== REST)
        .map(([domain, count]) => ({ domain, count }))
        .sort((a, b) => b.count - a.count)
        .slice(0, 3),
  };
}
