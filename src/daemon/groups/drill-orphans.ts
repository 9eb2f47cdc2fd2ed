// Drills whose daemon ended on the way. Nobody goes on with one: its way back was to be asked for with both ends in
// sight, and that sight is lost. It is ended with its reason, and the group stays where it is.
import type { Drill } from './cluster-view.ts';
import { drillsOf, endDrill, LONGEST_MS } from './drill.ts';
import type { RequestDoors } from './requests.ts';

const LOOK_EVERY_MS = 60_000;
/** After the beginning: rights come first. */
const FIRST_MS = 5000;

/** To be called for each group again and again; looks soon, and then every minute. */
export function endingOrphans(doors: RequestDoors): (group: string) => Promise<void> {
  const due = new Map<string, number>();
  const begun = doors.clock.monotonic();
  return async (group) => {
    const now = doors.clock.monotonic();
    if (now < (due.get(group) ?? begun + FIRST_MS)) return;
    const open = (await drillsOf(doors.cluster, group)).filter(({ ended }) => !ended);
    due.set(group, now + LOOK_EVERY_MS);
    for (const drill of open) if (isOrphan(doors, drill)) await end(doors, group, drill);
  };
}

/** Ours, of a life before; or of whoever has not come back for longer than any drill takes. */
function isOrphan({ cluster, loop, clock }: RequestDoors, { holder, life, at }: Drill): boolean {
  if (holder === loop.policy.node) return life !== cluster.instance;
  return clock.wall() - Date.parse(at) > LONGEST_MS;
}

async function end({ cluster, loop, clock }: RequestDoors, group: string, drill: Drill): Promise<void> {
  const owner = cluster.guardOf(group)?.owner;
  const where = owner?.state === 'held' ? `it stays on ${owner.node}` : 'nobody has it in service now';
  const when = drill.over === null ? 'before it was over there' : 'between the two ways';
  const holder = drill.holder ?? 'some node';
  const text = `the daemon of ${holder} that held it ended ${when}: ${where}, and no way back is asked for`;
  const doors = { cluster, loop, clock, push: loop.push.bind(loop) };
  await endDrill(doors, group, drill, text);
}
