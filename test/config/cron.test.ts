// Calendar entries: what is taken from a file must be one for the library that runs them.
import { scheduleJob } from 'node-schedule';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cronFault } from '../../src/config/cron.ts';
import { random } from '../support/random.ts';

const test = suite('cron');

test('good entries', () => {
  for (const text of ['17 3 * * *', '0 0 29 2 *', '*/5 8-18 * * mon-fri', '30 17 3 1,15 Jan,Jul *', '0 0 * * 7'])
    assert.is(cronFault(text), null, text);
});

test('bad ones, each with its field', () => {
  const table: [string, RegExp][] = [
    ['', /five or six fields/],
    ['* * * *', /five or six fields/],
    ['* * * * * * *', /five or six fields/],
    ['60 3 * * *', /the minute is 0 to 59: not "60"/],
    ['0 24 * * *', /the hour/],
    ['0 0 0 * *', /the day of the month/],
    ['0 0 * 13 *', /the month/],
    ['0 0 * * 8', /the day of the week/],
    ['0 0 * * sunday', /the day of the week/],
    ['99 0 0 * * *', /the second/],
    ['5-1 3 * * *', /the minute/],
    ['*/0 3 * * *', /the minute/],
    ['1-70 * * * *', /the minute/],
    ['5/2 * * * *', /the minute/],
    ['a b c d e', /the minute/],
    ['1,,2 * * * *', /the minute/],
    ['-1 * * * *', /the minute/],
    ['17 3 31 2 *', /no month that it names has a day 31/],
    ['0 0 31 4,6,9,11 *', /would never run/],
  ];
  for (const [text, fault] of table) assert.match(cronFault(text) ?? 'none', fault, text);
});

test('whatever is taken, the library takes too', () => {
  const draw = random(7);
  const pieces = ['*', '*/7', '0', '7', '12', '31', '1-5', '2-30/3', 'mon', 'FEB', 'jan-mar', '59', '23,1', '?', 'L'];
  let taken = 0;
  for (let round = 0; round < 3000; round++) {
    const text = Array.from({ length: draw.chance(0.3) ? 6 : 5 }, () => draw.pick(pieces)).join(' ');
    if (cronFault(text) !== null) continue;
    taken++;
    const job = scheduleJob(text, () => undefined) as { cancel(): void } | null;
    assert.ok(job, text);
    job?.cancel();
  }
  assert.ok(taken > 50, `${taken} of 3000`);
});

test.run();
