// `pause`, `resume`, `reset`, `reload`: what an operator tells the daemon. Each is an event, journalled with who said
// it; with `--dry-run` the daemon only says what would come of it.
import { clean } from '../core/clean.ts';
import type { Effect } from '../core/types.ts';
import { durationMs } from '../define.ts';
import { ask, body, ClientError, socketOf } from './client.ts';
import { EXIT, type Io } from './io.ts';

interface Common {
  readonly socket?: string;
  readonly output: 'table' | 'json';
  readonly dryRun?: boolean;
}

interface Told {
  readonly service: string;
  readonly phase: string;
  readonly why: { readonly text: string };
  readonly next: string;
  readonly effects?: readonly Effect[];
}

/** Who says it. */
export const by = (io: Io): string => io.env['SUDO_USER'] ?? io.env['USER'] ?? io.env['LOGNAME'] ?? 'operator';

async function tell(path: string, words: object, options: Common, io: Io): Promise<number> {
  const dryRun = options.dryRun === true;
  const told = await body<Told>(ask(socketOf(io, options.socket), 'POST', path, { ...words, dryRun }));
  if (options.output === 'json') io.out(`${JSON.stringify(told)}\n`);
  else {
    const would = dryRun ? 'would be ' : '';
    io.out(`${clean(told.service, 60)}: ${would}${told.phase}: ${clean(told.why.text, 600)}\n`);
    for (const effect of told.effects ?? []) {
      const text = effectText(effect);
      if (text !== null) io.out(`  ${text}\n`);
    }
    if (dryRun) io.err('nothing was changed (--dry-run)\n');
  }
  return EXIT.done;
}

/** Without routes everybody is told. */
const whom = (to: readonly string[] | undefined): string =>
  to === undefined ? '' : ` ${to.length > 0 ? clean(to.join(', '), 200) : 'nobody'}`;

/** What would be done, in words; alarm clocks are nobody's business. */
export function effectText(effect: Effect): string | null {
  switch (effect.kind) {
    case 'wake':
    case 'ring':
      return null;
    case 'check':
      return `ask the ${effect.depth === 'deep' ? 'DeepCheck' : 'QuickCheck'} of ${clean(effect.service, 60)}`;
    case 'repair':
      return `repair ${clean(effect.service, 60)}: ${effect.rung.name}`;
    case 'notice':
      return `tell${whom(effect.to)}: ${effect.notice.kind} ${effect.notice.event}`;
    default:
      return `${effect.kind} ${clean('service' in effect ? effect.service : effect.group, 60)}`;
  }
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

interface Reloaded {
  readonly problems: readonly string[];
  readonly text?: string;
}

export async function reload(options: Common, io: Io): Promise<number> {
  const dryRun = options.dryRun === true;
  const answer = await ask(socketOf(io, options.socket), 'POST', '/api/v1/reload', { dryRun });
  // 409 is an answer too: the problems. Anything else is trouble of the daemon's own.
  const refused = answer.status === 409;
  const { problems, text = '' } = refused ? (answer.body as Reloaded) : await body<Reloaded>(Promise.resolve(answer));
  if (options.output === 'json') io.out(`${JSON.stringify(answer.body)}\n`);
  else if (refused) {
    for (const line of problems) io.err(`${clean(line, 2000)}\n`);
    io.err(`nothing ${dryRun ? 'would be' : 'was'} changed: the old configuration goes on\n`);
  } else if (dryRun) {
    for (const line of text.trimEnd().split('\n')) io.out(`${clean(line, 4000)}\n`);
    io.err('nothing was changed (--dry-run)\n');
  } else io.out('the new configuration is in force\n');
  return refused ? EXIT.badConfiguration : EXIT.done;
}
