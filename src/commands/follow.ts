// Follows a move of a group until it ended: each step as a line on stderr with its time, the outcome as a value. Asks
// the daemon again and again and changes nothing; who stops following does not stop the move.
import { clean } from '../core/clean.ts';
import type { Clock } from '../ports/clock.ts';
import type { GroupShown } from '../daemon/groups/show-groups.ts';
import { ask, body } from './client.ts';
import type { Io } from './io.ts';

export interface Following {
  readonly socket: string;
  readonly group: string;
  readonly id: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

export interface Outcome {
  readonly ok: boolean;
  readonly text: string;
  /** It went on for longer than somebody wanted to wait. */
  readonly timedOut: boolean;
  /** From the request until its answer was seen here. */
  readonly ms: number;
  readonly shown: GroupShown | null;
}

const EVERY_MS = 200;
/** The request is gone and nobody answered: the answer may be on its way. */
const GONE_MS = 5000;
/** What nodes report of themselves comes a moment after the answer. */
const SETTLE_MS = 3000;

export async function follow(following: Following, io: Io): Promise<Outcome> {
  const { socket, group, id, timeoutMs, clock } = following;
  const begun = clock.monotonic();
  const tell = teller(io, () => clock.monotonic() - begun);
  const look = (): Promise<GroupShown> =>
    body<GroupShown>(ask(socket, 'GET', `/api/v1/groups/${encodeURIComponent(group)}`));
  let shown: GroupShown | null = null;
  let gone: number | null = null;
  for (;;) {
    // A daemon that is away for a moment comes back; the move does not depend on it.
    shown = await look().catch(() => shown);
    if (shown) tell(shown);
    const ms = Math.round(clock.monotonic() - begun);
    const answer = shown?.answer;
    if (answer?.id === id) {
      const settled = answer.ok ? await settle(look, id, tell, clock) : null;
      return { ok: answer.ok, text: answer.text, timedOut: false, ms, shown: settled ?? shown };
    }
    gone = shown && shown.request?.id !== id ? (gone ?? ms) : null;
    if (gone !== null && ms - gone > GONE_MS)
      return { ok: false, text: 'the request is gone, and nobody answered it', timedOut: false, ms, shown };
    if (ms > timeoutMs)
      return { ok: false, text: 'it goes on; nobody waits for it any longer here', timedOut: true, ms, shown };
    await clock.sleep(EVERY_MS);
  }
}

async function settle(
  look: () => Promise<GroupShown>,
  id: string,
  tell: (shown: GroupShown) => void,
  clock: Clock,
): Promise<GroupShown | null> {
  const until = clock.monotonic() + SETTLE_MS;
  let shown: GroupShown | null = null;
  while (clock.monotonic() < until) {
    shown = await look().catch(() => shown);
    if (shown) tell(shown);
    const { from, to } = shown?.nodes.find(({ last }) => last?.id === id)?.last ?? {};
    const both = shown?.nodes.filter(({ last }) => last?.id === id).length ?? 0;
    if (shown?.health === 'ok' && both >= (from === to ? 1 : 2)) return shown;
    await clock.sleep(EVERY_MS);
  }
  return shown;
}

/** Shows the steps of whatever goes on until `over` says that it has ended; its last word is the outcome. */
export async function watchSteps<T>(
  { socket, group, timeoutMs, clock }: Omit<Following, 'id'>,
  io: Io,
  over: () => Promise<T | null>,
): Promise<T | null> {
  const begun = clock.monotonic();
  const tell = teller(io, () => clock.monotonic() - begun);
  const path = `/api/v1/groups/${encodeURIComponent(group)}`;
  while (clock.monotonic() - begun < timeoutMs) {
    const shown = await body<GroupShown>(ask(socket, 'GET', path)).catch(() => null);
    if (shown) tell(shown);
    const ended = await over().catch(() => null);
    if (ended !== null) return ended;
    await clock.sleep(EVERY_MS);
  }
  return null;
}

/** One line a step and node, once it ended or failed; what was too quick to be seen is told from the reports. */
function teller(io: Io, elapsed: () => number): (shown: GroupShown) => void {
  const told = new Set<string>();
  const old = new Set<string>();
  let first = true;
  const line = (key: string, node: string, text: string): void => {
    if (told.has(key)) return;
    told.add(key);
    const at = `${(elapsed() / 1000).toFixed(1)} s`.padStart(8);
    io.err(`${at}  ${clean(node, 60)}: ${clean(text, 300)}\n`);
  };
  return (shown) => {
    for (const { node, saga, progress, last } of shown.nodes) {
      if (last && first) old.add(`${node} ${last.id}`);
      // A step that is still where it was before has its time of the move before.
      const goal = (saga?.kind === 'up') === (saga?.direction === 'forward') ? 'in' : 'out';
      for (const step of saga?.steps ?? []) {
        const key = `${node} ${saga?.kind} ${step.name}`;
        if (step.tries > 0) line(`${key} tries ${step.tries}`, node, `${step.name} failed: ${step.detail}`);
        else if (step.ms !== null && step.place === goal)
          line(`${key} ${step.place}`, node, `${step.name} ${goal === 'in' ? 'done' : 'undone'}, ${step.ms} ms`);
      }
      if (saga && progress !== '') line(`${node} ${progress}`, node, progress);
      if (!last || old.has(`${node} ${last.id}`)) continue;
      const [kind, place] = last.to === node ? ['up', 'in'] : ['down', 'out'];
      for (const { name, ms } of last.steps)
        if (ms !== null)
          line(`${node} ${kind} ${name} ${place}`, node, `${name} ${place === 'in' ? 'done' : 'undone'}, ${ms} ms`);
    }
    first = false;
  };
}
