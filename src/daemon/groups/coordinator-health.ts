// How the coordinator is, as alarms: anything that goes wrong with it by its name, and its members before too many of
// them are gone.
import type { Coordination, MemberHealth } from '../../define.ts';
import type { Incoming } from '../loop.ts';

type Push = (event: Incoming) => void;

/** One alarm while anything of it goes on; null ends one trouble. */
export function troubles(push: Push): (of: string, detail: string | null) => void {
  const held = new Map<string, string>();
  return (of, detail) => {
    const before = held.size;
    if (detail === null) held.delete(of);
    else held.set(of, detail);
    const bad = held.size > 0;
    if (before > 0 === bad) return;
    push({ kind: 'condition', name: 'coordinator', bad, detail: detail ?? 'it answers again' });
  };
}

/** Asks all members how they are. */
export async function lookAtMembers(
  coordination: Coordination,
  push: Push,
  signal: AbortSignal,
): Promise<readonly MemberHealth[]> {
  const members = await coordination.members(signal);
  const down = members.filter(({ ok }) => !ok);
  const text = down.map(({ name, endpoint, detail }) => `${name || endpoint}: ${detail}`).join('; ');
  push({ kind: 'condition', name: 'member', bad: down.length > 0, detail: text || 'all members answer' });
  return members;
}
