// The embedded default, whole: what no restart can cure is not restarted, a person is called, and it is well again when
// the trouble is gone.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { healService } from '../../src/sandbox/break.ts';
import { runWhole, type Whole } from '../support/whole-sandbox.ts';

const test = suite('the embedded default, refusals');
let whole: Whole;
test.before(async () => {
  whole = await runWhole();
});
test.after(() => whole.end());

test('no-space: nothing is restarted', async () => {
  await whole.allWell();
  const before = whole.pids();
  const seen = await whole.breakAndSee('mta', 'no-space', 'service-given-up');
  assert.is(seen.find((one) => one.event === 'service-given-up')?.cause, 'no-space');
  assert.is((await whole.shown('mta')).why.rule, 'cause-not-curable');
  await healService(whole.box.dir, 'mta');
  await whole.allWell();
  assert.equal(whole.pids(), before);
});

test('misconfigure: it is not started, and the file is named', async () => {
  await whole.breakAndSee('web', 'misconfigure', 'service-given-up');
  const web = await whole.shown('web');
  assert.is(web.cause, 'misconfigured');
  assert.match(web.why.text, /settings\.json/);
  assert.is(whole.pids().web, null);
  await healService(whole.box.dir, 'web');
  await whole.reset('web');
  await whole.allWell();
});

test('loop: it is repaired as often as its budget allows, and then it gives up loudly', async () => {
  const seen = await whole.breakAndSee('store', 'loop', 'service-given-up');
  const tries = seen.filter((one) => one.event === 'recovery-started' && one.service === 'store').length;
  assert.ok(tries >= 1 && tries <= 3, `${tries} repairs`);
  assert.is((await whole.shown('store')).phase, 'failed');
  await healService(whole.box.dir, 'store');
  await whole.reset('store');
  await whole.allWell();
});

test.run();
