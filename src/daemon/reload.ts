// A new configuration: load all of it first, then swap. A bad one changes nothing, is told in full, and is an alarm.
import { type FSWatcher, watch } from 'node:fs';
import { dirname, join } from 'node:path';
import { diff, diffText } from '../config/diff.ts';
import { FOLDER } from '../config/own-plugins.ts';
import { formatProblem } from '../config/problems.ts';
import type { Config, Good, Loaded } from '../config/types.ts';
import type { Clock } from '../ports/clock.ts';
import { KINDS } from '../registry.ts';
import type { Daemon } from './daemon.ts';

const SETTLE_MS = 200;

/** Problems as lines; none when the new configuration is in force. */
export type Reload = () => Promise<readonly string[]>;
/** What a reload would do: the problems that forbid it, or the difference as text. */
export type Preview = () => Promise<{ readonly problems: readonly string[]; readonly text: string }>;

const same = (a: Config, b: Config): boolean => JSON.stringify(a.files) === JSON.stringify(b.files);

/** `now` is the configuration that the daemon was started with. */
export function makeReload(
  daemon: Daemon,
  load: () => Promise<Loaded>,
  now: Good,
  warn: (text: string) => void = () => undefined,
): { readonly reload: Reload; readonly preview: Preview } {
  let inForce = now;
  let before: Promise<unknown> = Promise.resolve();
  const once = async (): Promise<readonly string[]> => {
    const loaded = await load();
    const problems = problemsOf(daemon, loaded);
    const [first = '', ...more] = problems;
    if ('problems' in loaded || problems.length > 0) {
      daemon.refuse(more.length > 0 ? `${first} (and ${more.length} more)` : first);
      return problems;
    }
    for (const warning of loaded.warnings) warn(formatProblem(warning));
    daemon.reload(loaded.config, loaded.plugins);
    inForce = loaded;
    return [];
  };
  return {
    // One at a time: two edits in a row are two reloads, in order.
    reload: () => {
      const next = before.then(once, once);
      before = next.catch(() => undefined);
      return next;
    },
    preview: async () => {
      const loaded = await load();
      const problems = problemsOf(daemon, loaded);
      if ('problems' in loaded || problems.length > 0) return { problems, text: '' };
      const text = diffText(diff(inForce.config, loaded.config), inForce.effective(), loaded.effective());
      return { problems, text };
    },
  };
}

function problemsOf(daemon: Daemon, loaded: Loaded): readonly string[] {
  if ('problems' in loaded) return loaded.problems.map(formatProblem);
  const fixed = fixedOf(daemon.config, loaded.config);
  return fixed === null ? [] : [fixed];
}

/** What cannot change while the daemon runs. */
function fixedOf(now: Config, next: Config): string | null {
  if (now.stateDir !== next.stateDir) return `state-dir cannot change while the daemon runs (${now.stateDir})`;
  if (now.runDir !== next.runDir) return `run-dir cannot change while the daemon runs (${now.runDir})`;
  return now.node === next.node ? null : `node cannot change while the daemon runs (${now.node})`;
}

/** Watches the folder of the configuration, conf.d, and those of own plugins: an edit, a rename or a symlink swap
 *  reloads by itself. A watch on the file would go deaf after its first atomic replacement; one on a folder is made
 *  anew after each change, because conf.d may come, go, or be swapped as a whole. */
export function watchFiles(
  path: string,
  clock: Clock,
  daemon: Daemon,
  load: () => Promise<Loaded>,
  reload: Reload,
): { close(): void } {
  let cancel: () => void = () => undefined;
  /** The newest that was refused, as text: told once, until the file says something else. */
  let refused = '';
  let watchers: readonly FSWatcher[] = [];
  const look = async (): Promise<void> => {
    const loaded = await load();
    const problems = problemsOf(daemon, loaded).join('\n');
    if (problems !== '' && problems === refused) return;
    // The old text is there again: nothing to load, but what was refused is over.
    if (problems === '' && refused === '' && 'config' in loaded && same(loaded.config, daemon.config)) return;
    refused = problems;
    await reload();
  };
  const changed = (): void => {
    cancel();
    cancel = clock.after(SETTLE_MS, () => {
      open();
      void look().catch(() => undefined);
    });
  };
  /** Its own, conf.d, and where a file of it lies or a plugin may come to lie. */
  const folders = (): readonly string[] => {
    const here = dirname(path);
    const below = ['conf.d', FOLDER, ...KINDS.map((kind) => join(FOLDER, kind))].map((name) => join(here, name));
    return [...new Set([here, ...below, ...daemon.config.files.map((file) => dirname(file.path))])];
  };
  const open = (): void => {
    const old = watchers;
    watchers = folders().flatMap((folder): FSWatcher[] => {
      try {
        return [watch(folder, { persistent: false }, changed).on('error', () => undefined)];
      } catch {
        return []; // No such folder, or no watches left: SIGHUP and `reload` remain.
      }
    });
    for (const watcher of old) watcher.close();
  };
  open();
  return {
    close() {
      cancel();
      for (const watcher of watchers) watcher.close();
    },
  };
}
