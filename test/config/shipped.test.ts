// What ships with the program, against the real plugins: kits, examples, the embedded default, and generated files.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { generated } from '../../scripts/generated.ts';
import { clusterKeys } from '../../src/config/cluster-schema.ts';
import { jsonSchema } from '../../src/config/json-schema.ts';
import { shippedKits } from '../../src/config/kits.ts';
import { load } from '../../src/config/load.ts';
import { checkKeys, kit as kitSchema } from '../../src/config/schema.ts';
import { showYaml } from '../../src/config/show.ts';
import type { Good } from '../../src/config/types.ts';
import { CAUSES, type z } from '../../src/define.ts';
import { files } from '../../src/ports/files.ts';
import { plugins } from '../../src/registry.ts';
import { withStandIns } from '../support/cluster-plugins.ts';
import { configFolder, good } from '../support/config-folder.ts';
import { misfits } from '../support/json-schema.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const real = withStandIns(await plugins());
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

/** What a person would write for a parameter that has no value of its own. */
const values: Readonly<Record<string, unknown>> = {
  password: 'file:/etc/watchkeeper/probe',
  status: [200],
  lmtp: '/run/lmtp',
  text: 'Password',
  'tls-name': 'mail.example.org',
  store: '/srv/mail',
  'store-user': 'vmail',
  ca: '/etc/ssl/ca.pem',
  page: 'http://127.0.0.1/',
  expect: '* OK',
  remote: 'example.org',
  doveadm: '/usr/bin/doveadm',
  hops: ['relay.example.org:25'],
  certificate: '/etc/ssl/mail.pem',
  key: '/etc/ssl/mail.key',
  suffixes: ['dc=example,dc=org'],
  validate: ['/usr/bin/getmail', '--dump'],
};
const valueOf = (key: string): unknown => values[key] ?? (key.endsWith('port') ? 4321 : 'probe@example.org');

for (const path of yamlFiles('config/kits'))
  test(`${path} is good with nothing set but what must be, and with everything set`, () => {
    const name = path.replace(/^.*\/|\.yaml$/g, '');
    const written = kitSchema.safeParse(parse(readFileSync(join(root, path), 'utf8')));
    assert.equal(written.error?.issues ?? [], []);
    const { params = {}, checks = [], manager, runbook = '', detect = {} } = written.data as z.output<typeof kitSchema>;
    const least = Object.entries(params).flatMap(([key, one]) =>
      Object.hasOwn(one, 'default') ? [] : [[key, valueOf(key)] as const],
    );
    const all = Object.entries(params).map(([key, one]) => [key, one.default ?? valueOf(key)] as const);
    const services = {
      bare: { kit: name, set: Object.fromEntries(least) },
      full: { kit: name, set: Object.fromEntries(all) },
    };
    const folder = configFolder();
    folder.write('wk.yaml', JSON.stringify({ services }));
    const loaded = good(folder.load('wk.yaml', { plugins: real, kitsDir: shippedKits }));
    folder.remove();
    const { bare, full } = loaded.config.services;
    assert.ok(bare && full);
    // Without a manager it is only watched: then there is nothing that it could do.
    assert.is(bare.policy.ladder.length > 0, manager !== undefined);
    for (const service of [bare, full])
      for (const depth of ['quick', 'deep'] as const)
        assert.ok(
          service.checks.some((check) => check.depths.includes(depth)),
          `${service.name} has a ${depth} check`,
        );
    assert.is(full.checks.length, checks.length, 'every check of the kit comes with its parameters');
    assert.not.match(JSON.stringify({ ...loaded.config, files: [] }), /"\$/);
    assert.ok(Object.values(detect).flat().length > 0, 'init can find it');
    const told = [...runbook.matchAll(/^([a-z-]+): /gm)].map((found) => found[1]);
    assert.ok(told.length > 1, 'it says what a person does');
    for (const cause of told) assert.ok((CAUSES as readonly unknown[]).includes(cause), `${cause} is a cause`);
    assert.is(bare.policy.runbook, runbook);
  });

test('no option of a plugin has a name that the list of checks uses itself', () => {
  for (const [type, plugin] of real.checks)
    for (const key of Object.keys(checkKeys))
      assert.not.ok(Object.hasOwn(plugin.options.shape, key), `${type}: ${key}`);
  for (const [type, plugin] of real.cluster)
    for (const key of Object.keys(clusterKeys))
      assert.not.ok(Object.hasOwn(plugin.options.shape, key), `${type}: ${key}`);
  for (const kind of ['recovery', 'alerts'] as const)
    for (const [type, plugin] of real[kind]) assert.not.ok(Object.hasOwn(plugin.options.shape, 'type'), type);
});

// A golden file has a test of its own.
for (const { path, make } of generated.filter((one) => !one.path.startsWith('test/golden/')))
  test(`${path} is fresh (npm run generate)`, async () => {
    assert.ok(readFileSync(join(root, path), 'utf8') === (await make()), 'it differs from what the source makes');
  });

test.run();
