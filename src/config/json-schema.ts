// The JSON Schema (draft 7) that editors use: our own keys, and for each `type` the options of its plugin.
import type { z } from '../define.ts';
import type { Plugins } from '../registry.ts';
import { strictOf } from './build.ts';
import { type JsonSchema, reflect } from './reflect.ts';
import { root } from './schema.ts';

type Json = Readonly<Record<string, unknown>>;

const TITLE = 'Watchkeeper configuration';

export function jsonSchema(plugins: Plugins): Json {
  const whole = reflect(root) as JsonSchema & { readonly $schema?: string };
  const services = whole.properties?.['services'] as JsonSchema;
  const service = services.additionalProperties as JsonSchema;
  const checks = service.properties?.['checks'] as JsonSchema;
  const body = {
    ...service.properties,
    checks: { ...checks, items: { $ref: '#/definitions/check' } },
    manager: { $ref: '#/definitions/manager' },
  };
  const alerts = whole.properties?.['alerts'] as JsonSchema;
  const groups = whole.properties?.['groups'] as JsonSchema;
  const group = groups.additionalProperties as JsonSchema;
  const listOf = (key: string, item: string) => ({ ...group.properties?.[key], items: { $ref: item } });
  const itemOf = (key: string) => group.properties?.[key]?.items as JsonSchema;
  const { $schema, ...rest } = whole;
  return {
    $schema,
    title: TITLE,
    ...rest,
    properties: {
      ...whole.properties,
      services: { ...services, additionalProperties: { $ref: '#/definitions/service' }, minProperties: 1 },
      alerts: { ...alerts, additionalProperties: { $ref: '#/definitions/channel' } },
      cluster: byType(whole.properties?.['cluster'] as JsonSchema, plugins.cluster, 'engine', 'standalone'),
      groups: { ...groups, additionalProperties: { $ref: '#/definitions/group' } },
    },
    definitions: {
      service: { ...service, properties: body },
      check: byType(checks.items as JsonSchema, plugins.checks),
      manager: byType(service.properties?.['manager'] as JsonSchema, plugins.recovery),
      channel: byType(alerts.additionalProperties as JsonSchema, plugins.alerts),
      group: {
        ...group,
        properties: {
          ...group.properties,
          steps: listOf('steps', '#/definitions/step'),
          replication: listOf('replication', '#/definitions/source'),
        },
      },
      step: byKey(itemOf('steps'), plugins.switchover),
      source: byKey(itemOf('replication'), plugins.replication),
    },
  };
}

/** Patterns of absolute paths, widened: `./x` is taken from the folder of the file (paths.ts). */
const WIDER: Readonly<Record<string, string>> = { '^\\/': '^(\\/|\\.\\/)' };

function widen(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(widen);
  if (part === null || typeof part !== 'object') return part;
  return Object.fromEntries(
    Object.entries(part).map(([key, value]) => {
      if (key !== 'pattern' || typeof value !== 'string') return [key, widen(value)];
      return [key, WIDER[value] ?? value.replace('^(file:\\/|', '^(file:\\/|file:\\.\\/|')];
    }),
  );
}

interface Plugin {
  readonly about: string;
  readonly options: z.ZodObject;
}

/** The type is a key, and its options stand below it. */
function byKey(base: JsonSchema, plugins: ReadonlyMap<string, Plugin>): Json {
  const kinds = [...plugins].map(([type, { about, options }]) => {
    const { properties = {}, required } = reflect(strictOf(options));
    const part = { type: 'object', description: about, properties: widen(properties) };
    return [type, { ...part, ...(required ? { required } : {}), additionalProperties: false }] as const;
  });
  const one = kinds.length > 0 ? { anyOf: kinds.map(([type]) => ({ required: [type] })) } : {};
  return {
    ...{ type: 'object', description: base.description },
    properties: { ...base.properties, ...Object.fromEntries(kinds) },
    ...{ additionalProperties: false, ...one },
  };
}

/** With a known `type`, its options and no others; without one (a change to a kit's check), any. `usual`: the type of
 *  what names none. */
function byType(base: JsonSchema, plugins: ReadonlyMap<string, Plugin>, key = 'type', usual?: string): Json {
  const common = base.properties ?? {};
  const kinds = [...plugins].map(([type, plugin]) => {
    const { properties = {}, required } = reflect(strictOf(plugin.options));
    return {
      if: { properties: { [key]: { const: type } }, ...(type === usual ? {} : { required: [key] }) },
      // oxlint-disable-next-line unicorn/no-thenable -- the word of JSON Schema
      then: {
        description: plugin.about,
        properties: { ...common, ...(widen(properties) as object) },
        ...(required ? { required } : {}),
        additionalProperties: false,
      },
    };
  });
  const type = { ...common[key], enum: [...plugins.keys()] };
  const allOf = kinds.length > 0 ? { allOf: kinds } : {};
  return { type: 'object', description: base.description, properties: { ...common, [key]: type }, ...allOf };
}
