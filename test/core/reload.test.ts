import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { policy, servicePolicy } from '../support/policies.ts';
import { Drive, effectsOf, fails, noticesOf, passes } from '../support/drive.ts';

const test = suite('reload');

const one = servicePolicy();

test('a service is added: looked at, without holding up the others', () => {
  const drive = new Drive(policy({ a: one })).well();
  const step = drive.configure(policy({ a: one, b: one }));
  assert.equal(
    effectsOf(step, 'check').map((e) => `${e.service} ${e.depth}`),
    ['b deep'],
  );
  assert.is(drive.phase('b'), 'suspect');
  assert.is(drive.phase('a'), 'healthy');
  drive.quick('a', fails('dead'));
  assert.is(drive.phase('a'), 'restarting', 'no new first round');
});

test('a service is removed: its alarms end, its answers are nothing, the budget of the node remembers', () => {
  const drive = new Drive(policy({ a: one, b: one })).well();
  drive.quick('b', fails('dead'));
  drive.repaired('b', 'failed');
  assert.equal(drive.alarms, ['service/b/failing']);
  const step = drive.configure(policy({ a: one }));
  assert.equal(
    noticesOf(step).map((n) => `${n.kind} ${n.key}`),
    ['once node/n1', 'clear service/b/failing'],
  );
  assert.equal(Object.keys(drive.node.services), ['a']);
  assert.is(drive.node.repairs.length, 1);
});

test('what goes on goes on: counters, incidents, attempts, pauses, alarms', () => {
  const drive = new Drive(policy({ a: one, b: one })).well();
  drive.quick('a', fails('dead'));
  drive.quick('b', fails('hung'));
  const { services, alarms, repairs } = drive.node;
  drive.configure(policy({ a: servicePolicy({ attempts: 5 }), b: one }));
  assert.equal(drive.node.services, services);
  assert.equal(drive.node.alarms, alarms);
  assert.equal(drive.node.repairs, repairs);
});

test('who waited for the first word of a removed service waits no more', () => {
  const drive = new Drive(policy({ a: one, b: one })).start();
  drive.deep('a', fails('dead'));
  drive.configure(policy({ a: one }));
  assert.equal(drive.node.round, []);
  drive.wait(5000);
  drive.deep('a', fails('dead'));
  assert.is(drive.phase('a'), 'restarting');
});

test('who was blocked by a removed service is asked anew and repaired', () => {
  const child = servicePolicy({ depends: ['root'] });
  const drive = new Drive(policy({ child, root: one })).well();
  drive.quick('root', fails('dead'));
  drive.deep('child', fails('hung'));
  drive.deep('child', fails('hung'));
  assert.is(drive.of('child').blockedBy, 'root');
  drive.configure(policy({ child: one }));
  drive.wait(30_000);
  drive.deep('child', fails('hung'));
  assert.is(drive.phase('child'), 'restarting');
});

test('the same configuration again changes nothing but the notice', () => {
  const drive = new Drive(policy({ a: one })).well();
  const { services } = drive.node;
  const step = drive.configure(drive.policy);
  assert.equal(drive.node.services, services);
  assert.equal(
    noticesOf(step).map((n) => n.event),
    ['configuration-loaded'],
  );
  drive.deep('a', passes());
});

test('the node gets another name: its alarms move to the new key', () => {
  const drive = new Drive(policy({ a: one })).well();
  drive.condition('journal', true, 'disk full');
  drive.feed({ kind: 'stalled', ms: 9000 });
  drive.configure(policy({ a: one }, { node: 'n9' }));
  assert.equal(drive.alarms, ['node/n9/journal-trouble', 'node/n9/observer']);
  assert.equal(
    noticesOf(drive.steps.at(-1))
      .filter((n) => n.kind !== 'once')
      .map((n) => `${n.kind} ${n.key}`),
    [
      'clear node/n1/journal-trouble',
      'raise node/n9/journal-trouble',
      'clear node/n1/observer',
      'raise node/n9/observer',
    ],
  );
  drive.condition('journal', false, 'room again');
  drive.now += 10_000;
  drive.feed({ kind: 'tick' });
  assert.equal(drive.alarms, []);
  assert.is(drive.node.strict, null);
});

test.run();
