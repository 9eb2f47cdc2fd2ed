// How far the copies of a group on this node are behind, and what an operator asks of their sources.
import type { Hono } from 'hono';
import { z } from 'zod';
import { problem, who, withBody } from '../control-answers.ts';
import type { Daemon } from '../daemon.ts';
import { SCHEMA_VERSION } from '../status.ts';

const verbBody = z.strictObject({
  verb: z.enum(['suspend', 'resume', 'reseed']),
  source: z.string().max(200).nullable().default(null),
  by: who,
  dryRun: z.boolean().default(false),
});

export function copyRoutes(app: Hono, daemon: Daemon): void {
  const known = (group: string): boolean => Object.hasOwn(daemon.config.groups ?? {}, group);
  app.get('/api/v1/groups/:g/replication', (c) => {
    const group = c.req.param('g');
    if (!known(group)) return problem(c, 404, `no group "${group}"`);
    const { node } = daemon.loop.policy;
    return c.json({ schemaVersion: SCHEMA_VERSION, group, node, copies: daemon.cluster.copies.all(group) });
  });
  app.post(
    '/api/v1/groups/:g/replication',
    withBody(verbBody, async (c, { verb, source, dryRun }) => {
      const group = c.req.param('g') ?? '';
      if (!known(group)) return problem(c, 404, `no group "${group}"`);
      const { copies } = daemon.cluster;
      const wanted = copies.all(group).filter(({ name }) => source === null || source === name);
      if (wanted.length === 0) return problem(c, 404, `no such source of replication in "${group}"`);
      const foreseen = wanted.map(({ name }) => ({ name, ok: true, detail: `${verb} would be asked for` }));
      const done = dryRun ? foreseen : await copies.act(group, source, verb);
      return c.json({ schemaVersion: SCHEMA_VERSION, group, dryRun, done });
    }),
  );
}
