// The way of a group's steps, up or down: which act comes next, and what an answer means. A fold: the same answers give
// the same way, so that a crash at any point goes on from the journal. What was begun is in doubt until it is proved.
import type { GroupPolicy, Saga, StepAct, StepPolicy, StepState } from './group-types.ts';

export interface Due {
  readonly step: string;
  readonly act: StepAct;
  readonly force: boolean;
}

/** The name that stands for bringing the copies up to date, between the steps. */
export const FLUSH = 'replication';

const RETRY_FIRST_MS = 1000;
const RETRY_MAX_MS = 30_000;

type Start = Pick<Saga, 'kind' | 'epoch' | 'from' | 'to' | 'planned' | 'force'>;

/** `left`: something of a life before may be in place here. */
export function begin(policy: GroupPolicy, start: Start, at: number, left = false): Saga {
  // What is in place is known by looking, and what was begun before a crash is in doubt: nothing is believed. On the
  // way up too: turned back at its first step, it would else leave running what it never came to.
  const placeOf = ({ scope }: StepPolicy): StepState['place'] => {
    if (start.kind === 'up') return left && scope === 'node' ? 'doubt' : 'out';
    return start.force ? 'doubt' : 'in';
  };
  const steps = policy.steps.map(
    (step): StepState => ({
      ...{ name: step.name, place: placeOf(step), prepared: false, tries: 0, ms: null, detail: '' },
    }),
  );
  const rest = { direction: 'forward', passedPivot: false, acting: null, retryAt: null, fault: null } as const;
  return { ...start, ...rest, startedAt: at, flushed: false, steps };
}

const stepOf = (policy: GroupPolicy, name: string): StepPolicy | undefined =>
  policy.steps.find((one) => one.name === name);
const isLocal = (policy: GroupPolicy, { name }: StepState): boolean => stepOf(policy, name)?.scope === 'node';

/** What is to be done next; null: it is at its end. */
export function due(policy: GroupPolicy, saga: Saga): Due | null {
  const { kind, direction, steps, force } = saga;
  const act = (step: StepState | undefined, name: StepAct, hard = false): Due | null =>
    step ? { step: step.name, act: name, force: hard } : null;
  const local = steps.filter((step) => isLocal(policy, step));
  if (kind === 'up')
    return direction === 'forward'
      ? act(
          steps.find(({ place }) => place !== 'in'),
          'do',
        )
      : act(
          steps.findLast(({ place }) => place !== 'out'),
          'undo',
          true,
        );
  if (direction === 'back')
    return (
      act(
        local.find(({ place }) => place !== 'in'),
        'do',
      ) ??
      act(
        steps.findLast(({ prepared }) => prepared),
        'unprepare',
      )
    );
  if (!force) {
    const unprepared = steps.find(({ name, prepared }) => stepOf(policy, name)?.prepares && !prepared);
    if (unprepared) return act(unprepared, 'prepare');
    if (flushes(policy, saga)) return { step: FLUSH, act: 'flush', force: false };
  }
  const last = local.findLast(({ place }) => place !== 'out');
  // What would not go gently is killed at the second try.
  return act(last, 'undo', force || (last?.tries ?? 0) > 0);
}

/** Do the copies have to be brought up to date now? */
function flushes({ sources, flushLast, steps: rules }: GroupPolicy, { steps, flushed, flushedLast }: Saga): boolean {
  if (sources.length === 0) return false;
  if (!flushed) return true;
  if (!flushLast || flushedLast) return false;
  const open = rules.filter(({ takesIn, scope }) => takesIn && scope === 'node').map(({ name }) => name);
  return open.length > 0 && steps.every(({ name, place }) => place === 'out' || !open.includes(name));
}

/** The act begins: from now on it is in doubt. */
export function acting(saga: Saga, { step, act }: Due, at: number): Saga {
  const doubtful = act === 'do' || act === 'undo';
  const steps = saga.steps.map((one) => (one.name === step && doubtful ? { ...one, place: 'doubt' as const } : one));
  return { ...saga, steps, acting: { step, act, since: at }, retryAt: null };
}

export interface Acted {
  readonly ok: boolean;
  readonly detail: string;
}

/** The answer to the act that was under way. */
export function acted(policy: GroupPolicy, saga: Saga, answer: Acted, at: number): Saga {
  if (!saga.acting) return saga;
  const { step: name, act, since } = saga.acting;
  const free = { ...saga, acting: null };
  if (name === FLUSH)
    return answer.ok
      ? { ...free, ...(saga.flushed ? { flushedLast: true } : { flushed: true }) }
      : turnBack(free, `the copies could not be flushed: ${answer.detail}`);
  const step = saga.steps.find((one) => one.name === name);
  if (!step) return free;
  const ms = Math.max(0, Math.round(at - since));
  const after = answer.ok ? succeeded(step, act) : { ...step, tries: step.tries + 1 };
  const steps = saga.steps.map((one) => (one === step ? { ...after, ms, detail: answer.detail.slice(0, 300) } : one));
  const next = { ...free, steps };
  if (answer.ok) return { ...next, passedPivot: next.passedPivot || isPast(policy, next) };
  return failed(policy, next, { name, act, tries: step.tries + 1 }, answer, at);
}

function succeeded(step: StepState, act: StepAct): StepState {
  const place = act === 'do' ? 'in' : act === 'undo' ? 'out' : step.place;
  const prepared = act === 'prepare' ? true : act === 'unprepare' ? false : step.prepared;
  return { ...step, place, prepared, tries: 0 };
}

/** Clients reach this node: all steps up to the pivot are in place. Without a pivot: all of them. */
function isPast(policy: GroupPolicy, saga: Saga): boolean {
  if (saga.kind !== 'up' || saga.direction !== 'forward') return false;
  const pivot = policy.steps.findIndex((one) => one.pivot);
  const upTo = pivot < 0 ? saga.steps : saga.steps.slice(0, pivot + 1);
  return upTo.every(({ place }) => place === 'in');
}

interface Failure {
  readonly name: string;
  readonly act: StepAct;
  readonly tries: number;
}

function failed(policy: GroupPolicy, saga: Saga, { name, act, tries }: Failure, answer: Acted, at: number): Saga {
  const most = stepOf(policy, name)?.tries ?? 1;
  const again = { ...saga, retryAt: at + Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(tries - 1, 10)) };
  // Taking back, and what comes after the pivot, is tried until it is done: there is no other way to a known state.
  const forEver = saga.direction === 'back' || saga.force || (saga.kind === 'up' && saga.passedPivot);
  // Before the kill there was the gentle way: that is no failure yet.
  const killNext = act === 'undo' && tries === 1;
  if (killNext && !saga.force) return { ...saga, retryAt: at };
  if (forEver || tries < most) return again;
  return turnBack(saga, `${name}: ${answer.detail}`);
}

function turnBack(saga: Saga, fault: string): Saga {
  const steps = saga.steps.map((one) => ({ ...one, tries: 0 }));
  return { ...saga, direction: 'back', steps, retryAt: null, fault: fault.slice(0, 300) };
}

/** The act that is tried again and again, with how often it failed. */
export const troubleOf = (saga: Saga): StepState | null =>
  saga.steps.find(({ tries }) => tries >= 2) ??
  saga.steps.find(({ tries }) => tries >= 1 && saga.retryAt !== null) ??
  null;
