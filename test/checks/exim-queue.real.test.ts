// The queue of a real Exim.
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/exim-queue.ts';
import type { Check, CheckResult } from '../../src/define.ts';
import { type RunOptions, runCheck } from '../support/check.ts';
import { type Exim, unpackExim } from '../support/exim.ts';

const test = suite('exim-queue on a real Exim');
let exim: Exim;
test.before(() => {
  exim = unpackExim();
});
test.after(() => exim?.stop());

const run = (more: object = {}, how: RunOptions = { depth: 'deep' }): Promise<CheckResult> => {
  const { program, config, paniclog } = exim;
  return runCheck(
    check as unknown as Check,
    { exim: program, config, paniclog, ...more },
    { timeoutMs: 20_000, ...how },
  );
};
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
const metric = (result: CheckResult, name: string): number | undefined =>
  result.metrics?.find((one) => one.name === name)?.value;

test('empty, filled, frozen', async () => {
  const empty = await run();
  assert.is(said(empty), 'pass/-', empty.detail);
  const ids = [exim.queue('a@lab.test', 'b@far.test'), exim.queue('<>', 'b@far.test', 'c@far.test')];
  assert.ok(
    ids.every((id) => id.length > 10),
    ids.join(' '),
  );
  const two = await run();
  assert.is(said(two), 'pass/-', two.detail);
  assert.is(metric(two, 'queued'), 2);
  assert.is(metric(two, 'frozen'), 0);
  assert.is(said(await run({ queued: 1 }, { depth: 'quick' })), 'degraded/dependency');
  exim.freeze(ids[0] ?? '');
  const frozen = await run({ frozen: 0 });
  assert.is(said(frozen), 'degraded/dependency');
  assert.match(frozen.detail, '1 messages are frozen');
  assert.is(said(await run()), 'pass/-');
});

test('a configuration that is wrong, and one that is away', async () => {
  const bad = join(exim.folder, 'bad.conf');
  writeFileSync(bad, 'nonsense = 1\n');
  const result = await run({ config: bad }, {});
  assert.is(said(result), 'fail/misconfigured', result.detail);
  assert.match(result.detail, 'nonsense');
  assert.is(said(await run({ config: join(exim.folder, 'away') }, {})), 'fail/misconfigured');
});

test('the panic log', async () => {
  writeFileSync(exim.paniclog, '');
  assert.is(said(await run()), 'pass/-');
  writeFileSync(
    exim.paniclog,
    '2026-11-25 17:20:54 first\n2026-11-25 17:20:55 write failed: No space left on device\n',
  );
  assert.is(said(await run()), 'degraded/no-space');
  writeFileSync(exim.paniclog, '2026-11-25 17:20:54 socket bind() to port 25 failed\n');
  const panic = await run();
  assert.is(said(panic), 'degraded/misconfigured');
  assert.match(panic.detail, 'socket bind() to port 25 failed');
  assert.is(said(await run({}, { depth: 'quick' })), 'pass/-');
});

test('a program that everybody may replace is not run', async () => {
  chmodSync(exim.folder, 0o777);
  assert.is(said(await run({}, {})), 'unknown/-');
  chmodSync(exim.folder, 0o755);
});

test.run();
