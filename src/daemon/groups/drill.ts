// A drill: a group goes over to another node and back, measured, only while nothing else is the matter. Asked for by a
// person or by the calendar; the moves are requests like any other. What came of it is kept at the coordinator, so that
// every node can tell, and told as an event.
import type { Config } from '../../config/types.ts';
import type { MoveRequest } from '../../core/group-types.ts';
import { outlookOf } from '../../core/outlook.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Calendar } from '../calendar.ts';
import { type Drill, type DrillLeg, KEYS, readDrills } from './cluster-view.ts';
import type { Incoming, Loop } from '../loop.ts';
import type { Clustered } from './cluster-doors.ts';
import { newId, place } from './requests.ts';
import { groupShown, type GroupShown, handsOf, sceneOf } from './show-groups.ts';

/** A leg that is not over by then is nobody's drill any more. */
const LEG_MS = 900_000;
/** After the first leg the other node must be ready again before it goes back. */
const CALM_MS = 180_000;
const LOOK_MS = 200;
const KEPT = 20;
/** Longer than any drill takes. */
export const LONGEST_MS = 2 * LEG_MS + CALM_MS + 60_000;

/** What a drill is held with. */
interface Doors {
  readonly cluster: Clustered;
  readonly loop: Loop;
  readonly clock: Clock;
  push(event: Incoming): void;
}

const shownNow = ({ cluster, loop, clock }: Doors, group: string): GroupShown | null =>
  groupShown({ cluster, loop, wallNow: clock.wall() }, group);

/** Everything that speaks against a drill now; empty: it may be held. `to` null: the best standby. */
export function drillFaults(doors: Doors, group: string, to: string | null): readonly string[] {
  const { cluster, loop } = doors;
  const shown = shownNow(doors, group);
  const scene = sceneOf(doors, group);
  if (!shown || !scene) return ['there is no such group'];
  const faults: string[] = [];
  if (shown.owner === null) faults.push('nobody has it in service');
  if (shown.health === 'degraded') faults.push('no standby is ready, or a move is not over');
  if (shown.block) faults.push('a failover was lately, and nobody acknowledged it');
  if (shown.ask) faults.push('a person is asked about it');
  if (shown.request || shown.timed) faults.push('a move is asked for already');
  if (handsOf(loop) !== 'free') faults.push('the daemon here distrusts its eyes, or only looks on');
  for (const { node, maintenance } of shown.nodes) if (maintenance) faults.push(`${node} is in maintenance`);
  for (const name of shown.services) {
    const incident = loop.node.services[name]?.incident ?? null;
    if (incident !== null) faults.push(`${name} has the incident ${incident}`);
  }
  const down = cluster.members.filter(({ ok }) => !ok);
  if (down.length > 0) faults.push(`${down.map(({ name }) => name).join(', ')} of the coordinator does not answer`);
  const outlook = outlookOf(scene, { verb: 'switchover', to, force: [] });
  if (!outlook.ok) faults.push(...outlook.refused.map(({ node, text }) => (node === null ? text : `${node}: ${text}`)));
  return faults;
}

/** Begins a drill and says its id; a text: why not. It goes on by itself. */
export async function beginDrill(
  doors: Doors,
  group: string,
  to: string | null,
  by: string,
): Promise<{ readonly id: string } | { readonly refused: readonly string[] }> {
  const faults = drillFaults(doors, group, to);
  if (faults.length > 0) return { refused: faults };
  const scene = sceneOf(doors, group);
  const shown = shownNow(doors, group);
  const target = scene ? outlookOf(scene, { verb: 'switchover', to, force: [] }).to : null;
  const from = shown?.owner ?? null;
  if (!shown || from === null || target === null) return { refused: ['it changed just now'] };
  const drill: Drill = {
    ...{ id: newId(), at: new Date(doors.clock.wall()).toISOString(), by, from, to: target },
    ...{ rtoMs: shown.objectives.rtoMs, ended: false, ok: false, text: 'under way', over: null, back: null },
    ...{ holder: doors.loop.policy.node, life: doors.cluster.instance },
  };
  const first = requestOf(drill, target, drill.id);
  if (!(await place(doors.cluster, group, first))) return { refused: ['another move was asked for just now'] };
  void hold(doors, group, drill, first).catch((fault: Error) => endDrill(doors, group, drill, fault.message));
  return { id: drill.id };
}

const requestOf = ({ by }: Drill, to: string, id: string): MoveRequest => ({
  ...{ id, verb: 'drill', to, by, force: [], comment: 'a drill' },
});

async function hold(doors: Doors, group: string, drill: Drill, first: MoveRequest): Promise<void> {
  await keep(doors, group, drill);
  const over = await leg(doors, group, first);
  if (!over.ok) return endDrill(doors, group, { ...drill, over }, `it did not go over: ${over.text}`);
  // What a daemon that ends now leaves behind: it went over, and is not back.
  await keep(doors, group, { ...drill, over, text: 'it went over; its way back is to come' }).catch(() => undefined);
  if (!(await calm(doors, group, drill)))
    return endDrill(
      doors,
      group,
      { ...drill, over },
      `it stays on ${drill.to}: ${drill.from} is not ready to have it back`,
    );
  const second = requestOf(drill, drill.from, `${drill.id}-back`);
  if (!(await place(doors.cluster, group, second)))
    return endDrill(doors, group, { ...drill, over }, `it stays on ${drill.to}: another move was asked for`);
  const back = await leg(doors, group, second);
  const held = { ...drill, over, back };
  if (!back.ok) return endDrill(doors, group, held, `it did not come back: ${back.text}`);
  const slow = [over, back].filter((one) => drill.rtoMs !== null && (one.rtoMs ?? one.ms) > drill.rtoMs);
  const times = `over in ${over.rtoMs ?? over.ms} ms, back in ${back.rtoMs ?? back.ms} ms`;
  if (slow.length > 0) return endDrill(doors, group, held, `${times}: longer than the objective of ${drill.rtoMs} ms`);
  await endDrill(doors, group, { ...held, ok: true }, times);
}

/** Waits for the answer, and for what both nodes report of it. */
async function leg(doors: Doors, group: string, { id }: MoveRequest): Promise<DrillLeg> {
  const { cluster, clock } = doors;
  const begun = clock.monotonic();
  const passed = (): number => Math.round(clock.monotonic() - begun);
  for (;;) {
    const answer = cluster.view.answers.get(group);
    if (answer?.id === id) {
      const ms = passed();
      const measured = answer.ok ? await measuredOf(doors, group, id) : null;
      return { ok: answer.ok, text: answer.text, ms, rtoMs: measured };
    }
    if (passed() > LEG_MS) return { ok: false, text: 'nobody answered in time', ms: passed(), rtoMs: null };
    await clock.sleep(LOOK_MS);
  }
}

async function measuredOf(doors: Doors, group: string, id: string): Promise<number | null> {
  for (let turn = 0; turn < 25; turn++) {
    const shown = shownNow(doors, group);
    const reports = shown?.nodes.filter(({ last }) => last?.id === id).length ?? 0;
    if (reports >= 2 && shown?.objectives.measured?.id === id) return shown.objectives.measured.rtoMs;
    await doors.clock.sleep(LOOK_MS);
  }
  return null;
}

/** The group is well over there, and its old node could have it. */
async function calm(doors: Doors, group: string, { from, to }: Drill): Promise<boolean> {
  const { clock } = doors;
  const until = clock.monotonic() + CALM_MS;
  while (clock.monotonic() < until) {
    const shown = shownNow(doors, group);
    const home = shown?.nodes.find(({ node }) => node === from);
    const there = shown?.nodes.find(({ node }) => node === to);
    const steady = shown?.owner === to && shown.health === 'ok' && !shown.request;
    // Its last steps may come after clients have reached it.
    const arrived = there?.role === 'active' && !there.saga;
    if (steady && arrived && home?.ready && !home.saga) return true;
    await clock.sleep(LOOK_MS);
  }
  return false;
}

export const drillsOf = async (cluster: Doors['cluster'], group: string): Promise<readonly Drill[]> =>
  readDrills((await cluster.find(KEYS.drills(group)))?.value ?? null);

async function keep({ cluster }: Doors, group: string, drill: Drill): Promise<void> {
  const others = (await drillsOf(cluster, group)).filter(({ id }) => id !== drill.id);
  await cluster.put(KEYS.drills(group), [...others, drill].slice(-KEPT));
}

export async function endDrill(doors: Doors, group: string, drill: Drill, text: string): Promise<void> {
  const said = `${group}: drill ${drill.ok ? 'passed' : 'FAILED'}: ${text}`.slice(0, 500);
  doors.push({ kind: 'drilled', name: group, ok: drill.ok, text: said });
  await keep(doors, group, { ...drill, ended: true, text: text.slice(0, 300) }).catch(() => undefined);
}

const PLAN = 'the calendar';

/** Drills of the calendar: every node knows when, and who has the group holds it. */
export function scheduleDrills(calendar: Calendar, { groups = {} }: Config, doors: Doors): void {
  const planned = Object.values(groups).filter(({ drillAt }) => drillAt !== null);
  calendar.keep(
    'drill/',
    planned.map(({ name }) => `drill/${name}`),
  );
  for (const { name, drillAt } of planned)
    calendar.set(`drill/${name}`, drillAt ?? '', async () => plannedDrill(doors, name));
}

export async function plannedDrill(doors: Doors, group: string): Promise<void> {
  if (doors.loop.node.groups?.[group]?.role !== 'active') return;
  const begun = await beginDrill(doors, group, null, PLAN);
  if (!('refused' in begun)) return;
  const text = `${group}: the drill of the calendar was not held: ${begun.refused.join('; ')}`.slice(0, 500);
  doors.push({ kind: 'drilled', name: group, ok: false, text });
}
