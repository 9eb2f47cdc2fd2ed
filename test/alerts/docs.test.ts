// The configurations that docs/alerts.md shows are good ones.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { PLACEHOLDERS } from '../../src/dialogues/alert-template.ts';
import { plugins } from '../../src/registry.ts';

const test = suite('docs of alerts');
const text = readFileSync(new URL('../../../docs/alerts.md', import.meta.url), 'utf8');
const { alerts: known } = await plugins();

test('every channel that is shown is valid', () => {
  const blocks = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, body = '']) => body);
  assert.ok(blocks.length >= 5);
  const seen = new Set<string>();
  for (const block of blocks) {
    const { alerts } = parse(block) as { alerts: Record<string, { type: string }> };
    for (const [name, { type, ...rest }] of Object.entries(alerts)) {
      const read = known.get(type)?.options.strict().safeParse(rest);
      assert.ok(read?.success, `${name}: ${String(read?.error)}`);
      seen.add(type);
    }
  }
  for (const type of ['smtp', 'webhook', 'ping']) assert.ok(seen.has(type), type);
});

test('every placeholder is named', () => {
  for (const name of PLACEHOLDERS) assert.match(text, new RegExp(`[\\s\`]${name}[\\s\`]`), name);
});

test.run();
