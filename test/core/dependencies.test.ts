import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ServicePolicy } from '../../src/core/types.ts';
import { policy, servicePolicy } from '../support/policies.ts';
import { cannotTell, Drive, effectsOf, fails, passes, refusedBy, ruleOf } from '../support/drive.ts';

const test = suite('dependencies');

/** mta stands on store, store on disk. */
const chain = (patch: Partial<ServicePolicy> = {}): Drive =>
  new Drive(
    policy(
      {
        mta: servicePolicy({ depends: ['store'], ...patch }),
        store: servicePolicy({ depends: ['disk'] }),
        disk: servicePolicy({ byHandMs: null }),
      },
      { repairs: { max: 20, windowMs: 3_600_000, parallel: 3 } },
    ),
  ).well();
const repairs = (drive: Drive, name: string): number =>
  drive.steps.flatMap((step) => effectsOf(step, 'repair')).filter((effect) => effect.service === name).length;

test('who becomes suspect asks everything that it stands on, near and far', () => {
  const drive = chain();
  const asked = effectsOf(drive.deep('mta', fails('hung')), 'check').map((e) => `${e.service} ${e.depth}`);
  assert.equal(asked, ['mta deep', 'store quick', 'disk quick']);
  assert.equal(drive.of('mta').awaiting, ['store', 'disk']);
});

test('it is repaired when all of them answered well, and not before', () => {
  const drive = chain();
  drive.deep('mta', fails('hung'));
  assert.equal(refusedBy(drive.deep('mta', fails('hung'))), ['ask-dependencies-first']);
  drive.quick('store', passes());
  assert.is(drive.phase('mta'), 'suspect');
  drive.quick('disk', passes());
  assert.is(drive.phase('mta'), 'restarting');
});

test('a late answer of a dependency is no word', () => {
  const drive = chain();
  const old = drive.of('disk').epoch - 1;
  drive.deep('mta', fails('hung'));
  drive.deep('mta', fails('hung'));
  drive.quick('store', passes());
  drive.checked('disk', 'quick', passes(), old);
  assert.is(drive.phase('mta'), 'suspect');
});

test('could not tell is a word: it blames nobody', () => {
  const drive = chain();
  drive.deep('mta', fails('hung'));
  drive.deep('mta', fails('hung'));
  drive.quick('store', cannotTell());
  drive.quick('disk', cannotTell());
  assert.is(drive.phase('mta'), 'restarting');
});

test('no word in time: asked anew, and not waited for a second time', () => {
  const drive = chain();
  drive.deep('mta', fails('hung'));
  drive.deep('mta', fails('hung'));
  drive.wait(5000);
  assert.match(drive.of('mta').why.text, /no word from store, disk/);
  drive.deep('mta', fails('hung'));
  assert.is(drive.phase('mta'), 'restarting');
});

test('conclusive evidence without a dead process asks them at once', () => {
  const drive = chain({ fall: 1 });
  const step = drive.quick('mta', { ...fails('hung'), conclusive: true });
  assert.equal(
    effectsOf(step, 'check').map((e) => e.service),
    ['store', 'disk'],
  );
  drive.quick('store', passes());
  drive.quick('disk', passes());
  assert.is(drive.phase('mta'), 'restarting');
});

test('a dead process waits for nobody that is not known to be at fault', () => {
  const drive = chain();
  drive.quick('mta', fails('dead'));
  assert.is(drive.phase('mta'), 'restarting');
});

test('the root first: children are blocked under its incident, and asked anew when it is well', () => {
  const drive = chain();
  drive.quick('disk', fails('dead'));
  const { incident } = drive.of('disk');
  drive.deep('mta', fails('hung'));
  assert.equal(refusedBy(drive.deep('mta', fails('hung'))), ['dependency-down']);
  assert.is(drive.of('mta').blockedBy, 'disk', 'the deepest');
  assert.is(drive.of('mta').incident, incident);
  assert.equal(drive.alarms, ['service/disk/failing', 'service/mta/blocked']);
  assert.is(drive.node.alarms['service/mta/blocked']?.severity, 'minor');
  drive.repaired('disk');
  const well = drive.deep('disk', passes());
  assert.ok(effectsOf(well, 'check').some((e) => e.service === 'mta' && e.depth === 'deep'));
  assert.is(repairs(drive, 'mta'), 0);
  assert.equal(drive.alarms, ['service/mta/blocked'], 'and is no failure of its own before its answer');
  drive.deep('mta', passes());
  assert.is(drive.phase('mta'), 'healthy');
  assert.equal(drive.alarms, []);
});

test('of two that are at fault the one below decides', () => {
  const drive = chain();
  drive.quick('store', fails('dead'));
  drive.quick('disk', fails('dead'));
  drive.deep('mta', fails('hung'));
  drive.deep('mta', fails('hung'));
  assert.is(drive.of('mta').blockedBy, 'disk');
});

test('a dead child of a root that is being repaired waits; of a root that was given up it is started', () => {
  const drive = chain();
  drive.quick('disk', fails('dead'));
  assert.equal(refusedBy(drive.quick('mta', fails('dead'))), ['dependency-down']);
  drive.repaired('disk', 'held'); // Left alone for ever: given up.
  assert.is(drive.phase('disk'), 'failed');
  drive.quick('mta', fails('dead'));
  assert.is(drive.phase('mta'), 'restarting');
});

test('a child that does not answer waits even for a root that was given up', () => {
  const drive = chain();
  drive.quick('disk', fails('dead'));
  drive.repaired('disk', 'held');
  drive.deep('mta', fails('hung'));
  drive.deep('mta', fails('hung'));
  assert.is(drive.phase('mta'), 'suspect');
  for (let n = 0; n < 10; n++) {
    drive.wait(60_000);
    drive.deep('mta', fails('hung'));
  }
  assert.is(repairs(drive, 'mta'), 0);
  assert.ok(drive.alarms.includes('service/mta/blocked'));
});

test('a child of a paused root has an alarm of its own', () => {
  const drive = chain();
  drive.pause('disk', 3_600_000);
  drive.deep('mta', fails('hung'));
  drive.deep('mta', fails('hung'));
  assert.is(drive.of('mta').blockedBy, 'disk');
  assert.equal(drive.alarms, ['service/mta/blocked']);
});

test('a paused root is resumed and well: its children are asked anew at once', () => {
  const drive = chain();
  drive.pause('disk', 3_600_000);
  drive.deep('mta', fails('hung'));
  drive.deep('mta', fails('hung'));
  drive.feed({ kind: 'resumed', service: 'disk', by: 'ops' });
  const well = drive.deep('disk', passes());
  assert.ok(effectsOf(well, 'check').some((e) => e.service === 'mta' && e.depth === 'deep'));
});

test('a dependency that is at home on another node is not waited for for ever', () => {
  const drive = chain();
  drive.feed({ kind: 'evicted', service: 'disk', detail: 'moved' });
  drive.deep('mta', fails('hung'));
  drive.deep('mta', fails('hung'));
  drive.quick('store', passes());
  drive.quick('disk', fails('dead'));
  drive.wait(5000);
  drive.deep('mta', fails('hung'));
  assert.is(drive.phase('mta'), 'restarting');
});

test('a blocked service that is blocked still says nothing new', () => {
  const drive = chain();
  drive.quick('disk', fails('dead'));
  drive.quick('mta', fails('dead'));
  const { node } = drive;
  const step = drive.quick('mta', fails('dead'));
  assert.is(drive.node, node, 'the same state: nothing to write');
  assert.is(ruleOf(step), 'ignored');
});

/** The store dies and is repaired; mta has 65 s to notice. */
const cameBack = (): Drive => {
  const drive = chain({ settleMs: 65_000, fall: 1 });
  drive.died('store');
  drive.repaired('store');
  drive.deep('store', passes());
  return drive;
};
const sure = (cause: 'hung' | 'dead', direct = false) => ({
  ...fails(cause),
  conclusive: true,
  ...(direct ? { direct } : {}),
});

test('who stands on what came back is left to come to itself, and repaired when it did not', () => {
  const drive = cameBack();
  for (const depth of ['quick', 'deep'] as const)
    assert.is(ruleOf(drive.checked('mta', depth, sure('hung'))), 'settling');
  assert.is(drive.phase('mta'), 'healthy');
  drive.wait(65_000);
  drive.quick('mta', sure('hung'));
  drive.quick('store', passes());
  drive.quick('disk', passes());
  assert.is(drive.phase('mta'), 'restarting');
});

test('so is who was blocked by it', () => {
  const drive = chain({ settleMs: 65_000 });
  drive.died('store');
  drive.deep('mta', fails('hung'));
  drive.deep('mta', fails('hung'));
  assert.is(drive.of('mta').blockedBy, 'store');
  drive.repaired('store');
  drive.deep('store', passes());
  drive.deep('mta', fails('hung'));
  drive.quick('store', passes());
  const step = drive.quick('disk', passes());
  assert.is(ruleOf(step), 'settling');
  assert.equal([drive.phase('mta'), drive.of('mta').waitsFor], ['suspect', 'settle']);
  drive.wait(65_000);
  drive.deep('mta', fails('hung'));
  drive.quick('store', passes());
  drive.quick('disk', passes());
  assert.is(drive.phase('mta'), 'restarting');
});

test('what is dead, what is seen on the service itself and what no repair cures does not wait for that', () => {
  const dead = cameBack();
  dead.quick('mta', sure('dead'));
  assert.is(dead.phase('mta'), 'restarting');
  const stopped = cameBack();
  stopped.quick('mta', sure('hung', true));
  stopped.quick('store', passes());
  stopped.quick('disk', passes());
  assert.is(stopped.phase('mta'), 'restarting');
  const full = cameBack();
  full.deep('mta', fails('no-space'));
  full.deep('mta', fails('no-space'));
  full.quick('store', passes());
  full.quick('disk', passes());
  assert.is(full.phase('mta'), 'failed');
});

test('an answer that was asked for during the outage of a dependency arrives after it: it does not count', () => {
  const drive = new Drive(
    policy({ store: servicePolicy(), mta: servicePolicy({ depends: ['store'], fall: 1 }) }),
  ).well();
  drive.quick('store', fails('dead'));
  const { epoch } = drive.of('mta');
  drive.repaired('store', 'done');
  drive.deep('store', passes());
  assert.is(drive.phase('store'), 'healthy');
  const verdict = { outcome: 'fail', cause: 'hung', detail: 'no banner', check: 'smtp', conclusive: true } as const;
  drive.feed({ kind: 'checked', service: 'mta', depth: 'quick', epoch, verdict });
  assert.is(drive.phase('mta'), 'healthy');
});

test.run();
