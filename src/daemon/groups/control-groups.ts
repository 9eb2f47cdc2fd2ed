// The control socket's part about groups: what is shown of them, and what people say: move it, yes or no, I have seen
// it, leave this node alone. Whatever is asked for becomes a record at the coordinator, so that it works from any node.
import type { Context, Hono } from 'hono';
import { z } from 'zod';
import { clean } from '../../core/clean.ts';
import type { MoveRequest } from '../../core/group-types.ts';
import { type Outlook, outlookOf } from '../../core/outlook.ts';
import { CoordinationError } from '../../define.ts';
import { problem, who, withBody } from '../control-answers.ts';
import { KEYS, readDrills } from './cluster-view.ts';
import type { Daemon } from '../daemon.ts';
import { beginDrill, drillFaults } from './drill.ts';
import { newId, place } from './requests.ts';
import { clusterShown, groupExplained, groupShown, inventoriesShown, sceneOf, type Sources } from './show-groups.ts';
import { SCHEMA_VERSION } from '../status.ts';

const name = z.string().min(1).max(128);
const comment = z.string().max(500).default('');
const dryRun = z.boolean().default(false);
const FORCE = ['data-loss', 'old-data', 'site', 'failed-before', 'capacity', 'block'] as const;
const MOVE_VERBS = ['switchover', 'failover', 'drill', 'switchback'] as const;

const moveBody = z.strictObject({
  verb: z.enum(MOVE_VERBS),
  to: name.nullable().default(null),
  force: z.array(z.enum(FORCE)).max(FORCE.length).default([]),
  /** Begin then, and not now. */
  at: z.iso.datetime({ offset: true }).nullable().default(null),
  ...{ by: who, comment, dryRun },
});
const cancelBody = z.strictObject({ by: who, dryRun });
const drillBody = z.strictObject({ to: name.nullable().default(null), by: who, dryRun });
const confirmBody = z.strictObject({ yes: z.boolean(), by: who, dryRun });
const ackBody = z.strictObject({ by: who, dryRun });
const maintenanceBody = z.strictObject({ on: z.boolean(), by: who, comment, dryRun });

/** Words to the coordinator that concern one moment only are taken away again after so long. */
const WORD_MS = 2000;

/** A refusal with the word for its exit code, and what it was refused for. */
const refuse = (c: Context, code: 'unsafe' | 'refused' | 'busy', error: string, more: object = {}): Response =>
  c.json({ schemaVersion: SCHEMA_VERSION, error: clean(error, 2000), code, ...more }, 409);

export function groupRoutes(app: Hono, daemon: Daemon, wall: () => number): void {
  const sources = (): Sources => ({ cluster: daemon.cluster, loop: daemon.loop, wallNow: wall() });
  const head = (): object => ({
    ...{ schemaVersion: SCHEMA_VERSION, node: daemon.loop.policy.node, time: new Date(wall()).toISOString() },
  });
  app.get('/api/v1/groups', (c) => c.json({ ...head(), ...clusterShown(sources()) }));
  app.get('/api/v1/inventory', (c) => c.json({ ...head(), nodes: inventoriesShown(sources()) }));
  app.get('/api/v1/groups/:g', (c) => {
    const shown = groupShown(sources(), c.req.param('g'));
    return shown ? c.json({ ...head(), ...shown }) : noGroup(c, c.req.param('g'));
  });
  app.post(
    '/api/v1/groups/:g/move',
    withBody(moveBody, (c, body) => guarded(c, () => move(c, daemon, body, wall()))),
  );
  app.post(
    '/api/v1/groups/:g/cancel',
    withBody(cancelBody, (c, body) => guarded(c, () => cancel(c, daemon, body))),
  );
  app.get('/api/v1/groups/:g/drills', (c) => guarded(c, () => drills(c, daemon)));
  app.post(
    '/api/v1/groups/:g/drill',
    withBody(drillBody, (c, body) => guarded(c, () => drill(c, daemon, body))),
  );
  app.post(
    '/api/v1/groups/:g/confirm',
    withBody(confirmBody, (c, body) => guarded(c, () => confirm(c, sources(), body))),
  );
  app.post(
    '/api/v1/groups/:g/ack',
    withBody(ackBody, (c, body) => guarded(c, () => acknowledge(c, sources(), body))),
  );
  app.post(
    '/api/v1/nodes/:n/maintenance',
    withBody(maintenanceBody, (c, body) => guarded(c, () => maintain(c, daemon, body, wall()))),
  );
}

const noGroup = (c: Context, group: string): Response => problem(c, 404, `no group "${group}"`);

/** Without the coordinator nothing can be asked of a group. */
async function guarded(c: Context, work: () => Promise<Response>): Promise<Response> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CoordinationError)) throw error;
    const code = error.code === 'unreachable' ? 'no-quorum' : 'coordinator';
    const text = clean(`the coordinator does not take it: ${error.message}`, 500);
    return c.json({ schemaVersion: SCHEMA_VERSION, error: text, code }, 503);
  }
}

// -------------------------------------------------------------------------------------------------------------- moves

type Move = z.output<typeof moveBody>;

async function move(c: Context, daemon: Daemon, body: Move, wallNow: number): Promise<Response> {
  const { cluster, loop } = daemon;
  const group = c.req.param('g') ?? '';
  const scene = sceneOf({ cluster, loop }, group);
  if (!scene) return noGroup(c, group);
  const { verb, to, force, at, by, dryRun } = body;
  const outlook = outlookOf(scene, { verb, to, force });
  if (at === null && !outlook.ok) return refused(c, outlook, verb);
  if (at !== null && Date.parse(at) <= wallNow) return problem(c, 400, `${at} is over already`);
  if (to !== null && !scene.policy.nodes.includes(to)) return refused(c, outlook, verb);
  const waiting = cluster.view.requests.get(group);
  if (waiting) return refuse(c, 'busy', `${waiting.verb} is under way already, asked for by ${waiting.by}`);
  const request: MoveRequest = {
    ...{ id: newId(), verb, to, by: clean(by, 100), force, comment: clean(body.comment, 500) },
  };
  const answer = { schemaVersion: SCHEMA_VERSION, dryRun, id: request.id, group, verb, at, ...outlook };
  if (dryRun) return c.json(answer);
  if (at !== null) {
    if (cluster.view.timed.has(group))
      return refuse(c, 'busy', 'another move is waiting for its time: cancel it first');
    const written = await cluster.compare(KEYS.timed(group), JSON.stringify({ request, at }), 0);
    if (!written.ok) return refuse(c, 'busy', 'another move is waiting for its time: cancel it first');
  } else if (!(await place(cluster, group, request))) return refuse(c, 'busy', 'another move was asked for just now');
  return c.json(answer);
}

function refused(c: Context, outlook: Outlook, verb: string): Response {
  const { refused: against, force, busy } = outlook;
  const reasons = against.map(({ node, text }) => (node === null ? text : `${node}: ${text}`));
  const why = reasons.length === 0 ? 'no node may take it' : reasons.join('; ');
  const code = busy ? 'busy' : force.length > 0 ? 'unsafe' : 'refused';
  return refuse(c, code, `no ${verb}: ${why}`, { refused: against, force, loss: outlook.loss });
}

/** What has not begun is withdrawn; what is under way goes on. */
async function cancel(c: Context, { cluster, loop }: Daemon, { by, dryRun }: z.output<typeof cancelBody>) {
  const group = c.req.param('g') ?? '';
  if (!sceneOf({ cluster, loop }, group)) return noGroup(c, group);
  const timed = cluster.view.timed.get(group);
  if (!timed) return problem(c, 409, 'no move is waiting for its time');
  if (!dryRun) await cluster.put(KEYS.timed(group), null);
  const text = `the ${timed.request.verb} of ${timed.at} was cancelled by ${clean(by, 100)}`;
  return c.json({ schemaVersion: SCHEMA_VERSION, dryRun, text });
}

// ------------------------------------------------------------------------------------------------------------- drills

async function drills(c: Context, daemon: Daemon): Promise<Response> {
  const group = c.req.param('g') ?? '';
  if (!sceneOf(daemon, group)) return noGroup(c, group);
  const record = await daemon.cluster.find(KEYS.drills(group));
  return c.json({ schemaVersion: SCHEMA_VERSION, group, drills: readDrills(record?.value ?? null) });
}

async function drill(c: Context, daemon: Daemon, { to, by, dryRun }: z.output<typeof drillBody>): Promise<Response> {
  const group = c.req.param('g') ?? '';
  if (!sceneOf(daemon, group)) return noGroup(c, group);
  const faults = dryRun ? drillFaults(daemon, group, to) : [];
  const begun = dryRun ? { refused: faults } : await beginDrill(daemon, group, to, clean(by, 100));
  if ('refused' in begun && (!dryRun || faults.length > 0))
    return refuse(c, 'refused', `no drill now: ${begun.refused.join('; ')}`);
  const id = 'id' in begun ? begun.id : null;
  return c.json({ schemaVersion: SCHEMA_VERSION, dryRun, id, text: `a drill of ${group} may be held now` });
}

// ------------------------------------------------------------------------------------------------------ other words

async function confirm(c: Context, sources: Sources, { yes, by, dryRun }: z.output<typeof confirmBody>) {
  const group = c.req.param('g') ?? '';
  const shown = groupShown(sources, group);
  if (!shown) return noGroup(c, group);
  if (!shown.ask || (shown.ask.by.length === 0 && shown.ask.said !== null))
    return problem(c, 409, 'nobody is asked about this group now');
  if (!dryRun) await say(sources, KEYS.confirm(group), { yes, by: clean(by, 100) });
  return c.json({ schemaVersion: SCHEMA_VERSION, dryRun, text: `${yes ? 'yes' : 'no'} to the failover of ${group}` });
}

/** Heard by all who watch, and then taken away: an old yes must not answer the next question. */
async function say({ cluster }: Sources, key: string, value: object): Promise<void> {
  await cluster.put(key, value);
  cluster.later(WORD_MS, () => cluster.put(key, null));
}

async function acknowledge(c: Context, sources: Sources, { by, dryRun }: z.output<typeof ackBody>) {
  const group = c.req.param('g') ?? '';
  const shown = groupShown(sources, group);
  if (!shown) return noGroup(c, group);
  if (!shown.block) return problem(c, 409, 'no failover waits for somebody to take note of it');
  const { epoch } = shown.block;
  if (!dryRun) await sources.cluster.put(KEYS.ack(group), { epoch, by: clean(by, 100) });
  const text = `the failover of epoch ${epoch} is acknowledged: the next one may come by itself`;
  return c.json({ schemaVersion: SCHEMA_VERSION, dryRun, text });
}

async function maintain(
  c: Context,
  { cluster, loop }: Daemon,
  body: z.output<typeof maintenanceBody>,
  wallNow: number,
) {
  const node = c.req.param('n') ?? '';
  const { on, by, comment: remark, dryRun } = body;
  if (!Object.hasOwn(loop.policy.cluster?.nodes ?? {}, node)) return problem(c, 404, `no node "${node}"`);
  const before = cluster.view.maintenance.get(node) ?? null;
  if (!on && !before) return problem(c, 409, `${node} is not in maintenance`);
  const since = new Date(wallNow).toISOString();
  const word = on ? { by: clean(by, 100), comment: clean(remark, 500), since: before?.since ?? since } : null;
  if (!dryRun) await cluster.put(KEYS.maintenance(node), word);
  const owns = ownedBy({ cluster, loop, wallNow }, node);
  return c.json({ schemaVersion: SCHEMA_VERSION, dryRun, node, on, owns });
}

const ownedBy = (sources: Sources, node: string): readonly string[] =>
  clusterShown(sources)
    .groups.filter(({ owner }) => owner === node)
    .map((group) => group.name);

/** `explain` for a group: null if there is none of this name. */
export function explainGroup(daemon: Daemon, given: string, wallNow: number): object | null {
  const group = given.replace(/^group\//, '');
  const { cluster, loop } = daemon;
  const explained = groupExplained({ cluster, loop, wallNow }, group);
  return explained && { schemaVersion: SCHEMA_VERSION, ...explained };
}
