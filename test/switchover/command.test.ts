// Programs as a step: small scripts that do what they are told, hang, are not there, or are anybody's.
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import command from '../../src/switchover/command.ts';
import { clock } from '../../src/ports/clock.ts';
import { stepContext, stepFolder } from '../support/step.ts';

const test = suite('step command');
const folder = stepFolder();
test.after(() => folder.remove());

const script = (name: string, text: string): string => {
  const path = join(folder.path, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return path;
};
const flag = join(folder.path, 'attached');
const wanted = () => ({
  do: [script('do', `env | grep ^WATCHKEEPER_ | sort > ${folder.path}/env; touch ${flag}`)],
  undo: [script('undo', `rm -f ${flag}; echo "$WATCHKEEPER_FORCE" > ${folder.path}/force`)],
  probe: [script('probe', `test -e ${flag}`)],
});

test('there, away, and looked at', async () => {
  const context = stepContext(command, wanted(), { from: 'n2', planned: false });
  assert.is((await command.probe(context)).state, 'undone');
  assert.is((await command.do(context)).ok, true);
  assert.is((await command.probe(context)).state, 'done');
  assert.equal(readFileSync(join(folder.path, 'env'), 'utf8').trim().split('\n'), [
    ...['WATCHKEEPER_EPOCH=7', 'WATCHKEEPER_FROM=n2', 'WATCHKEEPER_GROUP=mail', 'WATCHKEEPER_NODE=n1'],
    ...['WATCHKEEPER_PLANNED=0', 'WATCHKEEPER_STEP=step', 'WATCHKEEPER_TO=n1'],
  ]);
  assert.is((await command.undo(context, { force: true })).ok, true);
  assert.is(readFileSync(join(folder.path, 'force'), 'utf8'), '1\n');
  assert.not.ok(existsSync(flag));
});

test('what cannot be told is unknown, and never ok', async () => {
  const strange = { ...wanted(), probe: [script('odd', 'echo "error: no idea" >&2; exit 4')] };
  const probe = await command.probe(stepContext(command, strange));
  assert.equal([probe.state, /exit code 4: "error: no idea"/.test(probe.detail)], ['unknown', true]);
  const killed = stepContext(command, { ...wanted(), probe: [script('dies', 'kill -9 $$')] });
  assert.is((await command.probe(killed)).state, 'unknown');
  const none = stepContext(command, { do: ['/nonexistent/x'], undo: ['/nonexistent/x'] });
  assert.is((await command.probe(none)).state, 'unknown');
  assert.is((await command.do(none)).ok, false);
  assert.is((await command.undo(none, { force: true })).ok, false);
  assert.is((await command.ready?.(none))?.ok, false);
});

test('a program that hangs ends with the signal', async () => {
  const hanging = { ...wanted(), undo: [script('hangs', 'trap "" TERM; sleep 60')] };
  const context = stepContext(command, hanging, { signal: AbortSignal.timeout(300) });
  const started = clock.monotonic();
  assert.is((await command.undo(context, { force: false })).ok, false);
  assert.ok(clock.monotonic() - started < 20_000);
});

test('a right that ended meanwhile is no success', async () => {
  const lease = { epoch: 7, untilMs: () => Number.NEGATIVE_INFINITY };
  const got = await command.do(stepContext(command, wanted(), { lease }));
  assert.equal([got.ok, /the right ended/.test(got.detail)], [false, true], got.detail);
});

test('a program that everybody may write to is not run', async () => {
  const path = script('anybody', 'exit 0');
  chmodSync(path, 0o777);
  const context = stepContext(command, { ...wanted(), do: [path] });
  assert.is((await command.do(context)).ok, false);
  assert.match((await command.ready?.(context))?.detail ?? '', /everybody may write/);
});

test('prepare and unprepare are run when there are any', async () => {
  const made = join(folder.path, 'prepared');
  const more = { prepare: [script('prepare', `touch ${made}`)], unprepare: [script('unprepare', `rm ${made}`)] };
  const context = stepContext(command, { ...wanted(), ...more });
  assert.is((await command.prepare?.(context))?.ok, true);
  assert.ok(existsSync(made));
  assert.is((await command.unprepare?.(context))?.ok, true);
  assert.is((await command.unprepare?.(context))?.ok, false);
  assert.is((await command.prepare?.(stepContext(command, wanted())))?.ok, true);
});

test.run();
