// Services that the options of a channel name, such as the one that a way out leads through: each must be there.
import { problemAt } from './issues.ts';
import { quote, suggest } from './problems.ts';
import { type JsonSchema, reflect, schemasAt } from './reflect.ts';
import type { Ruling } from './rules.ts';
import { entriesOf, get, type Path, pathText, textAt, type Tree } from './tree.ts';

/** Every text in a tree, with the path to it. */
function* textsOf(tree: Tree, path: Path = []): Generator<{ readonly path: Path; readonly text: string; tree: Tree }> {
  if (tree.kind === 'list') for (const [index, item] of tree.items.entries()) yield* textsOf(item, [...path, index]);
  else if (tree.kind === 'map') for (const [key, { value }] of tree.entries) yield* textsOf(value, [...path, key]);
  else if (typeof tree.value === 'string') yield { path, text: tree.value, tree };
}

const namesService = (schema: JsonSchema, path: Path): boolean =>
  schemasAt(schema, path).some((one) => one.service === true);

export function checkNamedServices({ tree, plugins, problems }: Ruling, services: readonly string[]): void {
  for (const [name, { value }] of entriesOf(get(tree, 'alerts'))) {
    const plugin = plugins.alerts.get(textAt(value, 'type') ?? '');
    if (!plugin) continue;
    const schema = reflect(plugin.options);
    for (const found of textsOf(value)) {
      if (services.includes(found.text) || !namesService(schema, found.path)) continue;
      const where = pathText(tree, ['alerts', name, ...found.path]);
      const text = `${where}: there is no service ${quote(found.text)}`;
      problems.push(problemAt(found.tree.place, text, 'unknown-service', suggest(found.text, services)));
    }
  }
}
