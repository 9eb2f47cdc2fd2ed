// BIND: what `named-checkconf -px` says; -x hides the keys.
import { ask } from './ask.ts';
import { type Directive, named, parseBraces } from './braces.ts';
import { domain } from './shape.ts';
import type { Found, Machine, Reading, Value } from './types.ts';

/** Zones that it is the master of, without those that every server has. */
export function zonesOf(root: readonly Directive[]): readonly string[] {
  const views = named(root, 'view').flatMap(({ block }) => block ?? []);
  return [...named(root, 'zone'), ...named(views, 'zone')].flatMap(({ words, block }) => {
    const kind = named(block, 'type')[0]?.words[1] ?? '';
    const name = domain(words[1]?.replace(/\.$/, ''));
    return name !== null && /^(master|primary)$/.test(kind) && !name.endsWith('.arpa') ? [name] : [];
  });
}

export async function bind(_found: Found, machine: Machine): Promise<Reading> {
  const got = await ask(machine, ['named-checkconf', '-px']);
  if (!('text' in got)) return { notes: [got.note] };
  const root = parseBraces(got.text);
  if (!root) return { notes: ['`named-checkconf -px` was not understood: nothing was read from it'] };
  return { set: question(root) };
}

/** What it must know by itself: a zone of its own, unless it has `localhost`, which the kit asks for. */
function question(root: readonly Directive[]): Record<string, Value> {
  const localhost = named(root, 'zone').some(({ words }) => words[1] === 'localhost');
  const [zone] = zonesOf(root);
  if (zone === undefined || localhost) return {};
  const from = 'named-checkconf -p, a zone of its own';
  return { query: { value: zone, from }, record: { value: 'SOA', from } };
}
