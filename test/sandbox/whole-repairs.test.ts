// The embedded default, whole: what a restart can cure is found with its true cause and repaired, and nobody else is
// touched.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { How } from '../../src/sandbox/break.ts';
import { type ServiceName, services } from '../../src/sandbox/places.ts';
import { runWhole, type Whole } from '../support/whole-sandbox.ts';

const test = suite('the embedded default, repairs');
let whole: Whole;
test.before(async () => {
  whole = await runWhole();
});
test.after(() => whole.end());

test('from nothing to all well', () => whole.allWell());

const curable: readonly (readonly [ServiceName, How, string])[] = [
  ['mta', 'kill', 'dead'],
  ['store', 'hang', 'hung'],
  ['web', 'refuse', 'refusing'],
  ['mta', 'slow', 'hung'],
];
for (const [service, how, cause] of curable) {
  test(`${service} ${how}: cause ${cause}, repaired; the others are left alone`, async () => {
    const before = whole.pids();
    const seen = await whole.breakAndSee(service, how, 'recovery-succeeded');
    const raised = seen.find((one) => one.event === 'service-failing' && one.service === service);
    assert.is(raised?.cause, cause);
    assert.is(seen.filter((one) => one.event === 'recovery-started').length, 1, 'the first repair helps');
    await whole.allWell();
    const after = whole.pids();
    for (const name of services)
      assert.is(
        after[name] === before[name],
        name !== service,
        `${name} was ${name === service ? 'not ' : ''}restarted`,
      );
  });
}

test('told to end, it ends, and its sandbox with it', async () => {
  whole.daemon.kill('SIGTERM');
  assert.is(await whole.ended, 0, whole.told().slice(-2000));
  assert.equal(whole.pids(), { store: null, mta: null, web: null });
});

test.run();
