// `watchkeeper explain SERVICE|GROUP|INCIDENT`: what was seen, which rule decided, what was refused and why, what comes
// next.
import { clean } from '../core/clean.ts';
import type { Explained } from '../core/explain.ts';
import type { CheckResult } from '../core/types.ts';
import type { Told } from '../daemon/loop.ts';
import type { GroupExplained } from '../daemon/groups/show-groups.ts';
import { ask, body, socketOf } from './client.ts';
import { showGroup } from './explain-group.ts';
import { HEALTH_EXIT, type Io } from './io.ts';
import { paint } from './status.ts';

export interface ExplainOptions {
  readonly name: string;
  readonly output: 'table' | 'json';
  readonly socket?: string;
}

type Checked = readonly { readonly name: string; readonly ms: number; readonly result: CheckResult }[];

export interface Answer extends Explained {
  readonly service: string;
  readonly incident: string | null;
  readonly health: string;
  readonly phase: string;
  readonly since: string;
  readonly runbook: string | null;
  readonly checks: { readonly quick: Checked; readonly deep: Checked };
  readonly story: readonly Told[];
}

export async function run({ name, output, socket }: ExplainOptions, io: Io): Promise<number> {
  const path = `/api/v1/explain/${encodeURIComponent(name)}`;
  const answer = await body<Answer | GroupExplained>(ask(socketOf(io, socket), 'GET', path));
  if (output === 'json') io.out(`${JSON.stringify(answer, null, 2)}\n`);
  else if ('lose' in answer) showGroup(answer, io);
  else show(answer, io);
  return HEALTH_EXIT['lose' in answer ? answer.shown.health : answer.health] ?? 3;
}

function show(answer: Answer, io: Io): void {
  const head = (text: string): string => paint(io, 'bold', text);
  const line = (label: string, text: string): void => io.out(`${head(label.padEnd(9))} ${clean(text, 1000)}\n`);
  const incident = answer.incident ? `, incident ${answer.incident}` : '';
  line(answer.service, `${answer.health}, ${answer.phase} since ${answer.since}${incident}`);
  line('seen', answer.seen);
  line('decided', `${answer.text}  [${answer.rule}]`);
  for (const one of answer.refused) line('refused', `${one.what}: ${one.text}  [${one.rule}]`);
  line('next', answer.next.text);
  line(
    'budget',
    `${answer.budget.left} of ${answer.budget.of} repairs left; ${answer.attempts} attempts on the ladder`,
  );
  if (answer.blockedBy) line('root', answer.blockedBy);
  const advice = (answer.runbook ?? '').trimEnd();
  if (advice !== '') for (const [at, text] of advice.split('\n').entries()) line(at === 0 ? 'runbook' : '', text);
  for (const depth of ['quick', 'deep'] as const)
    for (const { name, ms, result } of answer.checks[depth])
      line(
        depth,
        `${name}: ${result.outcome}${result.cause ? ` (${result.cause})` : ''}, ${Math.round(ms)} ms: ${result.detail}`,
      );
  if (answer.story.length > 0) io.out(`${head('story')}\n`);
  for (const told of answer.story.slice(-20))
    io.out(
      `  ${told.time.slice(0, 23)} ${(told.phase ?? '').padEnd(11)} ` +
        `${clean(told.text, 500)}  [${clean(told.rule, 40)}]\n`,
    );
}
