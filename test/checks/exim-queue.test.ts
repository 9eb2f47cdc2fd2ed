import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/exim-queue.ts';
import type { Check, CheckResult } from '../../src/define.ts';
import { addLine, EMPTY, type EximQueue } from '../../src/dialogues/exim-list.ts';
import { clock } from '../../src/ports/clock.ts';
import type { Exec, ExecResult } from '../../src/ports/exec.ts';
import { runCheck } from '../support/check.ts';

const test = suite('exim-queue');

/** As Exim 4.96 writes it. */
const LIST = ` 0m   270 1xWGft-0000Ou-1t <a@lab.test> *** frozen ***
          b@far.test

26h  2.9K 1xWGft-0000P7-32 <>
          b@far.test
        D c@far.test

 3d  1.2M 1xWGft-0000PA-0t <x@lab.test>
          d@far.test
`;
const read = (text: string): EximQueue => text.split('\n').reduce(addLine, EMPTY);
const HOUR_MS = 3_600_000;

test('the list: age, frozen ones, recipients that look like messages', () => {
  assert.equal(read(LIST), { count: 3, frozen: 1, oldestMs: 72 * HOUR_MS, oldestMovingMs: 72 * HOUR_MS });
  const old = read(' 9d   270 1xWGft-0000Ou-1t <> *** frozen ***\n 2h   1M 1xWGft-0000Ou-2t <>\n');
  assert.is(old.oldestMs, 9 * 24 * HOUR_MS);
  assert.is(old.oldestMovingMs, 2 * HOUR_MS);
  // Longer ids, as from 4.97 on.
  assert.is(read(' 1m   270 1xWGft-00000000Ou1-1tAb <a@b>').count, 1);
  for (const junk of ['', 'x', '          1m 2 <a>', '\u001b[2J', `1m ${'9'.repeat(1000)}`])
    assert.is(read(junk).count, 0);
});

const ended: ExecResult = {
  ...{ code: 0, signal: null, stdout: '', stderr: '', timedOut: false, failed: null, truncated: false, ms: 5 },
};
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
function exim(count: string, list = '', result: Partial<ExecResult> = {}): Exec {
  return {
    run: async (argv, options) => {
      if (argv.includes('-bpc')) return { ...ended, stdout: count, ...result };
      options.onStdout?.(Buffer.from(list));
      return ended;
    },
  };
}
const memory = new Map<string, unknown>();
let now = 1_000_000;
const run = (exec: Exec, options: object = {}): Promise<CheckResult> =>
  runCheck(
    check as unknown as Check,
    { exim: '/bin/sh', paniclog: '/nonexistent/paniclog', ...options },
    {
      ...{ depth: 'deep', memory, ports: { exec, clock: { ...clock, monotonic: () => now } } },
    },
  );

test('counts, ages, growth', async () => {
  assert.is(said(await run(exim('3\n', LIST), { age: '4d' })), 'pass/-');
  const old = await run(exim('3\n', LIST));
  assert.is(said(old), 'degraded/dependency');
  assert.match(old.detail, 'waits for 72 h');
  assert.is(said(await run(exim('501\n'))), 'degraded/dependency');
  now += 60_000;
  const fast = await run(exim('100\n'));
  assert.is(said(fast), 'pass/-', 'less than 501 a minute ago');
  now += 60_000;
  assert.match((await run(exim('300\n'))).detail, 'grows by 200 a minute');
});

test('what is no answer says nothing about the queue', async () => {
  for (const text of ['', 'x\n', '-1\n', '1 2\n', '9'.repeat(40)])
    assert.is(said(await run(exim(text))), 'unknown/-', text);
  assert.is(said(await run(exim('', '', { code: null, timedOut: true }))), 'unknown/-');
  assert.is(said(await run(exim('', '', { code: null, failed: 'ENOENT' }))), 'unknown/-');
  const denied = { code: 1, stderr: 'exim: permission denied' };
  assert.is(said(await run(exim('', '', denied))), 'unknown/-');
  const wrong = { code: 1, stderr: '2026 Exim configuration error in line 1 of /x:\n  main option "junk" unknown\n' };
  const bad = await run(exim('', '', wrong));
  assert.is(said(bad), 'fail/misconfigured');
  assert.match(bad.detail, 'main option "junk" unknown');
});

test.run();
