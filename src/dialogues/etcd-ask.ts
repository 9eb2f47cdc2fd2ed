// Asks all members of etcd side by side, again and again, until one gives a definite answer.
import { CoordinationError } from '../define.ts';
import type { Clock } from '../ports/clock.ts';
import { EtcdFault } from './etcd.ts';
import type { Member } from './etcd-member.ts';

const AGAIN_MS = 200;
/** A try that has not ended by then has not been heard. Five of them may wait for one member at a time. */
const TRY_MS = 1000;

type Fields = Readonly<Record<string, unknown>>;

export interface Question<T> {
  readonly path: string;
  readonly body: string;
  read(answer: Fields): T;
  /** So good that no other answer is waited for. Others wait until all tries under way have ended, a little while. */
  readonly best?: (answer: T) => boolean;
}

/** How long a lesser answer waits for a better one that is under way. */
const BETTER_MS = 100;

const named = (member: Member, fault: EtcdFault): string => `${member.endpoint}: ${fault.message}`;

/** Denied or failed: only when no member says anything better. Otherwise it may pass. */
function judge(latest: ReadonlyMap<Member, EtcdFault>, members: readonly Member[]): CoordinationError | null {
  if (latest.size < members.length) return null;
  for (const kind of ['failed', 'denied'] as const)
    for (const [member, fault] of latest)
      if (fault.kind === kind) return new CoordinationError(kind, named(member, fault));
  return null;
}

export function ask<T>(
  members: readonly Member[],
  clock: Clock,
  question: Question<T>,
  signal: AbortSignal,
): Promise<T> {
  const latest = new Map<Member, EtcdFault>();
  const over = new AbortController();
  return new Promise<T>((resolve, reject) => {
    let timer = (): void => undefined;
    let waiting: { readonly answer: T; readonly stop: () => void } | null = null;
    let open = 0;
    const end = (finish: () => void): void => {
      timer();
      waiting?.stop();
      signal.removeEventListener('abort', aborted);
      over.abort();
      finish();
    };
    const aborted = (): void => {
      if (waiting) return end(() => resolve((waiting as { answer: T }).answer));
      const why = [...latest].map(([member, fault]) => named(member, fault)).join('; ');
      const detail = `no member of etcd gave an answer in time${why ? ` (${why})` : ''}`;
      end(() => reject(new CoordinationError('unreachable', detail.slice(0, 500))));
    };
    const took = (answer: T): void => {
      if (over.signal.aborted) return;
      if (question.best?.(answer) ?? true) return end(() => resolve(answer));
      if (open === 0) return end(() => resolve(waiting?.answer ?? answer));
      waiting ??= { answer, stop: clock.after(BETTER_MS, () => end(() => resolve(answer))) };
    };
    const failed = (member: Member, error: unknown): void => {
      if (over.signal.aborted) return;
      latest.set(member, error instanceof EtcdFault ? error : new EtcdFault('retry', (error as Error).message));
      if (waiting && open === 0) return took(waiting.answer);
      const fault = waiting ? null : judge(latest, members);
      if (fault) end(() => reject(fault));
    };
    const one = async (member: Member): Promise<void> => {
      open++;
      try {
        const answer = question.read(await member.call(question.path, question.body, over.signal, TRY_MS));
        open--;
        latest.delete(member);
        took(answer);
      } catch (error) {
        open--;
        failed(member, error);
      }
    };
    const round = (): void => {
      if (!waiting) for (const member of members) void one(member);
      timer = clock.after(AGAIN_MS, round);
    };
    if (signal.aborted) return aborted();
    signal.addEventListener('abort', aborted, { once: true });
    round();
  });
}
