// The control socket: HTTP over a unix socket that only root and the daemon's group may open. What the command line
// asks and tells the daemon goes through here; every change is an event for the loop.
import { chmodSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { dirname } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import { explain, nextOf } from '../core/explain.ts';
import { clean } from '../core/clean.ts';
import { BODY_BYTES, problem, who, withBody } from './control-answers.ts';
import { copyRoutes } from './groups/control-copies.ts';
import { explainGroup, groupRoutes } from './groups/control-groups.ts';
import { tellingRoutes } from './control-telling.ts';
import type { Daemon } from './daemon.ts';
import type { Incoming } from './loop.ts';
import type { Preview, Reload } from './reload.ts';
import { checksOf, healthOf, SCHEMA_VERSION, wallOf } from './status.ts';

export interface ControlDoors {
  readonly daemon: Daemon;
  readonly wall: () => number;
  /** Loads the configuration anew. */
  readonly reload: Reload;
  /** What a reload would change, or the problems that would keep it from it. Changes nothing. */
  readonly preview: Preview;
  readonly history: ((query: Readonly<Record<string, string>>) => Promise<readonly object[]>) | null;
}

const pauseBody = z.strictObject({
  service: z.string().max(200),
  untilMs: z.number().int().min(1000).max(31_536_000_000),
  by: who,
  comment: z.string().max(500).default(''),
  dryRun: z.boolean().default(false),
});
const serviceBody = z.strictObject({ service: z.string().max(200), by: who, dryRun: z.boolean().default(false) });
const reloadBody = z.strictObject({ dryRun: z.boolean().default(false) });
const checkBody = z.strictObject({ service: z.string().max(200), depth: z.enum(['quick', 'deep']) });

export function controlApp(doors: ControlDoors): Hono {
  const { daemon } = doors;
  const app = new Hono();
  app.use(bodyLimit({ maxSize: BODY_BYTES, onError: (c) => problem(c, 413, `more than ${BODY_BYTES} bytes`) }));
  app.onError((error, c) => problem(c, 503, error.message));
  app.get('/api/v1/status', (c) => c.json(daemon.status()));
  app.get('/api/v1/explain/:name', (c) => {
    const name = c.req.param('name');
    const shown = explainNamed(daemon, name, doors.wall()) ?? explainGroup(daemon, name, doors.wall());
    return shown ? c.json(shown) : problem(c, 404, `no service, group, or incident that is remembered: "${name}"`);
  });
  app.get('/api/v1/history', async (c) => {
    if (!doors.history) return problem(c, 503, 'there is no history database');
    return c.json({ schemaVersion: SCHEMA_VERSION, rows: await doors.history(c.req.query()) });
  });
  app.post(
    '/api/v1/check',
    withBody(checkBody, (c, { service, depth }) => check(c, daemon, service, depth)),
  );
  app.post(
    '/api/v1/pause',
    withBody(pauseBody, (c, body) => pause(c, daemon, body)),
  );
  app.post(
    '/api/v1/resume',
    withBody(serviceBody, (c, { service, by, dryRun }) =>
      tell(c, daemon, { kind: 'resumed', service, by: clean(by, 100) }, dryRun),
    ),
  );
  app.post(
    '/api/v1/reset',
    withBody(serviceBody, (c, { service, by, dryRun }) =>
      tell(c, daemon, { kind: 'reset', service, by: clean(by, 100) }, dryRun),
    ),
  );
  app.post(
    '/api/v1/reload',
    withBody(reloadBody, (c, { dryRun }) => reload(c, doors, dryRun)),
  );
  tellingRoutes(app, daemon, doors.wall);
  groupRoutes(app, daemon, doors.wall);
  copyRoutes(app, daemon);
  return app;
}

async function check(c: Context, daemon: Daemon, service: string, depth: 'quick' | 'deep'): Promise<Response> {
  const ran = await daemon.services.look(service, depth);
  if (!ran) return problem(c, 404, `no service "${service}"`);
  return c.json({
    schemaVersion: SCHEMA_VERSION,
    service,
    depth,
    verdict: ran.verdict,
    ms: ran.ms,
    checks: ran.results,
  });
}

async function reload(c: Context, doors: ControlDoors, dryRun: boolean): Promise<Response> {
  const found = dryRun ? await doors.preview() : { problems: await doors.reload() };
  const ok = found.problems.length === 0;
  return c.json({ schemaVersion: SCHEMA_VERSION, ok, dryRun, ...found }, ok ? 200 : 409);
}

function pause(c: Context, daemon: Daemon, body: z.output<typeof pauseBody>): Promise<Response> {
  const { service, untilMs, by, comment, dryRun } = body;
  const until = daemon.loop.now() + untilMs;
  const event = { kind: 'paused', service, until, by: clean(by, 100), comment: clean(comment, 500) } as const;
  return tell(c, daemon, event, dryRun);
}

/** What an operator says about one service: refused with the core's own reason, foreseen, or done and on the disk. */
async function tell(
  c: Context,
  daemon: Daemon,
  event: Extract<Incoming, { kind: 'paused' | 'resumed' | 'reset' }>,
  dryRun: boolean,
): Promise<Response> {
  const { loop } = daemon;
  const { service } = event;
  // Only its own keys: every object has a "constructor".
  const before = Object.hasOwn(loop.node.services, service) ? loop.node.services[service] : undefined;
  if (!before) return problem(c, 404, `no service "${service}"`);
  const [node, effects, whys] = loop.foresee(event);
  if (node.services[service] === before) {
    const why = whys.find((one) => one.service === service);
    return problem(c, 409, `nothing is done about "${service}": ${why?.text ?? `it is ${before.phase}`}`);
  }
  if (!dryRun) {
    daemon.push(event);
    await new Promise((resolve) => setImmediate(resolve));
    await loop.written;
  }
  const shown = dryRun ? node : loop.node;
  const after = shown.services[service];
  const next = nextOf(loop.policy, shown, service, loop.now()).text;
  const answer = { schemaVersion: SCHEMA_VERSION, dryRun, service, phase: after?.phase, why: after?.why, next };
  return c.json(dryRun ? { ...answer, effects } : answer);
}

function explainNamed(daemon: Daemon, name: string, wall: number): object | null {
  const { loop } = daemon;
  const known = (one: string): boolean => Object.hasOwn(loop.node.services, one);
  const service = known(name) ? name : name.replace(/-\d+$/, '');
  const state = known(service) ? loop.node.services[service] : undefined;
  if (!state) return null;
  const incident = service === name ? null : name;
  const story = loop.recent
    .filter((told) => (incident ? told.incident === incident : told.service === service))
    .slice(-50);
  if (incident !== null && incident !== state.incident && story.length === 0) return null;
  const config = daemon.config.services[service];
  const last = daemon.services.last(service);
  return {
    schemaVersion: SCHEMA_VERSION,
    service,
    incident: incident ?? state.incident,
    health: healthOf(state, loop.policy.services[service]?.unknowns ?? 3, last.quick ?? last.deep),
    phase: state.phase,
    since: wallOf(loop, wall, state.since),
    runbook: config?.policy.runbook ?? null,
    ...explain(loop.policy, loop.node, service, loop.now()),
    checks: { quick: checksOf(daemon.services, service, 'quick'), deep: checksOf(daemon.services, service, 'deep') },
    story,
  };
}

export interface Control {
  close(): Promise<void>;
}

/** Listens on the socket, which only its owner and group may open. A stale socket of a dead daemon is taken over: the
 *  lock has shown that nobody lives behind it. */
export async function openControl(path: string, doors: ControlDoors): Promise<Control> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
  if (existsSync(path)) rmSync(path);
  const server = createAdaptorServer({ fetch: controlApp(doors).fetch }) as Server;
  server.headersTimeout = 10_000;
  server.requestTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o660);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
