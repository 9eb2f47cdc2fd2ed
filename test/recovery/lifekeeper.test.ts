// The scripts of a resource as a user would write them, around a small real server.
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/lifekeeper.ts';
import type { Check, Recovery } from '../../src/define.ts';
import { proc } from '../../src/ports/proc.ts';
import lifekeeper from '../../src/recovery/lifekeeper.ts';
import { runCheck } from '../support/check.ts';
import { until } from '../support/host.ts';
import { recoveryContext } from '../support/recover.ts';
import { answers, freePorts } from '../support/server.ts';

const test = suite('lifekeeper');
const recovery = lifekeeper as unknown as Recovery;
const dir = mkdtempSync(join(tmpdir(), 'wk-lifekeeper-'));
const folder = join(dir, 'actions');
const exe = join(dir, 'maild');
const pidFile = join(dir, 'pid');
const log = join(dir, 'log');
const server = join(dir, 'server.mjs');
let port = 0;

const write = (name: string, body: string): void => {
  writeFileSync(join(folder, name), `#!/bin/sh\necho "$(basename $0) $*" >> ${log}\n${body}\n`);
  chmodSync(join(folder, name), 0o755);
};
const asked = (): string[] => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []);

test.before(() => {
  mkdirSync(folder);
  // Its own executable: what is killed by it is nobody else's.
  copyFileSync(process.execPath, exe);
  writeFileSync(
    server,
    `import { createServer } from 'node:http';
createServer((call, answer) => answer.end('well')).listen(Number(process.argv[2]), '127.0.0.1');\n`,
  );
});
test.before.each(async () => {
  [port = 0] = await freePorts(1);
  write('restore', `${exe} ${server} ${port} </dev/null >/dev/null 2>&1 &\necho $! > ${pidFile}; exit 0`);
  write('remove', `kill $(cat ${pidFile}); rm ${pidFile}; exit 0`);
  write('quickCheck', `kill -0 $(cat ${pidFile}) 2>/dev/null || { echo "it is gone"; exit 1; }`);
  rmSync(join(folder, 'recover'), { force: true });
  rmSync(join(folder, 'deepCheck'), { force: true });
  rmSync(log, { force: true });
});
test.after.each(async () => {
  for (const one of proc.byExe(exe)) proc.signal(one.pid, 'SIGKILL');
  await until(() => living() === 0);
  rmSync(pidFile, { force: true });
});
test.after(() => rmSync(dir, { recursive: true }));

const context = (more: object = {}) =>
  recoveryContext(recovery, { folder, tag: 'mail', id: 'app', 'pid-file': pidFile, exe: [exe], ...more });
const living = (): number => proc.byExe(exe).filter((one) => one.state !== 'Z').length;
const up = (): Promise<boolean> => until(() => living() === 1, 30_000);
const ask = async (depth: 'quick' | 'deep', more: object = {}, timeoutMs = 5000): Promise<string> => {
  const got = await runCheck(check as unknown as Check, { folder, tag: 'mail', ...more }, { depth, timeoutMs });
  return [got.outcome, got.cause].filter(Boolean).join(' ');
};

test('in service, checked, out of service; the scripts get the words of LifeKeeper', async () => {
  assert.is((await recovery.inspect(context())).state, 'failed');
  assert.is(await ask('quick'), 'fail refusing');
  assert.is((await recovery.start(context())).ok, true);
  assert.ok(await up());
  for (let tries = 0; tries < 1000 && !(await answers(port)); tries += 1)
    await new Promise((next) => setTimeout(next, 25));
  const seen = await recovery.inspect(context());
  assert.equal([seen.state, seen.main?.exe], ['running', exe]);
  assert.is(await ask('quick'), 'pass');
  assert.is((await recovery.stop(context(), { force: false })).ok, true);
  assert.is(living(), 0);
  assert.equal(asked(), [
    'quickCheck -t mail -i mail',
    'restore -t mail -i app',
    'quickCheck -t mail -i mail',
    'remove -t mail -i app',
  ]);
});

test('recover is preferred, and when it does not help: remove and restore', async () => {
  await recovery.start(context());
  await up();
  const names = (): string[] => asked().map((line) => line.split(' ')[0] ?? '');
  assert.is((await recovery.restart?.(context()))?.ok, true);
  assert.equal(names(), ['restore', 'remove', 'restore']);
  write('recover', 'exit 0');
  assert.is((await recovery.restart?.(context()))?.ok, true);
  assert.equal(names().slice(3), ['recover']);
  write('recover', 'echo "cannot recover" >&2; exit 1');
  const got = await recovery.restart?.(context());
  assert.is(got?.ok, true, got?.detail);
  assert.match(got?.detail ?? '', 'exit code 1: "cannot recover"');
  assert.equal(names().slice(4), ['recover', 'remove', 'restore']);
  assert.ok(await up());
});

test('a remove that fails or hangs, and a server that stands still, end in SIGKILL', async () => {
  for (const body of ['exit 1', 'sleep 30', 'exit 0']) {
    await recovery.start(context());
    await up();
    for (const one of proc.byExe(exe)) proc.signal(one.pid, 'SIGSTOP');
    write('remove', body);
    const got = await recovery.stop(context({ 'remove-timeout': '200ms' }), { force: false });
    assert.is(got.ok, true, got.detail);
    assert.match(got.detail, 'killed 1 process');
    assert.is(living(), 0);
  }
});

test('deepCheck where there is one; the cause is the configuration’s', async () => {
  await recovery.start(context());
  await up();
  assert.is(await ask('deep'), 'pass', 'the quick one answers for both');
  write('deepCheck', 'echo "no answer"; exit 1');
  assert.is(await ask('deep', { cause: 'hung' }), 'fail hung');
  assert.is(await ask('quick'), 'pass');
  write('deepCheck', 'sleep 30');
  assert.is(await ask('deep', {}, 500), 'unknown');
});

test('without a pid file and an executable, its quickCheck tells', async () => {
  const blind = { 'pid-file': undefined, exe: [] };
  assert.is((await recovery.inspect(context(blind))).state, 'failed');
  await recovery.start(context());
  await up();
  assert.is((await recovery.inspect(context(blind))).state, 'running');
  rmSync(join(folder, 'quickCheck'));
  assert.is((await recovery.inspect(context(blind))).state, 'unknown');
  assert.is(await ask('quick'), 'unknown');
});

test('what is not there, or open to everybody, is not run', async () => {
  rmSync(join(folder, 'restore'));
  assert.is((await recovery.start(context())).cause, 'misconfigured');
  write('restore', 'exit 0');
  chmodSync(join(folder, 'restore'), 0o777);
  assert.match((await recovery.start(context())).detail, 'everybody may write');
  chmodSync(join(folder, 'quickCheck'), 0o777);
  assert.is(await ask('quick'), 'unknown');
});

test.run();
