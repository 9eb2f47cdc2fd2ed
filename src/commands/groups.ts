// `switchover`, `failover`, `confirm`, `ack group/NAME`: what people say about a group. Everything is foreseen and
// shown before it is asked for; the daemon decides, this shows.
import { clean } from '../core/clean.ts';
import type { Outlook } from '../core/outlook.ts';
import { type PlanLine, planText } from '../core/plan.ts';
import type { MoveRequest } from '../core/group-types.ts';
import { span } from '../core/move.ts';
import { durationMs } from '../define.ts';
import { type Clock, clock as realClock } from '../ports/clock.ts';
import { type Answer, ask, body, ClientError, exitOf, socketOf } from './client.ts';
import { follow, type Outcome } from './follow.ts';
import { EXIT, type Io } from './io.ts';
import { by } from './operate.ts';
import { paint } from './status.ts';
import type { Common } from './telling.ts';

export type Ask = ((question: string) => Promise<boolean>) | null;

export interface MoveOptions extends Common {
  readonly to?: string;
  readonly at?: string;
  readonly cancel?: boolean;
  readonly yes?: boolean;
  readonly comment?: string;
  readonly timeout?: string;
  readonly force?: readonly string[];
}

/** What the command line calls each rule that may be forced. */
const FLAGS: Readonly<Record<string, string>> = {
  ...{ 'data-loss': '--force-data-loss', 'old-data': '--force-data-loss', block: '--force-block' },
  ...{ site: '--force-site', 'failed-before': '--force-failed', capacity: '--force-capacity' },
};

export interface ForceFlags {
  readonly forceDataLoss?: boolean;
  readonly forceBlock?: boolean;
  readonly forceSite?: boolean;
  readonly forceFailed?: boolean;
  readonly forceCapacity?: boolean;
}

export const forced = (flags: ForceFlags): readonly string[] => [
  ...(flags.forceDataLoss ? ['data-loss', 'old-data'] : []),
  ...(flags.forceBlock ? ['block'] : []),
  ...(flags.forceSite ? ['site'] : []),
  ...(flags.forceFailed ? ['failed-before'] : []),
  ...(flags.forceCapacity ? ['capacity'] : []),
];

interface Foreseen extends Outlook {
  readonly id: string;
  readonly dryRun: boolean;
  readonly group: string;
  readonly at: string | null;
}

const pathOf = (group: string, verb: string): string => `/api/v1/groups/${encodeURIComponent(group)}/${verb}`;

export async function move(
  verb: MoveRequest['verb'],
  group: string,
  options: MoveOptions,
  io: Io,
  person: Ask,
  clock: Clock = realClock,
): Promise<number> {
  const socket = socketOf(io, options.socket);
  if (options.cancel) return told(ask(socket, 'POST', pathOf(group, 'cancel'), words(options, io)), options, io);
  const at = options.at === undefined ? null : timeOf(options.at, clock.wall());
  const timeoutMs = durationMs(options.timeout ?? '10m');
  if (timeoutMs === null) throw new ClientError(EXIT.usage, `--timeout ${options.timeout}: a duration such as 5m`);
  const wish = { verb, to: options.to ?? null, force: options.force ?? [], at, comment: options.comment ?? '' };
  const request = (dryRun: boolean): Promise<Answer> =>
    ask(socket, 'POST', pathOf(group, 'move'), { ...wish, by: by(io), dryRun });
  const foreseen = await request(true);
  if (foreseen.status !== 200) return refusal(foreseen, options, io);
  const seen = foreseen.body as Foreseen;
  if (options.dryRun) {
    if (options.output === 'json') io.out(`${JSON.stringify(seen, null, 2)}\n`);
    else showPlan(seen, (text) => io.out(text), io);
    io.err('nothing was changed (--dry-run)\n');
    return EXIT.done;
  }
  if (!options.yes) {
    if (!person) throw new ClientError(EXIT.usage, 'there is no terminal to ask on: --yes says that it is meant');
    showPlan(seen, (text) => io.err(text), io);
    if (!(await person(`${verb} of ${group}, now? [y/N] `))) return EXIT.failed;
  }
  const asked = await request(false);
  if (asked.status !== 200) return refusal(asked, options, io);
  const { id } = asked.body as Foreseen;
  if (at !== null) return timed(group, verb, at, asked.body as object, options, io);
  const outcome = await follow({ socket, group, id, timeoutMs, clock }, io);
  return showOutcome(group, id, outcome, options, io);
}

const words = (options: Common, io: Io): object => ({ by: by(io), dryRun: options.dryRun === true });

/** RFC 3339, or the next time that a clock here shows this. */
export function timeOf(text: string, now: number): string {
  const daily = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text);
  if (daily) {
    const at = new Date(now);
    at.setHours(Number(daily[1]), Number(daily[2]), 0, 0);
    if (at.getTime() <= now) at.setDate(at.getDate() + 1);
    return at.toISOString();
  }
  const at = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || !Number.isFinite(at))
    throw new ClientError(EXIT.usage, `--at ${text}: a time such as 03:30 or 2030-01-31T03:30:00Z`);
  if (at <= now) throw new ClientError(EXIT.usage, `--at ${text}: that is over already`);
  return new Date(at).toISOString();
}

// ------------------------------------------------------------------------------------------------------------- shown

export function planLines(plan: readonly PlanLine[]): readonly string[] {
  return plan.map((line, index) => `${String(index + 1).padStart(3)}  ${clean(planText(line), 200)}`);
}

function showPlan(seen: Foreseen, write: (text: string) => void, io: Io): void {
  const from = seen.from === null ? 'nobody' : seen.from;
  const when = seen.at === null ? '' : ` at ${seen.at}`;
  write(
    `${paint(io, 'bold', clean(seen.group, 60))}: from ${clean(from, 60)} to ${clean(seen.to ?? '?', 60)}${when}\n`,
  );
  for (const line of planLines(seen.plan)) write(`${line}\n`);
  const loss = lossText(seen.loss);
  if (loss !== null) write(`${paint(io, 'yellow', 'lost by it')}: ${loss}\n`);
}

export function lossText(loss: Outlook['loss']): string | null {
  if (!loss || (loss.units === 0 && loss.ms === 0)) return null;
  const { units, ms } = loss;
  return `${units === null ? 'an unknown number of' : units} units, ${ms === null ? 'unknown time' : span(ms)} at the most`;
}

interface Refused {
  readonly error?: string;
  readonly code?: string;
  readonly refused?: readonly { readonly node: string | null; readonly rule: string; readonly text: string }[];
  readonly force?: readonly string[];
}

/** Every reason, and what would have to be said to have it all the same. */
function refusal(answer: Answer, options: Common, io: Io): number {
  const { error = '', refused = [], force = [] } = answer.body as Refused;
  if (options.output === 'json') io.out(`${JSON.stringify(answer.body)}\n`);
  if (refused.length === 0) io.err(`watchkeeper: ${clean(error, 1000)}\n`);
  else io.err('watchkeeper: refused\n');
  for (const { node, rule, text } of refused)
    io.err(`  ${node === null ? '' : `${clean(node, 60)}: `}${clean(text, 300)}  [${clean(rule, 40)}]\n`);
  const flags = [...new Set(force.map((rule) => FLAGS[rule] ?? `--force-${rule}`))];
  if (flags.length > 0) io.err(`it would be done with ${clean(flags.join(' '), 200)}: only if you know what is lost\n`);
  return exitOf(answer);
}

function timed(group: string, verb: string, at: string, answer: object, options: Common, io: Io): number {
  if (options.output === 'json') io.out(`${JSON.stringify(answer)}\n`);
  else io.out(`${clean(group, 60)}: ${verb} at ${at}; \`watchkeeper ${verb} ${clean(group, 60)} --cancel\` ends it\n`);
  return EXIT.done;
}

function showOutcome(group: string, id: string, outcome: Outcome, options: Common, io: Io): number {
  const { ok, text, ms, shown, timedOut } = outcome;
  const measured = shown?.objectives.measured?.id === id ? shown.objectives.measured : null;
  if (options.output === 'json') {
    const steps = (shown?.nodes ?? []).flatMap(({ node, last }) =>
      last?.id === id ? last.steps.map((step) => ({ node, ...step })) : [],
    );
    const result = { schemaVersion: 1, id, group, ok, text, ms, owner: shown?.owner ?? null, measured, steps };
    io.out(`${JSON.stringify(result)}\n`);
  } else {
    const gap = measured?.rtoMs === null || measured === null ? '' : `, without service for ${measured.rtoMs} ms`;
    io.out(`${clean(group, 60)}: ${clean(text, 1000)}${gap}\n`);
    if (measured?.met.rto === false) io.out('  longer than its objective\n');
  }
  if (timedOut) return EXIT.timedOut;
  return ok ? EXIT.done : EXIT.failed;
}

// ------------------------------------------------------------------------------------------------------ short answers

async function told(answer: Promise<Answer>, options: Common, io: Io): Promise<number> {
  const said = await body<{ readonly text: string }>(answer);
  io.out(options.output === 'json' ? `${JSON.stringify(said)}\n` : `${clean(said.text, 600)}\n`);
  if (options.dryRun) io.err('nothing was changed (--dry-run)\n');
  return EXIT.done;
}

export const confirm = (group: string, options: Common & { readonly no?: boolean }, io: Io): Promise<number> => {
  const said = { yes: options.no !== true, ...words(options, io) };
  return told(ask(socketOf(io, options.socket), 'POST', pathOf(group, 'confirm'), said), options, io);
};

/** The group of `group/NAME`; null: an alarm, a service or an incident is meant. */
export const ackedGroup = (what: string): string | null => /^group\/([^/]+)$/.exec(what)?.[1] ?? null;

export const acknowledgeGroup = (group: string, options: Common, io: Io): Promise<number> =>
  told(ask(socketOf(io, options.socket), 'POST', pathOf(group, 'ack'), words(options, io)), options, io);
