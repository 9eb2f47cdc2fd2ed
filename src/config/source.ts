// Which files make a configuration, and whether they may be trusted: the main file and conf.d/*.yaml beside it.
// A file that anybody else could have written is not read at all.
import { createHash } from 'node:crypto';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import type { Files } from '../ports/files.ts';
import { LIMITS } from './parse.ts';
import type { Problem } from './types.ts';

export interface Source {
  readonly path: string;
  readonly text: string;
  readonly sha256: string;
}

export interface Sources {
  readonly sources: readonly Source[];
  readonly problems: readonly Problem[];
  /** Every file of the configuration was read: judging the rest makes sense. */
  readonly complete: boolean;
}

export interface SourceOptions {
  readonly files: Files;
  /** The user that this process runs as; null where there is no such thing. */
  readonly uid: number | null;
  /** Whether owners and modes are looked at. Off only for what ships with the program. */
  readonly modes: boolean;
}

const FILES_MAX = 1000;

const problem = (file: string, text: string, rule: string, hint?: string): Problem => {
  const plain: Problem = { file, line: 0, column: 0, level: 'error', text, rule };
  return hint === undefined ? plain : { ...plain, hint };
};

/** Reads the main file and conf.d in the order of their names. What is wrong with one does not hide the others. */
export function readSources(path: string, options: SourceOptions): Sources {
  const problems: Problem[] = [];
  const sources: Source[] = [];
  const folder = dirname(path);
  try {
    if (!options.files.facts(path))
      return { sources, problems: [problem(path, 'there is no such file', 'no-file')], complete: false };
    checkFolder(folder, options, problems);
    const more = parts(join(folder, 'conf.d'), options, problems);
    const paths = [path, ...(more ?? [])];
    for (const one of paths) {
      const source = readOne(one, folder, options, problems);
      if (source) sources.push(source);
    }
    return { sources, problems, complete: more !== null && sources.length === paths.length };
  } catch (error) {
    problems.push(problem(path, `cannot be read: ${codeOf(error)}`, 'unreadable'));
    return { sources, problems, complete: false };
  }
}

const codeOf = (error: unknown): string => String((error as { code?: unknown }).code ?? 'EIO');

/** The files of conf.d, none if it is not there, or null if it may not be used. */
function parts(folder: string, options: SourceOptions, problems: Problem[]): readonly string[] | null {
  if (!options.files.facts(folder)) return [];
  if (!inside(folder, dirname(folder), options)) {
    problems.push(problem(folder, 'a link that leaves the configuration folder', 'unsafe-link'));
    return null;
  }
  const real = options.files.realPath(folder) ?? folder;
  if (options.files.facts(real)?.kind !== 'directory') {
    problems.push(problem(folder, 'not a folder', 'no-file'));
    return null;
  }
  if (!checkTrust(real, options, problems, folder)) return null;
  const names = options.files.list(folder).filter((name) => !name.startsWith('.'));
  for (const name of names.filter((text) => text.endsWith('.yml')))
    problems.push({
      ...problem(join(folder, name), 'not read, because its name does not end in .yaml', 'not-read'),
      level: 'warning',
    });
  const chosen = names.filter((name) => name.endsWith('.yaml')).sort();
  if (chosen.length > FILES_MAX) {
    problems.push(problem(folder, `more than ${FILES_MAX} files`, 'too-big'));
    return null;
  }
  return chosen.map((name) => join(folder, name));
}

function readOne(path: string, folder: string, options: SourceOptions, problems: Problem[]): Source | undefined {
  try {
    if (!inside(path, folder, options)) {
      problems.push(problem(path, 'a link that leaves the configuration folder', 'unsafe-link'));
      return undefined;
    }
    const real = options.files.realPath(path);
    const facts = real === null ? null : options.files.facts(real);
    if (real === null || !facts) {
      problems.push(problem(path, 'a link to nowhere', 'no-file'));
      return undefined;
    }
    if (facts.kind !== 'file') {
      problems.push(
        problem(path, `a ${facts.kind === 'other' ? 'device or pipe' : facts.kind}, not a file`, 'no-file'),
      );
      return undefined;
    }
    if (!checkTrust(real, options, problems, path)) return undefined;
    const text = options.files.readText(real, LIMITS.bytes);
    if (text === null) problems.push(problem(path, 'there is no such file', 'no-file'));
    return text === null ? undefined : { path, text, sha256: createHash('sha256').update(text).digest('hex') };
  } catch (error) {
    const code = codeOf(error);
    if (code === 'E2BIG') problems.push(problem(path, 'larger than 1 MiB', 'too-big', 'split it into conf.d/*.yaml'));
    else problems.push(problem(path, `cannot be read: ${code}`, 'unreadable'));
    return undefined;
  }
}

/** Whether a path, links followed, stays below a folder, links followed. */
function inside(path: string, folder: string, options: SourceOptions): boolean {
  const real = options.files.realPath(path);
  const home = options.files.realPath(folder);
  if (real === null || home === null) return true; // nowhere: said by who reads it
  const way = relative(home, real);
  return way !== '' && way !== '..' && !way.startsWith('../') && !isAbsolute(way);
}

/** The folder itself must be ours; those above it must not be open to everybody (unless sticky, as /tmp is). */
function checkFolder(folder: string, options: SourceOptions, problems: Problem[]): void {
  if (!options.modes) return;
  const real = options.files.realPath(resolve(folder)) ?? resolve(folder);
  checkTrust(real, options, problems, folder);
  for (let above = dirname(real); ; above = dirname(above)) {
    const facts = options.files.facts(above);
    if (facts && (facts.mode & 0o1002) === 0o0002)
      problems.push(problem(above, 'anybody may write to this folder above the configuration', 'unsafe-mode'));
    if (above === dirname(above)) return;
  }
}

function checkTrust(path: string, options: SourceOptions, problems: Problem[], shown = path): boolean {
  if (!options.modes) return true;
  const facts = options.files.facts(path);
  if (!facts || facts.kind === 'link') return true;
  const mode = (facts.mode & 0o7777).toString(8).padStart(4, '0');
  const before = problems.length;
  if ((facts.mode & 0o0002) !== 0)
    problems.push(problem(shown, `anybody may write to it (mode ${mode})`, 'unsafe-mode', `chmod o-w ${shown}`));
  if (options.uid !== null && facts.uid !== 0 && facts.uid !== options.uid)
    problems.push(
      problem(
        shown,
        `belongs to user ${facts.uid}, not to root or user ${options.uid}`,
        'unsafe-owner',
        `chown root ${shown}`,
      ),
    );
  const safe = problems.length === before;
  if (options.uid === 0 && facts.gid !== 0 && (facts.mode & 0o0020) !== 0)
    problems.push({
      ...problem(shown, `group ${facts.gid} may write to it (mode ${mode})`, 'unsafe-mode'),
      level: 'warning',
    });
  return safe;
}
