import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { emptyNode } from '../../src/core/decide.ts';
import { type Recorded, replay } from '../../src/core/replay.ts';
import type { Policy } from '../../src/core/types.ts';
import { World } from '../simulation/world.ts';
import { policy, servicePolicy } from '../support/policies.ts';
import { Drive, fails, passes } from '../support/drive.ts';

const test = suite('replay');

const rules = (patch: Parameters<typeof servicePolicy>[0] = {}): Policy => policy({ mta: servicePolicy(patch) });
const recorded = (drive: Drive): readonly Recorded[] =>
  drive.steps.map(({ event, decision }, seq) => ({ seq, event, whys: decision[2] }));

/** Dies, is repaired, hangs, is repaired. */
function story(): Drive {
  const drive = new Drive(rules()).start();
  drive.deep('mta', passes());
  drive.quick('mta', fails('dead'));
  drive.repaired('mta');
  drive.deep('mta', passes());
  drive.quick('mta', fails('hung'));
  drive.quick('mta', fails('hung'));
  drive.deep('mta', fails('hung'));
  drive.repaired('mta', 'failed');
  return drive;
}

test('a recorded story is decided the same today, and ends in the same state', () => {
  const drive = story();
  const told = replay(null, JSON.parse(JSON.stringify(recorded(drive))) as Recorded[], null);
  assert.equal(told.differences, []);
  assert.is(told.decisions, drive.steps.length);
  assert.equal(told.end, { policy: drive.policy, node: drive.node });
});

test('it can begin with a snapshot', () => {
  const drive = story();
  const half = drive.steps[5];
  const told = replay({ policy: drive.policy, node: half?.before ?? emptyNode }, recorded(drive).slice(5), null);
  assert.equal(told.differences, []);
  assert.equal(told.end.node, drive.node);
});

test('a story without its beginning is not told', () => {
  const told = replay(null, recorded(story()).slice(1), null);
  assert.equal([told.decisions, told.differences], [0, []]);
});

test('another decision than was recorded is found, with both', () => {
  const entries = recorded(story()).map((one) =>
    one.seq === 3 ? { ...one, whys: [{ service: 'mta', rule: 'counting', text: 'older rules waited' }] } : one,
  );
  const told = replay(null, entries, null);
  assert.equal(
    told.differences.map((one) => one.seq),
    [3],
  );
  assert.equal(told.differences[0]?.before, ['mta [counting] older rules waited']);
  assert.match(told.differences[0]?.after[0] ?? '', /^mta \[repair\] check says fail \(dead\)/);
});

test('the same policy changes nothing, nor do other numbers in sentences', () => {
  assert.equal(replay(null, recorded(story()), rules()).differences, []);
  assert.equal(replay(null, recorded(story()), rules({ attempts: 4 })).differences, []);
});

test('a changed policy: where it would have decided otherwise, each time from the state that really was', () => {
  const told = replay(null, recorded(story()), rules({ fall: 3 }));
  assert.equal(
    told.differences.map((one) => [one.seq, one.before[0]?.split('] ')[0], one.after[0]?.split('] ')[0]]),
    [[7, 'mta [fall-reached', 'mta [counting']],
  );
});

test('observe-only, another ladder, another pause', () => {
  const observing = replay(null, recorded(story()), { ...rules(), observe: true }).differences;
  assert.equal(
    observing.map((one) => one.seq),
    [3, 8],
  );
  assert.ok(observing[0]?.before.includes('mta does "restart"'));
  assert.not(observing[0]?.after.some((line) => line.includes('does')));
  const ladder = replay(null, recorded(story()), rules({ ladder: [{ name: 'reload', cures: ['dead'] }] })).differences;
  assert.ok(ladder[0]?.after.includes('mta does "reload"'));
  const pause = replay(
    null,
    recorded(story()),
    rules({ backoff: { firstMs: 4000, factor: 2, maxMs: 9000 } }),
  ).differences;
  assert.equal(
    pause.map((one) => one.seq),
    [9],
  );
  assert.ok(pause[0]?.after.includes('mta is looked at again in 8 s'));
});

test('services that the changed policy does not know are left out of the question', () => {
  assert.equal(
    replay(null, recorded(story()), policy({})).differences.filter((one) => one.event.kind !== 'booted'),
    [],
  );
});

test('whole simulated machines are replayed to the byte', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const entries: Recorded[] = [];
    const world = new World(seed, ({ event, decision }) => {
      entries.push({ seq: entries.length, event, whys: decision[2] });
    });
    world.start();
    world.run(60_000, true);
    const told = replay(null, JSON.parse(JSON.stringify(entries)) as Recorded[], null);
    assert.equal(told.differences, [], `seed ${seed}`);
    assert.is(JSON.stringify(told.end.node), JSON.stringify(world.node), `seed ${seed}`);
  }
});

test.run();
