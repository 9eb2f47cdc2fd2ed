import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  fitSyslog,
  formatJournal,
  formatLocal,
  formatSyslog,
  openSystemLog,
  type SyslogRecord,
} from '../../src/ports/syslog.ts';
import { listenDatagrams } from '../support/datagrams.ts';

const test = suite('syslog');
const record: SyslogRecord = {
  facility: 3,
  severity: 2,
  time: '2026-11-22T13:00:00.123Z',
  host: 'n1',
  msgId: 'service-failing',
  data: [{ id: 'alarm', params: { resource: 'mta', probableCause: 'timeoutExpired' } }],
  text: 'major: mta: no banner within 2 s',
};

test('writes RFC 5424 as the RFC shows it', () => {
  assert.is(
    formatSyslog(record, 42),
    '<26>1 2026-11-22T13:00:00.123Z n1 watchkeeper 42 service-failing ' +
      '[alarm resource="mta" probableCause="timeoutExpired"] major: mta: no banner within 2 s',
  );
  assert.match(formatSyslog({ ...record, data: [] }, 42), ' service-failing - major');
});

test('nothing from outside can end a field, an element or the line', () => {
  const line = formatSyslog(
    {
      ...record,
      host: 'n1 <13>1 forged',
      msgId: '',
      data: [{ id: 'a]b c', params: { 'x="y': 'end"] [forged x="\\\n\x1b[31m' } }],
      text: 'one\n<13>1 two\u202e',
    },
    42,
  );
  assert.is(
    line,
    '<26>1 2026-11-22T13:00:00.123Z n1_<13>1_forged watchkeeper 42 - ' +
      '[a_b_c x__y="end\\"\\] [forged x=\\"\\\\\\\\n\\\\x1b[31m"] one\\n<13>1 two\\u{202e}',
  );
});

test('a message that is too long is cut: values first, then the text, never within a character', () => {
  const long = { ...record, text: `${'grüße '.repeat(700)}end` };
  const whole = formatSyslog(record, 42);
  assert.is(fitSyslog(record, 42, 2048).toString(), whole);
  for (let max = 480; max < 560; max++) {
    const bytes = fitSyslog(long, 42, max);
    assert.ok(bytes.length <= max && bytes.length > max - 6, `${bytes.length} of ${max}`);
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    assert.match(text, /^<26>1 .* \[.*\] gr.*…$/);
  }
  const wide = {
    ...record,
    data: [{ id: 'a', params: Object.fromEntries([...'abcdefgh'].map((n) => [n, '\\"'.repeat(500)])) }],
  };
  const squeezed = fitSyslog(wide, 42, 1024).toString();
  assert.match(squeezed, /\[a a="(\\[\\"])+…" .*\] major: mta/);
  assert.ok(squeezed.length <= 1024);
  const none = fitSyslog(
    {
      ...wide,
      data: [...wide.data, { id: 'b', params: { x: 'y'.repeat(20), ...wide.data[0]?.params } }],
      text: 'x'.repeat(9000),
    },
    42,
    480,
  );
  assert.match(none.toString(), /^<26>1 [^[]* (\[b .*\]|-) x+…$/);
  assert.ok(none.length <= 480);
});

test('the local form is what syslog(3) writes', () => {
  assert.match(
    formatLocal(record, 42),
    /^<26>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d watchkeeper\[42\]: major: mta: no banner within 2 s \[alarm resource/,
  );
});

test('journald fields: plain, with newlines, and cut between characters', () => {
  assert.is(formatJournal({ MESSAGE: 'hello', PRIORITY: '3' }).toString(), 'MESSAGE=hello\nPRIORITY=3\n');
  const lines = formatJournal({ MESSAGE: 'a\nFORGED=1' });
  assert.equal(lines, Buffer.from('MESSAGE\n\x0a\0\0\0\0\0\0\0a\nFORGED=1\n'));
  const long = formatJournal({ A: 'é'.repeat(5000) }).toString();
  assert.is(long, `A=${'é'.repeat(4096)}\n`);
  assert.is(formatJournal({ A: `x${'é'.repeat(5000)}` }).toString(), `A=x${'é'.repeat(4095)}\n`);
  assert.throws(() => formatJournal({ _PID: '1' }));
});

test('datagrams: sent, behind, away', () => {
  const dir = mkdtempSync(join(tmpdir(), 'wk-syslog-'));
  const socket = join(dir, 'log');
  const log = openSystemLog({ pid: 42, underSystemd: false, out: new PassThrough() });
  const to = { socket, format: 'rfc5424' } as const;
  assert.is(log.hasSyslog(socket), false);
  assert.equal(log.syslog(record, to), { retry: `${socket}: there is no such socket` });
  const reader = listenDatagrams(socket);
  assert.is(log.hasSyslog(socket), true);
  assert.is(log.syslog(record, to), 'sent');
  assert.is(String(reader.take()[0]), formatSyslog(record, 42));
  let last = log.syslog(record, to);
  const started = performance.now();
  for (let count = 0; count < 5000 && last === 'sent'; count++) last = log.syslog(record, to);
  assert.ok(performance.now() - started < 2000, 'it never waits');
  assert.equal(last, { retry: `${socket}: its reader is behind` });
  reader.take();
  assert.is(log.syslog(record, to), 'sent');
  reader.close();
  const long = { socket: `/${'x'.repeat(200)}`, format: 'rfc5424' } as const;
  assert.equal(log.syslog(record, long), { retry: `${long.socket}: ENAMETOOLONG` });
  rmSync(dir, { recursive: true });
});

test('standard output: a priority for the service manager, and a bound for a reader that sleeps', () => {
  const out = new PassThrough();
  const log = openSystemLog({ pid: 1, underSystemd: true, out });
  assert.is(log.print(2, 'hello'), 'sent');
  assert.is(String(out.read()), '<2>hello\n');
  const stuck = new Writable({ write: () => undefined });
  const behind = openSystemLog({ pid: 1, underSystemd: false, out: stuck });
  let last = behind.print(2, 'x'.repeat(2000));
  for (let count = 0; count < 1000 && last === 'sent'; count++) last = behind.print(2, 'x'.repeat(2000));
  assert.equal(last, { retry: 'standard output: its reader is behind' });
  assert.ok(stuck.writableLength < 1_100_000);
});

test('a reader that goes away costs retries, not the daemon', async () => {
  const out = new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error('gone'), { code: 'EPIPE' }));
    },
  });
  const log = openSystemLog({ pid: 1, underSystemd: false, out });
  log.print(2, 'one');
  await new Promise((done) => setImmediate(done));
  assert.equal(log.print(2, 'two'), { retry: 'standard output: EPIPE' });
});

test.run();
