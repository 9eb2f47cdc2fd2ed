// `watchkeeper replay [FOLDER]`: folds the journal offline, with no daemon. Says whether today's core decides as was
// recorded; with `--config`, where a changed configuration would have decided otherwise. Exit code 1 if anything
// differs.
import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { loadWithOwn } from '../config/load.ts';
import { formatProblem } from '../config/problems.ts';
import { clean } from '../core/clean.ts';
import { emptyNode } from '../core/decide.ts';
import { type Difference, type Recorded, replay } from '../core/replay.ts';
import type { Policy } from '../core/types.ts';
import { readAll } from '../daemon/journal.ts';
import type { Entry, Segment } from '../daemon/journal-format.ts';
import { files } from '../ports/files.ts';
import { openStore } from '../ports/store.ts';
import { plugins } from '../registry.ts';
import { EXIT, type Io } from './io.ts';

export interface ReplayOptions {
  readonly folder: string;
  readonly config?: string;
  readonly output: 'table' | 'json';
}

const decisionsOf = (entries: readonly Entry[]): readonly Recorded[] =>
  entries.flatMap(({ seq, event, whys }) => (event && whys ? [{ seq, event, whys }] : []));

export async function run({ folder, config, output }: ReplayOptions, io: Io): Promise<number> {
  let changed: Policy | null = null;
  if (config !== undefined) {
    const shipped = { files, plugins: await plugins(), hostname: hostname(), uid: process.getuid?.() ?? null };
    const loaded = await loadWithOwn(resolve(config), shipped);
    if ('problems' in loaded) {
      for (const problem of loaded.problems) io.err(`${formatProblem(problem)}\n`);
      return EXIT.badConfiguration;
    }
    changed = loaded.config.policy;
  }
  const segments = read(resolve(folder), io);
  if (typeof segments === 'number') return segments;
  const differences: Difference[] = [];
  let decisions = 0;
  for (const { snapshot, entries, damage } of segments) {
    if (damage !== null) io.err(`segment of ${snapshot.time}: ${damage}; what comes before it is told\n`);
    const told = replay(
      { policy: snapshot.policy, node: { ...emptyNode, ...snapshot.node } },
      decisionsOf(entries),
      changed,
    );
    decisions += told.decisions;
    differences.push(...told.differences);
  }
  if (output === 'json') io.out(`${JSON.stringify({ schemaVersion: 1, decisions, differences }, null, 2)}\n`);
  else show(differences, decisions, changed !== null, io);
  return differences.length === 0 ? EXIT.done : EXIT.failed;
}

/** The segments, or the exit code when there are none. Only reads: a folder that is not there stays so. */
function read(folder: string, io: Io): readonly Segment[] | number {
  try {
    const segments = existsSync(folder) ? readAll(openStore(folder)) : [];
    if (segments.length > 0) return segments;
    io.err(`watchkeeper: no journal in ${folder}\n`);
    return EXIT.usage;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    io.err(`watchkeeper: ${message}\n`);
    return code === 'EACCES' || code === 'EPERM' ? EXIT.notAllowed : EXIT.usage;
  }
}

function show(differences: readonly Difference[], decisions: number, changed: boolean, io: Io): void {
  for (const { seq, event, before, after } of differences) {
    io.out(`#${seq} ${event.kind}${'service' in event ? ` ${clean(event.service, 60)}` : ''}\n`);
    for (const line of before) io.out(`  - ${clean(line, 400)}\n`);
    for (const line of after) io.out(`  + ${clean(line, 400)}\n`);
  }
  const than = changed
    ? 'the changed configuration decides otherwise'
    : "today's rules decide otherwise than was recorded";
  io.out(`${decisions} decisions; ${than} in ${differences.length}\n`);
}
