// systemd units: all questions of one moment in one `systemctl show`. It asks; starting and stopping is recovery's.
import type { Clock } from './clock.ts';
import type { Exec } from './exec.ts';

/** Properties as `systemctl show` prints them, by name; `''` where systemd says nothing. See `PROPERTIES`. */
export type UnitFacts = Readonly<Record<string, string>>;

export interface Units {
  /** Facts of one unit; questions asked within 20 ms share one call. Null: systemd could not be asked.
   *  `soon`: with what has been asked by now, without those 20 ms. */
  show(unit: string, signal: AbortSignal, when?: 'soon'): Promise<UnitFacts | null>;
}

/** org.freedesktop.systemd1(5). No free text among them: each is one line. */
export const PROPERTIES = [
  'ActiveState',
  'ConsistsOf',
  'ControlGroup',
  'ControlPID',
  'ExecMainCode',
  'ExecMainStartTimestampMonotonic',
  'ExecMainStatus',
  'FragmentPath',
  'Id',
  'InactiveEnterTimestampMonotonic',
  'InvocationID',
  'Job',
  'LoadState',
  'MainPID',
  'NRestarts',
  'Names',
  'RemainAfterExit',
  'Restart',
  'Result',
  'SubState',
  'Type',
  'UnitFileState',
] as const;

const TOGETHER_MS = 20;
const LIMIT_MS = 5000;
/** Units in one call: about 600 bytes of answer each. */
const MOST_UNITS = 100;
const MOST_BYTES = 262_144;

/** What an option of a plugin takes for a service unit. No globs and no bare templates: they name more than one. */
export const UNIT = /^(?!-)[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]+)?$/;

/** `dovecot` → `dovecot.service`. */
export const unitName = (unit: string): string =>
  /\.(service|scope|socket|target|timer)$/.test(unit) ? unit : `${unit}.service`;

/** Blocks of `KEY=value` lines, parted by empty lines; found again by every name that the unit has. */
export function parseShow(text: string): ReadonlyMap<string, UnitFacts> {
  const found = new Map<string, UnitFacts>();
  for (const block of text.split('\n\n')) {
    const facts: Record<string, string> = {};
    for (const line of block.split('\n')) {
      const at = line.indexOf('=');
      if (at > 0) facts[line.slice(0, at)] = line.slice(at + 1);
    }
    for (const name of (facts['Names'] ?? '').split(' ')) if (name) found.set(name, facts);
  }
  return found;
}

type Answer = (facts: UnitFacts | null) => void;

export function makeUnits(exec: Exec, clock: Clock): Units {
  const asked = new Map<string, Answer[]>();
  let cancel: (() => void) | null = null;

  const call = async (names: readonly string[], answers: readonly (readonly Answer[])[]): Promise<void> => {
    const argv = ['systemctl', 'show', '--no-pager', '-p', PROPERTIES.join(','), '--', ...names];
    const got = await exec.run(argv, { timeoutMs: LIMIT_MS, maxBytes: MOST_BYTES });
    const found = got.code === 0 && !got.truncated ? parseShow(got.stdout) : null;
    names.forEach((name, at) => {
      for (const answer of answers[at] ?? []) answer(found?.get(name) ?? null);
    });
  };
  const flush = (): void => {
    cancel?.();
    cancel = null;
    const all = [...asked];
    asked.clear();
    for (let at = 0; at < all.length; at += MOST_UNITS) {
      const some = all.slice(at, at + MOST_UNITS);
      void call(
        some.map(([name]) => name),
        some.map(([, answers]) => answers),
      );
    }
  };

  return {
    show(unit, signal, when) {
      if (!UNIT.test(unit)) return Promise.resolve(null);
      return new Promise((resolve) => {
        const answer: Answer = (facts) => {
          signal.removeEventListener('abort', none);
          resolve(facts);
        };
        const none = (): void => resolve(null);
        if (signal.aborted) return none();
        signal.addEventListener('abort', none, { once: true });
        const name = unitName(unit);
        asked.set(name, [...(asked.get(name) ?? []), answer]);
        if (when !== 'soon') cancel ??= clock.after(TOGETHER_MS, flush);
        else {
          cancel?.();
          cancel = clock.after(0, flush);
        }
      });
    },
  };
}
