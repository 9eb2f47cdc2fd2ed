import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { answered, choose, FAILED_AFTER, lossesOf, missed, newPath, type PathFold } from '../../src/core/path-state.ts';
import { random } from '../support/random.ts';

const test = suite('path state');

const told = (story: string, rtt = 1): PathFold =>
  [...story].reduce(
    (path, one, at) => (one === '+' ? answered(path, at, rtt) : missed(path, at, 'silence')),
    newPath(0),
  );

const table: readonly (readonly [string, PathFold['state'], number])[] = [
  ['', 'unknown', 0],
  ['+', 'unknown', 0],
  ['++', 'operational', 1],
  ['--', 'unknown', 0],
  ['---', 'failed', 2],
  ['+-+-+-', 'unknown', 0],
  ['++--', 'operational', 1],
  ['++---', 'failed', 4],
  ['++--+--', 'operational', 1],
  ['---+', 'failed', 2],
  ['---+-+', 'failed', 2],
  ['---++', 'operational', 4],
  ['---++---', 'failed', 7],
];
for (const [story, state, since] of table)
  test(`hellos "${story}": ${state}`, () => {
    const path = told(story);
    assert.is(path.state, state);
    assert.is(path.since, since, 'since when');
  });

test('why it fails is kept until an answer comes', () => {
  assert.is(told('++-').detail, 'silence');
  assert.is(told('++-+').detail, '');
  assert.is(told('++-').heardAt, 1);
});

test('the round trip is smoothed, and one bad value does not make it', () => {
  const path = answered(told('++++', 1), 9, 100);
  assert.ok((path.rttMs ?? 0) > 1 && (path.rttMs ?? 0) < 20, String(path.rttMs));
});

test('the one in use is kept until it fails, even when another is better', () => {
  const [worse, better] = [told('++-++', 5), told('++', 1)];
  assert.is(choose([worse, better], 0), 0);
  assert.is(choose([worse, better], null), 1);
  assert.is(choose([told('++---'), better], 0), 1);
  assert.is(choose([told('++---'), told('---')], 0), null);
});

test('fewest losses first, then the quickest, then the first', () => {
  assert.is(choose([told('+-++', 1), told('++', 50)], null), 1);
  assert.is(choose([told('++', 5), told('++', 4)], null), 1);
  assert.is(choose([told('++', 5), told('++', 5)], null), 0);
  assert.is(choose([], null), null);
});

test('properties over random stories', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const { chance, int } = random(seed);
    let path = newPath(0);
    let row = '';
    for (let at = 1; at <= 200; at++) {
      const good = chance(0.5 + (seed % 5) / 10);
      const before = path;
      path = good ? answered(path, at, int(50)) : missed(path, at, 'silence');
      row += good ? '+' : '-';
      const why = `seed ${seed} at ${at}: ${row.slice(-8)}`;
      if (row.endsWith('-'.repeat(FAILED_AFTER))) assert.is(path.state, 'failed', why);
      if (row.endsWith('++')) assert.is(path.state, 'operational', why);
      if (path.state !== before.state) assert.is(path.since, at, why);
      else assert.is(path.since, before.since, why);
      if (path.state === 'failed' && before.state !== 'failed') assert.ok(row.endsWith('---'), why);
      if (path.state === 'operational' && before.state !== 'operational') assert.ok(row.endsWith('++'), why);
      assert.ok(path.recent.length <= 30 && lossesOf(path) <= path.recent.length, why);
      assert.is(path.good > 0 && path.bad > 0, false, why);
    }
  }
});

test('whatever is chosen works, and it is kept as long as it does', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const { chance, int } = random(seed);
    let paths = [newPath(0), newPath(0), newPath(0)];
    let inUse: number | null = null;
    for (let at = 1; at <= 150; at++) {
      const share = int(10) / 10;
      paths = paths.map((one) => (chance(share) ? answered(one, at, int(9)) : missed(one, at, '')));
      const next: number | null = choose(paths, inUse);
      const works = paths.map(({ state }) => state === 'operational');
      if (next === null) assert.is(works.includes(true), false, `seed ${seed} at ${at}`);
      else assert.ok(works[next], `seed ${seed} at ${at}`);
      if (inUse !== null && works[inUse]) assert.is(next, inUse, `seed ${seed} at ${at}`);
      inUse = next;
    }
  }
});

test.run();
