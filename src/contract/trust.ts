// Whose code may run in the daemon: files and folders that nobody else could have written. Stricter than for the
// configuration: what stands here is run, with all rights that the daemon has.
import { dirname, join } from 'node:path';
import type { FileFacts, Files } from '../ports/files.ts';

export interface Trusting {
  readonly files: Files;
  /** The user that this process runs as; null where there is no such thing. */
  readonly uid: number | null;
  /** False only for what ships with the program. */
  readonly modes: boolean;
}

export interface Distrust {
  readonly path: string;
  readonly text: string;
  readonly rule: string;
  readonly hint?: string;
}

const ENTRIES_MAX = 5000;

/** Why one file or folder cannot be trusted; null when nobody else may write to it. */
function strangerAt(path: string, facts: FileFacts, uid: number | null): Distrust | null {
  const mode = (facts.mode & 0o7777).toString(8).padStart(4, '0');
  if ((facts.mode & 0o0002) !== 0)
    return { path, text: `anybody may write to it (mode ${mode})`, rule: 'unsafe-mode', hint: `chmod o-w ${path}` };
  if (uid !== null && facts.uid !== 0 && facts.uid !== uid) {
    const text = `it belongs to user ${facts.uid}, not to root${uid === 0 ? '' : ` or user ${uid}`}`;
    return { path, text, rule: 'unsafe-owner', hint: `chown root ${path}` };
  }
  // A private group has the number of its user: it is no stranger.
  if ((facts.mode & 0o0020) !== 0 && facts.gid !== 0 && facts.gid !== uid) {
    const text = `group ${facts.gid} may write to it (mode ${mode})`;
    return { path, text, rule: 'unsafe-mode', hint: `chmod g-w ${path}` };
  }
  return null;
}

/** The first that is wrong with a folder and all that is in it, and with the folders above it: those need only not be
 *  open to everybody. `real` is without links; a link inside is followed, and may not leave `real`. */
export function distrust(real: string, { files, uid, modes }: Trusting, skip: readonly string[] = []): Distrust | null {
  if (!modes) return null;
  for (let above = dirname(real); ; above = dirname(above)) {
    const facts = files.facts(above);
    if (facts && (facts.mode & 0o1002) === 0o0002)
      return { path: above, text: 'anybody may write to this folder above it', rule: 'unsafe-mode' };
    if (above === dirname(above)) break;
  }
  const todo = [real];
  for (let seen = 0; todo.length > 0; seen++) {
    const path = todo.pop() ?? '';
    if (seen > ENTRIES_MAX) return { path: real, text: `more than ${ENTRIES_MAX} files`, rule: 'too-big' };
    const facts = files.facts(path);
    if (!facts) continue;
    if (facts.kind === 'link') {
      const target = files.realPath(path);
      if (target !== null && target !== real && !target.startsWith(`${real}/`))
        return { path, text: 'a link that leaves its folder', rule: 'unsafe-link' };
      continue;
    }
    const fault = strangerAt(path, facts, uid);
    if (fault) return fault;
    if (facts.kind === 'directory')
      todo.push(...files.list(path).flatMap((name) => (skip.includes(name) ? [] : [join(path, name)])));
  }
  return null;
}
