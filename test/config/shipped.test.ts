// What ships with the program, against the real plugins: kits, examples, the embedded default, and generated files.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { generated } from '../../scripts/generated.ts';
import { jsonSchema } from '../../src/config/json-schema.ts';
import { shippedKits } from '../../src/config/kits.ts';
import { load } from '../../src/config/load.ts';
import { checkKeys } from '../../src/config/schema.ts';
import { showYaml } from '../../src/config/show.ts';
import type { Good } from '../../src/config/types.ts';
import { files } from '../../src/ports/files.ts';
import { plugins } from '../../src/registry.ts';
import { configFolder, good } from '../support/config-folder.ts';
import { misfits } from '../support/json-schema.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const real = await plugins();
const read = (path: string): Good =>
  good(load(join(root, path), { files, plugins: real, hostname: 'n1', uid: process.getuid?.() ?? null, modes: false }));
const yamlFiles = (folder: string): readonly string[] =>
  files.list(join(root, folder)).flatMap((name) => (name.endsWith('.yaml') ? [`${folder}/${name}`] : []));
const whole = ['config/watchkeeper.yaml', ...yamlFiles('config/examples')].filter((path) =>
  existsSync(join(root, path)),
);

const test = suite('config shipped');

for (const path of whole)
  test(`${path} is good, without a warning, and an editor agrees`, () => {
    const { config, warnings } = read(path);
    assert.equal(warnings, []);
    assert.ok(Object.keys(config.services).length > 0);
    const written = parse(readFileSync(join(root, path), 'utf8')) as unknown;
    assert.equal(misfits(jsonSchema(real), written), []);
  });

test('an editor disagrees with a bad one', () => {
  const bad = parse(`
nod: x
services:
  a b: {}
  c:
    checks: [{ type: tpc }, { type: tcp, prot: 1 }, { type: tcp, port: "1" }, { type: smtp, hello: "a b" }]
    quick: { every: 5 }
  d: { checks: [{ name: x, anything: 1 }], manager: { type: systemd } }
alerts: { l: { type: event-log, target: nowhere }, m: {} }
`) as unknown;
  assert.equal(
    misfits(jsonSchema(real), bad)
      .map((text) => text.replace(/^\./, ''))
      .sort(),
    [
      'alerts.l.target: enum',
      'nod: unknown',
      'services.a b as a name: pattern',
      'services.c.checks[0].type: enum',
      'services.c.checks[1].prot: unknown',
      'services.c.checks[2].port: type',
      'services.c.checks[3].hello: pattern',
      'services.c.quick.every: type',
      'services.d.manager: required',
    ],
  );
});

test('what `config show --effective` prints of them means the same', () => {
  const folder = configFolder();
  for (const path of whole) {
    const first = read(path);
    folder.write('wk.yaml', showYaml(first.effective()));
    const again = good(folder.load('wk.yaml', { plugins: real, kitsDir: shippedKits }));
    assert.equal({ ...again.config, files: [] }, { ...first.config, files: [] }, path);
  }
  folder.remove();
});

for (const path of yamlFiles('config/kits'))
  test(`${path} is good with nothing set, and with everything set`, () => {
    const name = path.replace(/^.*\/|\.yaml$/g, '');
    const kit = parse(readFileSync(join(root, path), 'utf8')) as { params: Record<string, { default?: unknown }> };
    const values: Readonly<Record<string, unknown>> = {
      password: 'file:/etc/watchkeeper/probe',
      status: [200],
      lmtp: '/run/lmtp',
      text: 'Password',
      'tls-name': 'mail.example.org',
      store: '/srv/mail',
      'store-user': 'vmail',
    };
    const set = Object.fromEntries(
      Object.entries(kit.params).map(([key, { default: standard }]) => [
        key,
        standard ?? values[key] ?? (key.endsWith('port') ? 4321 : 'probe@example.org'),
      ]),
    );
    const folder = configFolder();
    folder.write('wk.yaml', JSON.stringify({ services: { bare: { kit: name }, full: { kit: name, set } } }));
    const loaded = good(folder.load('wk.yaml', { plugins: real, kitsDir: shippedKits }));
    folder.remove();
    const { bare, full } = loaded.config.services;
    assert.ok(bare && full);
    assert.ok(bare.manager && bare.policy.ladder.length > 1);
    for (const service of [bare, full])
      for (const depth of ['quick', 'deep'] as const)
        assert.ok(
          service.checks.some((check) => check.depths.includes(depth)),
          `${service.name} has a ${depth} check`,
        );
    const offered = (parse(readFileSync(join(root, path), 'utf8')) as { checks: unknown[] }).checks.length;
    assert.is(full.checks.length, offered, 'every check of the kit comes with its parameters');
    assert.not.match(JSON.stringify(loaded.config), '$');
  });

test('no option of a plugin has a name that the list of checks uses itself', () => {
  for (const [type, plugin] of real.checks)
    for (const key of Object.keys(checkKeys))
      assert.not.ok(Object.hasOwn(plugin.options.shape, key), `${type}: ${key}`);
  for (const kind of ['recovery', 'alerts'] as const)
    for (const [type, plugin] of real[kind]) assert.not.ok(Object.hasOwn(plugin.options.shape, 'type'), type);
});

for (const { path, make } of generated)
  test(`${path} is fresh (npm run generate)`, async () => {
    assert.ok(readFileSync(join(root, path), 'utf8') === (await make()), 'it differs from what the source makes');
  });

test.run();
