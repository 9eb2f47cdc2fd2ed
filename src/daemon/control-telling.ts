// What the control socket says and is told about telling: active alarms and who heard of them, silences,
// acknowledgements, maintenance, and the test of a channel. Each change is an event for the loop.
import type { Context, Hono } from 'hono';
import { z } from 'zod';
import { CAUSES } from '../core/causes.ts';
import { clean } from '../core/clean.ts';
import { fits } from '../core/route.ts';
import { SEVERITIES } from '../core/severity.ts';
import type { Match } from '../core/telling.ts';
import type { Why } from '../core/types.ts';
import { problem, who, withBody } from './control-answers.ts';
import type { Daemon } from './daemon.ts';
import type { Incoming } from './loop.ts';
import { alertsOf, SCHEMA_VERSION } from './status.ts';

const YEAR_MS = 31_536_000_000;
const words = z.array(z.string().min(1).max(128)).max(200).nullable().default(null);
const comment = z.string().max(500);
const forMs = z.number().int().min(1000).max(YEAR_MS);
const dryRun = z.boolean().default(false);
const severe = z.enum(
  SEVERITIES.filter((one) => one !== 'cleared') as ['critical', ...Exclude<Match['severity'], null>[]],
);

const silenceBody = z.strictObject({
  severity: severe.nullable().default(null),
  ...{ services: words, events: words, keys: words },
  causes: z.array(z.enum(CAUSES)).nullable().default(null),
  ...{ forMs, by: who, dryRun },
  comment: comment.min(1),
});
const endBody = z.strictObject({ name: z.string().max(128), by: who, dryRun });
const ackBody = z.strictObject({ what: z.string().min(1).max(300), by: who, comment: comment.default(''), dryRun });
const workBody = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$/),
  services: z.array(z.string().min(1).max(128)).min(1).max(1000),
  ...{ forMs, by: who, dryRun },
  comment: comment.min(1),
});
const testBody = z.strictObject({ channel: z.string().max(200) });

export function tellingRoutes(app: Hono, daemon: Daemon, wall: () => number): void {
  app.get('/api/v1/alerts', (c) => c.json(alertsOf(daemon, wall())));
  app.post(
    '/api/v1/silence',
    withBody(silenceBody, (c, { forMs, by, comment, dryRun, ...match }) => {
      const id = nextId(daemon);
      const until = daemon.loop.now() + forMs;
      return tell(
        c,
        daemon,
        { kind: 'silenced', id, match, until, by: clean(by, 100), comment: clean(comment, 500) },
        dryRun,
      );
    }),
  );
  app.post(
    '/api/v1/silence/end',
    withBody(endBody, (c, { name, by, dryRun }) =>
      tell(c, daemon, { kind: 'unsilenced', id: name, by: clean(by, 100) }, dryRun),
    ),
  );
  app.post(
    '/api/v1/ack',
    withBody(ackBody, (c, body) => acknowledge(c, daemon, body)),
  );
  app.post(
    '/api/v1/maintenance',
    withBody(workBody, (c, body) => maintain(c, daemon, body)),
  );
  app.post(
    '/api/v1/maintenance/end',
    withBody(endBody, (c, { name, by, dryRun }) =>
      tell(c, daemon, { kind: 'maintenance-over', name, by: clean(by, 100) }, dryRun),
    ),
  );
  app.post(
    '/api/v1/alert-test',
    withBody(testBody, async (c, { channel }) => {
      const tested = await daemon.testChannel(channel);
      if (!tested) return problem(c, 404, `no channel "${channel}"`);
      return c.json({ schemaVersion: SCHEMA_VERSION, channel, ...tested });
    }),
  );
}

/** Short, and never one that is in use or was. */
const nextId = ({ loop }: Daemon): string => `s${loop.seq + 1}`;

/** What somebody says: refused with the core's own reason, foreseen, or done and on the disk. */
async function tell(c: Context, daemon: Daemon, event: Incoming, dryRun: boolean): Promise<Response> {
  const { loop } = daemon;
  const [, effects, whys] = loop.foresee(event);
  const [why] = whys;
  if (why?.rule === 'refused') return problem(c, 409, why.text);
  if (!dryRun) await said(daemon, event);
  return c.json({ schemaVersion: SCHEMA_VERSION, dryRun, why: why ?? null, ...(dryRun ? { effects } : {}) });
}

async function said(daemon: Daemon, event: Incoming): Promise<void> {
  daemon.push(event);
  await new Promise((resolve) => setImmediate(resolve));
  await daemon.loop.written;
}

/** An alarm by its key, all of a service, or all of an incident. */
async function acknowledge(c: Context, daemon: Daemon, body: z.output<typeof ackBody>): Promise<Response> {
  const { what, by, comment, dryRun } = body;
  const { node } = daemon.loop;
  const keys = Object.values(node.alarms)
    .filter((alarm) => alarm.key === what || alarm.service === what || alarm.incident === what)
    .map((alarm) => alarm.key);
  if (keys.length === 0) return problem(c, 404, `no active alarm, and no service or incident with one: "${what}"`);
  const open = keys.filter((key) => !node.notify.told[key]?.ack);
  if (open.length === 0) return problem(c, 409, 'it was acknowledged already');
  const whys: Why[] = [];
  for (const key of open) {
    const event = { kind: 'acked', key, by: clean(by, 100), comment: clean(comment, 500) } as const;
    whys.push(...daemon.loop.foresee(event)[2].slice(0, 1));
    if (!dryRun) await said(daemon, event);
  }
  return c.json({ schemaVersion: SCHEMA_VERSION, dryRun, keys: open, why: whys[0] ?? null });
}

function maintain(c: Context, daemon: Daemon, body: z.output<typeof workBody>): Promise<Response> {
  const { name, forMs, by, comment, dryRun } = body;
  const known = Object.keys(daemon.loop.node.services);
  const lost = body.services.find((pattern) => !known.some((one) => fits(pattern, one)));
  if (lost !== undefined) return Promise.resolve(problem(c, 404, `no service "${lost}"`));
  const services = known.filter((one) => body.services.some((pattern) => fits(pattern, one)));
  const until = daemon.loop.now() + forMs;
  const rest = { until, by: clean(by, 100), comment: clean(comment, 500) };
  return tell(c, daemon, { kind: 'maintained', name, services, ...rest }, dryRun);
}
