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
  const { $schema, ...rest } = whole;
  return {
    $schema,
    title: TITLE,
    ...rest,
    properties: {
      ...whole.properties,
      services: { ...services, additionalProperties: { $ref: '#/definitions/service' }, minProperties: 1 },
      alerts: { ...alerts, additionalProperties: { $ref: '#/definitions/channel' } },
    },
    definitions: {
      service: { ...service, properties: body },
      check: byType(checks.items as JsonSchema, plugins.checks),
      manager: byType(service.properties?.['manager'] as JsonSchema, plugins.recovery),
      channel: byType(alerts.additionalProperties as JsonSchema, plugins.alerts),
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

/** With a known `type`, its options and no others; without one (a change to a kit's check), any. */
function byType(base: JsonSchema, plugins: ReadonlyMap<string, Plugin>): Json {
  const common = base.properties ?? {};
  const kinds = [...plugins].map(([type, plugin]) => {
    const { properties = {}, required } = reflect(strictOf(plugin.options));
    return {
      if: { properties: { type: { const: type } }, required: ['type'] },
      // oxlint-disable-next-line unicorn/no-thenable -- the word of JSON Schema
      then: {
        description: plugin.about,
        properties: { ...common, ...(widen(properties) as object) },
        ...(required ? { required } : {}),
        additionalProperties: false,
      },
    };
  });
  const type = { ...common['type'], enum: [...plugins.keys()] };
  const allOf = kinds.length > 0 ? { allOf: kinds } : {};
  return { type: 'object', description: base.description, properties: { ...common, type }, ...allOf };
}
