// How the control socket answers: bodies by their schema, problems in one sentence.
import type { Context } from 'hono';
import { z } from 'zod';
import { clean } from '../core/clean.ts';
import { SCHEMA_VERSION } from './status.ts';

export const who = z.string().min(1).max(100).default('operator');

export const BODY_BYTES = 64 * 1024;

export type Doing = (c: Context) => Promise<Response>;

export const problem = (c: Context, status: 400 | 404 | 409 | 413 | 503, error: string): Response =>
  c.json({ schemaVersion: SCHEMA_VERSION, error: clean(error, 500) }, status);

/** Reads a body by its schema, or answers 400. */
export const withBody =
  <T>(schema: z.ZodType<T>, then: (c: Context, body: T) => Promise<Response>): Doing =>
  async (c) => {
    const raw = parsed(await c.req.text());
    const judged = schema.safeParse(raw);
    return judged.success ? then(c, judged.data) : problem(c, 400, z.prettifyError(judged.error));
  };

/** No body is one without words; what is not JSON fits no schema. */
function parsed(text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    return null;
  }
}
