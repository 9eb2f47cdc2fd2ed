import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { policy, servicePolicy } from '../support/policies.ts';
import { Drive, effectsOf, fails, passes, refusedBy, ruleOf } from '../support/drive.ts';

const test = suite('boot');

const three = (): Drive =>
  new Drive(
    policy(
      { a: servicePolicy(), b: servicePolicy(), c: servicePolicy({ then: 'switchover', ladder: [] }) },
      {
        repairs: { max: 20, windowMs: 3_600_000, parallel: 2 },
      },
    ),
  );

test('nothing is repaired before each service has had its first word', () => {
  const drive = three().start();
  assert.equal(drive.node.round, ['a', 'b', 'c']);
  assert.equal(refusedBy(drive.quick('a', fails('dead'))), ['first-round']);
  drive.deep('a', fails('dead'));
  drive.deep('b', passes());
  assert.is(drive.phase('a'), 'suspect');
  const last = drive.deep('c', passes());
  assert.ok(
    effectsOf(last, 'check').some((e) => e.service === 'a' && e.depth === 'deep'),
    'asked anew at once',
  );
  drive.deep('a', fails('dead'));
  assert.is(drive.phase('a'), 'restarting');
});

test('the last of the round acts at once', () => {
  const drive = three().start();
  drive.deep('b', passes());
  drive.deep('c', passes());
  drive.deep('a', fails('dead'));
  assert.is(drive.phase('a'), 'restarting');
});

test('a service that does not answer holds the round no longer than its confirmation', () => {
  const drive = three().start();
  drive.deep('b', passes());
  drive.deep('a', passes());
  drive.wait(5000);
  assert.equal(drive.node.round, []);
});

test('nobody waits for the first word of a service that is paused or taken away meanwhile', () => {
  const drive = three().start();
  drive.deep('a', fails('dead'));
  drive.pause('b', 3_600_000);
  assert.equal(drive.node.round, ['c']);
  drive.feed({ kind: 'evicted', service: 'c', detail: 'moved' });
  assert.equal(drive.node.round, []);
  drive.deep('a', fails('dead'));
  assert.is(drive.phase('a'), 'restarting');
});

test('every phase over a restart of the daemon', () => {
  const drive = three().well();
  const boot = (): string => {
    drive.reboot();
    return drive.phase('a');
  };
  assert.is(boot(), 'suspect', 'healthy: looked at again');
  for (const name of ['a', 'b', 'c']) drive.deep(name, passes());
  drive.quick('a', fails('dead'));
  assert.is(drive.phase('a'), 'restarting');
  const { attempts, repairs, incident } = drive.of('a');
  assert.is(boot(), 'suspect', 'restarting: in doubt, so looked at again');
  assert.equal([drive.of('a').attempts, drive.of('a').repairs, drive.of('a').incident], [attempts, repairs, incident]);
  for (const name of ['b', 'c', 'a']) drive.deep(name, name === 'a' ? fails('dead') : passes());
  assert.is(drive.of('a').attempts, 2, 'what was spent before the crash is spent');
  drive.repaired('a');
  assert.is(drive.phase('a'), 'verifying');
  assert.is(boot(), 'suspect');
  for (const name of ['b', 'c', 'a']) drive.deep(name, name === 'a' ? fails('dead') : passes());
  drive.repaired('a', 'failed');
  assert.is(drive.phase('a'), 'failed');
  const { wakeAt } = drive.of('a');
  assert.is(boot(), 'failed');
  assert.equal(
    effectsOf(drive.steps.at(-1), 'wake').find((e) => e.service === 'a')?.at,
    wakeAt,
    'its alarm clock is set again',
  );
  drive.pause('a', 60_000);
  drive.now += 90_000;
  assert.is(boot(), 'paused');
  drive.wait(1);
  assert.is(drive.phase('a'), 'suspect', 'a pause that ended meanwhile ends now');
});

test('waiting, switching and relinquished over a restart of the daemon', () => {
  const drive = three().well();
  drive.quick('a', fails('dead'));
  drive.repaired('a', 'failed');
  assert.is(drive.phase('a'), 'waiting');
  drive.deep('c', fails('hung'));
  drive.deep('c', fails('hung'));
  assert.is(drive.phase('c'), 'switching');
  drive.feed({ kind: 'evicted', service: 'b', detail: 'moved' });
  const { epoch, incident } = drive.of('c');
  const step = drive.reboot();
  assert.is(drive.phase('a'), 'suspect');
  assert.is(drive.phase('b'), 'relinquished');
  assert.is(drive.phase('c'), 'switching');
  assert.equal(effectsOf(step, 'switchover'), [{ kind: 'switchover', service: 'c', epoch: epoch + 1, incident }]);
  assert.equal(drive.node.round, ['a'], 'who is on the move, or away, is not waited for');
});

test('alarms and budgets are the same after it', () => {
  const drive = three().well();
  drive.quick('a', fails('dead'));
  drive.repaired('a', 'failed');
  const { alarms, repairs } = drive.node;
  drive.reboot();
  assert.equal(drive.node.alarms, alarms);
  assert.equal(drive.node.repairs, repairs);
});

test('what somebody else started a moment ago is given its time to come up, and repaired when it did not', () => {
  const make = (): Drive => new Drive(policy({ mta: servicePolicy({ graceMs: 60_000 }) })).start();
  const drive = make();
  const step = drive.deep('mta', { ...fails('refusing'), ageMs: 10_000 });
  assert.is(ruleOf(step), 'start-grace');
  assert.equal([drive.phase('mta'), drive.of('mta').waitsFor], ['suspect', 'start']);
  drive.wait(50_000);
  drive.deep('mta', { ...fails('refusing'), ageMs: 60_001 });
  assert.is(drive.phase('mta'), 'restarting');
  const dead = make();
  dead.deep('mta', { ...fails('dead'), ageMs: 10_000 });
  assert.is(dead.phase('mta'), 'restarting', 'who is dead does not come up');
});

test.run();
