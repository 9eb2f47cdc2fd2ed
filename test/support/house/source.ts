// Reads TypeScript as far as the house rules need it, without a parser: what is code and what is not, who imports whom,
// and where functions begin and end. It relies on biome's format (a block closes at the indent of the line that opened
// it), which `npm run check` proves.

export interface SourceFile {
  /** Relative to the root, with `/`. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  readonly from: string;
  /** Only types: nothing of it is left when it runs. */
  readonly typeOnly: boolean;
  /** Names of a `{ … }` that are values. */
  readonly values: readonly string[];
  readonly line: number;
}

export interface Block {
  readonly head: string;
  readonly line: number;
  readonly lines: number;
}

/** After these characters a `/` begins a regular expression, not a division. */
const BEFORE_REGEX = /(?:^|[=(,:[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of|do|else|void|delete|await|yield))\s*$/;

/** The end of a quoted text that begins at `start`. */
function endOfQuoted(text: string, start: number): number {
  const quote = text[start];
  let at = start + 1;
  while (at < text.length && text[at] !== quote && text[at] !== '\n') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function endOfRegex(text: string, start: number): number {
  let inClass = false;
  let at = start + 1;
  for (; at < text.length && text[at] !== '\n'; at++) {
    const char = text[at];
    if (char === '\\') at++;
    else if (char === '[') inClass = true;
    else if (char === ']') inClass = false;
    else if (char === '/' && !inClass) break;
  }
  return at + 1;
}

/** Where the text goes on after `end`; past its last character if `end` does not come. */
function after(text: string, end: string, start: number): number {
  const found = text.indexOf(end, start);
  return found < 0 ? text.length + 1 : found + end.length;
}

/** The same text with comments, and what is within quotes, as spaces. Lines and columns stay. */
export function codeOnly(text: string): string {
  let out = '';
  const blank = (end: number): void => {
    out += text.slice(out.length, Math.min(end, text.length)).replace(/[^\n]/g, ' ');
  };
  /** Depth of braces at which each open `${` of a template ends. */
  const templates: number[] = [];
  let depth = 0;
  const template = (start: number): void => {
    let at = start;
    while (at < text.length && text[at] !== '`' && !(text[at] === '$' && text[at + 1] === '{'))
      at += text[at] === '\\' ? 2 : 1;
    const holds = text[at] === '$';
    blank(at + 1);
    if (!holds) return;
    // The braces stay: what is between them is code.
    out += '{';
    templates.push(depth++);
  };
  while (out.length < text.length) {
    const at = out.length;
    const char = text[at] ?? '';
    const two = text.slice(at, at + 2);
    if (two === '//') blank(after(text, '\n', at) - 1);
    else if (two === '/*') blank(after(text, '*/', at + 2));
    else if (char === "'" || char === '"') blank(endOfQuoted(text, at));
    else if (char === '`') template(at + 1);
    else if (char === '/' && BEFORE_REGEX.test(out.slice(-40))) blank(endOfRegex(text, at));
    else if (char === '}' && templates.at(-1) === depth - 1) {
      depth = templates.pop() ?? 0;
      out += '}';
      template(at + 1);
    } else {
      if (char === '{') depth++;
      if (char === '}') depth--;
      out += char;
    }
  }
  return out;
}

const lineAt = (text: string, index: number): number => text.slice(0, index).split('\n').length;

const STATIC = /^[ \t]*(?:import|export)\s+(type\s+)?([\w$*{},\s]*?)\s*\bfrom\s+['"]([^'"]+)['"]/gm;
const BARE = /^[ \t]*import\s+['"]([^'"]+)['"]/gm;
const DYNAMIC = /(typeof\s+)?\bimport\(\s*['"]([^'"]+)['"]\s*\)(\.\w+)?/g;
const REQUIRED =
  /\brequire(?:\(import\.meta\.url\)\)?)?\(\s*['"]([^'"]+)['"]\s*\)|createRequire\([^)]*\)\(\s*['"]([^'"]+)['"]/g;

/** Every module that the file names: static, dynamic, by require, and in types. */
export function importsOf({ text }: SourceFile): Import[] {
  const found: Import[] = [];
  const code = codeOnly(text);
  const isCode = (index: number): boolean => /\S/.test(code.slice(index, index + 12));
  for (const match of text.matchAll(STATIC)) {
    const [all, type, names = '', from = ''] = match;
    const index = match.index + (all.length - all.trimStart().length);
    if (!isCode(index)) continue;
    const listed = names.replace(/[{}]/g, ',').split(',');
    const values = listed.map((name) => name.trim()).filter((name) => name !== '' && !name.startsWith('type '));
    const typeOnly = type !== undefined;
    found.push({ from, typeOnly, values: typeOnly ? [] : values, line: lineAt(text, index) });
  }
  for (const match of text.matchAll(BARE))
    if (isCode(match.index))
      found.push({ from: match[1] ?? '', typeOnly: false, values: [], line: lineAt(text, match.index) });
  for (const match of text.matchAll(DYNAMIC)) {
    if (!isCode(match.index)) continue;
    const [, type, from = '', member = ''] = match;
    const typeOnly = type !== undefined || /^\.[A-Z]/.test(member);
    found.push({ from, typeOnly, values: [], line: lineAt(text, match.index) });
  }
  for (const match of text.matchAll(REQUIRED))
    if (isCode(match.index))
      found.push({ from: match[1] ?? match[2] ?? '', typeOnly: false, values: [], line: lineAt(text, match.index) });
  return found;
}

const CONTROL =
  /^(?:\}\s*)?(?:else\b|if\b|for\b|while\b|switch\b|catch\b|try\b|do\b|finally\b|class\b|export (?:abstract )?class\b|interface\b|export interface\b)/;
/** A line that opens the body of a function: `) {`, `): Type {`, `=> {`, and `=> ({`, `=>` with the value below. */
const OPENS = /(?:\)\s*(?::[^;]*)?\{|=>\s*\{|=>\s*\(?\{|=>\s*\[|=>)\s*$/;
const indentOf = (line: string): number => line.length - line.trimStart().length;

/** The functions of a file with their lengths in lines. */
export function functionsOf({ text }: SourceFile): Block[] {
  const lines = codeOnly(text).split('\n');
  const shown = text.split('\n');
  const found: Block[] = [];
  lines.forEach((line, open) => {
    if (!OPENS.test(line)) return;
    const indent = indentOf(line);
    let start = open;
    // The signature may have begun above: `function f(` … `): T {`.
    if (line.trimStart().startsWith(')'))
      do start--;
      while (start > 0 && (lines[start]?.trim() === '' || indentOf(lines[start] ?? '') > indent));
    if (CONTROL.test((lines[start] ?? '').trim())) return;
    let end = open + 1;
    while (end < lines.length - 1 && (lines[end]?.trim() === '' || indentOf(lines[end] ?? '') > indent)) end++;
    found.push({ head: (shown[start] ?? '').trim(), line: start + 1, lines: end - start + 1 });
  });
  return found;
}
