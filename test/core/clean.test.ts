import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { clean, quote } from '../../src/core/clean.ts';

const test = suite('clean');

test('plain text of any language stays as it is', () => {
  for (const text of ['', '220 mail.example.org ESMTP', 'Grüße, 世界 🙂', '$(id) <b>&amp;</b> `x`', 'a\\nb'])
    assert.is(clean(text), text);
});

test('what moves, hides or forges becomes visible', () => {
  const table: [string, string][] = [
    ['a\nb\r\tc\0', 'a\\nb\\r\\tc\\0'],
    ['\x1b[31mred\x1b[0m', '\\x1b[31mred\\x1b[0m'],
    ['\x1b]0;title\x07', '\\x1b]0;title\\x07'],
    ['\x9b31m', '\\x9b31m'],
    ['\x7f', '\\x7f'],
    ['user\u202egnp.exe', 'user\\u{202e}gnp.exe'],
    ['\u2066x\u2069', '\\u{2066}x\\u{2069}'],
    ['a\u200bb\ufeff', 'a\\u{200b}b\\u{feff}'],
    ['one\u2028two\u2029', 'one\\u{2028}two\\u{2029}'],
    ['\ud800x', '\\u{d800}x'],
    ['\u{e0041}', '\\u{e0041}'],
    ['\u3164', '\\u{3164}'],
  ];
  for (const [hostile, shown] of table) assert.is(clean(hostile), shown);
});

test('cuts between characters, within its bytes, and says so', () => {
  assert.is(clean('abcdef', 6), 'abcdef');
  assert.is(clean('abcdefg', 6), 'abc…');
  assert.is(clean('ééééé', 8), 'éé…');
  assert.is(clean('🙂🙂🙂', 8), '🙂…');
  assert.is(clean('ab\x1b\x1b', 8), 'ab…', 'no half of an escape');
});

test('a hundred megabytes cost no time', () => {
  const huge = '\x1b'.repeat(100_000_000);
  const started = performance.now();
  assert.ok(Buffer.byteLength(clean(huge, 1024)) <= 1024);
  assert.ok(performance.now() - started < 2000);
});

test('seeded: always one printable line within its bytes, and doing it twice changes nothing', () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >> 8) % below;
  };
  for (let round = 0; round < 3000; round++) {
    let text = '';
    for (let length = random(40); length > 0; length--)
      text += String.fromCharCode(
        [random(0x20), random(0x100), 0x2000 + random(0x80), random(0x10000)][random(4)] ?? 0,
      );
    const max = 3 + random(60);
    const once = clean(text, max);
    assert.ok(Buffer.byteLength(once) <= max, JSON.stringify([text, max]));
    assert.is(clean(once, max), once, JSON.stringify([text, max]));
    assert.not.match(once, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
  }
});

test('a quotation cannot end itself', () => {
  assert.is(quote('250 say "hello"\r\n'), `"250 say 'hello'"`);
});

test.run();
