// Not everything at once: how many questions may be begun in the same moment, so that a thousand services that are
// asked together (at a start, after a reload) never hold up the loop. Who takes long does not keep others waiting: a
// turn counts as young for a moment only.
import type { Clock } from '../ports/clock.ts';

const YOUNG_MAX = 32;
const YOUNG_MS = 100;

export interface Turns {
  /** Resolves when it is this one's turn; call what it gives when done. */
  take(): Promise<() => void>;
}

export function makeTurns(clock: Clock): Turns {
  const waiting: (() => void)[] = [];
  let young = 0;
  const begin = (): (() => void) => {
    young++;
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      cancel();
      young--;
      waiting.shift()?.();
    };
    const cancel = clock.after(YOUNG_MS, end);
    return end;
  };
  return {
    take: () =>
      young < YOUNG_MAX ? Promise.resolve(begin()) : new Promise((resolve) => waiting.push(() => resolve(begin()))),
  };
}
