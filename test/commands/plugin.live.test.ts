// `watchkeeper plugin test|new|list` as a user meets it.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from '../../src/commands/plugin.ts';
import { type ConfigFolder, configFolder } from '../support/config-folder.ts';

const test = suite<{ folder: ConfigFolder; home: string }>('command plugin');
test.before.each((context) => {
  context.folder = configFolder();
  context.home = process.cwd();
  process.chdir(context.folder.path);
});
test.after.each(({ folder, home }) => {
  process.chdir(home);
  folder.remove();
});

async function call(...words: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const code = await run(words, {
    ...{ env: {}, isTty: false, width: 100 },
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
  });
  return { code, ...said };
}

const KINDS = {
  ...{ check: 'checks', recovery: 'recovery', alert: 'alerts' },
  ...{ step: 'switchover', replication: 'replication', coordinator: 'cluster' },
};
for (const [word, kind] of Object.entries(KINDS))
  test(`new ${word}: what is written keeps the contract, and is never written over`, async () => {
    const { code, out } = await call('new', word, `my-${word}`);
    assert.is(code, 0);
    assert.match(
      out,
      new RegExp(`watchkeeper plugin test my-${word}.js\n.*/etc/watchkeeper/plugins/${kind}/my-${word}.js`),
    );
    const tried = await call('test', `my-${word}.js`);
    assert.is(tried.code, 0, tried.out);
    assert.match(tried.out, new RegExp(`${kind} my-${word}: keeps the contract \\(api 1\\)\n$`));
    const text = readFileSync(`my-${word}.js`, 'utf8');
    writeFileSync(`my-${word}.js`, `// mine\n${text}`);
    const again = await call('new', word, `my-${word}`);
    assert.is(again.code, 1);
    assert.match(again.err, /it is there already, and is left as it is/);
    assert.is(readFileSync(`my-${word}.js`, 'utf8'), `// mine\n${text}`);
  });

test('new: names that cannot be', async () => {
  for (const name of ['../x', 'X', 'a b', '', 'smtp']) assert.is((await call('new', 'check', name)).code, 64, name);
  assert.is((await call('new', 'dashboard', 'x')).code, 64);
  assert.is((await call('new', 'check')).code, 64);
  assert.is((await call('tset')).code, 64);
  assert.match((await call('tset')).err, /did you mean "test"\?/);
});

const check = (body: string, more = ''): string => `
import { defineCheck, fail, opt, pass, unknown, z } from 'watchkeeper/define';
export const api = 1;
export default defineCheck({
  about: 'Asks a machine for a thing that it has.',
  depth: 'quick',
  options: z.strictObject({ ${more} }),
  example: {},
  async run({ ports, signal }) { ${body} },
});
`;

const broken: Readonly<Record<string, readonly [string, RegExp]>> = {
  'passes whatever happens': [
    check("try { await ports.dns.resolve('x', 'A', { signal }); } catch {} return pass('well');"),
    /! quick: a check whose ports throw says unknown: it says pass, not unknown\n[^]*! quick: what it then says .*passes though nothing answered/,
  ],
  'fails for our own trouble': [
    check(
      "try { await ports.exec.run(['true'], { timeoutMs: 1e9, signal }); return pass('x'); } catch { return fail('dead', 'x'); }",
    ),
    /! quick: a check whose ports throw says unknown: it says fail/,
  ],
  'does not obey its signal': [
    check("await Promise.resolve(ports.files); await new Promise(() => setTimeout(() => {}, 2000)); return pass('x');"),
    /! quick: a check whose ports are silent ends with its signal: it does not obey its signal/,
  ],
  'fails without a cause': [
    check("ports.files.facts('/x'); return { outcome: 'fail', detail: 'x' };"),
    /a cause belongs to fail and degraded, and only there/,
  ],
  'says nothing of an option': [
    check("return unknown('x');", 'word: z.string().optional()'),
    /! every option is described: .*word/,
  ],
  'a novel': [
    check("return unknown('x');").replace('has.', 'has. It does so often.'),
    /! about is one sentence: more than one sentence/,
  ],
  'leaves a timer behind': [
    check("setInterval(() => {}, 60_000).ref(); ports.files.facts('/x'); return unknown('x');"),
    /! nothing is left behind: Timeout/,
  ],
  'throws at import': [
    'throw new Error("no way");',
    /! it loads, and has all its parts: it cannot be imported: no way/,
  ],
};
for (const [what, [text, said]] of Object.entries(broken))
  test(`test: one that ${what} does not hold`, async () => {
    mkdirSync('checks', { recursive: true });
    writeFileSync('checks/bad.js', text);
    const { code, out } = await call('test', 'checks/bad.js');
    assert.is(code, 1, out);
    assert.match(out, said);
    assert.match(out, /checks bad: \d+ of \d+ do not hold/);
  });

const step = (probe: string, undo: string): string => `
import { defineStep, z } from 'watchkeeper/define';
export const api = 1;
export default defineStep({
  about: 'Moves a thing that there is only one of.',
  options: z.strictObject({}),
  example: {},
  scope: 'node',
  async probe({ ports, signal }) { ${probe} },
  async do({ ports, signal }) { return { ok: (await ports.exec.run(['true'], { timeoutMs: 100, signal })).code === 0, detail: 'x' }; },
  async undo({ ports, signal }) { ${undo} },
});
`;
const TRY = "try { await ports.exec.run(['true'], { timeoutMs: 100, signal }); } catch {}";
const brokenSteps: Readonly<Record<string, readonly [string, RegExp]>> = {
  'says gone where nobody answered': [
    step("throw new Error('x');", `${TRY} return { ok: true, detail: 'gone' };`),
    /! undo by force: with silent ports it ends, and is not ok: it says ok though nothing answered/,
  ],
  'says undone where nobody answered': [
    step(`${TRY} return { state: 'undone', detail: 'x' };`, "throw new Error('x');"),
    /! probe: with ports that throw it ends, and is neither done nor undone: it says undone/,
  ],
  'does not end': [
    step("throw new Error('x');", 'await new Promise(() => setTimeout(() => {}, 2000));'),
    /! undo: with silent ports it ends, and is not ok: it does not obey its signal/,
  ],
};
for (const [what, [text, said]] of Object.entries(brokenSteps))
  test(`test: a step that ${what} does not hold`, async () => {
    writeFileSync('bad-step.js', text);
    const { code, out } = await call('test', 'bad-step.js');
    assert.is(code, 1, out);
    assert.match(out, said);
    assert.match(out, /switchover bad-step: \d+ of \d+ do not hold/);
  });

test('test: what goes out by a way of its own is left open, and said', async () => {
  writeFileSync('own.js', check("return fail('dead', 'asked by a library');"));
  const { code, out } = await call('test', 'own.js');
  assert.is(code, 0, out);
  assert.match(out, /- quick: a check whose ports throw says unknown: it goes out by no port/);
  assert.match(out, /keeps the contract \(api 1\), 2 could not be tried/);
  const json = JSON.parse((await call('test', 'own.js', '-o', 'json')).out) as { ok: boolean; rules: unknown[] };
  assert.ok(json.ok && json.rules.length > 4);
  assert.is((await call('test', 'none.js')).code, 64);
  assert.is((await call('test', '.')).code, 64);
  assert.is((await call('test', 'own.js', '--kind', 'x')).code, 64);
});

test('list: all of them, with about and origin', async ({ folder }) => {
  await call('new', 'check', 'mine');
  const file = folder.write('plugins/checks/mine.js', readFileSync('mine.js'));
  folder.write('wk.yaml', 'services: { a: { checks: [{ type: mine, port: 1 }] } }\n');
  const { code, out } = await call('list', '--config', 'wk.yaml');
  assert.is(code, 0);
  assert.match(out, /^checks +smtp +Quick: the banner/m);
  assert.match(
    out,
    new RegExp(`^checks +mine +Asks whether a server .*\\(${join(folder.path, 'plugins/checks/mine.js')}\\)$`, 'm'),
  );
  const json = JSON.parse((await call('list', '--config', 'wk.yaml', '-o', 'json')).out) as {
    plugins: { origin: string; type: string }[];
  };
  assert.equal(
    json.plugins.filter(({ origin }) => origin !== 'shipped').map(({ type }) => type),
    ['mine'],
  );
  chmodSync(file, 0o666);
  const bad = await call('list', '--config', 'wk.yaml');
  assert.is(bad.code, 78);
  assert.match(bad.err, /anybody may write to it/);
});

test.run();
