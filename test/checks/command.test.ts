import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import command from '../../src/checks/command.ts';
import nagios from '../../src/checks/nagios.ts';
import type { CheckResult } from '../../src/define.ts';
import { parsePerfdata } from '../../src/dialogues/plugin.ts';
import { type RunOptions, runCheck } from '../support/check.ts';

const test = suite('command and nagios');
let folder = '';

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'wk-plugin-'));
});
test.after.each(() => rmSync(folder, { recursive: true }));

const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const program = (text: string, name = 'check_it'): string => {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
};
const plugin = (text: string, how: RunOptions = {}): Promise<CheckResult> =>
  runCheck(nagios, { run: [program(text)], cause: 'hung' }, how);

test('a plugin has four answers, and others are its own trouble', async () => {
  const table: [number, string][] = [
    [0, 'pass/-'],
    [1, 'degraded/hung'],
    [2, 'fail/hung'],
    [3, 'unknown/-'],
    [4, 'unknown/-'],
    [126, 'unknown/-'],
    [127, 'unknown/-'],
  ];
  for (const [code, wanted] of table) {
    const result = await plugin(`echo "SMTP here"; exit ${code}`);
    assert.is(said(result), wanted, String(code));
    assert.match(result.detail, 'SMTP here');
  }
});

test('a command is good at exit 0, and else what the configuration says', async () => {
  assert.is(said(await runCheck(command, { run: [program('exit 0')] })), 'pass/-');
  const bad = await runCheck(command, { run: [program('echo "no licence" >&2; exit 1')], cause: 'expired' });
  assert.is(said(bad), 'fail/expired');
  assert.is(bad.detail, 'exits 1: "no licence"');
  assert.is(
    said(await runCheck(command, { run: [program('exit 1')], as: 'nagios', cause: 'dependency' })),
    'degraded/dependency',
  );
  assert.is(said(await runCheck(command, { run: ['true'] })), 'pass/-');
  assert.is((await runCheck(command, { run: ['/bin/echo', '$(id)'] })).detail, '"$(id)"');
});

test('performance data: units, ranges, limits, quotes, more lines', async () => {
  const result = await plugin(
    [
      `echo "DISK OK - free | /=2643MB;5948;5958;0;5968 'my ''disk'''=12,5%;~:80;@10:20;0;100"`,
      'echo "more words | load1=0.26;;;0"',
      'echo "x=1s y=U z=2c"',
    ].join('\n'),
  );
  assert.is(result.detail, 'DISK OK - free');
  assert.equal(result.metrics?.slice(1), [
    { name: '/', value: 2643, unit: 'MB', warn: '5948', crit: '5958', min: 0, max: 5968 },
    { name: "my 'disk'", value: 12.5, unit: '%', warn: '~:80', crit: '@10:20', min: 0, max: 100 },
    { name: 'load1', value: 0.26, min: 0 },
    { name: 'x', value: 1, unit: 's' },
    { name: 'z', value: 2, unit: 'c' },
  ]);
  assert.is(parsePerfdata('a=1 '.repeat(1000)).length, 100);
  const started = performance.now();
  for (const hostile of ["'".repeat(60_000), 'a'.repeat(60_000), '='.repeat(60_000), 'a=1;'.repeat(15_000)])
    parsePerfdata(hostile);
  assert.ok(performance.now() - started < 1000, 'no text makes it slow');
});

test('what hangs, forks, shouts, is away or not executable says nothing about the service', async () => {
  const started = performance.now();
  const hangs = await plugin('trap "" TERM; sleep 30', { timeoutMs: 600 });
  assert.is(said(hangs), 'unknown/-');
  assert.match(hangs.detail, 'did not end within');
  assert.ok(performance.now() - started < 600, 'its verdict comes in time');
  const forks = await plugin('(trap "" TERM; sleep 30) & sleep 30', { timeoutMs: 600 });
  assert.is(said(forks), 'unknown/-');
  const shouts = await plugin('head -c 100000000 /dev/zero | tr "\\0" x; exit 0', { timeoutMs: 20_000 });
  assert.is(said(shouts), 'unknown/-');
  assert.match(shouts.detail, 'said too much');
  assert.match((await runCheck(nagios, { run: [join(folder, 'away')] })).detail, 'is not there');
  const path = program('exit 0', 'plain');
  chmodSync(path, 0o644);
  assert.match((await runCheck(nagios, { run: [path] })).detail, 'EACCES');
  assert.is(said(await runCheck(nagios, { run: ['no-such-program-here'] })), 'unknown/-');
  assert.is(said(await plugin('kill -9 $$')), 'unknown/-');
});

test('what everybody may write to is not run, and is named', async () => {
  const path = program('exit 0');
  chmodSync(path, 0o757);
  const file = await runCheck(command, { run: [path] });
  assert.is(said(file), 'unknown/-');
  assert.match(file.detail, `everybody may write to ${path}`);
  mkdirSync(join(folder, 'open'));
  writeFileSync(join(folder, 'open', 'p'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  chmodSync(join(folder, 'open'), 0o1777);
  assert.match(
    (await runCheck(command, { run: [join(folder, 'open', 'p')] })).detail,
    `write to ${join(folder, 'open')}`,
  );
  symlinkSync(join(folder, 'open', 'p'), join(folder, 'link'));
  assert.is(said(await runCheck(command, { run: [join(folder, 'link')] })), 'unknown/-', 'a link is followed');
  assert.match((await runCheck(command, { run: ['./p'] })).detail, 'no absolute path');
});

test('words from outside stay on one line', async () => {
  const result = await plugin('printf "\\033[2J\\007red\\r bell\\n"; exit 2');
  assert.not.match(result.detail, /\p{Cc}/u);
});

test.run();
