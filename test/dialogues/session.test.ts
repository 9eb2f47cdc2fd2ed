// A fault of the net as a verdict: a server whose answers come late until the time is over does not hang.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Step } from '../../src/define.ts';
import { netVerdict, type Session } from '../../src/dialogues/session.ts';
import { NetError } from '../../src/ports/net.ts';

const test = suite('session');

const step = (ms: number, ok = true): Step => ({ name: 'x', ms, ok });
const said = (...steps: readonly Step[]): string => {
  const session = { timeoutMs: 4750, seen: { steps, metrics: [] } } as unknown as Session;
  const { outcome, cause } = netVerdict(new NetError('timeout', 'late'), 'here: late', session);
  return `${outcome}/${cause}`;
};

test('silence is a hang', () => {
  assert.is(said(step(4750, false)), 'fail/hung');
  assert.is(said(step(1), step(2), step(1), step(1), step(4740, false)), 'fail/hung');
  assert.is(said(), 'fail/hung', 'no step began');
});

test('late answers, one after the other, are no hang', () => {
  const late = Array.from({ length: 14 }, () => step(320));
  assert.is(said(...late, step(270, false)), 'degraded/overloaded');
  assert.is(said(...late.slice(0, 8), step(2200, false)), 'fail/hung', 'but then it was silent for long');
  assert.is(said(step(2400), step(2000), step(300, false)), 'fail/hung', 'too little was seen');
});

test('one process that was told to end is no refusal', () => {
  const session = { timeoutMs: 4750, seen: { steps: [], metrics: [] } } as unknown as Session;
  const bye = (text: string): string => netVerdict(new NetError('closed', text), text, session).outcome;
  assert.is(bye('the server says goodbye: "* BYE Shutting down"'), 'degraded');
  assert.is(bye('the server says goodbye: "* BYE Too many errors"'), 'fail');
});

test.run();
