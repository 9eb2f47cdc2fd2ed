// People's own plugins as a configuration meets them: found, trusted, held to the contract; whatever a file does is a
// problem at the place that names it.
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadWithOwn } from '../../src/config/load.ts';
import type { Loaded } from '../../src/config/types.ts';
import { runChecks, makeRunnables } from '../../src/daemon/run-check.ts';
import { files } from '../../src/ports/files.ts';
import { plugins } from '../../src/registry.ts';
import { throwingPorts } from '../../src/contract/broken-ports.ts';
import { type ConfigFolder, configFolder, good } from '../support/config-folder.ts';

const test = suite<{ folder: ConfigFolder }>('own plugins');
test.before.each((context) => {
  context.folder = configFolder();
});
test.after.each(({ folder }) => folder.remove());

const shipped = await plugins();
const read = (folder: ConfigFolder): Promise<Loaded> =>
  loadWithOwn(join(folder.path, 'wk.yaml'), {
    ...{ files, plugins: shipped, hostname: 'n1', uid: process.getuid?.() ?? null },
  });

const check = (body = 'run: async ({ options }) => pass(`${options.word} it is`)', more = ''): string => `
import { defineCheck, opt, pass, z } from 'watchkeeper/define';
export const api = 1;
${more}
export default defineCheck({
  about: 'Says a word that it was told.',
  depth: 'both',
  options: z.strictObject({ word: opt.text('The word.').default('well') }),
  example: { word: 'fine' },
  ${body},
});
`;
const wanted = (type: string): string => `services:
  web:
    checks:
      - { type: ${type}, word: good }
`;

test('a file is a plugin: its name is the type, its schema judges, its code runs', async ({ folder }) => {
  folder.write('plugins/checks/say.js', check());
  folder.write('plugins/checks/_shared.js', 'throw new Error("nobody may import this by itself");');
  folder.write('plugins/checks/README.md', 'words');
  folder.write('wk.yaml', wanted('say'));
  const { config, plugins: all, origins } = good(await read(folder));
  assert.is(all.checks.size, shipped.checks.size + 1);
  assert.is(origins.get('checks/say'), join(folder.path, 'plugins/checks/say.js'));
  const runnables = makeRunnables(config.services['web']?.checks ?? [], all.checks);
  const { signal } = new AbortController();
  const { verdict } = await runChecks('web', runnables, 'quick', 500, throwingPorts(), signal, true);
  assert.is(verdict.detail, 'good it is');
  assert.ok(
    config.files.some(({ path }) => path.endsWith('say.js')),
    'a reload sees that it changed',
  );

  folder.write('wk.yaml', wanted('say').replace('word: good', 'wrod: good'));
  assert.match(folder.report(await read(folder)), /wk.yaml:4:22: error: services.web.checks.say: unknown key "wrod"/);
});

/** A file that cannot be used, and what is said of it, at the place where the configuration names it. */
const bad: Readonly<Record<string, readonly [string, RegExp]>> = {
  'throws at import': ['throw new Error("no way");', /it cannot be imported: no way \[plugin-import\]/],
  'no JavaScript': ['export const api = ;', /it cannot be imported: Unexpected token ';' \[plugin-import\]/],
  'imports what is not there': [
    'import "no-such-package";',
    /cannot be imported: Cannot find package 'no-such-package'/,
  ],
  'no api': [check().replace('export const api = 1;', ''), /export const api = 1 \[plugin-api\]/],
  'another api': [check().replace('api = 1', 'api = 2'), /the contract api 2; this version of Watchkeeper speaks 1/],
  'no definition': ['export const api = 1;', /it has no definition: export default defineCheck/],
  'no run': [check('run: 7'), /`run` is missing: a function \[plugin-contract\]/],
  'no about': [check().replace(/about: .*\n/, ''), /`about` is missing/],
  'no depth': [check().replace(/depth: .*\n/, ''), /`depth` is missing: 'quick', 'deep' or 'both'/],
  'no options': [check().replace(/options: z.*\n/, ''), /`options` is missing/],
  'a bad example': [check().replace("word: 'fine'", 'word: 5'), /`example` does not fit `options`/],
  'a getter that throws': [
    'export const api = 1; export default { get about() { throw new Error("ha"); } };',
    /cannot be read: ha/,
  ],
};
for (const [what, [text, said]] of Object.entries(bad))
  test(`refused: ${what}`, async ({ folder }) => {
    folder.write('plugins/checks/mine.js', text);
    folder.write('wk.yaml', wanted('mine'));
    const report = folder.report(await read(folder));
    assert.match(report, /^wk.yaml:4:17: error: services.web.checks.mine: plugins\/checks\/mine.js: /);
    assert.match(report, said);
    assert.is(report.trim().split('\n').length, 1, report);
  });

test('refused: a channel for a reader that is none', async ({ folder }) => {
  const channel = (reader: string): string => `
import { defineAlert, z } from 'watchkeeper/define';
export const api = 1;
export default defineAlert({ about: 'Says it to somebody who is there.', options: z.object({}), example: {},
  ${reader}, send: async () => 'sent' });
`;
  const config = 'services: { web: { checks: [{ type: tcp, port: 1 }] } }\nalerts: { mine: { type: mine } }\n';
  for (const [reader, said] of [
    ["reader: 'persn'", /`reader` is 'record', 'program' or 'person'/],
    ['heartbeat: true', /`heartbeat` is 'too' or 'only'/],
  ] as const) {
    folder.write('plugins/alerts/mine.js', channel(reader));
    folder.write('wk.yaml', config);
    assert.match(folder.report(await read(folder)), said);
  }
});

test('refused by name though nobody uses it, at the key or at the head of the file', async ({ folder }) => {
  folder.write('plugins/checks/smtp.js', check());
  folder.write('wk.yaml', 'services: { web: { checks: [{ type: tcp, port: 1 }] } }\n');
  const text =
    'plugins/checks/smtp.js: the name smtp is taken: a plugin of that name ships with the program [taken-name]';
  assert.is(folder.report(await read(folder)), `wk.yaml:1:1: error: plugins: ${text}\n`);
  folder.write('wk.yaml', 'plugins:\n  folder: ./plugins\nservices: { web: { checks: [{ type: tcp, port: 1 }] } }\n');
  assert.is(folder.report(await read(folder)), `wk.yaml:2:11: error: plugins: ${text}\n`);
  folder.write('wk.yaml', 'plugins:\n  folder: ./elsewhere\nservices: { web: { checks: [{ type: tcp, port: 1 }] } }\n');
  assert.is(
    folder.report(await read(folder)),
    'wk.yaml:2:11: error: plugins: elsewhere: there is no such folder [no-file]\n',
  );
  folder.write(
    'wk.yaml',
    'plugins: { folder: /x, pakages: [] }\nservices: { web: { checks: [{ type: tcp, port: 1 }] } }\n',
  );
  assert.match(folder.report(await read(folder)), /plugins: unknown key "pakages"; did you mean "packages"\?/);
});

test('what others may write to is not even imported', async ({ folder }) => {
  const file = folder.write('plugins/checks/mine.js', 'globalThis.ranThough = true;', 0o666);
  folder.write('wk.yaml', wanted('mine'));
  const said = async (): Promise<string> => folder.report(await read(folder));
  assert.match(
    await said(),
    /^wk.yaml:4:17: .*mine.js: anybody may write to it \(mode 0666\); chmod o-w .* \[unsafe-mode\]/,
  );
  chmodSync(file, 0o644);
  chmodSync(join(folder.path, 'plugins/checks'), 0o777);
  assert.match(await said(), /plugins\/checks: anybody may write to it \(mode 0777\)/);
  chmodSync(join(folder.path, 'plugins/checks'), 0o755);
  if (process.getuid?.() === 0) {
    chownSync(file, 4711, 0);
    assert.match(await said(), /mine.js: it belongs to user 4711, not to root/);
    chownSync(file, 0, 4711);
    chmodSync(file, 0o664);
    assert.match(await said(), /mine.js: group 4711 may write to it \(mode 0664\)/);
    chownSync(file, 0, 0);
  }
  folder.write('elsewhere.js', 'globalThis.ranThough = true;');
  symlinkSync(join(folder.path, 'elsewhere.js'), join(folder.path, 'plugins/checks/linked.js'));
  assert.match(await said(), /linked.js: a link that leaves its folder \[unsafe-link\]/);
  assert.is((globalThis as { ranThough?: boolean }).ranThough, undefined);
});

test('a plugin whose own code breaks while the configuration is judged', async ({ folder }) => {
  const more =
    'const trap = z.strictObject({ word: opt.text("The word.").transform((w) => { if (w === "good") throw new Error("trap"); return w; }) });';
  folder.write('plugins/checks/mine.js', check(undefined, more).replace(/options: z.*\n/, 'options: trap,\n'));
  folder.write('wk.yaml', wanted('mine'));
  assert.match(
    folder.report(await read(folder)),
    /wk.yaml:4:.*the plugin mine broke while it was asked: trap \[plugin-contract\]/,
  );
});

test('changed code needs a restart, and that is said; what failed may be mended', async ({ folder }) => {
  folder.write('plugins/checks/say.js', check());
  folder.write('plugins/checks/other.js', 'throw new Error("first");');
  folder.write('wk.yaml', wanted('say'));
  assert.match(folder.report(await read(folder)), /other.js: it cannot be imported: first/);
  folder.write('plugins/checks/other.js', check());
  folder.write('plugins/checks/say.js', check('run: async () => pass("new")'));
  const loaded = await read(folder);
  assert.match(
    folder.report(loaded),
    /^wk.yaml:4:17: warning: .*say.js: its file was changed after it was loaded; the new code needs a restart of the daemon \[plugin-changed\]\n$/,
  );
  assert.ok(good(loaded).plugins.checks.has('other'), 'what failed before is there once it is mended');
  folder.write('plugins/checks/third.js', check());
  assert.ok(good(await read(folder)).plugins.checks.has('third'), 'a new file');
});

test('an npm package brings plugins', async ({ folder }) => {
  const home = join(folder.path, 'plugins/node_modules/@acme/keeper');
  mkdirSync(home, { recursive: true });
  writeFileSync(
    join(home, 'package.json'),
    '{ "name": "@acme/keeper", "version": "1.0.0", "exports": { "import": "./main.mjs" } }',
  );
  const plugin = check().replace('export default defineCheck(', 'const say = defineCheck(');
  writeFileSync(join(home, 'main.mjs'), `${plugin}\nexport const checks = { 'acme-say': say };`);
  folder.write('wk.yaml', `plugins: { packages: ["@acme/keeper"] }\n${wanted('acme-say')}`);
  const { origins } = good(await read(folder));
  assert.is(origins.get('checks/acme-say'), 'package @acme/keeper');
  folder.write('plugins/checks/acme-say.js', check());
  assert.match(
    folder.report(await read(folder)),
    /package @acme\/keeper: the name acme-say is taken by plugins\/checks\/acme-say.js/,
  );
  folder.write('wk.yaml', `plugins: { packages: [acme-none, "not a name"] }\n${wanted('acme-say')}`);
  const report = folder.report(await read(folder));
  assert.match(
    report,
    /wk.yaml:1:23: error: plugins: package acme-none: it is not installed where plugins are; npm install/,
  );
  assert.match(report, /wk.yaml:1:34: .*expected the name of an npm package/);
  chmodSync(join(home, 'main.mjs'), 0o666);
  folder.write('wk.yaml', `plugins: { packages: ["@acme/keeper"] }\n${wanted('acme-say')}`);
  assert.match(folder.report(await read(folder)), /main.mjs: anybody may write to it/);
});

test('recovery and alerts as well', async ({ folder }) => {
  const head = "import { defineAlert, defineRecovery, opt, z } from 'watchkeeper/define';\nexport const api = 1;\n";
  const common = "about: 'Does nothing at all, and well.', options: z.strictObject({}), example: {}";
  const act = "async () => ({ ok: true, detail: 'done' })";
  const inspect = "async () => ({ state: 'running', byHand: false, detail: 'runs', evidence: {} })";
  folder.write(
    'plugins/recovery/idle.js',
    `${head}export default defineRecovery({ ${common}, inspect: ${inspect}, start: ${act}, stop: ${act} });`,
  );
  folder.write(
    'plugins/alerts/mute.mjs',
    `${head}export default defineAlert({ ${common}, send: async () => 'sent' });`,
  );
  folder.write(
    'wk.yaml',
    'services: { a: { manager: { type: idle }, checks: [{ type: tcp, port: 1 }] } }\nalerts: { m: { type: mute } }\n',
  );
  const { config } = good(await read(folder));
  assert.is(config.alerts['m']?.type, 'mute');
  assert.is(config.services['a']?.manager?.type, 'idle');
  folder.write('plugins/recovery/half.js', `${head}export default defineRecovery({ ${common}, inspect: ${inspect} });`);
  assert.match(
    folder.report(await read(folder)),
    /half.js: `start` is missing: a function; `stop` is missing: a function/,
  );
  folder.write(
    'plugins/recovery/half.js',
    `${head}export default defineRecovery({ ${common}, inspect: ${inspect}, start: ${act}, stop: ${act}, watch: 1 });`,
  );
  assert.match(folder.report(await read(folder)), /half.js: `watch` is no function/);
  folder.write('plugins/switchover/step.js', head);
  assert.match(folder.report(await read(folder)), /step.js: it has no definition: export default defineStep/);
});

test.run();
