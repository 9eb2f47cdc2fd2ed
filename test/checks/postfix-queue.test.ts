import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import check from '../../src/checks/postfix-queue.ts';
import type { CheckResult } from '../../src/define.ts';
import { lineReader, parseMessage, reasonCount, reasonKey } from '../../src/dialogues/queue.ts';
import { clock } from '../../src/ports/clock.ts';
import type { Exec, ExecResult } from '../../src/ports/exec.ts';
import { runCheck } from '../support/check.ts';

const test = suite('postfix-queue');

const message = (queue: string, id: string, arrival: number, reason?: string): string =>
  `${JSON.stringify({
    queue_name: queue,
    queue_id: id,
    arrival_time: arrival,
    message_size: 300,
    forced_expire: false,
    sender: 'a@lab.test',
    recipients: [{ address: 'b@lab.test', ...(reason ? { delay_reason: reason } : {}) }],
  })}\n`;

const ended: ExecResult = {
  code: 0,
  signal: null,
  stdout: '',
  stderr: '',
  timedOut: false,
  failed: null,
  truncated: false,
  ms: 5,
};
/** A postqueue that says this. */
const says = (output: string | readonly string[], result: Partial<ExecResult> = {}): Exec => ({
  run: async (_argv, options) => {
    for (const piece of typeof output === 'string' ? [output] : output) options.onStdout?.(Buffer.from(piece));
    return { ...ended, ...result };
  },
});

const WALL = Date.parse('2026-11-22T12:00:00Z');
const NOW = WALL / 1000;
const REASON = 'connect to mx.far.test[192.0.2.1]:25: Connection timed out';
const said = (result: CheckResult): string => `${result.outcome}/${result.cause ?? '-'}`;
// The real program is not needed: what is asked for is a program that is there and belongs to root.
const options = { postqueue: '/bin/sh' };

function timeline(): { at: number; run(exec: Exec, more?: object): Promise<CheckResult> } {
  const memory = new Map<string, unknown>();
  const line = {
    at: 1_000_000,
    run: (exec: Exec, more: object = {}) =>
      runCheck(
        check,
        { ...options, ...more },
        {
          depth: 'deep',
          memory,
          ports: { exec, clock: { ...clock, monotonic: () => line.at, wall: () => WALL } },
        },
      ),
  };
  return line;
}

test('empty is well, full is degraded with the top reason', async () => {
  const line = timeline();
  assert.is(said(await line.run(says(''))), 'pass/-');
  const many = [1, 2, 3].map((n) => message('deferred', `AAAA${n}`, NOW - 60, REASON)).join('');
  const one = message('deferred', 'BBBB1', NOW - 90_000, 'host x[1.2.3.4] said: 450 4.2.0 <u77@far.test>: greylisted');
  const result = await line.run(says(many + one), { deferred: 3 });
  assert.is(said(result), 'degraded/dependency');
  assert.match(result.detail, `4 messages are deferred; most often (3): "${REASON}"`);
  assert.is(result.metrics?.find((metric) => metric.name === 'deferred-oldest')?.value, 90_000);
  assert.is(result.metrics?.find((metric) => metric.name === 'size')?.value, 1200);
  const old = await line.run(says(one), { age: '1d' });
  assert.match(old.detail, 'the oldest deferred message waits for 25 h');
});

test('growth is measured against a count that is a minute old', async () => {
  const line = timeline();
  const queue = (count: number): Exec =>
    says(Array.from({ length: count }, (_, n) => message('deferred', `A${n}`, NOW, REASON)).join(''));
  assert.is(said(await line.run(queue(0))), 'pass/-');
  line.at += 10_000;
  assert.is(said(await line.run(queue(100))), 'pass/-', 'too early to tell');
  line.at += 50_000;
  const grown = await line.run(queue(100));
  assert.is(said(grown), 'degraded/dependency');
  assert.match(grown.detail, 'deferred grows by 100 a minute');
  line.at += 60_000;
  assert.is(said(await line.run(queue(100))), 'pass/-', 'it grows no more');
});

test('mail that stays in incoming means a queue manager that stands still', async () => {
  const line = timeline();
  const stays = message('incoming', 'AAAA1', NOW - 999_999);
  assert.is(said(await line.run(says(stays))), 'pass/-', 'its age alone says nothing: the wall clock may have jumped');
  line.at += 119_000;
  assert.is(said(await line.run(says(stays))), 'pass/-');
  line.at += 2000;
  const stuck = await line.run(says(stays));
  assert.is(said(stuck), 'fail/hung');
  assert.match(stuck.detail, 'the queue manager does not move mail: a message is in incoming for 2 min');
  const full = Array.from({ length: 20_000 }, (_, n) => message('active', `B${n}`, NOW)).join('');
  assert.is(said(await line.run(says(stays + full))), 'degraded/dependency', 'active is full: it cannot move');
  assert.is(said(await line.run(says(message('incoming', 'AAAA1', NOW)))), 'pass/-', 'the same id, another mail');
});

test('100,000 messages, and one to 50,000 recipients, cost little', async () => {
  const piece = Array.from({ length: 200 }, (_, n) => message('deferred', `A${n}`, NOW, REASON)).join('');
  const pieces = Array.from({ length: 500 }, () => piece);
  const recipients = '{"address": "x@y.test", "delay_reason": "full"},'.repeat(50_000);
  const head = `"queue_name": "deferred", "queue_id": "HUGE1", "arrival_time": ${NOW}`;
  const huge = `{${head}, "recipients": [${recipients}`;
  const before = process.memoryUsage().heapUsed;
  const result = await timeline().run(says([...pieces, huge, '\n']));
  assert.ok(process.memoryUsage().heapUsed - before < 60_000_000);
  assert.match(result.detail, '100001 messages are deferred');
});

test('a list that was broken off counts as far as it goes, and says so', async () => {
  const line = timeline();
  const some = message('deferred', 'A1', NOW, REASON) + message('deferred', 'A2', NOW, REASON).slice(0, 50);
  const few = await line.run(says(some, { timedOut: true, code: null }));
  assert.is(said(few), 'unknown/-');
  assert.match(few.detail, 'at least incoming 0, active 0, deferred 1 (the list was too long');
  const many = await line.run(says(some, { timedOut: true, code: null }), { deferred: 0 });
  assert.is(said(many), 'degraded/dependency');
});

test('a postqueue that does not list', async () => {
  const line = timeline();
  const table: [Partial<ExecResult>, string][] = [
    [{ timedOut: true, code: null }, 'fail/hung'],
    [{ failed: 'EAGAIN', code: null }, 'unknown/-'],
    [{ code: 69, stderr: 'postqueue: fatal: Queue report unavailable - mail system is down\n' }, 'fail/refusing'],
    [{ code: 1, stderr: 'postqueue: fatal: open /etc/postfix/main.cf: Permission denied\n' }, 'fail/misconfigured'],
    [{ code: 1, stderr: 'postqueue: fatal: something else\n' }, 'unknown/-'],
  ];
  for (const [result, wanted] of table)
    assert.is(said(await line.run(says('', result))), wanted, JSON.stringify(result));
  assert.is(said(await runCheck(check, { postqueue: '/no/such/postqueue' }, { depth: 'deep' })), 'unknown/-');
});

test('lines that are none, and reasons that differ in nothing that matters', () => {
  for (const line of ['', 'x', 'null', '[]', '{}', '{"queue_name":1}']) assert.is(parseMessage(line), null, line);
  const a = reasonKey(
    'host m[1.2.3.4] said: 450 4.1.1 <a@b.test>: try later (in reply to RCPT, 4XyZ12AbCdEf3: 1234567)',
  );
  const b = reasonKey(
    'host m[1.2.3.4] said: 450 4.1.1 <c@d.test>: try later (in reply to RCPT, 9QwE45RtYuIo8: 7654321)',
  );
  assert.is(a, b);
  const counts = reasonCount();
  for (let n = 0; n < 5000; n += 1) counts.add(`reason ${String.fromCharCode(0x4e00 + n)}`);
  assert.is(counts.top()[0]?.reason, 'other reasons');
  const lines: string[] = [];
  const reader = lineReader((line) => lines.push(line));
  for (const piece of ['a\nb', 'c\n\n', 'd']) reader.add(Buffer.from(piece));
  reader.end();
  assert.equal(lines, ['a', 'bc', 'd']);
});

test.run();
