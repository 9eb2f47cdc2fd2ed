// Which rung comes next: the mildest that can cure what is the matter now, and that was not tried since all was well.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nextRung } from '../../src/core/ladder.ts';
import type { Rung, ServicePolicy, Verdict } from '../../src/core/types.ts';
import { Drive, effectsOf, fails, passes } from '../support/drive.ts';
import { policy, rung, servicePolicy } from '../support/policies.ts';

const test = suite('ladder');

const PART: Rung = { ...rung('part'), parts: ['auth', 'lmtp'] };
const ladder = [PART, rung('reload'), rung('restart'), rung('kill-and-start')];
const stopped = (part: string): Verdict => ({
  ...fails('hung', `its process ${part} is stopped`),
  ...{ part, direct: true, confidence: 'certain', seen: { by: 'processes', check: 'check', cause: 'hung' } },
});
const blind: Verdict = { ...fails('hung', 'no answer'), unseen: ['processes'] };

/** A service that fails, again and again: what is done about each verdict. */
class Story extends Drive {
  constructor(patch: Partial<ServicePolicy> = {}) {
    super(policy({ store: servicePolicy({ ladder, attempts: 6, verifyMs: 1, graceMs: 0, ...patch }) }));
    this.well();
  }
  /** Fails with this until something is done, or nothing is to be done. */
  meets(verdict: Verdict): string | null {
    for (let n = 0; n < 20; n += 1) {
      const step = this.deep('store', verdict);
      const [repair] = effectsOf(step, 'repair');
      if (repair) return repair.part === undefined ? repair.rung.name : `part ${repair.part}`;
      if (this.phase('store') === 'failed') return null;
      this.wait(Math.max(1, (this.of('store').wakeAt ?? this.now) - this.now));
    }
    throw new Error('nothing happens');
  }
  cured(): this {
    this.repaired('store');
    this.deep('store', passes());
    assert.is(this.phase('store'), 'healthy');
    return this;
  }
  failed(): this {
    this.repaired('store', 'failed');
    return this;
  }
}

test('after one attempt at a part, and no part named any more, the restart is not jumped over', () => {
  const story = new Story();
  assert.is(story.meets(stopped('lmtp')), 'part lmtp');
  assert.is(story.failed().meets(fails('hung')), 'restart');
  assert.is(story.failed().meets(fails('hung')), 'kill-and-start');
  assert.is(story.failed().meets(fails('hung')), 'kill-and-start', 'the last again');
});

test('what was tried against other trouble a moment ago costs the part nothing', () => {
  const story = new Story();
  assert.is(story.meets(fails('hung')), 'restart');
  assert.is(story.failed().meets(fails('hung')), 'kill-and-start');
  story.cured();
  assert.is(story.meets(stopped('lmtp')), 'part lmtp');
  story.cured();
  assert.is(story.meets(stopped('auth')), 'part auth', 'another part is another repair');
  story.cured();
  assert.is(story.meets(stopped('lmtp')), 'kill-and-start', 'all were tried: the last again');
});

test('what is stable again begins anew', () => {
  const story = new Story();
  assert.is(story.meets(stopped('lmtp')), 'part lmtp');
  story.cured().wait(700_000);
  assert.equal([story.of('store').attempts, story.of('store').tried], [0, []]);
  assert.is(story.meets(stopped('lmtp')), 'part lmtp');
});

test('a part that was seen holds while nobody can look: no heavier repair', () => {
  const story = new Story();
  story.quick('store', stopped('lmtp'));
  story.quick('store', { ...blind, conclusive: true });
  const [repair] = effectsOf(story.steps.at(-1), 'repair');
  assert.equal([repair?.rung.name, repair?.part], ['part', 'lmtp']);
});

test('after the repair nothing that was seen before it counts', () => {
  const story = new Story();
  assert.is(story.meets(stopped('lmtp')), 'part lmtp');
  story.repaired('store');
  story.deep('store', blind);
  assert.is(story.of('store').verdict?.part, undefined);
});

test('after a stall nothing that was seen before it counts', () => {
  const story = new Story();
  story.quick('store', stopped('lmtp'));
  story.feed({ kind: 'stalled', ms: 60_000 });
  assert.equal([story.of('store').verdict?.part, story.of('store').verdict?.seen], ['lmtp', undefined]);
});

test('what turned out to be no repair was not tried', () => {
  const story = new Story();
  assert.is(story.meets(fails('hung')), 'restart');
  story.repaired('store', 'held');
  assert.equal([story.of('store').attempts, story.of('store').tried], [0, []]);
});

test('several own commands are told apart', () => {
  const command = (word: string): Rung => ({ ...rung('command'), run: [word] });
  const rules = servicePolicy({ ladder: [command('/bin/a'), command('/bin/b')], attempts: 9 });
  const state = new Story().of('store');
  const next = (tried: readonly string[]): unknown => nextRung(rules, { ...state, tried }, fails('dead'))?.run;
  assert.equal([next([]), next(['command 1']), next(['command 1', 'command 2'])], [['/bin/a'], ['/bin/b'], ['/bin/b']]);
});

test('a state of an older journal knows only how many: they count from the mildest', () => {
  const story = new Story();
  const { tried: _, ...old } = { ...story.of('store'), attempts: 1 };
  assert.is(nextRung(servicePolicy({ ladder }), old, fails('hung'))?.name, 'kill-and-start');
  assert.is(nextRung(servicePolicy({ ladder }), old, stopped('lmtp'))?.name, 'restart');
  story.node = { ...story.node, services: { store: old } };
  story.quick('store', fails('dead'));
  assert.equal([story.of('store').attempts, story.of('store').tried?.length], [2, 2]);
  story.reboot();
});

test.run();
