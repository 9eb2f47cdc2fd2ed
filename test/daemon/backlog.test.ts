// The outbox by itself: what goes next, what is told as one, what is given up when there is too much; and, over seeds,
// that no channel is left with a wrong picture, whatever fails and whenever the daemon dies.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { emptyOutbox, foldOutbox, nextOf, openFor, PENDING_MAX } from '../../src/daemon/backlog.ts';
import type { OutboxState } from '../../src/daemon/journal-format.ts';
import type { Alert, Notice } from '../../src/define.ts';
import { makeAlert } from '../support/alert.ts';
import { type Random, random } from '../support/random.ts';

const test = suite('backlog');
const TIME = '2026-11-22T13:00:00.123Z';
const never = (): boolean => false;

const add = (state: OutboxState, alerts: readonly Alert[], channels: readonly string[] = ['noc']): OutboxState =>
  foldOutbox(state, { alerts, time: TIME }, channels);
const done = (state: OutboxState, ids: readonly number[], channels: readonly string[] = ['noc']): OutboxState =>
  foldOutbox(state, { sent: { noc: ids }, time: TIME }, channels);

const raise = (id: number, key: string, severity: Notice['severity'] = 'major'): Alert =>
  makeAlert({ key, severity }, id);
const clear = (id: number, key: string): Alert => makeAlert({ key, kind: 'clear', severity: 'cleared' }, id);
const once = (id: number): Alert => makeAlert({ kind: 'once', event: 'recovery-started', severity: 'warning' }, id);

/** All that a channel is told, as `raise b` or `alerts-coalesced`, when everything succeeds. */
function allOf(state: OutboxState, burst: number | null): readonly string[] {
  const lines: string[] = [];
  let left = state;
  for (let turn = 0; turn < 20_000; turn++) {
    const next = nextOf(openFor(left, 'noc'), burst, never);
    if (!next) return lines;
    const { kind, key, event } = next.alert.notice;
    lines.push(kind === 'once' ? event : `${kind} ${key}`);
    left = done(left, next.with.length > 0 ? next.with.map(({ id }) => id) : [next.alert.id]);
  }
  throw new Error('without end');
}

test('few go in order', () => {
  const state = add(emptyOutbox, [raise(1, 'a', 'warning'), once(2), raise(3, 'b', 'critical'), clear(4, 'a')]);
  assert.equal(allOf(state, 10), ['raise a', 'recovery-started', 'raise b', 'clear a']);
});

test('of many the most severe goes first, of one key the oldest, and what is over becomes a sentence', () => {
  const state = add(emptyOutbox, [
    ...[raise(1, 'a', 'warning'), raise(2, 'b', 'minor'), once(3), once(4), raise(5, 'c', 'critical')],
    ...[raise(6, 'd', 'major'), clear(7, 'd')],
  ]);
  assert.equal(allOf(state, 2), ['alerts-coalesced', 'raise c', 'raise a', 'raise b']);
  const next = nextOf(openFor(state, 'noc'), 2, never);
  assert.equal(
    next?.with.map(({ id }) => id),
    [3, 4, 6, 7],
  );
  assert.is(
    next?.alert.notice.summary,
    '4 coalesced: 2 recovery-started, 2 service-failing; 3 more follow, the most severe first',
  );
});

test('a raise that may have been heard keeps its clear', () => {
  const state = add(emptyOutbox, [raise(1, 'a'), clear(2, 'a'), once(3), once(4)]);
  const next = nextOf(openFor(state, 'noc'), 1, ({ id }) => id === 1);
  assert.equal(
    next?.with.map(({ id }) => id),
    [3, 4],
  );
});

test('channels have their own pace and their own alerts', () => {
  const channels = ['noc', 'boss'];
  const alerts = [raise(1, 'a'), { ...raise(2, 'b'), to: ['boss'] }, { ...raise(3, 'c'), to: ['gone'] }];
  let state = add(emptyOutbox, alerts, channels);
  assert.equal(
    openFor(state, 'noc').map(({ id }) => id),
    [1],
  );
  assert.equal(
    openFor(state, 'boss').map(({ id }) => id),
    [1, 2],
  );
  state = foldOutbox(state, { sent: { boss: [2] }, time: TIME }, channels);
  assert.equal(
    openFor(state, 'boss').map(({ id }) => id),
    [1],
  );
  state = foldOutbox(state, { sent: { noc: [1], boss: [1] }, time: TIME }, channels);
  assert.equal(state.pending, []);
});

test('a journal of before, with numbers for cursors, goes on', () => {
  const old = { pending: [raise(1, 'a'), raise(2, 'b')], sent: { noc: 1 } };
  const state = foldOutbox(old, { alerts: [raise(3, 'c')], time: TIME }, ['noc']);
  assert.equal(
    openFor(state, 'noc').map(({ id }) => id),
    [2, 3],
  );
});

test('too much: what was only said once goes first, then the least severe; a clear never', () => {
  const many = Array.from({ length: PENDING_MAX }, (_, index) => raise(index + 10, `k${index}`, 'warning'));
  const state = add(add(emptyOutbox, [once(1), raise(2, 'worst', 'critical'), clear(3, 'x'), once(4)]), many);
  const kept = new Set(state.pending.map(({ id }) => id));
  assert.is(kept.size, PENDING_MAX);
  assert.is(state.dropped, 4);
  for (const id of [1, 4, 10, 11]) assert.not(kept.has(id), `alert ${id} is given up`);
  for (const id of [2, 3, 12]) assert.ok(kept.has(id), `alert ${id} is kept`);
});

test('what comes and goes without end: no more is given up than must be, and no clear', () => {
  let state = emptyOutbox;
  for (let id = 1; id <= PENDING_MAX + 10; id++) state = add(state, [id % 2 === 0 ? clear(id, 'a') : raise(id, 'a')]);
  assert.is(state.dropped, 10);
  assert.is(state.pending.filter(({ notice }) => notice.kind === 'clear').length, PENDING_MAX / 2 + 5);
});

test('what was only said once is given up after a day; an alarm is not', () => {
  const state = add(emptyOutbox, [once(1), raise(2, 'a')]);
  const later = foldOutbox(state, { alerts: [once(3)], time: '2026-11-23T13:00:01.000Z' }, ['noc']);
  assert.equal(
    later.pending.map(({ id }) => id),
    [2],
  );
  assert.is(later.dropped, 2, 'the new one of this test is as old as the others');
});

// ------------------------------------------------------------------------------------------------------- the property

interface Life {
  state: OutboxState;
  readonly truth: Map<string, 'raise' | 'clear'>;
  /** What each channel has heard, by key: the newest word, and by which alert. */
  readonly heard: Map<string, Map<string, { kind: string; id: number }>>;
  readonly tried: Map<string, Set<number>>;
  id: number;
  /** Alerts up to this one may have been told in the life before. */
  before: number;
}

const CHANNELS = ['noc', 'boss'];

function decideSomething(life: Life, dice: Random): void {
  const alerts: Alert[] = [];
  for (let n = 0; n < 1 + dice.int(8); n++) {
    const key = `k${dice.int(6)}`;
    const kind = life.truth.get(key) === 'raise' ? 'clear' : 'raise';
    const id = ++life.id;
    if (dice.int(4) === 0) alerts.push(once(id));
    else {
      life.truth.set(key, kind);
      const severity = dice.pick(['critical', 'major', 'minor', 'warning'] as const);
      alerts.push(kind === 'raise' ? raise(id, key, severity) : clear(id, key));
    }
  }
  life.state = add(life.state, alerts, CHANNELS);
}

function deliverSomething(life: Life, dice: Random, sure: boolean): void {
  const channel = dice.pick(CHANNELS);
  const tried = life.tried.get(channel) ?? new Set<number>();
  life.tried.set(channel, tried);
  const next = nextOf(openFor(life.state, channel), 3, ({ id }) => id <= life.before || tried.has(id));
  if (!next) return;
  tried.add(next.alert.id);
  const fate = sure ? 2 : dice.int(4);
  // 0: it did not arrive. 1: it arrived, and nobody heard that it did.
  const { notice, id } = next.alert;
  if (fate > 0 && notice.kind !== 'once') {
    const heard = life.heard.get(channel) ?? new Map<string, { kind: string; id: number }>();
    life.heard.set(channel, heard);
    assert.ok((heard.get(notice.key)?.id ?? 0) <= id, `${channel}: ${notice.key} in order`);
    heard.set(notice.key, { kind: notice.kind, id });
  }
  if (fate < 2) return;
  const ids = next.with.length > 0 ? next.with.map((one) => one.id) : [id];
  life.state = foldOutbox(life.state, { sent: { [channel]: ids }, time: TIME }, CHANNELS);
}

function crash(life: Life): void {
  life.tried.clear();
  life.before = Math.max(0, ...life.state.pending.map(({ id }) => id));
}

test('over 300 seeds: every channel ends with the truth, in order, whatever fails and whenever it dies', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const dice = random(seed);
    const life: Life = { state: emptyOutbox, truth: new Map(), heard: new Map(), tried: new Map(), id: 0, before: 0 };
    for (let step = 0; step < 200; step++) {
      const what = dice.int(10);
      if (what < 2) decideSomething(life, dice);
      else if (what < 9) deliverSomething(life, dice, false);
      else crash(life);
    }
    for (let step = 0; step < 5000 && life.state.pending.length > 0; step++) deliverSomething(life, dice, true);
    assert.equal(life.state.pending, [], `seed ${seed}: all is out`);
    for (const channel of CHANNELS)
      for (const [key, kind] of life.truth) {
        const heard = life.heard.get(channel)?.get(key)?.kind ?? 'clear';
        assert.is(heard, kind, `seed ${seed}: ${channel} believes of ${key} what is true`);
      }
  }
});

test.run();
