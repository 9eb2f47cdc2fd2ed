// The words of a bad configuration: how a problem is written, how text from a file is quoted in it, and which known
// name somebody may have meant. Knows nothing of the configuration itself.
import { clean } from '../core/clean.ts';
import { nearest } from '../core/nearest.ts';
import type { Problem } from './types.ts';

/** More than this is no report any more. */
const PROBLEMS_MAX = 200;

/** `file:line:col: error: text; hint [rule]` (line and column are left out for what concerns a whole file). */
export function formatProblem(problem: Problem): string {
  const place = problem.line > 0 ? `${problem.file}:${problem.line}:${problem.column}` : problem.file;
  const hint = problem.hint ? `; ${problem.hint}` : '';
  return `${place}: ${problem.level}: ${problem.text}${hint} [${problem.rule}]`;
}

/** By place, each once, and not without end. */
export function sortProblems(problems: readonly Problem[]): readonly Problem[] {
  const files = [...new Set(problems.map((problem) => problem.file))];
  const seen = new Set<string>();
  const sorted = problems
    .filter((problem) => {
      // One bad value of a kit's parameter may be wrong in several places of the kit: it is one mistake.
      const place = `${problem.file}:${problem.line}:${problem.column}`;
      const key = `${place}:${problem.rule}:${problem.line > 0 ? problem.text.replace(/^\S+: /, '') : problem.text}`;
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    })
    .sort((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column);
  const rest = sorted.length - PROBLEMS_MAX;
  const first = sorted[0];
  if (rest <= 0 || !first) return sorted;
  const more: Problem = {
    file: first.file,
    line: 0,
    column: 0,
    level: 'error',
    text: `${rest} more problems are not shown`,
    rule: 'and-more',
  };
  return [...sorted.slice(0, PROBLEMS_MAX), more];
}

/** Text from a file, safe to print: quoted, one line, at most 60 bytes. */
export const quote = (text: string): string => `"${clean(text, 60).replaceAll('"', '\\"')}"`;

/** `did you mean "restart"?`, or the known names if they are few, or nothing. */
export function suggest(word: string, known: Iterable<string>): string | undefined {
  const names = [...known];
  const near = nearest(word, names);
  if (near !== undefined) return `did you mean ${quote(near)}?`;
  if (names.length === 0 || names.length > 40) return undefined;
  return `known: ${names.map((name) => clean(name, 80)).join(', ')}`;
}
