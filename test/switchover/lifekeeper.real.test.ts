// An application with the scripts that LifeKeeper would call, around a real process.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { proc } from '../../src/ports/proc.ts';
import lifekeeper from '../../src/switchover/lifekeeper.ts';
import { until } from '../support/host.ts';
import { stepContext, stepFolder } from '../support/step.ts';

const test = suite('step lifekeeper');
const folder = stepFolder();
const actions = join(folder.path, 'actions');
const pidFile = join(folder.path, 'pid');
const words = join(folder.path, 'words');
mkdirSync(actions);
const script = (name: string, text: string): void =>
  writeFileSync(join(actions, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
const good = (): void => {
  script('restore', `echo "$@" > ${words}\n(sleep 600 & echo $! > ${pidFile}) >/dev/null 2>&1`);
  script('remove', `[ -e ${pidFile} ] && kill "$(cat ${pidFile})" 2>/dev/null\nrm -f ${pidFile}\nexit 0`);
  script('quickCheck', `ps -o stat= -p "$(cat ${pidFile} 2>/dev/null || echo 0)" | grep -qv '^Z'`);
};
const context = (more: object = {}, rest: object = {}) =>
  stepContext(lifekeeper, { folder: actions, tag: 'mail', ...more }, rest);
const living = () => proc.byArgv(/^sleep 600$/).filter(({ state }) => state !== 'Z').length;
let others = 0;
test.before(() => {
  others = living();
});
test.before.each(good);
test.after.each(async () => {
  good();
  await lifekeeper.undo(context(), { force: false });
});
test.after(() => folder.remove());

test('restored, removed, and both again', async () => {
  assert.is((await lifekeeper.ready?.(context()))?.ok, true);
  for (const _ of [1, 2]) assert.is((await lifekeeper.do(context())).ok, true);
  assert.is((await lifekeeper.probe(context())).state, 'done');
  assert.is(living(), others + 1, 'once');
  assert.ok(existsSync(words));
  for (const _ of [1, 2]) {
    const got = await lifekeeper.undo(context(), { force: false });
    assert.is(got.ok, true, got.detail);
  }
  assert.ok(await until(() => living() === others, 20_000));
  assert.is((await lifekeeper.probe(context())).state, 'unknown', 'a check that fails is no proof');
  assert.is((await lifekeeper.probe(context({ 'pid-file': pidFile }))).state, 'undone');
});

test('a remove that fails, or that says well and was not, is not ok', async () => {
  assert.is((await lifekeeper.do(context())).ok, true);
  script('remove', 'echo "error: busy" >&2; exit 1');
  assert.match((await lifekeeper.undo(context(), { force: false })).detail, /error: busy/);
  script('remove', 'exit 0');
  assert.is((await lifekeeper.undo(context(), { force: false })).ok, false);
  script('quickCheck', 'sleep 60');
  assert.is((await lifekeeper.undo(context({ 'check-timeout': '300ms' }), { force: false })).ok, false);
});

test('by force its processes are killed', async () => {
  assert.is((await lifekeeper.do(context())).ok, true);
  script('remove', 'exit 0');
  const got = await lifekeeper.undo(context({ 'pid-file': pidFile }), { force: true });
  assert.is(got.ok, true, got.detail);
  // What was killed is seen by a count of the whole machine a moment later.
  for (let n = 0; n < 100 && living() !== others; n++) await new Promise((done) => setTimeout(done, 50));
  assert.is(living(), others);
  rmSync(pidFile);
});

test('a remove that takes only the pid file away: what is left is killed', async () => {
  assert.is((await lifekeeper.do(context())).ok, true);
  script('remove', `rm -f ${pidFile}`);
  const got = await lifekeeper.undo(context({ 'pid-file': pidFile }), { force: false });
  assert.equal([got.ok, living()], [true, others], got.detail);
});

test('no right, no script, a check that fails after the restore', async () => {
  const lease = { epoch: 7, untilMs: () => Number.NEGATIVE_INFINITY };
  assert.is((await lifekeeper.do(context({}, { lease }))).ok, false);
  script('quickCheck', 'exit 1');
  assert.is((await lifekeeper.do(context())).ok, false);
  const none = context({ folder: folder.path });
  assert.equal([(await lifekeeper.do(none)).ok, (await lifekeeper.undo(none, { force: true })).ok], [false, false]);
  assert.is((await lifekeeper.ready?.(none))?.ok, false);
});

test.run();
