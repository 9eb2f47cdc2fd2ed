// A body that people write themselves: JSON text with placeholders such as `{{summary}}`. A text is put in as the
// inside of a JSON string, a number as it is; the whole must be JSON, whatever is put in.
import { nearest } from '../core/nearest.ts';

const HOLE = /\{\{\s*([^{}]*?)\s*\}\}/g;
const MAX_HOLES = 50;

export const PLACEHOLDERS = [
  ...['action', 'again', 'alert', 'cause', 'channel', 'count', 'event', 'headline', 'incident', 'key', 'kind', 'node'],
  ...['runbook', 'service', 'severity', 'since', 'summary', 'text', 'time'],
] as const;
export type Placeholder = (typeof PLACEHOLDERS)[number];
export type Values = Readonly<Record<Placeholder, string | number>>;

const isKnown = (name: string): name is Placeholder => (PLACEHOLDERS as readonly string[]).includes(name);
const inString = (value: string | number): string =>
  typeof value === 'number' ? String(value) : JSON.stringify(value).slice(1, -1);

export const filled = (template: string, values: Values): string =>
  template.replace(HOLE, (hole, name: string) => (isKnown(name) ? inString(values[name]) : hole));

const NUMBERS: readonly Placeholder[] = ['alert', 'count'];
const SAMPLE = Object.fromEntries(
  PLACEHOLDERS.map((name) => [name, NUMBERS.includes(name) ? 1 : 'x']),
) as unknown as Values;

/** What is wrong with it; null when it gives JSON. */
export function templateFault(template: string): string | null {
  const names = [...template.matchAll(HOLE)].map(([, name = '']) => name);
  const strange = names.find((name) => !isKnown(name));
  if (strange !== undefined) {
    const near = nearest(strange, PLACEHOLDERS);
    const hint = near === undefined ? `known: ${PLACEHOLDERS.join(', ')}` : `did you mean {{${near}}}?`;
    return `there is no placeholder {{${strange.slice(0, 60)}}}; ${hint}`;
  }
  if (names.length > MAX_HOLES) return `at most ${MAX_HOLES} placeholders`;
  try {
    JSON.parse(filled(template, SAMPLE));
    return null;
  } catch (error) {
    return `it gives no JSON: ${(error as Error).message.slice(0, 100)}; a text needs quotes: "{{summary}}"`;
  }
}
