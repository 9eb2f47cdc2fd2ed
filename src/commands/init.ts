// `watchkeeper init`: discover the products of this machine, propose a configuration, show it, write and check it. An
// existing file is never written over: it is compared. Exit codes: 0 done, or nothing to do; 1 nothing was found, the
// answer was no, or the file that is there differs; 77 not allowed to write; 78 the result would be refused.
import { setMaxListeners } from 'node:events';
import { hostname, networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { createTwoFilesPatch } from 'diff';
import { load } from '../config/load.ts';
import { formatProblem } from '../config/problems.ts';
import type { Problem } from '../config/types.ts';
import { clean } from '../core/clean.ts';
import { type Discovery, discover } from '../discover/discover.ts';
import { readKits } from '../discover/kits.ts';
import { instructions } from '../discover/render.ts';
import type { Machine } from '../discover/types.ts';
import { clock } from '../ports/clock.ts';
import { dns } from '../ports/dns.ts';
import { exec } from '../ports/exec.ts';
import { type FileFacts, type Files, files } from '../ports/files.ts';
import { http } from '../ports/http.ts';
import { writeNew } from '../ports/new-file.ts';
import { proc } from '../ports/proc.ts';
import { makeUnits } from '../ports/units.ts';
import { plugins } from '../registry.ts';
import { EXIT, type Io } from './io.ts';
import { within } from '../ports/limit.ts';

export interface InitOptions {
  readonly config: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly output: 'table' | 'json';
}

export interface Caller {
  readonly uid: number | null;
  /** Asks a person; null where there is no terminal. */
  readonly confirm: ((question: string) => Promise<boolean>) | null;
}

const LIMIT_MS = 60_000;
const MOST_BYTES = 1024 * 1024;
const MODE = 0o640;

type Result = 'written' | 'shown' | 'declined' | 'same' | 'differs' | 'nothing-found' | 'refused' | 'not-allowed';

interface Outcome {
  readonly result: Result;
  readonly say: string;
  readonly diff?: string;
  readonly problems?: readonly Problem[];
}

const EXITS: Readonly<Record<Result, number>> = {
  written: EXIT.done,
  shown: EXIT.done,
  same: EXIT.done,
  declined: EXIT.failed,
  differs: EXIT.failed,
  'nothing-found': EXIT.failed,
  refused: EXIT.badConfiguration,
  'not-allowed': EXIT.notAllowed,
};

export async function init(
  options: InitOptions,
  io: Io,
  caller: Caller,
  machine: Machine = thisMachine(),
): Promise<number> {
  const existing = read(options.config);
  if (existing instanceof Error) {
    io.err(`watchkeeper: ${existing.message}\n`);
    return EXIT.notAllowed;
  }
  const seen = await discover(machine, {
    kits: readKits(files),
    probeFile: join(dirname(options.config), 'probe'),
    // Whoever has taken the line out has gone beyond the first step.
    observe: existing === null || /^observe:\s*true\b/m.test(existing),
  });
  const json = options.output === 'json';
  tell(seen, io);
  const outcome = existing === null ? await fresh(options, seen, io, caller) : compare(options.config, existing, seen);
  if (json) io.out(`${JSON.stringify(report(options.config, seen, outcome), null, 2)}\n`);
  else if (outcome.diff !== undefined) io.out(outcome.diff);
  for (const problem of outcome.problems ?? []) io.err(`${formatProblem(problem)}\n`);
  io.err(`${outcome.say}\n`);
  return EXITS[outcome.result];
}

function read(path: string): string | null | Error {
  try {
    return files.readText(path, MOST_BYTES);
  } catch (error) {
    return error as Error;
  }
}

function thisMachine(): Machine {
  const addresses = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address));
  const signal = within(LIMIT_MS);
  setMaxListeners(0, signal); // Some dozens of units are asked for at once.
  const ports = { dns, exec, files, http, proc, units: makeUnits(exec, clock) };
  return { ports, signal, hostname: hostname(), addresses };
}

/** What was found, for a person: how it is at this moment does not stand in the file. */
function tell({ found, services, hints }: Discovery, io: Io): void {
  for (const one of found) io.err(`found ${one.kit.name}: ${clean(one.evidence)}\n`);
  for (const { kit, text } of hints) io.err(`not proposed: ${kit}: ${clean(text)}\n`);
  if (services.length === 0) io.err('no product that a kit knows is here; see config/kits for what is known\n');
}

/** There is no file yet: show it, ask, write it, and read it as the daemon will. */
async function fresh(options: InitOptions, seen: Discovery, io: Io, { uid, confirm }: Caller): Promise<Outcome> {
  const { config, yes, dryRun } = options;
  if (seen.services.length === 0) return { result: 'nothing-found', say: 'nothing to write' };
  if (options.output === 'table') io.out(seen.text);
  const foreseen = await judge(config, uid, overlaid(config, seen.text, uid));
  if (foreseen.some(({ level }) => level === 'error'))
    return { result: 'refused', say: `${config}: not written: it would be refused`, problems: foreseen };
  if (dryRun) return { result: 'shown', say: `${config}: not written (--dry-run)`, problems: foreseen };
  if (!yes && !confirm)
    return { result: 'shown', say: `${config}: not written: there is no terminal to ask; --yes writes` };
  if (!yes && !(await confirm?.(`Write this to ${config}? [y/N] `)))
    return { result: 'declined', say: `${config}: not written` };
  try {
    if ((await writeNew(config, seen.text, MODE)) === 'exists')
      return { result: 'differs', say: `${config}: not written: somebody has just made it` };
  } catch (error) {
    return { result: 'not-allowed', say: `${config}: cannot be written: ${clean((error as Error).message)}` };
  }
  const problems = await judge(config, uid, files);
  if (problems.some(({ level }) => level === 'error'))
    return { result: 'refused', say: `${config}: written, and refused`, problems };
  return { result: 'written', say: next(config, seen), problems };
}

function next(config: string, { services, probe }: Discovery): string {
  const count = services.length === 1 ? '1 service' : `${services.length} services`;
  const words = [
    `${config}: written and good: ${count}`,
    ...(probe && !probe.ready ? ['', ...instructions(probe)] : []),
    '',
    'It only looks and tells at first: start it with `systemctl start watchkeeper`, look with `watchkeeper status`, and when',
    'that was right for a day, remove the line `observe: true` and say `watchkeeper reload`.',
  ];
  return words.join('\n');
}

/** The file is there: it stays as it is. */
function compare(config: string, existing: string, { text, services }: Discovery): Outcome {
  if (existing === text) return { result: 'same', say: `${config}: is what would be proposed now` };
  if (services.length === 0) return { result: 'differs', say: `${config}: left as it is` };
  const patch = createTwoFilesPatch(config, 'proposed now', existing, text, '', '', { context: 3 });
  const diff = patch
    .split('\n')
    .slice(1) // Its first line is a rule for the eye.
    .map((line) => clean(line, 4096))
    .join('\n');
  return { result: 'differs', say: `${config}: left as it is; it differs from what would be proposed now`, diff };
}

/** What the daemon's own loader says. */
async function judge(config: string, uid: number | null, through: Files): Promise<readonly Problem[]> {
  const loaded = load(config, { files: through, plugins: await plugins(), hostname: hostname(), uid });
  return 'problems' in loaded ? loaded.problems : loaded.warnings;
}

/** The disk as it would be with this file. */
function overlaid(config: string, text: string, uid: number | null): Files {
  const plain = { uid: uid ?? 0, gid: 0, size: text.length, modifiedMs: 0 };
  const own: Readonly<Record<string, FileFacts>> = {
    [config]: { ...plain, mode: MODE, kind: 'file' },
    [dirname(config)]: { ...plain, mode: 0o750, kind: 'directory' },
  };
  return {
    facts: (path) => files.facts(path) ?? own[path] ?? null,
    list: (path) => files.list(path),
    readText: (path, most) => (path === config ? text : files.readText(path, most)),
    realPath: (path) => files.realPath(path) ?? (own[path] ? path : null),
  };
}

const report = (file: string, { found, services, hints, text }: Discovery, outcome: Outcome) => ({
  schemaVersion: 1,
  file,
  result: outcome.result,
  found: found.map(({ kit, unit, evidence }) => ({ kit: kit.name, unit, evidence: clean(evidence) })),
  services: services.map(({ name, kit, depends }) => ({ name, kit, depends: depends.map((one) => one.name) })),
  notProposed: hints.map(({ kit, text: why }) => ({ kit, text: clean(why) })),
  text,
  ...(outcome.diff === undefined ? {} : { diff: outcome.diff }),
  problems: outcome.problems ?? [],
});
