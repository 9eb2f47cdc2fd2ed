// Writes every generated file. `npm run generate`
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generated } from './generated.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
for (const { path, make } of generated) {
  const target = join(root, path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, await make());
  process.stdout.write(`${path}\n`);
}
