// YAML as the daemon reads it, for tests of what discovery writes.
import { parse } from '../../src/config/parse.ts';
import { plainOf } from '../../src/config/tree.ts';

export function load(text: string): Readonly<Record<string, unknown>> {
  const { tree, problems } = parse('x.yaml', text, 'x.yaml');
  if (!tree) throw new Error(problems.map((one) => one.text).join('\n'));
  return plainOf(tree) as Readonly<Record<string, unknown>>;
}
