import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { policy, servicePolicy } from '../support/policies.ts';
import { Drive, effectsOf, fails, noticesOf, passes, refusedBy, ruleOf } from '../support/drive.ts';

const test = suite('observe-only');

const acts = (drive: Drive): readonly string[] =>
  drive.steps.flatMap((step) =>
    step.decision[1]
      .filter((e) => e.kind === 'repair' || e.kind === 'switchover' || e.kind === 'stop')
      .map((e) => e.kind),
  );

for (const where of ['node', 'service'] as const) {
  const make = (patch: Parameters<typeof servicePolicy>[0] = {}): Drive =>
    new Drive(
      policy({ mta: servicePolicy({ observe: where === 'service', ...patch }) }, { observe: where === 'node' }),
    ).well();

  test(`${where}: a failure is recorded with what would have been done, and nothing is done`, () => {
    const drive = make();
    const step = drive.quick('mta', fails('dead'));
    assert.is(drive.phase('mta'), 'failed');
    assert.is(ruleOf(step), 'observe-only');
    assert.equal(refusedBy(step), ['observe-only']);
    const would = noticesOf(step).find((notice) => notice.event === 'would-have-acted');
    assert.match(would?.summary ?? '', /would have run "restart" \(attempt 1 of 3\)/);
    assert.equal(drive.alarms, ['service/mta/failing', 'service/mta/given-up']);
    drive.wait(7_200_000);
    assert.equal(acts(drive), []);
    drive.deep('mta', passes());
    assert.is(drive.phase('mta'), 'healthy');
    assert.equal(drive.alarms, []);
  });

  test(`${where}: what no rung can cure is not moved away either`, () => {
    const drive = make({ then: 'switchover' });
    drive.deep('mta', fails('no-space'));
    const step = drive.deep('mta', fails('no-space'));
    assert.is(drive.phase('mta'), 'failed');
    assert.match(
      noticesOf(step).find((notice) => notice.event === 'would-have-acted')?.summary ?? '',
      /would have asked for a switchover/,
    );
    assert.equal(acts(drive), []);
  });
}

test('turned on while a repair runs: its failure does not move the service', () => {
  const live = policy({ mta: servicePolicy({ attempts: 1, then: 'switchover' }) });
  const drive = new Drive(live).well();
  drive.quick('mta', fails('dead'));
  drive.configure({ ...live, observe: true });
  drive.repaired('mta', 'failed');
  assert.is(drive.phase('mta'), 'failed');
  assert.is(effectsOf(drive.steps.at(-1), 'switchover').length, 0);
});

test.run();
