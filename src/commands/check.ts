// `watchkeeper check SERVICE [--deep]`: asks now, and shows the dialogue step by step. Decides nothing.
import { clean } from '../core/clean.ts';
import type { CheckResult, Verdict } from '../core/types.ts';
import { ask, body, socketOf } from './client.ts';
import { type Io } from './io.ts';
import { paint } from './status.ts';

export interface CheckOptions {
  readonly service: string;
  readonly depth: 'quick' | 'deep';
  readonly output: 'table' | 'json';
  readonly socket?: string;
}

interface Answer {
  readonly verdict: Verdict;
  readonly ms: number;
  readonly checks: readonly { readonly name: string; readonly ms: number; readonly result: CheckResult }[];
}

const CODES = { pass: 0, degraded: 1, fail: 2, unknown: 3 } as const;
const COLOURS = { pass: 'green', degraded: 'yellow', fail: 'red', unknown: 'magenta' } as const;

export async function run({ service, depth, output, socket }: CheckOptions, io: Io): Promise<number> {
  const answer = await body<Answer>(ask(socketOf(io, socket), 'POST', '/api/v1/check', { service, depth }));
  if (output === 'json') {
    io.out(`${JSON.stringify(answer, null, 2)}\n`);
    return CODES[answer.verdict.outcome];
  }
  for (const { name, ms, result } of answer.checks) {
    const cause = result.cause ? ` (${result.cause})` : '';
    io.out(
      `${paint(io, COLOURS[result.outcome], result.outcome)}${cause} ${clean(name, 60)} ${Math.round(ms)} ms: ` +
        `${clean(result.detail, 400)}\n`,
    );
    for (const step of result.steps ?? []) {
      const mark = step.ok ? '+' : '!';
      io.out(
        `  ${mark} ${clean(step.name, 60).padEnd(14)} ${String(Math.round(step.ms)).padStart(6)} ms  ` +
          `${clean(step.detail ?? '', 200)}\n`,
      );
    }
    const numbers = (result.metrics ?? []).map(
      (one) => `${one.name}=${Math.round(one.value * 1000) / 1000}${one.unit ?? ''}`,
    );
    if (numbers.length > 0) io.out(`  ${clean(numbers.join(' '), 400)}\n`);
  }
  io.out(`${service}: ${answer.verdict.outcome}, ${clean(answer.verdict.detail, 400)}\n`);
  return CODES[answer.verdict.outcome];
}
