import { chmodSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Recovery } from '../../src/define.ts';
import type { ExecResult } from '../../src/ports/exec.ts';
import { proc } from '../../src/ports/proc.ts';
import sysv from '../../src/recovery/sysv.ts';
import { until } from '../support/host.ts';
import { recoveryContext } from '../support/recover.ts';

const test = suite('recovery sysv');
const recovery = sysv as unknown as Recovery;
const folder = mkdtempSync(join(tmpdir(), 'wk-sysv-'));
const exe = join(folder, 'maild');
const pidFile = join(folder, 'pid');
copyFileSync('/bin/sleep', exe);
test.after.each(async () => {
  for (const one of proc.byExe(exe)) proc.signal(one.pid, 'SIGKILL');
  await until(() => living() === 0);
});
test.after(() => rmSync(folder, { recursive: true }));

function script(actions: Readonly<Record<string, string>>): void {
  const all = Object.entries(actions).map(([name, body]) => `${name}) ${body};;`);
  writeFileSync(join(folder, 'mail'), `#!/bin/sh\ncase "$1" in\n${all.join('\n')}\n*) exit 3;;\nesac\n`);
  chmodSync(join(folder, 'mail'), 0o755);
}
const START = `${exe} 30 & echo $! > ${pidFile}`;
const living = (): number => proc.byExe(exe).filter((one) => one.state !== 'Z').length;
const context = (more: object = {}) => recoveryContext(recovery, { name: 'mail', folder, ...more });

test('the codes of LSB', async () => {
  for (const [code, state] of Object.entries({
    0: 'running',
    1: 'failed',
    2: 'failed',
    3: 'stopped',
    4: 'unknown',
    9: 'unknown',
  })) {
    script({ status: `echo "mail is $1"; exit ${code}` });
    const got = await recovery.inspect(context());
    assert.is(got.state, state, code);
    assert.match(got.detail, `its init script says ${code} "mail is status"`);
  }
});

test('its process is certain, whatever the script says', async () => {
  const known = context({ 'pid-file': pidFile, exe: [exe] });
  script({ start: START, status: 'exit 0' });
  assert.equal([(await recovery.inspect(known)).state], ['failed'], 'the script lies');
  await recovery.start(known);
  assert.ok(await until(() => living() === 1));
  script({ status: 'exit 3' });
  const got = await recovery.inspect(known);
  assert.equal([got.state, got.main?.exe], ['running', exe]);
});

test('a stop that fails, hangs or lies ends in SIGKILL', async () => {
  for (const stop of ['exit 1', 'sleep 30', 'exit 0']) {
    script({ start: START, stop });
    const known = context({ 'pid-file': pidFile, exe: [exe], 'stop-timeout': '200ms' });
    await recovery.start(known);
    assert.ok(await until(() => living() === 1));
    const got = await recovery.stop(known, { force: false });
    assert.equal([got.ok, living()], [true, 0], got.detail);
    assert.match(got.detail, 'killed 1 process');
  }
});

test('orphans of a dead main process are swept away; while it lives, nothing is', async () => {
  script({ start: `${START}; ${exe} 31 &` });
  const known = context({ 'pid-file': pidFile, exe: [exe] });
  await recovery.start(known);
  assert.ok(await until(() => living() === 2));
  assert.match((await recovery.sweep?.(known))?.detail ?? '', 'nothing to sweep');
  const main = (await recovery.inspect(known)).main;
  proc.signal(main?.pid ?? 0, 'SIGKILL');
  assert.ok(await until(() => living() === 1));
  assert.match((await recovery.sweep?.(known))?.detail ?? '', 'killed 1 process');
  assert.is(living(), 0);
});

test('not installed and not configured are misconfigured; a script that is not there too', async () => {
  for (const [code, cause] of Object.entries({ 1: undefined, 5: 'misconfigured', 6: 'misconfigured' })) {
    script({ start: `exit ${code}` });
    assert.is((await recovery.start(context())).cause, cause, code);
  }
  assert.is((await recovery.start(context({ name: 'other' }))).cause, 'misconfigured');
  assert.is((await recovery.inspect(context({ name: 'other' }))).state, 'unknown');
  for (const name of ['../mail', '-x', '', 'a b']) assert.is(recovery.options.safeParse({ name }).success, false, name);
});

const well: ExecResult = {
  ...{ code: 0, signal: null, stdout: '', stderr: '', timedOut: false, failed: null, truncated: false, ms: 5 },
};

test('OpenRC: its codes, by rc-service', async () => {
  const asked: string[] = [];
  const states = {
    0: 'running',
    1: 'unknown',
    3: 'stopped',
    4: 'changing',
    8: 'changing',
    16: 'stopped',
    32: 'failed',
  };
  for (const [code, state] of Object.entries(states)) {
    const run = (argv: readonly string[]): Promise<ExecResult> => {
      asked.push(argv.join(' '));
      return Promise.resolve({ ...well, code: Number(code) });
    };
    const got = await recovery.inspect(
      recoveryContext(recovery, { name: 'mail', system: 'openrc' }, { exec: { run } }),
    );
    assert.equal([got.state, got.byHand], [state, state === 'changing'], code);
  }
  assert.equal([...new Set(asked)], ['rc-service mail status']);
});

test('OpenRC forgets a crashed service before it starts it', async () => {
  const asked: string[] = [];
  const run = (argv: readonly string[]): Promise<ExecResult> => {
    const verb = argv.at(-1) ?? '';
    asked.push(verb);
    return Promise.resolve({ ...well, code: verb === 'status' ? 32 : 0 });
  };
  const got = await recovery.start(recoveryContext(recovery, { name: 'mail', system: 'openrc' }, { exec: { run } }));
  assert.equal([got.ok, asked], [true, ['status', 'zap', 'start']]);
});

test.run();
