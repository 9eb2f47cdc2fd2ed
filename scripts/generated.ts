// The files that are made from the source, each with what makes it. `npm run generate` writes them, a test compares.
import { jsonSchema } from '../src/config/json-schema.ts';
import { mib } from '../src/core/mib.ts';
import { plugins } from '../src/registry.ts';
import { diagram } from './diagram.ts';
import { nocFiles } from './integrations/all.ts';
import { pluginTables } from './plugin-tables.ts';
import { preflightTable } from './preflight-table.ts';

export interface Generated {
  /** From the root of the project. */
  readonly path: string;
  make(): Promise<string>;
}

export const generated: readonly Generated[] = [
  {
    path: 'config/watchkeeper.schema.json',
    make: async () => `${JSON.stringify(jsonSchema(await plugins()), null, 2)}\n`,
  },
  { path: 'test/golden/edges.md', make: async () => diagram() },
  { path: 'config/mibs/WATCHKEEPER-MIB.txt', make: async () => mib() },
  ...nocFiles,
  { path: 'docs/preflight.md', make: async () => preflightTable() },
  { path: 'docs/plugins.md', make: async () => pluginTables(await plugins()) },
];
