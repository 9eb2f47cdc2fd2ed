import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/log-pattern.ts';
import type { CheckResult } from '../../src/define.ts';
import { clock } from '../../src/ports/clock.ts';
import { ask, hostPorts } from '../support/host.ts';

const test = suite('check log-pattern');
const dir = mkdtempSync(join(tmpdir(), 'wk-log-'));
const path = join(dir, 'mail.log');
test.before.each(() => writeFileSync(path, 'old: fatal: of yesterday\n'));
test.after(() => rmSync(dir, { recursive: true }));

/** Looks again and again, at the given minutes. */
function watcher(options: object = {}) {
  const memory = new Map<string, unknown>();
  return (minute = 0, timeoutMs = 20_000): Promise<CheckResult> => {
    const ports = hostPorts({ clock: { ...clock, monotonic: () => minute * 60_000 } });
    return ask(check, { path, pattern: 'fatal:|panic:', ...options }, ports, { memory, timeoutMs });
  };
}
const short = (got: CheckResult): string => [got.outcome, got.cause].filter(Boolean).join(' ');
const value = (got: CheckResult, name: string): number | undefined =>
  got.metrics?.find((one) => one.name === name)?.value;

test('only new lines count, whole ones, and what is to be ignored does not', async () => {
  const look = watcher({ ignore: 'Connection reset' });
  assert.is((await look()).detail, `no new line of ${path} matches`);
  appendFileSync(path, 'fine\npanic: Connection reset\nfatal: no such \u001b[31muser\nfatal: half');
  const got = await look();
  assert.is(short(got), 'degraded refusing');
  assert.is(got.detail, `1 line of ${path} (1 a minute) match, the last: "fatal: no such \\x1b[31muser"`);
  assert.equal([value(got, 'lines'), value(got, 'matches')], [3, 1]);
  appendFileSync(path, ' of it\n');
  assert.is(value(await look(), 'matches'), 1);
  assert.is(value(await look(), 'matches'), 0);
});

test('a rate over a window, with two limits', async () => {
  const look = watcher({ warn: 2, crit: 10, window: '2m', cause: 'overloaded', 'any-case': true });
  await look(0);
  appendFileSync(path, 'FATAL: x\n'.repeat(2));
  assert.is(short(await look(0.5)), 'pass');
  appendFileSync(path, 'fatal: x\n'.repeat(4));
  assert.is(short(await look(1)), 'degraded overloaded');
  appendFileSync(path, 'fatal: x\n'.repeat(30));
  assert.is(short(await look(2)), 'fail overloaded');
  assert.is(short(await look(4.1)), 'pass', 'they are of before the window');
});

test('over a rotation: the end of the old file and the beginning of the new one', async () => {
  const look = watcher();
  await look();
  appendFileSync(path, 'fatal: before\n');
  renameSync(path, `${path}.1`);
  writeFileSync(path, 'fatal: after\nfine\n');
  const got = await look();
  assert.equal([value(got, 'matches'), value(got, 'lines')], [2, 3], got.detail);
  rmSync(path);
  assert.is(short(await look()), 'unknown');
  writeFileSync(path, '');
  truncateSync(path, 0);
  assert.is(value(await look(), 'matches'), 0);
});

test('emptied where it is', async () => {
  const look = watcher();
  await look();
  truncateSync(path, 0);
  appendFileSync(path, 'panic: x\n');
  assert.is(value(await look(), 'matches'), 1);
});

test('of more than may be read, the newest, and it is told', async () => {
  const look = watcher({ max: '4K' });
  await look();
  appendFileSync(path, `${'fatal: x\n'.repeat(100_000)}`);
  const got = await look();
  assert.match(got.detail, /; 89\d+ bytes were passed over$/);
  assert.ok((value(got, 'matches') ?? 0) > 440 && (value(got, 'matches') ?? 0) < 456);
  appendFileSync(path, 'x'.repeat(10_000));
  assert.is(value(await look(), 'lines'), 1, 'a line without an end is read, not waited for');
});

test('a pattern that takes for ever costs one look, and does not blind the next', async () => {
  const look = watcher({ pattern: '^(a+)+$' });
  await look();
  appendFileSync(path, `${'a'.repeat(60)}b\n`);
  const started = performance.now();
  const got = await look(0, 2500);
  assert.is(short(got), 'unknown');
  assert.match(got.detail, 'too slow');
  assert.ok(performance.now() - started < 15_000);
  assert.is((await look()).outcome, 'pass');
});

test('what is no plain file is not read', async () => {
  rmSync(path);
  execFileSync('mkfifo', [path]);
  assert.is(short(await watcher()()), 'unknown');
  rmSync(path);
  for (const bad of [{ pattern: '(' }, { pattern: 'x'.repeat(501) }, { pattern: 'x', max: '1G' }])
    assert.is(check.options.safeParse({ path, ...bad }).success, false);
});

test.run();
