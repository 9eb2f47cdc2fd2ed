// `replication GROUP [suspend|resume|reseed]`: how far the copies on this node are behind, and what an operator asks of
// their sources.
import { clean } from '../core/clean.ts';
import { span } from '../core/move.ts';
import { ask, body, ClientError, socketOf } from './client.ts';
import type { Ask } from './groups.ts';
import { EXIT, type Io } from './io.ts';
import { by } from './operate.ts';
import type { Common } from './telling.ts';

export interface ReplicationOptions extends Common {
  readonly source?: string;
  readonly yes?: boolean;
}

interface Copy {
  readonly name: string;
  readonly type: string;
  readonly state: string;
  readonly level: string;
  readonly queue: number | null;
  readonly lagMs: number | null;
  readonly detail: string;
}

interface Done {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

const VERBS: readonly string[] = ['suspend', 'resume', 'reseed'];

function copyLine({ name, type, state, queue, lagMs, detail }: Copy): string {
  const behind = [queue === null ? '? units' : `${queue} units`, lagMs === null ? '? behind' : `${span(lagMs)} behind`];
  const who = `${clean(name, 30).padEnd(12)} ${clean(type, 20).padEnd(11)} ${clean(state, 20).padEnd(14)}`;
  return `${who} ${behind.join(', ')}  ${clean(detail, 200)}`;
}

export async function replication(
  group: string,
  verb: string | null,
  options: ReplicationOptions,
  io: Io,
  person: Ask,
): Promise<number> {
  const socket = socketOf(io, options.socket);
  const path = `/api/v1/groups/${encodeURIComponent(group)}/replication`;
  if (verb === null) {
    const shown = await body<{ readonly copies: readonly Copy[] }>(ask(socket, 'GET', path));
    if (options.output === 'json') io.out(`${JSON.stringify(shown, null, 2)}\n`);
    else if (shown.copies.length === 0) io.out(`${clean(group, 60)} has no source of replication\n`);
    else for (const copy of shown.copies) io.out(`${copyLine(copy)}\n`);
    return shown.copies.some(({ level }) => level === 'fail') ? EXIT.failed : EXIT.done;
  }
  if (!VERBS.includes(verb)) throw new ClientError(EXIT.usage, `${clean(verb, 40)}: suspend, resume or reseed`);
  const question = `${verb} the copies of ${clean(group, 60)} on this node? [y/N] `;
  if (verb === 'reseed' && !options.yes && !options.dryRun && !(await (person ?? nobody)(question)))
    throw new ClientError(EXIT.usage, 'a copy is made anew only with --yes, or when somebody says so');
  const request = { verb, source: options.source ?? null, by: by(io), dryRun: options.dryRun ?? false };
  const { done } = await body<{ readonly done: readonly Done[] }>(ask(socket, 'POST', path, request));
  if (options.output === 'json') io.out(`${JSON.stringify({ done }, null, 2)}\n`);
  else
    for (const one of done)
      io.out(`${clean(one.name, 30)}: ${one.ok ? 'done' : 'FAILED'}: ${clean(one.detail, 300)}\n`);
  return done.length > 0 && done.every(({ ok }) => ok) ? EXIT.done : EXIT.failed;
}

const nobody = async (): Promise<boolean> => false;
