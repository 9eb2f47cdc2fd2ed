// node-schedule under a wall clock that the test moves: sinon stands in for timers and Date.
import sinon from 'sinon';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Calendar } from '../../src/daemon/calendar.ts';

const test = suite('calendar');
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

interface World {
  readonly time: sinon.SinonFakeTimers;
  readonly calendar: Calendar;
  readonly warned: string[];
}

/** Midnight of a day without a change of summer time, and a calendar that begins there. */
async function within(work: (world: World) => Promise<void>): Promise<void> {
  const now = new Date(2026, 10, 22);
  const toFake = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] as const;
  const time = sinon.useFakeTimers({ now, toFake: [...toFake] });
  const warned: string[] = [];
  const say = (): undefined => undefined;
  const calendar = new Calendar({ debug: say, info: say, error: say, warn: (text) => void warned.push(text) });
  try {
    await work({ time, calendar, warned });
  } finally {
    calendar.close();
    time.restore();
  }
}

test('runs at its hour, each day', () =>
  within(async ({ time, calendar }) => {
    const ran: number[] = [];
    calendar.set('purge', '30 3 * * *', async () => void ran.push(new Date().getHours()));
    await time.tickAsync(3 * HOUR_MS);
    assert.equal(ran, []);
    await time.tickAsync(3 * DAY_MS);
    assert.equal(ran, [3, 3, 3]);
  }));

test('a job that is set again has its new hour only', () =>
  within(async ({ time, calendar }) => {
    const ran: string[] = [];
    calendar.set('purge', '0 1 * * *', async () => void ran.push('old'));
    calendar.set('purge', '0 2 * * *', async () => void ran.push('new'));
    await time.tickAsync(DAY_MS);
    assert.equal(ran, ['new']);
  }));

test('text that is no calendar entry is refused, and the old job stays', () =>
  within(async ({ time, calendar }) => {
    let ran = 0;
    calendar.set('purge', '0 1 * * *', async () => void ran++);
    for (const cron of ['', 'now', '* * *', '61 * * * *', '0 0 31 2 *'])
      assert.throws(() => calendar.set('purge', cron, async () => undefined), cron);
    await time.tickAsync(DAY_MS);
    assert.is(ran, 1);
  }));

test('a job that is still running is not started over itself', () =>
  within(async ({ time, calendar }) => {
    let started = 0;
    let finish: () => void = () => undefined;
    calendar.set('report', '0 * * * *', () => {
      started++;
      return new Promise((resolve) => (finish = resolve));
    });
    await time.tickAsync(5 * HOUR_MS);
    assert.is(started, 1);
    finish();
    await time.tickAsync(HOUR_MS);
    assert.is(started, 2);
  }));

test('a job that fails is told, and runs the next time', () =>
  within(async ({ time, calendar, warned }) => {
    calendar.set('report', '0 * * * *', () => Promise.reject(new Error('no paper')));
    await time.tickAsync(2 * HOUR_MS);
    assert.equal(warned, ['report: no paper', 'report: no paper']);
  }));

test('a clock that jumps three days ahead costs no storm of runs', () =>
  within(async ({ time, calendar }) => {
    let ran = 0;
    calendar.set('purge', '0 * * * *', async () => void ran++);
    await time.tickAsync(HOUR_MS);
    time.setSystemTime(new Date(2026, 10, 25, 1, 30));
    await time.tickAsync(2 * HOUR_MS);
    assert.ok(ran >= 2 && ran <= 5, String(ran));
  }));

test('after close nothing runs', () =>
  within(async ({ time, calendar }) => {
    let ran = 0;
    calendar.set('purge', '0 * * * *', async () => void ran++);
    calendar.close();
    await time.tickAsync(DAY_MS);
    assert.is(ran, 0);
  }));

test.run();
