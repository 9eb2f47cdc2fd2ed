// Calls of a client library on a connection that ports/net.ts lent to it: each ends with the session, and what the
// library makes of a fault of the net becomes that fault again.
import { NetError, type Loan } from '../ports/net.ts';
import { plain } from './quote.ts';
import type { Session } from './session.ts';

/** One call as a step. `isAnswer` tells an error that the server sent, which is thrown as it is, from all others. */
export function lent<T>(
  session: Session,
  loan: Loan,
  name: string,
  call: () => Promise<T>,
  isAnswer: (error: unknown) => boolean,
  tell?: (answer: T) => string,
): Promise<T> {
  const work = (): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const { signal } = session;
      const over = (): void => reject(new NetError('timeout', 'no answer came in time'));
      const end = (act: () => void): void => {
        signal.removeEventListener('abort', over);
        act();
      };
      void loan.lost.then((fault) => end(() => reject(fault)));
      if (signal.aborted) return over();
      signal.addEventListener('abort', over, { once: true });
      call().then(
        (answer) => end(() => resolve(answer)),
        (error: Error) =>
          end(() => reject(isAnswer(error) ? error : (loan.fault() ?? new NetError('garbled', plain(error.message))))),
      );
    });
  return session.step(name, work, tell);
}
