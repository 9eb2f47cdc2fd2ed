import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { combine, type NamedResult } from '../../src/core/combine.ts';
import type { Cause, Outcome } from '../../src/core/types.ts';

const test = suite('combine');

const say = (name: string, outcome: Outcome, cause?: Cause, conclusive = false): NamedResult => ({
  name,
  result: { outcome, detail: `${name} says ${outcome}`, ...(cause ? { cause } : {}) },
  conclusive,
});

test('the worst decides: fail, degraded, unknown, pass', () => {
  const all = [say('p', 'pass'), say('u', 'unknown'), say('d', 'degraded', 'expired'), say('f', 'fail', 'hung')];
  for (let n = all.length; n > 0; n--) {
    const worst = all[n - 1];
    for (const order of [all.slice(0, n), all.slice(0, n).toReversed()]) {
      const verdict = combine(order);
      assert.equal([verdict.outcome, verdict.check], [worst?.result.outcome, worst?.name]);
    }
  }
});

test('among failures, first what no restart cures, then what is certain, then what is likely', () => {
  const order: Cause[] = [
    'misconfigured',
    'no-space',
    'dead',
    'dependency',
    'hung',
    'refusing',
    'overloaded',
    'credentials',
    'expired',
  ];
  for (let n = 0; n < order.length; n++) {
    const verdict = combine(
      order
        .slice(n)
        .toReversed()
        .map((cause) => say(cause, 'fail', cause)),
    );
    assert.is(verdict.cause, order[n]);
  }
});

test('a failure without a cause is refusing; a pass has none', () => {
  assert.is(combine([say('x', 'fail')]).cause, 'refusing');
  assert.equal(combine([say('x', 'pass')]), { outcome: 'pass', detail: 'x says pass', check: 'x' });
  assert.is(combine([say('x', 'degraded', 'overloaded')]).cause, 'overloaded');
});

test('conclusive is what decides, and only a failure is', () => {
  assert.is(combine([say('x', 'fail', 'dead', true)]).conclusive, true);
  assert.is(combine([say('x', 'fail', 'hung', true), say('y', 'fail', 'no-space')]).conclusive, undefined);
  assert.is(combine([say('x', 'unknown', undefined, true)]).conclusive, undefined);
});

test('of two that say the same the first in the configuration speaks', () => {
  assert.is(combine([say('one', 'fail', 'hung'), say('two', 'fail', 'hung')]).check, 'one');
});

test('no check at all: we could not tell', () => {
  assert.equal(combine([]), { outcome: 'unknown', detail: 'no check answered', check: '' });
});

test('one conclusive witness of the deciding cause is enough, whichever check comes first', () => {
  const hung = { outcome: 'fail', cause: 'hung', detail: 'no answer' } as const;
  const dead = { outcome: 'fail', cause: 'dead', detail: 'gone' } as const;
  const verdict = combine([
    { name: 'systemd', result: hung, conclusive: false },
    { name: 'imap', result: hung, conclusive: true },
  ]);
  assert.is(verdict.conclusive, true);
  const other = combine([
    { name: 'imap', result: hung, conclusive: true },
    { name: 'process', result: dead, conclusive: false },
  ]);
  assert.is(other.conclusive, undefined, 'a witness of another cause says nothing about this one');
});

test.run();
