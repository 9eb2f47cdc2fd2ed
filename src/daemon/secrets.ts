// Notes which secrets cannot be read, for an alarm that names the references. Plugins read as ever and know nothing of
// it; a value passes through and is not kept.
import type { Secrets } from '../ports/secrets.ts';

export interface WatchedSecrets extends Secrets {
  /** A new configuration: what was bad may not be named any more. It is told again if it is read again. */
  forget(): void;
}

const TOLD_MAX = 5;

export function watchSecrets(secrets: Secrets, onTrouble: (bad: boolean, detail: string) => void): WatchedSecrets {
  /** By reference, why it cannot be read. As many as the configuration names. */
  const bad = new Map<string, string>();
  const tell = (): void => {
    const why = [...bad.values()].slice(0, TOLD_MAX).join('; ');
    onTrouble(bad.size > 0, bad.size > 0 ? why : 'every secret can be read again');
  };
  return {
    read(reference) {
      try {
        const value = secrets.read(reference);
        if (bad.delete(reference) && bad.size === 0) tell();
        return value;
      } catch (error) {
        const known = bad.has(reference);
        bad.set(reference, (error as Error).message);
        if (!known && bad.size === 1) tell();
        throw error;
      }
    },
    forget() {
      if (bad.size === 0) return;
      bad.clear();
      tell();
    },
  };
}
