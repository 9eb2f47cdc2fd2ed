import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { policy, servicePolicy } from '../support/policies.ts';
import { Drive, effectsOf, fails, noticesOf, passes, ruleOf } from '../support/drive.ts';

const test = suite('operator');

const make = (): Drive => new Drive(policy({ mta: servicePolicy() })).well();

test('a pause: nothing is done, it is told, and it ends by itself with a fresh look', () => {
  const drive = make();
  const step = drive.pause('mta', 60_000);
  assert.equal(
    noticesOf(step).map((n) => n.event),
    ['service-paused'],
  );
  assert.equal(drive.of('mta').pause, { until: 60_000, by: 'ops', comment: 'work' });
  drive.quick('mta', fails('dead'));
  drive.deep('mta', fails('dead'));
  drive.died('mta');
  drive.started('mta');
  assert.is(drive.phase('mta'), 'paused');
  assert.equal(drive.alarms, []);
  drive.wait(59_999);
  assert.is(drive.phase('mta'), 'paused');
  drive.wait(1);
  assert.is(drive.phase('mta'), 'suspect');
  assert.is(drive.of('mta').pause, null);
  assert.ok(noticesOf(drive.steps.at(-1)).some((n) => n.event === 'service-resumed'));
  assert.ok(effectsOf(drive.steps.at(-1), 'check').some((e) => e.depth === 'deep'));
});

test('a pause can be made longer or shorter', () => {
  const drive = make();
  drive.pause('mta', 60_000);
  drive.pause('mta', 90_000);
  drive.wait(60_000);
  assert.is(drive.phase('mta'), 'paused');
  drive.wait(30_000);
  assert.is(drive.phase('mta'), 'suspect');
});

test('a pause without an end in the future is refused', () => {
  const drive = make();
  assert.is(ruleOf(drive.pause('mta', 0)), 'refused');
  assert.is(drive.phase('mta'), 'healthy');
});

test('a pause in the middle of a repair: its answer is void, attempts are kept, the alarm stays', () => {
  const drive = make();
  drive.quick('mta', fails('dead'));
  const { epoch } = drive.of('mta');
  drive.pause('mta', 60_000);
  drive.feed({ kind: 'repaired', service: 'mta', epoch, result: { ok: false, did: 'failed', detail: 'x' } });
  assert.is(drive.phase('mta'), 'paused');
  assert.equal(drive.alarms, ['service/mta/failing']);
  drive.feed({ kind: 'resumed', service: 'mta', by: 'ops' });
  drive.deep('mta', fails('dead'));
  assert.is(drive.of('mta').attempts, 2);
});

for (const [kind, reason] of [
  ['resumed', 'it is not paused'],
  ['reset', 'it has not given up'],
  ['acquired', 'this node has it already'],
] as const)
  test(`${kind} is refused where it makes no sense, with a reason`, () => {
    const drive = make();
    const { node } = drive;
    const step = drive.feed({ kind, service: 'mta', by: 'ops' } as never);
    assert.is(drive.node, node);
    assert.equal([ruleOf(step), step.decision[2][0]?.text], ['refused', reason]);
  });

test('evicted: stopped here, nothing open stays; acquired: verified before it counts as well', () => {
  const drive = make();
  drive.quick('mta', fails('dead'));
  const step = drive.feed({ kind: 'evicted', service: 'mta', detail: 'the lease is lost' });
  assert.equal(effectsOf(step, 'stop'), [{ kind: 'stop', service: 'mta', epoch: drive.of('mta').epoch }]);
  assert.equal(drive.alarms, []);
  assert.is(ruleOf(drive.feed({ kind: 'evicted', service: 'mta', detail: 'again' })), 'refused');
  assert.is(ruleOf(drive.pause('mta', 1000)), 'refused');
  drive.feed({ kind: 'acquired', service: 'mta' });
  assert.is(drive.phase('mta'), 'verifying');
  drive.deep('mta', passes());
  assert.is(drive.phase('mta'), 'healthy');
});

test('a service that is at home elsewhere is never repaired here, whatever is seen of it', () => {
  const drive = make();
  drive.feed({ kind: 'evicted', service: 'mta', detail: 'moved' });
  drive.steps.length = 0;
  for (let n = 0; n < 5; n++) {
    drive.quick('mta', fails('dead'));
    drive.deep('mta', fails('hung'));
    drive.died('mta');
    drive.reboot();
    drive.wait(60_000);
  }
  assert.equal(
    drive.steps.flatMap((s) => s.decision[1].filter((e) => e.kind === 'repair' || e.kind === 'stop')),
    [],
  );
  assert.equal(drive.alarms, []);
});

test.run();
