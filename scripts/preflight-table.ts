// docs/preflight.md: everything that `preflight` looks at, made from the criteria themselves.
import { criteria } from '../src/preflight/all.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|');

export function preflightTable(): string {
  const rows = criteria.map(({ id, about, fixable }) => `| \`${id}\` | ${cell(about)} | ${fixable ? 'yes' : ''} |`);
  return [
    '# What `watchkeeper preflight` looks at',
    '',
    'Made from the source by `npm run generate`. Exit code: 0 all is well, 1 warnings, 2 errors. What could not be asked',
    'here (`--all` shows it) counts as neither. `--fix` mends what can be mended: each act is printed before it is done,',
    'and asked for unless `--yes` is given; `--fix --dry-run` only prints.',
    '',
    '| criterion | what must be so | `--fix` |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
