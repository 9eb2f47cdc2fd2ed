// Several check results → one verdict of a depth. The worst outcome decides; `unknown` never counts as a failure.
import type { Cause, CheckResult, Outcome, Verdict } from './types.ts';

const WORST: Readonly<Record<Outcome, number>> = { pass: 0, unknown: 1, degraded: 2, fail: 3 };

/** Among failures, the cause that says most about what to do comes first: what no restart can cure, then what is
 *  certain, then what is likely. An expired certificate or a refused probe login never hides a dead process. */
const TELLING: readonly Cause[] = [
  'misconfigured',
  'no-space',
  'dead',
  'dependency',
  'hung',
  'refusing',
  'overloaded',
  'credentials',
  'expired',
];

export interface NamedResult {
  readonly name: string;
  /** Which kind of check it is. */
  readonly type?: string;
  readonly result: CheckResult;
  /** The result needs no second opinion. */
  readonly conclusive: boolean;
}

/** A failure without a cause is taken for `refusing`: it says no, and a restart may help. */
const causeOf = (result: CheckResult): Cause => result.cause ?? 'refusing';

export function combine(results: readonly NamedResult[]): Verdict {
  const worst = Math.max(0, ...results.map((one) => WORST[one.result.outcome]));
  const deciding = results
    .filter((one) => WORST[one.result.outcome] === worst)
    .sort((a, b) => TELLING.indexOf(causeOf(a.result)) - TELLING.indexOf(causeOf(b.result)));
  const first = deciding[0];
  if (!first) return { outcome: 'unknown', detail: 'no check answered', check: '' };
  const { outcome, detail } = first.result;
  // One witness of the deciding cause is enough, whichever of its checks tells the story.
  const sure = deciding.some((one) => one.conclusive && causeOf(one.result) === causeOf(first.result));
  const direct = deciding.some((one) => one.result.direct && causeOf(one.result) === causeOf(first.result));
  return {
    outcome,
    detail,
    check: first.name,
    ...(outcome === 'fail'
      ? { cause: causeOf(first.result) }
      : first.result.cause
        ? { cause: first.result.cause }
        : {}),
    ...(outcome === 'fail' && sure ? { conclusive: true } : {}),
    ...(outcome === 'fail' && direct ? { direct: true } : {}),
    ...(outcome === 'fail' && first.result.part !== undefined ? { part: first.result.part } : {}),
  };
}
