// A judge for the part of JSON Schema (draft 7) that the generated schema uses, written apart from what generates it.
interface Schema {
  readonly [key: string]: unknown;
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

const KINDS: Readonly<Record<string, (value: unknown) => boolean>> = {
  object: isMap,
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
  null: (value) => value === null,
};

/** Words about one value, by name: whether it fits. */
const SIMPLE: Readonly<Record<string, (value: unknown, rule: unknown) => boolean>> = {
  type: (value, rule) => KINDS[String(rule)]?.(value) ?? false,
  enum: (value, rule) => (rule as readonly unknown[]).includes(value),
  const: (value, rule) => rule === value,
  pattern: (value, rule) => typeof value !== 'string' || new RegExp(String(rule), 'u').test(value),
  minLength: (value, rule) => typeof value !== 'string' || value.length >= Number(rule),
  maxLength: (value, rule) => typeof value !== 'string' || value.length <= Number(rule),
  minimum: (value, rule) => typeof value !== 'number' || value >= Number(rule),
  maximum: (value, rule) => typeof value !== 'number' || value <= Number(rule),
  exclusiveMinimum: (value, rule) => typeof value !== 'number' || value > Number(rule),
  minItems: (value, rule) => !Array.isArray(value) || value.length >= Number(rule),
  maxItems: (value, rule) => !Array.isArray(value) || value.length <= Number(rule),
  minProperties: (value, rule) => !isMap(value) || Object.keys(value).length >= Number(rule),
  required: (value, rule) => !isMap(value) || (rule as readonly string[]).every((key) => Object.hasOwn(value, key)),
};
const SILENT = ['then', '$schema', 'title', 'description', 'default', 'definitions', 'secret', 'format'];

/** What does not fit, as paths with a word; an unknown keyword of the schema throws. */
export function misfits(root: Schema, value: unknown, schema: unknown = root, path = ''): readonly string[] {
  if (schema === true || schema === undefined) return [];
  return Object.entries(schema as Schema).flatMap(([word, rule]) => {
    const simple = SIMPLE[word];
    if (simple) return simple(value, rule) ? [] : [`${path}: ${word}`];
    return SILENT.includes(word) ? [] : deeper(root, value, schema as Schema, word, path);
  });
}

function deeper(root: Schema, value: unknown, rules: Schema, word: string, path: string): readonly string[] {
  const rule = rules[word];
  const judge = (part: unknown, of: unknown, at: string): readonly string[] => misfits(root, of, part, at);
  const keys = isMap(value) ? Object.keys(value) : [];
  const own = (rules['properties'] as Schema | undefined) ?? {};
  switch (word) {
    case '$ref':
      return judge((root['definitions'] as Schema)[String(rule).replace('#/definitions/', '')] ?? false, value, path);
    case 'items':
      return Array.isArray(value) ? value.flatMap((item, index) => judge(rule, item, `${path}[${index}]`)) : [];
    case 'properties':
      return keys.flatMap((key) =>
        Object.hasOwn(own, key) ? judge(own[key], (value as Schema)[key], `${path}.${key}`) : [],
      );
    case 'additionalProperties': {
      const more = keys.filter((key) => !Object.hasOwn(own, key));
      if (rule === false) return more.map((key) => `${path}.${key}: unknown`);
      return more.flatMap((key) => judge(rule, (value as Schema)[key], `${path}.${key}`));
    }
    case 'propertyNames':
      return keys.flatMap((key) => judge(rule, key, `${path}.${key} as a name`));
    case 'anyOf': {
      const fits = (rule as readonly unknown[]).some((part) => judge(part, value, path).length === 0);
      return fits ? [] : [`${path}: anyOf`];
    }
    case 'allOf':
      return (rule as readonly unknown[]).flatMap((part) => judge(part, value, path));
    case 'if':
      return judge(rule, value, path).length === 0 ? judge(rules['then'], value, path) : [];
    default:
      throw new Error(`${path}: the schema has an unknown word ${word}`);
  }
}
