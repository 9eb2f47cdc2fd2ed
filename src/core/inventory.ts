// What a node says of its own installation, so that others can compare: short words and digests, never a secret. What
// another node says is hostile text: it is bounded wherever it is read.
import { clean } from './clean.ts';

export type Inventory = Readonly<Record<string, string>>;

export const INVENTORY_KEYS = 64;
const WORD_MAX = 200;

export function boundInventory(given: unknown): Inventory {
  if (typeof given !== 'object' || given === null) return {};
  const entries = Object.entries(given).slice(0, INVENTORY_KEYS);
  return Object.fromEntries(
    entries.flatMap(([key, value]) => (typeof value === 'string' ? [[clean(key, 40), clean(value, WORD_MAX)]] : [])),
  );
}
