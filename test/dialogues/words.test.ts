// What `$to` and its like become.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fill } from '../../src/dialogues/words.ts';

const test = suite('dialogues/words');
const words = { n1: { host: 'one.test' }, n2: { host: 'two.test', mdb: 'a*b' } };

test('nodes and their words, escaped where asked; null when one has no value', () => {
  const move = { to: 'n2', from: 'n1', words };
  assert.is(fill('$from -> $to, $from.host -> $to.host', move), 'n1 -> n2, one.test -> two.test');
  assert.is(
    fill('(x=$to.mdb)', move, (value) => value.replace('*', '\\2a')),
    '(x=a\\2ab)',
  );
  assert.is(fill('nothing of $ours', move), 'nothing of $ours');
  assert.is(fill('$from.mdb', move), null);
  assert.is(fill('$from', { to: 'n2', from: null, words }), null);
  assert.is(fill('$to.constructor', move), null);
  assert.is(fill('$from', { to: 'n2', from: '$to', words }), '$to', 'a value is not filled in again');
});

test.run();
