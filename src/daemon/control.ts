// The control socket: HTTP over a unix socket that only root and the daemon's group may open. What the command line
// asks and tells the daemon goes through here; every change is an event for the loop.
import { chmodSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { dirname } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import { explain } from '../core/explain.ts';
import { clean } from '../core/clean.ts';
import type { Daemon } from './daemon.ts';
import { checksOf, healthOf, SCHEMA_VERSION, wallOf } from './status.ts';

export interface ControlDoors {
  readonly daemon: Daemon;
  readonly wall: () => number;
  /** Loads the configuration anew; problems as text lines, none when it is in force. */
  readonly reload: () => Promise<readonly string[]>;
  readonly history: ((query: Readonly<Record<string, string>>) => Promise<readonly object[]>) | null;
}

const who = z.string().min(1).max(100).default('operator');
const pauseBody = z.object({
  service: z.string().max(200),
  untilMs: z.number().int().min(1000).max(31_536_000_000),
  by: who,
  comment: z.string().max(500).default(''),
});
const serviceBody = z.object({ service: z.string().max(200), by: who });
const checkBody = z.object({ service: z.string().max(200), depth: z.enum(['quick', 'deep']) });

type Doing = (c: Context) => Promise<Response>;

const problem = (c: Context, status: 400 | 404 | 409 | 503, error: string): Response =>
  c.json({ schemaVersion: SCHEMA_VERSION, error: clean(error, 500) }, status);

/** Reads a body by its schema, or answers 400. */
const withBody =
  <T>(schema: z.ZodType<T>, then: (c: Context, body: T) => Promise<Response>): Doing =>
  async (c) => {
    const raw: unknown = await c.req.json().catch(() => null);
    const parsed = schema.safeParse(raw);
    return parsed.success ? then(c, parsed.data) : problem(c, 400, z.prettifyError(parsed.error));
  };

export function controlApp(doors: ControlDoors): Hono {
  const { daemon } = doors;
  const app = new Hono();
  app.use(bodyLimit({ maxSize: 64 * 1024 }));
  app.onError((error, c) => problem(c, 503, error.message));
  app.get('/api/v1/status', (c) => c.json(daemon.status()));
  app.get('/api/v1/explain/:name', (c) => {
    const shown = explainNamed(daemon, c.req.param('name'), doors.wall());
    return shown ? c.json(shown) : problem(c, 404, `no service or incident "${c.req.param('name')}"`);
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
    withBody(serviceBody, (c, { service, by }) =>
      tell(c, daemon, service, () => daemon.push({ kind: 'resumed', service, by })),
    ),
  );
  app.post(
    '/api/v1/reset',
    withBody(serviceBody, (c, { service, by }) =>
      tell(c, daemon, service, () => daemon.push({ kind: 'reset', service, by })),
    ),
  );
  app.post('/api/v1/reload', async (c) => {
    const problems = await doors.reload();
    return c.json(
      { schemaVersion: SCHEMA_VERSION, ok: problems.length === 0, problems },
      problems.length === 0 ? 200 : 409,
    );
  });
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

function pause(c: Context, daemon: Daemon, body: z.output<typeof pauseBody>): Promise<Response> {
  const { service, untilMs, by, comment } = body;
  const event = {
    kind: 'paused',
    service,
    until: daemon.loop.now() + untilMs,
    by: clean(by, 100),
    comment: clean(comment, 500),
  } as const;
  return tell(c, daemon, service, () => daemon.push(event));
}

/** Pushes an event, and answers with what was decided about it. */
async function tell(c: Context, daemon: Daemon, service: string, push: () => void): Promise<Response> {
  const names = service === 'all' ? daemon.services.names : [service];
  if (!names.every((name) => name in daemon.loop.node.services)) return problem(c, 404, `no service "${service}"`);
  const before = daemon.loop.node.services[service];
  push();
  await new Promise((resolve) => setImmediate(resolve));
  const after = daemon.loop.node.services[service];
  if (after === before) return problem(c, 409, `nothing to do: "${service}" is ${after?.phase ?? 'unknown'}`);
  return c.json({ schemaVersion: SCHEMA_VERSION, service, phase: after?.phase, why: after?.why });
}

function explainNamed(daemon: Daemon, name: string, wall: number): object | null {
  const { loop } = daemon;
  const service = name in loop.node.services ? name : name.replace(/-\d+$/, '');
  const state = loop.node.services[service];
  if (!state) return null;
  const incident = service === name ? null : name;
  const story = loop.recent
    .filter((told) => (incident ? told.incident === incident : told.service === service))
    .slice(-50);
  const config = daemon.config.services[service];
  return {
    schemaVersion: SCHEMA_VERSION,
    service,
    incident: incident ?? state.incident,
    health: healthOf(state, loop.policy.services[service]?.unknowns ?? 3, daemon.services.last(service).quick),
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
