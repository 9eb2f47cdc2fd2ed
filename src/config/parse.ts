// YAML 1.2 text → a tree with places, or all its problems. Strict, bounded, and safe with any text: nesting, tokens,
// aliases and nodes are limited before anything recursive or quadratic runs over them.
import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  Parser,
  type Scalar,
} from 'yaml';
import { quote } from './problems.ts';
import type { Entry, Place, Tree } from './tree.ts';
import type { Problem } from './types.ts';

export const LIMITS = { bytes: 1024 * 1024, tokens: 1_000_000, depth: 32, aliases: 100, nodes: 300_000 } as const;

/** The tree is there even with problems, unless the text is no YAML: so that the rest can be judged as well. */
export interface Parsed {
  readonly tree: Tree | null;
  readonly problems: readonly Problem[];
}

/** Our own words for what the YAML library finds: its texts may quote a secret from the line. */
const SYNTAX: Readonly<Record<string, string>> = {
  BAD_DQ_ESCAPE: 'unknown escape in a text in double quotes; write \\\\ for a backslash, or use single quotes',
  BAD_INDENT: 'bad indentation, or a list or map that is not closed',
  BAD_SCALAR_START: 'a text may not start with this character without quotes',
  BLOCK_AS_IMPLICIT_KEY: 'two keys on one line; a text that holds ": " needs quotes',
  BLOCK_IN_FLOW: 'an indented block inside { } or [ ]',
  MISSING_CHAR: 'something is not closed or has no ":" (a quote, a bracket, a key without a value)',
  MULTILINE_IMPLICIT_KEY: 'a key goes over more than one line, or has no ":"',
  NON_STRING_KEY: 'a key must be plain text',
  TAB_AS_INDENT: 'a tab as indentation; YAML wants spaces',
  KEY_OVER_1024_CHARS: 'a key is longer than 1024 characters',
  UNEXPECTED_TOKEN: 'something stands here that does not belong here; a text with special characters needs quotes',
};

/** Thrown inside this file only, and caught by `parse`: the rest of the file is not worth reading. */
class Stop extends Error {
  readonly offset: number;
  readonly rule: string;
  constructor(text: string, offset: number, rule: string) {
    super(text);
    this.offset = offset;
    this.rule = rule;
  }
}

interface Reading {
  readonly file: string;
  readonly from: string;
  readonly lines: LineCounter;
  readonly problems: Problem[];
  readonly anchors: Map<string, Node>;
  readonly unclosed: { readonly offset: number; readonly text: string }[];
  aliases: number;
  nodes: number;
}

/** Reads one text. `from` is the origin that its values get. */
export function parse(file: string, input: string, from: string): Parsed {
  const text = input.startsWith('\uFEFF') ? input.slice(1) : input;
  const lines = new LineCounter();
  const reading: Reading = { file, from, lines, problems: [], anchors: new Map(), unclosed: [], aliases: 0, nodes: 0 };
  try {
    refuseForeignBytes(text);
    const doc = compose(text, reading);
    collectErrors(doc, reading);
    if (reading.problems.length > 0) return { tree: null, problems: reading.problems };
    if (!doc.contents) throw new Stop('the file is empty', 0, 'empty');
    const tree = nodeTree(doc.contents as Node, reading, 0);
    return { tree, problems: reading.problems };
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    // Found before the lines were counted: count them for the report.
    if (lines.lineStarts.length === 0) for (const start of lineStarts(text)) lines.addNewLine(start);
    note(reading, error.offset, error.message, error.rule);
    return { tree: null, problems: reading.problems };
  }
}

function* lineStarts(text: string): Generator<number> {
  yield 0;
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1)) yield end + 1;
}

function refuseForeignBytes(text: string): void {
  const broken = text.indexOf('\uFFFD');
  if (broken >= 0) throw new Stop('the file is not UTF-8', broken, 'encoding');
  const control = text.search(/[^\P{Cc}\t\n\r]/u);
  if (control < 0) return;
  const code = text.charCodeAt(control).toString(16).padStart(2, '0');
  throw new Stop(`the control character 0x${code} does not belong in a text file`, control, 'encoding');
}

/** Lexes and parses without recursion, measures, and only then lets the library recurse over it. */
function compose(text: string, reading: Reading): Document {
  const parser = new Parser(reading.lines.addNewLine);
  const tokens: CST.Token[] = [];
  let count = 0;
  reading.lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    if (++count > LIMITS.tokens) throw new Stop('the file has too many parts', 0, 'too-big');
    tokens.push(...parser.next(lexeme));
    if (parser.stack.length > 4 * LIMITS.depth) throw new Stop('nested too deeply', parser.offset, 'too-deep');
  }
  tokens.push(...parser.end());
  measure(tokens, reading);
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    strict: true,
    // The library compares all keys with all keys: 60,000 of them take 45 s. nodeTree finds doubles by itself.
    uniqueKeys: false,
    stringKeys: true,
    merge: false,
    prettyErrors: false,
    logLevel: 'silent',
    lineCounter: reading.lines,
  });
  let first: Document | undefined;
  for (const doc of composer.compose(tokens, true, text.length)) {
    if (first) throw new Stop('a second document starts here; one file holds one', doc.range[0], 'syntax');
    first = doc;
  }
  if (!first) throw new Stop('the file is empty', 0, 'empty');
  return first;
}

/** Deep nesting would overflow the library's stack, which V8 may answer by ending the process. */
function measure(tokens: readonly CST.Token[], reading: Reading): void {
  const todo: { readonly token: CST.Token; readonly depth: number }[] = tokens.map((token) => ({ token, depth: 0 }));
  for (let next = todo.pop(); next; next = todo.pop()) {
    const { token, depth } = next;
    if (depth > 2 * LIMITS.depth) throw new Stop('nested too deeply', token.offset, 'too-deep');
    const open = unclosed(token);
    if (open) reading.unclosed.push({ offset: token.offset, text: open });
    if ('value' in token && token.value) todo.push({ token: token.value, depth });
    if (!('items' in token)) continue;
    for (const item of token.items) {
      if ('key' in item && item.key) todo.push({ token: item.key, depth: depth + 1 });
      if ('value' in item && item.value) todo.push({ token: item.value, depth: depth + 1 });
    }
  }
}

/** The library reports a missing end where the file ends; a person looks for the beginning. */
function unclosed(token: CST.Token): string | null {
  const { type } = token;
  if (type === 'flow-collection') {
    const end = token.start.type === 'flow-map-start' ? 'flow-map-end' : 'flow-seq-end';
    return token.end.some((part) => part.type === end) ? null : 'this bracket is not closed';
  }
  if (type !== 'double-quoted-scalar' && type !== 'single-quoted-scalar') return null;
  return token.source.length > 1 && token.source.at(-1) === token.source[0] ? null : 'this quote is not closed';
}

function note(reading: Reading, offset: number, text: string, rule: string, hint?: string): void {
  const { line, col } = reading.lines.linePos(offset);
  const problem: Problem = {
    file: reading.file,
    line: Math.max(1, line),
    column: Math.max(1, col),
    level: 'error',
    text,
    rule,
  };
  reading.problems.push(hint === undefined ? problem : { ...problem, hint });
}

function collectErrors(doc: Document, reading: Reading): void {
  // Whatever else is wrong then follows from it.
  if (doc.errors.length > 0 && reading.unclosed.length > 0) {
    for (const { offset, text } of reading.unclosed.slice(0, 20)) note(reading, offset, text, 'syntax');
    return;
  }
  for (const error of doc.errors.slice(0, 20))
    note(reading, error.pos[0], SYNTAX[error.code] ?? 'this is not YAML', 'syntax');
  for (const warning of doc.warnings.slice(0, 20)) {
    const tag = warning.code === 'TAG_RESOLVE_FAILED';
    note(reading, warning.pos[0], tag ? 'tags such as !name are not used here' : 'this is not plain YAML', 'syntax');
  }
  if (doc.directives?.yaml.version !== '1.2') note(reading, 0, 'only YAML 1.2 is read', 'syntax');
}

function placeOf(node: Node | null | undefined, reading: Reading): Place {
  const { line, col } = reading.lines.linePos(node?.range?.[0] ?? 0);
  return { file: reading.file, line: Math.max(1, line), column: Math.max(1, col), from: reading.from };
}

function nodeTree(node: Node, reading: Reading, depth: number): Tree {
  const offset = node.range?.[0] ?? 0;
  if (++reading.nodes > LIMITS.nodes) throw new Stop('the file has too many values', offset, 'too-big');
  if (depth > LIMITS.depth) throw new Stop('nested too deeply', offset, 'too-deep');
  if (isAlias(node)) {
    if (++reading.aliases > LIMITS.aliases)
      throw new Stop(`more than ${LIMITS.aliases} values by alias`, offset, 'too-many-aliases');
    const target = reading.anchors.get(node.source);
    if (target) return nodeTree(target, reading, depth + 1);
    throw new Stop(`no anchor &${quote(node.source).slice(1, -1)} stands before this alias`, offset, 'syntax');
  }
  const place = placeOf(node, reading);
  if (node.tag !== undefined) note(reading, offset, 'tags such as !!str are not used here', 'syntax');
  if (isMap(node)) {
    const tree: Tree = { kind: 'map', place, entries: mapEntries(node.items, reading, depth) };
    remember(node, reading);
    return tree;
  }
  if (isSeq(node)) {
    const items = node.items.map((item) => nodeTree(item as Node, reading, depth + 1));
    remember(node, reading);
    return { kind: 'list', place, items };
  }
  remember(node, reading);
  return { kind: 'leaf', place, value: isScalar(node) ? leafValue(node, reading) : null };
}

/** An anchor counts from the end of its node on: an alias can never hold itself. */
function remember(node: Node & { anchor?: string }, reading: Reading): void {
  if (node.anchor) reading.anchors.set(node.anchor, node);
}

function mapEntries(
  pairs: readonly { readonly key: unknown; readonly value: unknown }[],
  reading: Reading,
  depth: number,
): ReadonlyMap<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const pair of pairs) {
    const node = pair.key as Node | null;
    const place = placeOf(node, reading);
    const offset = node?.range?.[0] ?? 0;
    if (!isScalar(node)) throw new Stop('a key must be plain text', offset, 'syntax');
    const key = String(node.value);
    if (key === '__proto__' || /\p{Cc}/u.test(key)) {
      note(reading, offset, `${quote(key)} cannot be a key`, 'bad-name');
      continue;
    }
    const before = entries.get(key);
    if (before)
      note(
        reading,
        offset,
        `the key ${quote(key)} stands here twice`,
        'duplicate-key',
        `first in line ${before.key.line}`,
      );
    const value: Tree = pair.value
      ? nodeTree(pair.value as Node, reading, depth + 1)
      : { kind: 'leaf', place, value: null };
    if (!before) entries.set(key, { key: place, value });
  }
  return entries;
}

function leafValue(node: Scalar, reading: Reading): string | number | boolean | null {
  const offset = node.range?.[0] ?? 0;
  const { value } = node;
  if (typeof value === 'string') {
    if (/[^\P{Cc}\t\n]/u.test(value)) note(reading, offset, 'a control character in a text', 'encoding');
    return value;
  }
  if (typeof value === 'number') {
    if (/^[-+]?0\d/.test(node.source ?? ''))
      note(reading, offset, 'a number may not start with 0', 'wrong-type', `write ${value}, or quotes if it is text`);
    return value;
  }
  return typeof value === 'boolean' ? value : null;
}
