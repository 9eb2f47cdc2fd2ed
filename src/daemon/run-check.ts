// Runs the checks of one service at one depth, and makes one verdict of them. Whatever a plugin does, throw, hang,
// shout, answer late, costs one `unknown` and never more.
import type { CheckConfig } from '../config/types.ts';
import { clean } from '../core/clean.ts';
import type { NamedResult } from '../core/combine.ts';
import { diagnose } from '../core/diagnose.ts';
import type { CheckResult, Depth, Verdict } from '../core/types.ts';
import type { Check } from '../define.ts';
import type { Ports } from '../ports/ports.ts';

/** One check of a service, ready to run. */
export interface Runnable {
  readonly name: string;
  readonly type: string;
  readonly plugin: Check;
  readonly options: unknown;
  /** The depth at which this check runs when the service is asked at `depth`; null = it does not. */
  readonly at: (depth: Depth) => Depth | null;
  readonly everyMs: number | null;
  readonly memory: Map<string, unknown>;
  /** The newest result, for checks with a slower beat, for status and for `check`. */
  last: { readonly at: number; readonly depth: Depth; readonly ms: number; readonly result: CheckResult } | null;
  /** Throws in a row: a plugin in trouble is an alarm of its own. */
  throws: number;
}

/** What a configuration says of checks, ready to run. */
export const makeRunnables = (
  checks: readonly CheckConfig[],
  plugins: ReadonlyMap<string, Check>,
): readonly Runnable[] =>
  checks.map(({ name, type, options, everyMs, depths }): Runnable => {
    const plugin = plugins.get(type);
    if (!plugin) throw new Error(`no check of type ${type}`);
    const deepOnly = !depths.includes('quick');
    const quickOnly = !depths.includes('deep');
    // A DeepCheck asks everything: the quick questions too, so that its verdict is about the whole service.
    const at = (depth: Depth): Depth | null =>
      depth === 'quick' ? (deepOnly ? null : 'quick') : quickOnly ? 'quick' : 'deep';
    return { name, type, plugin, options, everyMs, at, memory: new Map(), last: null, throws: 0 };
  });

export interface Ran {
  readonly verdict: Verdict;
  readonly ms: number;
  /** What the verdict was made of: evidence may make another of it. */
  readonly named: readonly NamedResult[];
  readonly results: readonly { readonly name: string; readonly ms: number; readonly result: CheckResult }[];
}

const DETAIL_MAX = 400;
const LIST_MAX = 64;
/** A check that obeys its signal needs a moment to say so. */
const GRACE_MS = 250;
/** Made once: an error collects its stack. */
const TIME_OVER = new Error('the time is over');

/** Asks all checks of a depth side by side. A check whose own beat is slower gives its last answer again, unless
 * `fresh`. */
export async function runChecks(
  service: string,
  checks: readonly Runnable[],
  depth: Depth,
  timeoutMs: number,
  ports: Ports,
  signal: AbortSignal,
  fresh: boolean,
): Promise<Ran> {
  const started = ports.clock.monotonic();
  const asked = checks.filter((check) => check.at(depth) !== null);
  const answers = await Promise.all(
    asked.map(async (check) => {
      const due = check.everyMs === null || fresh || !check.last || started - check.last.at >= check.everyMs;
      if (!due && check.last)
        return { name: check.name, ms: check.last.ms, result: check.last.result, conclusive: false };
      return runHedged(service, check, check.at(depth) ?? depth, timeoutMs, ports, signal);
    }),
  );
  const types = new Map(asked.map(({ name, type }) => [name, type]));
  const named = answers.map(
    ({ name, result, conclusive }): NamedResult => ({ name, type: types.get(name) ?? '', result, conclusive }),
  );
  return { verdict: diagnose(named, null), ms: ports.clock.monotonic() - started, results: answers, named };
}

interface Answer {
  readonly name: string;
  readonly ms: number;
  readonly result: CheckResult;
  readonly conclusive: boolean;
}

/** A QuickCheck that has not answered at half its time is asked a second time beside the first. If one answers, that is
 *  the answer; if neither does, that is two witnesses of a hang, and no third is needed. */
async function runHedged(
  service: string,
  check: Runnable,
  depth: Depth,
  timeoutMs: number,
  ports: Ports,
  signal: AbortSignal,
): Promise<Answer> {
  const started = ports.clock.monotonic();
  const done = (result: CheckResult, conclusive: boolean): Answer => {
    const ms = ports.clock.monotonic() - started;
    check.last = { at: ports.clock.monotonic(), depth, ms, result };
    return { name: check.name, ms, result, conclusive };
  };
  const first = runOne(service, check, depth, timeoutMs, ports, signal);
  if (depth === 'deep') return done(...certain(await first));
  const early = await Promise.race([first, halfTime(timeoutMs / 2, first, ports)]);
  if (early) return done(...certain(early));
  const second = runOne(service, check, depth, timeoutMs / 2, ports, signal);
  const ended = Promise.all([first, second]);
  const winner = await Promise.race([answeredOf(first), answeredOf(second), ended.then(() => null)]);
  const both = winner ? null : await ended;
  if (!both) return done(...certain(winner ?? (await first)));
  const hung = both.every((one) => one.outcome === 'fail' && one.cause === 'hung');
  return hung ? done(both[0], true) : done(...certain(both[0]));
}

/** Null after `ms`; the timer goes with the answer. */
function halfTime(ms: number, answer: Promise<unknown>, ports: Ports): Promise<null> {
  return new Promise((resolve) => {
    const cancel = ports.clock.after(ms, () => resolve(null));
    void answer.finally(cancel);
  });
}

/** Resolves with a good answer only: a bad one waits for the other witness. */
const answeredOf = (run: Promise<CheckResult>): Promise<CheckResult | null> =>
  run.then((result) =>
    result.outcome === 'pass' || result.outcome === 'degraded' ? result : new Promise(() => undefined),
  );

const certain = (result: CheckResult): [CheckResult, boolean] => [
  result,
  result.outcome === 'fail' && result.cause === 'dead',
];

async function runOne(
  service: string,
  check: Runnable,
  depth: Depth,
  timeoutMs: number,
  ports: Ports,
  signal: AbortSignal,
): Promise<CheckResult> {
  // One signal of its own, and no more: a thousand of these are made each second.
  const limit = new AbortController();
  const stopped = (): void => limit.abort(signal.reason);
  signal.addEventListener('abort', stopped, { once: true });
  let cancel = (): void => undefined;
  const late = new Promise<CheckResult>((resolve) => {
    const over = (): void =>
      resolve({ outcome: 'unknown', detail: `the check did not end within ${Math.round(timeoutMs)} ms` });
    cancel = ports.clock.after(timeoutMs, () => {
      cancel = ports.clock.after(GRACE_MS, over);
      limit.abort(TIME_OVER);
    });
  });
  try {
    const context = {
      options: check.options as never,
      ports,
      signal: limit.signal,
      timeoutMs,
      depth,
      service,
      memory: check.memory,
    };
    const result = await Promise.race([check.plugin.run(context), late]);
    check.throws = 0;
    return bounded(result);
  } catch (error) {
    check.throws++;
    return {
      outcome: 'unknown',
      detail: clean(`the check broke: ${(error as Error)?.message ?? String(error)}`, DETAIL_MAX),
    };
  } finally {
    cancel();
    signal.removeEventListener('abort', stopped);
  }
}

const OUTCOMES: ReadonlySet<string> = new Set(['pass', 'degraded', 'fail', 'unknown']);

/** What comes from a plugin is bounded and printable before it goes anywhere. */
function bounded(result: CheckResult): CheckResult {
  if (typeof result !== 'object' || result === null || !OUTCOMES.has(result.outcome))
    return { outcome: 'unknown', detail: 'the check gave no answer that can be understood' };
  return {
    outcome: result.outcome,
    detail: clean(String(result.detail), DETAIL_MAX),
    ...(result.cause ? { cause: result.cause } : {}),
    ...(result.direct === true ? { direct: true } : {}),
    ...(typeof result.part === 'string' ? { part: clean(result.part, 60) } : {}),
    ...(result.metrics ? { metrics: result.metrics.slice(0, LIST_MAX) } : {}),
    ...(result.steps
      ? {
          steps: result.steps.slice(0, LIST_MAX).map((step) => ({
            ...step,
            name: clean(step.name, 80),
            ...(step.detail === undefined ? {} : { detail: clean(step.detail, DETAIL_MAX) }),
          })),
        }
      : {}),
  };
}
