// docs/plugins.md: for each plugin what it is about, its options with their defaults, and an example, all from the
// plugin's own file.
import { stringify } from 'yaml';
import { strictOf } from '../src/config/build.ts';
import { isDuration, isSize, type JsonSchema, reflect } from '../src/config/reflect.ts';
import type { z } from '../src/define.ts';
import type { Plugins } from '../src/registry.ts';

interface Plugin {
  readonly about: string;
  readonly depth?: string;
  readonly options: z.ZodObject;
  readonly example: unknown;
}

const DEPTHS: Readonly<Record<string, string>> = {
  quick: 'QuickCheck',
  deep: 'DeepCheck',
  both: 'QuickCheck and DeepCheck',
};

export function pluginTables(plugins: Plugins): string {
  const parts = [
    '# Plugins',
    'Made from the source by `npm run generate`; do not edit. The file name of a plugin is its `type`.',
    '## Checks',
    'In `services.NAME.checks`. Each also takes `name`, `depth` (`quick`, `deep`, `both`), `every` (a slower beat ' +
      'than the service has) and `off` (drops the check of this name that a kit brings).',
    ...section(plugins.checks, (type, example) => ({ checks: [{ type, ...example }] })),
    '## Recovery',
    'In `services.NAME.manager`: what starts and stops the service.',
    ...section(plugins.recovery, (type, example) => ({ manager: { type, ...example } })),
    '## Alerts',
    'In `alerts.NAME`: where alarms go.',
    ...section(plugins.alerts, (type, example) => ({ alerts: { noc: { type, ...example } } })),
    '## Switchover',
    'In `groups.NAME.steps`: what moves with a group. The type is the key; beside it stand `name`, `timeout` and `tries`.',
    ...section(plugins.switchover, (type, example) => ({ steps: [{ [type]: example }] })),
    '## Replication',
    'In `groups.NAME.replication`: how data gets to the other nodes. The type is the key; beside it stand `name`, ' +
      '`every`, `timeout`, `warn`, `fail` and `prove`.',
    ...section(plugins.replication, (type, example) => ({ replication: [{ [type]: example }] })),
    '## Cluster',
    'In `cluster`, as its `engine`: where nodes agree. The options stand beside the keys of the cluster.',
    ...section(plugins.cluster, (engine, example) => ({ cluster: { engine, ...example } })),
  ];
  return `${parts.join('\n\n')}\n`;
}

function section(plugins: ReadonlyMap<string, Plugin>, wrap: (type: string, example: object) => object): string[] {
  return [...plugins].flatMap(([type, plugin]) => {
    const depth = plugin.depth ? ` (${DEPTHS[plugin.depth]})` : '';
    const schema = reflect(strictOf(plugin.options));
    const rows = optionRows(schema, '');
    const table =
      rows.length > 0
        ? ['| option | what | kind | default |\n|---|---|---|---|\n'.concat(rows.join('\n'))]
        : ['No options.'];
    const example = stringify(wrap(type, plugin.example as object), { lineWidth: 100 }).trimEnd();
    return [`### ${type}`, `${plugin.about}${depth}`, ...table, `\`\`\`yaml\n${example}\n\`\`\``];
  });
}

function optionRows(schema: JsonSchema, prefix: string): readonly string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, part]) => {
    const needed = schema.required?.includes(key) ? 'needed' : '';
    const standard = part.properties || part.default === undefined ? needed : `\`${JSON.stringify(part.default)}\``;
    const row = [`\`${prefix}${key}\``, part.description ?? '', kindText(part), standard].map(cell).join(' | ');
    return [`| ${row} |`, ...optionRows(part, `${prefix}${key}.`)];
  });
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function kindText(schema: JsonSchema): string {
  if (schema.secret) return 'secret: `file:`, `env:` or `credential:`';
  if (schema.enum) return schema.enum.map((word) => `\`${String(word)}\``).join(', ');
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (isDuration(schema)) return 'duration';
  if (isSize(schema)) return 'size';
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return [...new Set(choices.map(kindText))].join(' or ');
  const { items } = schema;
  if (schema.type === 'array')
    return items && !Array.isArray(items) ? `list: ${kindText(items as JsonSchema)}` : 'list';
  const kinds: Readonly<Record<string, string>> = {
    string: 'text',
    integer: 'whole number',
    boolean: 'true or false',
    object: 'map',
  };
  return kinds[schema.type ?? ''] ?? schema.type ?? 'any';
}
