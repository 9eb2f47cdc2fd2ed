// What a schema says about itself, read from its JSON Schema: descriptions, defaults as one would write them, words to
// choose from, and where secrets are. So the same holds for our own keys and for the options of every plugin.
import { opt, z } from '../define.ts';
import { mapOf, type Path, type Place, type Tree, treeOf } from './tree.ts';

export interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly secret?: boolean;
  /** It names a service of the configuration. */
  readonly service?: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly propertyNames?: JsonSchema;
  readonly items?: JsonSchema | readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
}

const cache = new WeakMap<z.ZodType, JsonSchema>();

/** The JSON Schema (draft 7) of what is written, not of what it becomes. */
export function reflect(schema: z.ZodType): JsonSchema {
  const known = cache.get(schema);
  if (known) return known;
  const plain = z.toJSONSchema(schema, { io: 'input', target: 'draft-7', unrepresentable: 'any' }) as JsonSchema;
  const made = withTextDefaults(withOutputDefaults(schema, plain));
  cache.set(schema, made);
  return made;
}

/** zod leaves out a `.default()` of a key whose text becomes something else (`opt.duration(…).default(5000)`). */
function withOutputDefaults(schema: z.ZodType, plain: JsonSchema): JsonSchema {
  if (!(schema instanceof z.ZodObject) || !plain.properties) return plain;
  const properties = Object.entries(plain.properties).map(([key, part]) => {
    const field: unknown = schema.shape[key];
    const left = part.default === undefined && field instanceof z.ZodDefault;
    return [key, left ? { ...part, default: field.def.defaultValue } : part] as const;
  });
  return { ...plain, properties: Object.fromEntries(properties) };
}

const patternOf = (schema: z.ZodType): string =>
  (z.toJSONSchema(schema, { io: 'input' }) as JsonSchema).pattern ?? 'no pattern';
const DURATION = patternOf(opt.duration(''));
const SIZE = patternOf(opt.size(''));

export const isDuration = (schema: JsonSchema): boolean => schema.pattern === DURATION;
export const isSize = (schema: JsonSchema): boolean => schema.pattern === SIZE;

const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
];

/** 90000 → `90s`: the largest unit that gives a whole number. Days only from two on: `24h` reads better than `1d`. */
export function durationText(ms: number): string {
  for (const [unit, size] of UNITS)
    if (ms >= (unit === 'd' ? 2 * size : size) && ms % size === 0) return `${ms / size}${unit}`;
  return `${ms}ms`;
}

export function sizeText(bytes: number): string {
  const units = ['T', 'G', 'M', 'K'] as const;
  for (const [index, unit] of units.entries()) {
    const size = 1024 ** (units.length - index);
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}

/** zod's `.default()` holds what a duration becomes (ms); an editor and a reader want what one writes. */
function withTextDefaults(schema: JsonSchema): JsonSchema {
  const parts = (list: readonly JsonSchema[] | undefined) => list?.map(withTextDefaults);
  const { default: given, properties, items, additionalProperties: more } = schema;
  const text =
    typeof given === 'number' && isDuration(schema)
      ? durationText(given)
      : typeof given === 'number' && isSize(schema)
        ? sizeText(given)
        : given;
  const made: Record<string, unknown> = { ...schema };
  if (text !== undefined) made['default'] = text;
  if (properties)
    made['properties'] = Object.fromEntries(
      Object.entries(properties).map(([key, part]) => [key, withTextDefaults(part)]),
    );
  if (items) made['items'] = Array.isArray(items) ? parts(items) : withTextDefaults(items as JsonSchema);
  if (more && typeof more === 'object') made['additionalProperties'] = withTextDefaults(more);
  for (const key of ['anyOf', 'oneOf', 'allOf'] as const) if (schema[key]) made[key] = parts(schema[key]);
  return made;
}

/** The schemas that may stand at a path: one, or several where there is a choice. */
export function schemasAt(schema: JsonSchema, path: Path): readonly JsonSchema[] {
  let here = choices(schema);
  for (const part of path) here = here.flatMap((one) => below(one, part)).flatMap(choices);
  return here;
}

function choices(schema: JsonSchema): readonly JsonSchema[] {
  const several = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  return several ? several.flatMap(choices) : [schema];
}

function below(schema: JsonSchema, part: string | number): readonly JsonSchema[] {
  if (typeof part === 'number') {
    const { items } = schema;
    if (!items) return [];
    return Array.isArray(items) ? items : [items as JsonSchema];
  }
  const known = schema.properties && Object.hasOwn(schema.properties, part) ? schema.properties[part] : undefined;
  if (known) return [known];
  return typeof schema.additionalProperties === 'object' ? [schema.additionalProperties] : [];
}

/** The tree with what it leaves out filled in from defaults, all of them marked with one place. */
export function fill(tree: Tree, schema: JsonSchema, place: Place): Tree {
  if (tree.kind === 'list') {
    const { items } = schema;
    if (!items || Array.isArray(items)) return tree;
    return { ...tree, items: tree.items.map((item) => fill(item, items as JsonSchema, place)) };
  }
  if (tree.kind !== 'map') return tree;
  const own = schema.properties ?? {};
  // What the schema does not name stands first (a check's type and name), the rest in the order of the schema.
  const entries = new Map([...tree.entries].filter(([key]) => !Object.hasOwn(own, key)));
  for (const [key, part] of Object.entries(own)) {
    const have = tree.entries.get(key);
    if (have) entries.set(key, { key: have.key, value: fill(have.value, part, place) });
    else if (part.default !== undefined) {
      const value = fill(treeOf(part.default, place), part, place);
      entries.set(key, { key: place, value });
    }
  }
  const more = schema.additionalProperties;
  if (typeof more === 'object')
    for (const [key, have] of tree.entries)
      if (!Object.hasOwn(own, key)) entries.set(key, { key: have.key, value: fill(have.value, more, place) });
  return mapOf(tree.place, entries);
}
