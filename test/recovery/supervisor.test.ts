import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Recovery } from '../../src/define.ts';
import type { ExecResult } from '../../src/ports/exec.ts';
import supervisor, { parseStatus } from '../../src/recovery/supervisor.ts';
import { recoveryContext } from '../support/recover.ts';

const test = suite('recovery supervisor');
const recovery = supervisor as unknown as Recovery;
const well: ExecResult = {
  ...{ code: 0, signal: null, stdout: '', stderr: '', timedOut: false, failed: null, truncated: false, ms: 5 },
};

/** supervisorctl that answers so, by its verb; and what it was asked. */
function world(answers: Readonly<Record<string, Partial<ExecResult>>>) {
  const asked: string[] = [];
  const run = (argv: readonly string[]): Promise<ExecResult> => {
    const verb = argv.at(-2) ?? '';
    asked.push(verb);
    return Promise.resolve({ ...well, ...answers[verb] });
  };
  return { context: recoveryContext(recovery, { program: 'mail' }, { exec: { run } }), asked };
}

test('every state word', async () => {
  const table: [string, string, boolean][] = [
    ['RUNNING   pid 999999991, uptime 0:00:03', 'running', false],
    ['STARTING', 'changing', true],
    ['STOPPING', 'changing', true],
    ['BACKOFF   Exited too quickly (process log may have details)', 'changing', false],
    ['STOPPED   Nov 25 04:12 PM', 'stopped', true],
    ['STOPPED   Not started', 'stopped', false],
    ['EXITED    Nov 25 04:12 PM', 'failed', false],
    ['FATAL     Exited too quickly (process log may have details)', 'failed', false],
    ['UNKNOWN', 'unknown', false],
    ['WEIRD', 'unknown', false],
  ];
  for (const [line, state, byHand] of table) {
    const { context } = world({ status: { stdout: `mail      ${line}\n`, code: 3 } });
    const got = await recovery.inspect(context);
    assert.equal([got.state, got.byHand], [state, byHand], line);
  }
});

test('the program that was asked for, and no other', () => {
  const text = 'mailer RUNNING pid 7, uptime 0:01\nmail:mail RUNNING pid 8, uptime 0:01\nmail:other FATAL x\n';
  assert.is(parseStatus(text, 'mail')?.pid, 8);
  assert.is(parseStatus(text, 'mail:other')?.word, 'FATAL');
  assert.is(parseStatus(text, 'other'), null);
  assert.is(parseStatus(`${'x'.repeat(100_000)} RUNNING\n`, 'mail'), null);
});

test('supervisord that is not there, or knows no such program', async () => {
  const away = world({ status: { stdout: 'unix:///run/x.sock no such file\n', code: 4 } });
  assert.is((await recovery.inspect(away.context)).state, 'unknown');
  assert.is((await recovery.stop(away.context, { force: true })).ok, false);
  const none = world({ start: { stdout: 'mail: ERROR (no such process)\n', code: 1 } });
  assert.equal([(await recovery.start(none.context)).cause], ['misconfigured']);
  const runs = world({ start: { stdout: 'mail: ERROR (already started)\n' } });
  assert.is((await recovery.start(runs.context)).ok, true);
  const spawn = world({ start: { stdout: 'mail: ERROR (spawn error)\n' } });
  assert.equal([(await recovery.start(spawn.context)).ok], [false]);
});

test('what does not run is not stopped', async () => {
  const { context, asked } = world({ status: { stdout: 'mail FATAL   Exited too quickly\n', code: 3 } });
  assert.is((await recovery.stop(context, { force: false })).ok, true);
  assert.equal(asked, ['status']);
});

test('options that cannot work are refused', () => {
  for (const bad of [{ program: 'all *' }, { program: 'mail:*' }, { program: 'x', server: 'http://me:pw@host' }])
    assert.is(recovery.options.safeParse(bad).success, false, JSON.stringify(bad));
});

test.run();
