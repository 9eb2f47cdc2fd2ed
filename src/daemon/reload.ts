// A new configuration: load all of it first, then swap. A bad one changes nothing, is told in full, and is an alarm.
import { type FSWatcher, watch } from 'node:fs';
import { dirname, join } from 'node:path';
import { formatProblem } from '../config/problems.ts';
import type { Config, Loaded } from '../config/types.ts';
import type { Clock } from '../ports/clock.ts';
import type { Daemon } from './daemon.ts';

const SETTLE_MS = 200;

/** Problems as lines; none when the new configuration is in force. */
export type Reload = () => Promise<readonly string[]>;

const same = (a: Config, b: Config): boolean => JSON.stringify(a.files) === JSON.stringify(b.files);

export function makeReload(daemon: Daemon, load: () => Promise<Loaded>): Reload {
  let before: Promise<unknown> = Promise.resolve();
  const once = async (): Promise<readonly string[]> => {
    const loaded = await load();
    if ('problems' in loaded) {
      const lines = loaded.problems.map(formatProblem);
      const first = lines[0] ?? 'unreadable';
      daemon.refuse(lines.length > 1 ? `${first} (and ${lines.length - 1} more)` : first);
      return lines;
    }
    const fixed = fixedOf(daemon.config, loaded.config);
    if (fixed !== null) {
      daemon.refuse(fixed);
      return [fixed];
    }
    daemon.reload(loaded.config);
    return [];
  };
  // One at a time: two edits in a row are two reloads, in order.
  return () => {
    const next = before.then(once, once);
    before = next.catch(() => undefined);
    return next;
  };
}

/** What cannot change while the daemon runs. */
function fixedOf(now: Config, next: Config): string | null {
  if (now.stateDir !== next.stateDir) return `state-dir cannot change while the daemon runs (${now.stateDir})`;
  if (now.runDir !== next.runDir) return `run-dir cannot change while the daemon runs (${now.runDir})`;
  return now.node === next.node ? null : `node cannot change while the daemon runs (${now.node})`;
}

/** Watches the folder of the configuration, and conf.d: an edit, a rename or a symlink swap reloads by itself. A watch
 *  on the file would go deaf after its first atomic replacement. */
export function watchFiles(
  path: string,
  clock: Clock,
  daemon: Daemon,
  load: () => Promise<Loaded>,
  reload: Reload,
): { close(): void } {
  let cancel: () => void = () => undefined;
  let refused = '';
  const look = async (): Promise<void> => {
    const loaded = await load();
    if ('config' in loaded && same(loaded.config, daemon.config)) return;
    const key = 'problems' in loaded ? loaded.problems.map(formatProblem).join('\n') : '';
    if (key !== '' && key === refused) return;
    refused = key;
    await reload();
  };
  const changed = (): void => {
    cancel();
    cancel = clock.after(SETTLE_MS, () => void look().catch(() => undefined));
  };
  const watchers = [dirname(path), join(dirname(path), 'conf.d')].flatMap((folder): FSWatcher[] => {
    try {
      return [watch(folder, { persistent: false }, changed).on('error', () => undefined)];
    } catch {
      return []; // No such folder, or no watches left: SIGHUP and `reload` remain.
    }
  });
  return {
    close() {
      cancel();
      for (const watcher of watchers) watcher.close();
    },
  };
}
