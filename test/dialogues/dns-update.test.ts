// DNS updates as bytes: values there and back, what is no message, and signatures with a fault in any part.
import { createHmac } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { distrust, DnsTrouble, parseKey, sign } from '../../src/dialogues/dns-update.ts';
import {
  inZone,
  nameBytes,
  readName,
  readReply,
  type RecordType,
  updating,
  valueBytes,
  valueText,
  WireError,
} from '../../src/dialogues/dns-wire.ts';

const test = suite('dialogues/dns-update');
const SECRET = Buffer.alloc(32, 7).toString('base64');
const key = parseKey(`mover:hmac-sha256:${SECRET}`);
const NOW = 1_795_000_000;

test('values there and back, and what is none', () => {
  const good: readonly (readonly [RecordType, string, string])[] = [
    ['A', '10.0.0.5', '0a000005'],
    ['AAAA', '2001:db8::5', '20010db8000000000000000000000005'],
    ['AAAA', '::ffff:10.0.0.5', '00000000000000000000ffff0a000005'],
    ['MX', '10 Mail.x.test.', '000a046d61696c01780474657374 00'.replace(' ', '')],
    ['SRV', '0 5 993 mail', '0000000503e1046d61696c01780474657374 00'.replace(' ', '')],
    ['TXT', 'a b', '03612062'],
    ['TXT', '"a" "b"', '01610162'],
    ['TXT', '', '00'],
  ];
  for (const [type, text, hex] of good) assert.is(valueBytes(type, text, 'x.test').toString('hex'), hex, text);
  assert.is(valueText('SRV', valueBytes('SRV', '0 5 993 mail', 'x.test')), '0 5 993 mail.x.test');
  assert.is(valueBytes('TXT', 'x'.repeat(600), '').length, 603);
  const none: readonly (readonly [RecordType, string])[] = [
    ...(['10.0.0', '10.0.0.256', 'a', ''] as const).map((text) => ['A', text] as const),
    ...([':::', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7::8', 'g::'] as const).map((text) => ['AAAA', text] as const),
    ...(['mail.x', '70000 mail.x', '10 ma..il.x', '10 20 mail.x'] as const).map((text) => ['MX', text] as const),
    ...([`${'a'.repeat(64)}.x`, 'two names'] as const).map((text) => ['CNAME', text] as const),
  ];
  for (const [type, text] of none)
    assert.throws(
      () => valueBytes(type, text, 'x.test'),
      (error: unknown) => error instanceof WireError,
      text,
    );
});

test('names in a zone', () => {
  const names = ['@', 'mail', 'a.b', 'mail.x.test', 'X.TEST.', 'other.org.'].map((name) => inZone(name, 'x.test.'));
  assert.equal(names, ['x.test', 'mail.x.test', 'a.b.x.test', 'mail.x.test', 'x.test', 'other.org']);
});

test('names that do not end, lead forwards or are too long', () => {
  for (const hex of ['c000', 'c004', '0161c000', '40', '0561', ''])
    assert.throws(() => readName(Buffer.from(hex, 'hex'), 0), undefined, hex);
  const long = Buffer.concat([
    ...Array.from({ length: 5 }, () => Buffer.concat([Buffer.of(63), Buffer.alloc(63, 97)])),
    Buffer.of(0),
  ]);
  assert.throws(() => readName(long, 0));
  assert.is(readName(Buffer.from('0161000142c000', 'hex'), 3).bytes.toString('hex'), '0162016100');
});

test('a message that is cut at any byte is refused', async () => {
  const set = { name: 'mail.x.test', type: 'A', values: [Buffer.from([10, 0, 0, 1])] } as const;
  const { bytes } = await sign(updating(7, 'x.test', [set], [set], 60), key, NOW);
  assert.is(readReply(bytes).signed?.key.toString('hex'), nameBytes('mover').toString('hex'));
  for (let end = 12; end < bytes.length; end++)
    assert.throws(
      () => readReply(bytes.subarray(0, end)),
      (error: unknown) => error instanceof WireError,
      String(end),
    );
  assert.throws(() => readReply(Buffer.concat([bytes, Buffer.of(0)])));
});

/** What a server would answer, made by hand. */
function answer(asked: Buffer, how: { secret?: string; time?: number; name?: string; error?: number } = {}): Buffer {
  const bare = Buffer.from('0007a8000000000000000000', 'hex');
  const u16 = (value: number) => Buffer.from([value >> 8, value & 255]);
  const time = Buffer.alloc(8);
  time.writeUIntBE(how.time ?? NOW, 0, 6);
  time.writeUInt16BE(300, 6);
  const [name, method] = [nameBytes(how.name ?? 'mover'), nameBytes('hmac-sha256')];
  const head = Buffer.concat([name, u16(255), Buffer.alloc(4), method, time, u16(how.error ?? 0), u16(0)]);
  const mac = createHmac('sha256', Buffer.from(how.secret ?? SECRET, 'base64'))
    .update(Buffer.concat([u16(asked.length), asked, bare, head]))
    .digest();
  const value = Buffer.concat([method, time, u16(mac.length), mac, u16(7), u16(how.error ?? 0), u16(0)]);
  const whole = Buffer.concat([bare, name, u16(250), u16(255), Buffer.alloc(4), u16(value.length), value]);
  whole.writeUInt16BE(1, 10);
  return whole;
}

test('an answer is believed only when all of its signature is right', async () => {
  const { mac } = await sign(updating(7, 'x.test', [], [], 60), key, NOW);
  const judge = (bytes: Buffer, asked = mac) => distrust(bytes, readReply(bytes).signed, asked, key, NOW);
  assert.is(await judge(answer(mac)), null);
  assert.match((await judge(answer(mac), Buffer.alloc(32))) ?? '', /signature of the answer is wrong/);
  assert.match((await judge(answer(mac, { secret: 'AAAA' }))) ?? '', /wrong/);
  assert.match((await judge(answer(mac, { name: 'other' }))) ?? '', /another key/);
  assert.match((await judge(answer(mac, { time: NOW - 301 }))) ?? '', /another time/);
  assert.match((await judge(answer(mac, { error: 17 }))) ?? '', /not accepted \(BADKEY\)/);
  assert.match((await judge(answer(mac, { error: 18 }))) ?? '', /BADTIME/);
  assert.match((await judge(Buffer.from('0007a8000000000000000000', 'hex'))) ?? '', /not signed/);
  const changed = answer(mac);
  changed[3] = 8;
  assert.match((await judge(changed)) ?? '', /wrong/);
});

test('keys as they are written', () => {
  const file = `// old\nkey "m.x" {\n  algorithm hmac-sha512;\n  secret "${SECRET}"; # here\n};\n`;
  const read = parseKey(file);
  assert.equal([read.name, read.algorithm, read.secret.length], ['m.x', 'hmac-sha512', 32]);
  for (const text of ['', 'a:b', `a:hmac-md5:${SECRET}`, 'a:hmac-sha256:***', 'key "a" { algorithm hmac-sha256; };'])
    assert.throws(
      () => parseKey(text),
      (error: unknown) => error instanceof DnsTrouble && !error.message.includes(SECRET),
      text,
    );
});

test.run();
