// init as a command: what it writes and when it does not, over the machine that a test tells of.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Caller, init, type InitOptions } from '../../src/commands/init.ts';
import { pretend, recorded, type Told } from '../support/pretend-machine.ts';

const test = suite('init');
const folders: string[] = [];
test.after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function place(): string {
  const folder = mkdtempSync(join(tmpdir(), 'wk-init-'));
  folders.push(folder);
  return join(folder, 'etc', 'watchkeeper.yaml');
}

const web: Told = {
  units: { 'nginx.service': { ports: ['80'] } },
  says: { 'nginx -T': recorded('nginx-T-debian.txt') },
  page: 200,
};
const moved: Told = { ...web, says: { 'nginx -T': 'http { server { listen 8080; } }' } };

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(told: Told, options: Partial<InitOptions> & { config: string }, confirm: Caller['confirm'] = null) {
  let [out, err] = ['', ''];
  const io = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    env: {},
    isTty: false,
    width: 80,
  };
  const caller = { uid: process.getuid?.() ?? null, confirm };
  const code = await init({ output: 'table', ...options }, io, caller, pretend(told));
  return { code, out, err } satisfies Ran;
}

test('--yes writes it, for its owner and its group only; again there is nothing to do', async () => {
  const config = place();
  const first = await run(web, { config, yes: true });
  assert.is(first.code, 0, first.err);
  assert.is(readFileSync(config, 'utf8'), first.out);
  assert.is(statSync(config).mode & 0o777, 0o640);
  assert.match(first.err, 'found nginx: nginx.service is active');
  assert.match(first.err, 'written and good: 1 service');
  assert.not.match(first.err, 'not proposed');
  const again = await run(web, { config, yes: true });
  assert.equal([again.code, again.out], [0, '']);
});

test('a file that is there is shown against the proposal, and stays', async () => {
  const config = place();
  await run(web, { config, yes: true });
  const before = readFileSync(config, 'utf8');
  const differs = await run(moved, { config, yes: true });
  assert.is(differs.code, 1);
  assert.match(differs.out, '+      url: http://127.0.0.1:8080/ # nginx -T');
  assert.is(readFileSync(config, 'utf8'), before);
  writeFileSync(config, before.replace(/^observe: true.*\n/m, ''));
  const beyond = await run(web, { config });
  assert.equal([beyond.code, beyond.out], [0, ''], 'the first step is over: it is not proposed again');
  writeFileSync(config, 'evil: "\u001b[31m"\n');
  const hostile = await run(web, { config });
  assert.is(hostile.code, 1);
  assert.not.match(hostile.out, '\u001b');
});

test('without a terminal, with --dry-run, or after a no, nothing is written', async () => {
  const config = place();
  const shown = await run(web, { config });
  assert.is(shown.code, 0);
  assert.match(shown.out, 'kit: nginx');
  assert.match(shown.err, '--yes writes');
  const dry = await run(web, { config, dryRun: true, yes: true });
  assert.is(dry.code, 0);
  const questions: string[] = [];
  const no = await run(web, { config }, async (question) => questions.push(question) === 0);
  assert.is(no.code, 1);
  assert.match(questions.join(), config);
  assert.not.ok(existsSync(config));
  const yes = await run(web, { config }, async () => true);
  assert.is(yes.code, 0);
  assert.ok(existsSync(config));
});

test('what the daemon would refuse is not written', async () => {
  const config = place();
  const parts = join(config, '..', 'conf.d');
  mkdirSync(parts, { recursive: true });
  writeFileSync(join(parts, 'more.yaml'), 'services: { web: { kit: nothing } }\n');
  const refused = await run(web, { config, yes: true });
  assert.is(refused.code, 78);
  assert.match(refused.err, 'would be refused');
  assert.not.ok(existsSync(config));
});

test('a place that cannot be written, and a link to nowhere, are said', async () => {
  const config = place();
  // In the way of the file that would be written aside.
  mkdirSync(join(config, '..', `.watchkeeper.yaml.${process.pid}.new`), { recursive: true });
  const away = await run(web, { config, yes: true });
  assert.is(away.code, 77, away.err);
  const link = place();
  mkdirSync(join(link, '..'));
  symlinkSync('/nonexistent/elsewhere', link);
  const through = await run(web, { config: link, yes: true });
  assert.is.not(through.code, 0);
  assert.not.ok(existsSync('/nonexistent'));
});

test('nothing is found: exit code 1, and the traces are said', async () => {
  const config = place();
  const told: Told = {
    files: { '/etc/nginx/nginx.conf': '' },
    processes: [{ exe: '/usr/sbin/named', group: '/user.slice', ports: ['53'] }],
  };
  const none = await run(told, { config, yes: true });
  assert.equal([none.code, none.out], [1, '']);
  assert.match(none.err, 'nginx: /etc/nginx/nginx.conf is there, but nothing of it');
  assert.match(none.err, 'bind: /usr/sbin/named runs, but in no unit');
});

test('as JSON: one object, with all of it', async () => {
  const config = place();
  const got = await run(web, { config, output: 'json', yes: true });
  const json = JSON.parse(got.out) as Record<string, unknown>;
  assert.is(json['schemaVersion'], 1);
  assert.is(json['result'], 'written');
  assert.equal(json['services'], [{ name: 'web', kit: 'nginx', depends: [] }]);
  assert.is(json['text'], readFileSync(config, 'utf8'));
  const differs = JSON.parse((await run(moved, { config, output: 'json' })).out) as Record<string, unknown>;
  assert.is(differs['result'], 'differs');
  assert.match(String(differs['diff']), '8080');
});

test('a process in a unit of another name is kept by that unit', async () => {
  const config = place();
  const exe = '/usr/sbin/nginx';
  const told: Told = { ...web, units: {}, processes: [{ exe, group: '/system.slice/shop.service', ports: ['80'] }] };
  const shop = await run(told, { config, yes: true });
  assert.is(shop.code, 0, shop.err);
  assert.match(shop.out, 'unit: shop.service # systemd');
});

test.run();
