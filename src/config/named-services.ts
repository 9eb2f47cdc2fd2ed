// Services that the options of a channel or a step name, such as the one that a way out leads through: each must be
// there.
import { problemAt } from './issues.ts';
import { quote, suggest } from './problems.ts';
import { type JsonSchema, reflect, schemasAt } from './reflect.ts';
import type { Ruling } from './rules.ts';
import { entriesOf, get, itemsOf, type Path, pathText, textAt, type Tree } from './tree.ts';

/** Every text in a tree, with the path to it. */
function* textsOf(tree: Tree, path: Path = []): Generator<{ readonly path: Path; readonly text: string; tree: Tree }> {
  if (tree.kind === 'list') for (const [index, item] of tree.items.entries()) yield* textsOf(item, [...path, index]);
  else if (tree.kind === 'map') for (const [key, { value }] of tree.entries) yield* textsOf(value, [...path, key]);
  else if (typeof tree.value === 'string') yield { path, text: tree.value, tree };
}

const namesService = (schema: JsonSchema, path: Path): boolean =>
  schemasAt(schema, path).some((one) => one.service === true);

/** Options of plugins in the configuration, each with its schema and the path to it. */
function* optionsIn(tree: Tree, plugins: Ruling['plugins']): Generator<readonly [Path, Tree, JsonSchema]> {
  for (const [name, { value }] of entriesOf(get(tree, 'alerts'))) {
    const plugin = plugins.alerts.get(textAt(value, 'type') ?? '');
    if (plugin) yield [['alerts', name], value, reflect(plugin.options)];
  }
  for (const [name, { value }] of entriesOf(get(tree, 'groups')))
    for (const [index, item] of itemsOf(get(value, 'steps')).entries())
      for (const [type, entry] of entriesOf(item)) {
        const plugin = plugins.switchover.get(type);
        if (plugin) yield [['groups', name, 'steps', index, type], entry.value, reflect(plugin.options)];
      }
}

export function checkNamedServices({ tree, plugins, problems }: Ruling, services: readonly string[]): void {
  for (const [path, options, schema] of optionsIn(tree, plugins))
    for (const found of textsOf(options)) {
      if (services.includes(found.text) || !namesService(schema, found.path)) continue;
      const where = pathText(tree, [...path, ...found.path]);
      const text = `${where}: there is no service ${quote(found.text)}`;
      problems.push(problemAt(found.tree.place, text, 'unknown-service', suggest(found.text, services)));
    }
}
