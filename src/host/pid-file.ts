// The number in a pid file, and whether the process of that number is the one that is meant.
import type { Files } from '../ports/files.ts';
import type { Proc, ProcessFacts } from '../ports/proc.ts';
import { belongs } from './ports-held.ts';
import { clean } from './text.ts';

export type PidFile =
  | { readonly is: 'running'; readonly main: ProcessFacts }
  /** There is no file, or its process is gone, or the number belongs to somebody else by now. */
  | { readonly is: 'gone'; readonly why: string }
  /** Nothing can be told from this file. */
  | { readonly is: 'unusable'; readonly why: string };

/** Some write more lines than the first (postmaster.pid has eight). */
const MOST_BYTES = 4096;

/** Reads and judges a pid file. `exe`: what its process may be; empty = anything. Never follows a link. */
export function readPidFile(path: string, exe: readonly string[], files: Files, proc: Proc): PidFile {
  const unusable = (why: string): PidFile => ({ is: 'unusable', why: `the pid file ${path} ${why}` });
  let text: string | null;
  try {
    const facts = files.facts(path);
    if (!facts) return { is: 'gone', why: `there is no pid file ${path}` };
    if (facts.kind !== 'file') return unusable(`is no plain file but a ${facts.kind}`);
    if (facts.size > MOST_BYTES) return unusable(`has ${facts.size} bytes`);
    text = files.readText(path, MOST_BYTES);
  } catch (error) {
    return unusable(`cannot be read: ${(error as { code?: string }).code ?? 'error'}`);
  }
  if (text === null) return { is: 'gone', why: `there is no pid file ${path}` };
  const first = text.split('\n', 1)[0]?.trim() ?? '';
  if (!/^\d{1,9}$/.test(first) || Number(first) <= 0)
    return unusable(first === '' ? 'is empty' : `holds "${clean(first).slice(0, 40)}" and no pid`);
  const found = proc.facts(Number(first));
  if (!found || found.state === 'Z' || found.state === 'X')
    return { is: 'gone', why: `pid ${first} of ${path} is ${found ? 'a zombie' : 'gone'}` };
  if (exe.length > 0 && !belongs(found.exe, exe)) {
    if (found.exe === null) return unusable(`names pid ${first}, whose executable cannot be seen from here`);
    return { is: 'gone', why: `pid ${first} of ${path} is another program by now: ${clean(found.exe)}` };
  }
  return { is: 'running', main: found };
}
