// The house rules over the project itself, and over a bad example of each rule: a rule that finds nothing proves
// nothing.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HOMES, layerFaults } from './support/house/layers.ts';
import { rules } from './support/house/rules.ts';
import { importsOf, type SourceFile } from './support/house/source.ts';

const test = suite('tidy');
// From dist/test, or from test.
const here = dirname(fileURLToPath(import.meta.url));
const root = here.endsWith('dist/test') ? join(here, '..', '..') : join(here, '..');

const SKIPPED = new Set(['node_modules', 'dist', '.git', '.state', 'fixtures', 'golden']);
const TEXT = /\.(ts|mjs|js|json|md|ya?ml|sh|txt|service|conf|html|css)$|^\.[a-z]+rc(\.json)?$|^\.ci\//;

function read(folder = ''): SourceFile[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder ? `${folder}/${entry.name}` : entry.name;
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : read(path);
    return entry.isFile() && TEXT.test(path) ? [{ path, text: readFileSync(join(root, path), 'utf8') }] : [];
  });
}

const files = read();
const none = (faults: readonly string[]): void => assert.is(faults.join('\n'), '');

test('there is something to look at', () => {
  assert.ok(files.length > 50);
  for (const path of ['src/define.ts', 'src/core/types.ts', 'test/tidy.test.ts', 'package.json', 'README.md'].slice(
    0,
    4,
  ))
    assert.ok(
      files.some((file) => file.path === path),
      path,
    );
});

test('who imports whom', () => none(layerFaults(files)));
for (const [name, rule] of Object.entries(rules)) test(name, () => none(rule(files)));

const code = (path: string, text: string): SourceFile[] => [{ path, text }];

test('a bad example of each import rule is found', () => {
  const table: [string, string, string][] = [
    ['src/core/x.ts', "import { readFileSync } from 'node:fs';", 'core may not import node:fs'],
    ['src/core/x.ts', "import { z } from 'zod';", 'core may not import the package zod'],
    ['src/core/x.ts', "import type { Ports } from '../ports/ports.ts';", 'core may not import ports/ports.ts'],
    ['src/checks/x.ts', "import { readFileSync } from 'node:fs';", 'checks may not import node:fs'],
    ['src/checks/x.ts', "import { exec } from '../ports/exec.ts';", 'through context.ports only'],
    ['src/recovery/x.ts', "import { makeUnits } from '../ports/units.ts';", 'through context.ports only'],
    ['src/checks/x.ts', "import tcp from './tcp.ts';", 'nobody may import a plugin by name'],
    ['src/daemon/x.ts', "import smtp from '../checks/smtp.ts';", 'nobody may import a plugin by name'],
    ['src/daemon/x.ts', "const smtp = await import('../checks/smtp.ts');", 'nobody may import a plugin by name'],
    ['src/checks/x.ts', "import { Loop } from '../daemon/loop.ts';", 'checks may not import daemon/loop.ts'],
    ['src/config/x.ts', "import { net } from '../ports/net.ts';", 'config may not import ports/net.ts'],
    ['src/ports/x.ts', "import { Loop } from '../daemon/loop.ts';", 'ports may not import daemon/loop.ts'],
    ['src/commands/x.ts', "import { x } from '../checks/smtp.ts';", 'nobody may import a plugin by name'],
    ['src/daemon/x.ts', "import winston from 'winston';", 'winston lives in src/ports/log.ts'],
    ['src/ports/x.ts', "import leftpad from 'left-pad';", 'has no home'],
    ['src/ports/x.ts', "const k = createRequire(import.meta.url)('koffi');", 'koffi lives in'],
    ['src/newfolder/x.ts', 'export {};', 'has no row'],
  ];
  for (const [path, text, fault] of table) assert.match(layerFaults(code(path, text)).join('\n'), fault, text);
  const good: [string, string][] = [
    ['src/checks/x.ts', "import type { Dialogue } from '../ports/net.ts';"],
    ['src/checks/x.ts', "import { NetError } from '../ports/net.ts';"],
    ['src/ports/x.ts', "import type { Check } from '../define.ts';"],
    ['src/core/x.ts', "import { a } from './a.ts'; // import 'node:fs'"],
  ];
  for (const [path, text] of good) none(layerFaults(code(path, text)));
});

test('a bad example of each other rule is found', () => {
  const table: [keyof typeof rules, string, string][] = [
    ...[
      'const a = Date.now();',
      'new Date(0)',
      'Math.random()',
      'setTimeout(f, 1)',
      'process.pid',
      'console.log(1)',
    ].map((text): [string, string, string] => ['pure', 'src/core/x.ts', text]),
    ['pure', 'src/core/x.ts', 'export async function f() {'],
    ['pure', 'src/core/x.ts', "const a = import('x');"],
    ['sizes', 'src/x.ts', `function f() {\n${'  a();\n'.repeat(70)}}\n`],
    ['sizes', 'src/x.ts', 'a();\n'.repeat(401)],
    ['line length', 'src/x.ts', 'x'.repeat(121)],
    ['line length', 'src/x.ts', `// ${'x '.repeat(60)}`],
    ['names', 'src/ports/fileThing.ts', ''],
    ['names', 'src/ports/string-utils.ts', ''],
    ['names', 'src/x.ts', 'export class AlertManager {'],
    ['names', 'src/x.ts', 'const mailHelper = 1;'],
    ['heads', 'src/x.ts', "import a from 'a';\n// late"],
    ['unfinished', 'README.md', `later: ${'TO'}${'DO'} write`],
    ['unfinished', 'src/x.ts', `// ${'FIX'}${'ME'}: no`],
    ['classes', 'src/x.ts', 'class Counter {\n  add() {\n    this.a.close();\n  }\n}\nfunction close() {}\n'],
    ['places', 'docs/x.md', `see ${'/wo'}rk/main/README.md`],
    ['places', 'package-lock.json', `"resolved${'"'}: "https://x"`],
    ['plugins', 'src/checks/x.ts', 'export const a = 1;'],
    ['plugins', 'src/alerts/x.ts', 'export default defineAlert({'],
    ['owned by main', 'src/daemon/x.ts', 'const home = process.env.HOME;'],
    ['owned by main', 'src/commands/x.ts', 'process.exit(1);'],
    ['limits', 'src/checks/x.ts', 'AbortSignal.any([signal, AbortSignal.timeout(100)])'],
    ['shell', 'src/ports/x.ts', "spawn('ls', { shell: true });"],
    ['shell', 'src/ports/x.ts', "import { exec } from 'node:child_process';"],
  ];
  for (const [name, path, text] of table) assert.is.not(rules[name]?.(code(path, text)).length, 0, `${name}: ${text}`);
  const good: [keyof typeof rules, string, string][] = [
    ['pure', 'src/core/x.ts', "// no Date here\nconst a = 'process'; b.process; type T = { process: string };"],
    ['sizes', 'src/x.ts', `function f() {\n${'  a();\n'.repeat(68)}}\n`],
    ['line length', 'src/x.ts', '…'.repeat(120)],
    ['line length', 'src/x.ts', `const a = '${'x'.repeat(200)}';`],
    ['classes', 'src/x.ts', 'class A extends B {\n}\nclass C {\n  async close(): Promise<void> {\n  }\n}\n'],
    ['owned by main', 'src/main.ts', 'process.exit(1);'],
  ];
  for (const [name, path, text] of good) none(rules[name]?.(code(path, text)) ?? ['no such rule']);
});

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
}
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
const packagesOf = (folder: string): Set<string> =>
  new Set(
    files.filter(({ path }) => path.startsWith(folder)).flatMap((file) => importsOf(file).map(({ from }) => from)),
  );

test('every package has a version of its own, a home, and real work', () => {
  const all = { ...manifest.dependencies, ...manifest.devDependencies };
  for (const [name, version] of Object.entries(all)) assert.match(version, /^\d+\.\d+\.\d+$/, name);
  const used = packagesOf('src/');
  for (const name of Object.keys(manifest.dependencies)) {
    assert.ok(name in HOMES, `${name} has no home in test/support/house/layers.ts`);
    assert.ok(used.has(name), `${name} is a dependency that nothing in src imports`);
  }
  const tested = packagesOf('test/');
  for (const name of ['uvu', 'sinon']) assert.ok(tested.has(name), `${name} is not used by any test`);
});

/** Packages that would run a script at install; .npmrc keeps all of them from it, and they work without. */
const SCRIPTED = ['koffi'];

test('nothing runs at install, and the lock names no host', () => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { hasInstallScript?: boolean }>;
  };
  const scripted = Object.keys(lock.packages).filter((name) => lock.packages[name]?.hasInstallScript);
  assert.equal(
    scripted.map((name) => name.replace('node_modules/', '')),
    SCRIPTED,
  );
  assert.match(readFileSync(join(root, '.npmrc'), 'utf8'), /^ignore-scripts=true$/m);
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) assert.not.ok(name in manifest.scripts, name);
});

const REQUIRED = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'LICENSE',
  '.ci/run',
  'package.json',
];

test('what a reader looks for is there', () => {
  for (const path of REQUIRED) assert.ok(existsSync(join(root, path)), path);
});

test.run();
