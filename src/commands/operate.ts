// `pause`, `resume`, `reset`, `reload`: what an operator tells the daemon. Each is an event, journalled with who said
// it.
import { durationMs } from '../define.ts';
import { ask, body, ClientError, socketOf } from './client.ts';
import { EXIT, type Io } from './io.ts';

interface Common {
  readonly socket?: string;
  readonly output: 'table' | 'json';
}

interface Told {
  readonly service: string;
  readonly phase: string;
  readonly why: { readonly text: string };
}

const by = (io: Io): string => io.env['SUDO_USER'] ?? io.env['USER'] ?? io.env['LOGNAME'] ?? 'operator';

async function tell(path: string, words: object, options: Common, io: Io): Promise<number> {
  const told = await body<Told>(ask(socketOf(io, options.socket), 'POST', path, words));
  io.out(
    options.output === 'json' ? `${JSON.stringify(told)}\n` : `${told.service}: ${told.phase}: ${told.why.text}\n`,
  );
  return EXIT.done;
}

/** A pause always has an end: `--for`, one hour unless said otherwise. */
export function pause(
  service: string,
  options: Common & { readonly for: string; readonly comment?: string },
  io: Io,
): Promise<number> {
  const untilMs = durationMs(options.for);
  if (untilMs === null || untilMs < 1000)
    throw new ClientError(EXIT.usage, `--for ${options.for}: a duration such as 30m or 2h`);
  return tell('/api/v1/pause', { service, untilMs, by: by(io), comment: options.comment ?? '' }, options, io);
}

export const resume = (service: string, options: Common, io: Io): Promise<number> =>
  tell('/api/v1/resume', { service, by: by(io) }, options, io);

export const reset = (service: string, options: Common, io: Io): Promise<number> =>
  tell('/api/v1/reset', { service, by: by(io) }, options, io);

export async function reload(options: Common, io: Io): Promise<number> {
  const answer = await ask(socketOf(io, options.socket), 'POST', '/api/v1/reload');
  const { problems = [] } = answer.body as { readonly problems?: readonly string[] };
  if (options.output === 'json') io.out(`${JSON.stringify(answer.body)}\n`);
  else if (problems.length === 0) io.out('the new configuration is in force\n');
  else {
    for (const line of problems) io.err(`${line}\n`);
    io.err('nothing was changed: the old configuration goes on\n');
  }
  return problems.length === 0 ? EXIT.done : EXIT.badConfiguration;
}
