// What a schema finds, said in our words and at its place in the file. A text that may be a secret is never repeated.
import type { z } from '../define.ts';
import { quote, suggest } from './problems.ts';
import { isDuration, isSize, type JsonSchema, reflect, schemasAt } from './reflect.ts';
import { at, type Path, type Place, pathText, placeAt, type Tree } from './tree.ts';
import type { Problem } from './types.ts';

const KEYS_MAX = 250;

type Issue = z.core.$ZodIssue;

export interface Judged {
  /** The whole tree and the path to the part that the schema judged: for texts. */
  readonly tree: Tree;
  readonly base: Path;
  readonly schema: z.ZodType;
  /** Where to point when the value itself stands in no file (a default). */
  readonly fallback: Place;
  /** More keys that are known at the top of the judged part: for "did you mean". */
  readonly also?: Iterable<string>;
}

export const problemAt = (place: Place, text: string, rule: string, hint?: string): Problem => {
  const plain: Problem = { file: place.file, line: place.line, column: place.column, level: 'error', text, rule };
  return hint === undefined ? plain : { ...plain, hint };
};

/** Problems for all issues of one judgement. */
export function explain(issues: readonly Issue[], judged: Judged): readonly Problem[] {
  // A number beyond all bounds is also beyond the bound of its key: the last one says more.
  const last = new Map(issues.map((issue) => [`${issue.code} ${JSON.stringify(issue.path)}`, issue]));
  return [...last.values()].flatMap((issue) => explainOne(issue, judged));
}

function explainOne(issue: Issue, judged: Judged): readonly Problem[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  const full = [...judged.base, ...path];
  const spot = placeAt(judged.tree, full);
  const where = pathText(judged.tree, full);
  const say = (place: Place, text: string, rule: string, hint?: string): readonly Problem[] => [
    problemAt(place.line > 0 ? place : judged.fallback, `${where ? `${where}: ` : ''}${text}`, rule, hint),
  ];
  const schemas = schemasAt(reflect(judged.schema), path);
  if (issue.code === 'unrecognized_keys') {
    const own = schemas.flatMap((schema) => Object.keys(schema.properties ?? {}));
    const known = path.length === 0 ? [...own, ...(judged.also ?? [])] : own;
    // More of them than a report can hold are not worth the search for what was meant.
    return issue.keys.slice(0, KEYS_MAX).flatMap((key) => {
      const place = placeAt(judged.tree, [...full, key]);
      return say(place.key, `unknown key ${quote(key)}`, 'unknown-key', suggest(key, known));
    });
  }
  if (issue.code === 'invalid_key') {
    const text = issue.issues[0]?.message ?? 'this cannot be a key';
    return [
      problemAt(
        spot.key,
        `${pathText(judged.tree, full.slice(0, -1))}: ${quote(String(path.at(-1)))}: ${text}`,
        'bad-name',
      ),
    ];
  }
  const value = at(judged.tree, full);
  if (!value) return say(spot.found ? spot.value : spot.key, `is missing${describe(schemas)}`, 'missing');
  if (issue.code === 'custom' && value.kind !== 'leaf') return say(spot.value, issue.message, 'bad-value');
  const closest = issue.code === 'invalid_union' ? issue.errors.find((branch) => branch.some(isNear)) : undefined;
  if (closest) return closest.flatMap((one) => explainOne({ ...one, path: [...issue.path, ...one.path] }, judged));
  return say(spot.value, ...wrong(issue, value, schemas));
}

/** Of several shapes, the one that was meant: it is wrong inside, not as a whole. */
const isNear = (issue: Issue): boolean =>
  issue.path.length > 0 || (issue.code !== 'invalid_type' && issue.code !== 'invalid_value');

const describe = (schemas: readonly JsonSchema[]): string => {
  const about = schemas.find((schema) => schema.description)?.description;
  return about ? ` (${about.replace(/\.$/, '')})` : '';
};

/** Text, rule and hint for a value that is there and is not what it should be. */
function wrong(issue: Issue, value: Tree, schemas: readonly JsonSchema[]): [string, string, (string | undefined)?] {
  const secret = schemas.some((schema) => schema.secret);
  if (secret) {
    // What may also be no secret says so itself.
    if (/ or a reference /.test(issue.message)) return [issue.message, 'bad-value'];
    const text = 'expected a reference to a secret (file:/PATH, env:NAME or credential:NAME), not the secret itself';
    return [text, 'literal-secret'];
  }
  const wanted = expected(schemas);
  if (issue.code === 'custom') return [`${shown(value)}: ${issue.message}`, 'out-of-range'];
  if (value.kind === 'leaf' && value.value === null) return [`is empty; expected ${wanted}`, 'wrong-type'];
  const words = schemas.flatMap((schema) => [...(schema.enum ?? []), ...('const' in schema ? [schema.const] : [])]);
  if (value.kind === 'leaf' && typeof value.value === 'string' && words.length > 0)
    return [`${quote(value.value)} is not known here; expected ${wanted}`, 'bad-value', near(value.value, words)];
  if (issue.code === 'invalid_format')
    return [
      `${shown(value)}: ${issue.message.startsWith('expected') ? issue.message : `expected ${wanted}`}`,
      'bad-value',
    ];
  if (issue.code === 'too_small' || issue.code === 'too_big') {
    const many = value.kind === 'list' ? ` items, got ${value.items.length}` : value.kind === 'map' ? ' keys' : '';
    const long = value.kind === 'leaf' && typeof value.value === 'string' ? ' characters' : many;
    return [`${value.kind === 'leaf' ? `${shown(value)}: ` : ''}${bound(issue)}${long}`, 'out-of-range'];
  }
  return [`expected ${wanted}, got ${kindOf(value)}${shown(value)}`, 'wrong-type', unitHint(value, schemas)];
}

const near = (word: string, words: readonly unknown[]): string | undefined => {
  const hint = suggest(word, words.map(String));
  return hint?.startsWith('did') ? hint : undefined;
};

function bound(issue: Issue): string {
  if (issue.code === 'too_small') return `expected at least ${issue.minimum}`;
  return issue.code === 'too_big' ? `expected at most ${issue.maximum}` : '';
}

function unitHint(value: Tree, schemas: readonly JsonSchema[]): string | undefined {
  if (value.kind !== 'leaf') return undefined;
  if (typeof value.value === 'number' && schemas.some(isDuration)) return `a number has no unit: ${value.value}s?`;
  if (typeof value.value === 'number' && schemas.some(isSize)) return `a number has no unit: ${value.value}M?`;
  const yes = typeof value.value === 'string' && /^(yes|no|on|off|y|n)$/i.test(value.value);
  return yes && schemas.some((schema) => schema.type === 'boolean') ? 'YAML 1.2 has only true and false' : undefined;
}

/** What a value is, for a report. */
function shown(value: Tree): string {
  if (value.kind === 'list') return 'a list';
  if (value.kind === 'map') return 'a map';
  if (typeof value.value === 'string') return quote(value.value);
  return value.value === null ? 'nothing' : String(value.value);
}

function kindOf(value: Tree): string {
  if (value.kind !== 'leaf') return '';
  return typeof value.value === 'string' ? 'the text ' : typeof value.value === 'number' ? 'the number ' : '';
}

/** What may stand here, in words. */
function expected(schemas: readonly JsonSchema[]): string {
  const words = schemas.flatMap((schema) => wordsFor(schema));
  const last = words.pop();
  if (last === undefined) return 'something else';
  return words.length > 0 ? `${words.join(', ')} or ${last}` : last;
}

function wordsFor(schema: JsonSchema): readonly string[] {
  if (schema.enum) return schema.enum.map(String);
  if (schema.const !== undefined) return [String(schema.const)];
  if (isDuration(schema)) return ['a duration such as 500ms, 5s, 2m or 1h'];
  if (isSize(schema)) return ['a size such as 512M or 2G'];
  switch (schema.type) {
    case 'integer':
      return ['a whole number'];
    case 'number':
      return ['a number'];
    case 'boolean':
      return ['true or false'];
    case 'string':
      return ['a text'];
    case 'array':
      return ['a list'];
    case 'object':
      return ['a map'];
    default:
      return [];
  }
}
