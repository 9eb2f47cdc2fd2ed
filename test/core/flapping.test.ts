import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { policy, servicePolicy } from '../support/policies.ts';
import { Drive, effectsOf, fails, passes, refusedBy } from '../support/drive.ts';

const test = suite('flapping');

const rules = servicePolicy({
  attempts: 9,
  flap: { changes: 3, windowMs: 600_000, calmMs: 300_000 },
  stableMs: 60_000,
});
const make = (): Drive => new Drive(policy({ mta: rules })).well();

/** Dies, is repaired, is well. */
function flip(drive: Drive): void {
  drive.quick('mta', fails('dead'));
  drive.repaired('mta');
  drive.deep('mta', passes());
  drive.wait(10_000);
}

test('the third fall within the window freezes repairs, with an alarm; calm thaws them', () => {
  const drive = make();
  flip(drive);
  flip(drive);
  assert.equal(drive.alarms, []);
  const step = drive.quick('mta', fails('dead'));
  assert.equal(refusedBy(step), ['flapping']);
  assert.equal([drive.phase('mta'), drive.of('mta').waitsFor], ['waiting', 'calm']);
  assert.equal(drive.alarms, ['service/mta/failing', 'service/mta/flapping']);
  drive.wait(299_999);
  assert.is(drive.phase('mta'), 'waiting');
  drive.wait(1);
  assert.is(drive.phase('mta'), 'suspect');
  assert.is(effectsOf(drive.deep('mta', fails('dead')), 'repair').length, 1);
  assert.equal(drive.alarms, ['service/mta/failing'], 'no word of frozen repairs while it is repaired');
});

test('it is well while frozen: frozen still, until calm', () => {
  const drive = make();
  flip(drive);
  flip(drive);
  drive.quick('mta', fails('dead'));
  drive.deep('mta', passes());
  assert.is(drive.phase('mta'), 'healthy');
  assert.equal(drive.alarms, ['service/mta/flapping']);
  drive.wait(60_000);
  assert.is(drive.of('mta').attempts, 0, 'stable meanwhile');
  drive.wait(240_000);
  assert.equal(drive.alarms, []);
  assert.is(drive.of('mta').frozenUntil, null);
});

test('falls that are far apart are no flapping', () => {
  const drive = make();
  for (let n = 0; n < 5; n++) {
    flip(drive);
    drive.wait(300_000);
  }
  assert.equal(drive.alarms, []);
  assert.ok(drive.of('mta').flips.length <= 3);
});

test('false alarms are coming and going too', () => {
  const drive = make();
  for (let n = 0; n < 3; n++) {
    drive.deep('mta', fails('hung'));
    drive.deep('mta', passes());
  }
  assert.equal(drive.alarms, ['service/mta/flapping']);
});

test('memory of falls has a bound', () => {
  const drive = new Drive(policy({ mta: { ...rules, flap: { changes: 4, windowMs: 1e9, calmMs: 1 } } })).well();
  for (let n = 0; n < 50; n++) {
    drive.deep('mta', fails('hung'));
    drive.deep('mta', passes());
  }
  assert.is(drive.of('mta').flips.length, 4);
});

test.run();
