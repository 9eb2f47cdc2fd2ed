// SIGKILL for the daemon at random instants while it is busy, and a new one each time: budgets, incidents and alarms
// are one story over all its lives.
import { rmSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Status } from '../../src/daemon/status.ts';
import { random } from '../support/random.ts';
import {
  type Alerted,
  freePorts,
  liveDaemon,
  type LiveDaemon,
  program,
  runProgram,
  served,
  until,
  whole,
} from '../support/live-daemon.ts';

const KILLS = 22;
const SEED = Number(process.env['SEED'] ?? Date.now() % 100_000);
const BUSY_ATTEMPTS = 14;
const next = random(SEED);
let daemon: LiveDaemon;
let tormentor: NodeJS.Timeout | undefined;

/** What may never be forgotten, of one moment. */
interface Memory {
  readonly at: number;
  readonly left: Readonly<Record<string, number>>;
  readonly attempts: Readonly<Record<string, number>>;
  readonly incidents: Readonly<Record<string, number>>;
  readonly alarms: Status['alarms'];
}

const NAMES = ['busy', 'broken', 'fine'];

async function remember(status: Status): Promise<Memory> {
  const explained = await Promise.all(NAMES.map((name) => daemon.explain(name)));
  const incidentOf = (name: string): number =>
    Number(/-(\d+)$/.exec(status.services.find((one) => one.name === name)?.incident ?? '')?.[1] ?? 0);
  const by = (value: (name: string, index: number) => number) =>
    Object.fromEntries(NAMES.map((n, i) => [n, value(n, i)]));
  return {
    at: performance.now(),
    left: by((_name, index) => explained[index]?.budget.left ?? 0),
    attempts: by((_name, index) => explained[index]?.attempts ?? 0),
    incidents: by(incidentOf),
    alarms: status.alarms,
  };
}

/** Everything of `before` is still there, or its end was told. */
async function compare(before: Memory, after: Memory, life: number): Promise<void> {
  const where = `life ${life}, seed ${SEED}`;
  for (const name of NAMES) {
    assert.ok((after.left[name] ?? 0) <= (before.left[name] ?? 0), `${where}: the budget of ${name} grew`);
    assert.ok((after.attempts[name] ?? 0) >= (before.attempts[name] ?? 0), `${where}: attempts of ${name} forgotten`);
    const [was = 0, is = 0] = [before.incidents[name], after.incidents[name]];
    assert.ok(was === 0 || is === 0 || is >= was, `${where}: incident ${is} of ${name} after ${was}`);
  }
  for (const alarm of before.alarms) {
    if (after.alarms.some(({ key, raisedAt }) => key === alarm.key && raisedAt === alarm.raisedAt)) continue;
    const ended = (): boolean => daemon.alerts().some(({ key, kind }) => key === alarm.key && kind === 'clear');
    await until(`${where}: the end of the alarm ${alarm.key}`, ended, 2000);
  }
}

const test = suite(`killed ${KILLS} times`);
test.before(async () => {
  daemon = liveDaemon('kill');
  const [busy = 0, broken = 0, fine = 0] = await freePorts(3);
  writeFileSync(daemon.at('broken.broken'), '');
  const quickly = { backoff: { first: '50ms', max: '200ms' }, repair: '5s', verify: '5s', grace: '1s' };
  daemon.write(
    whole(
      daemon,
      {
        busy: served(daemon, 'busy', busy, { recover: { ...quickly, attempts: BUSY_ATTEMPTS } }),
        broken: served(daemon, 'broken', broken, { recover: { ...quickly, attempts: 3 } }),
        fine: served(daemon, 'fine', fine),
      },
      { repairs: { max: 100, window: '1h', parallel: 3 } },
    ),
  );
  tormentor = setInterval(() => {
    const pid = daemon.pidOf('busy');
    if (pid > 0 && next.chance(0.25)) process.kill(pid, 'SIGKILL');
  }, 150);
});
test.after(async () => {
  clearInterval(tormentor);
  await daemon.end();
});

test('nothing is forgotten, and nothing is done twice', async () => {
  let before: Memory | null = null;
  for (let life = 1; life <= KILLS; life++) {
    const now = daemon.start();
    // Some die before they answer: in the middle of the fold, of the first segment, of the first round.
    if (next.chance(0.3)) {
      await new Promise((done) => setTimeout(done, next.int(900)));
    } else {
      const memory = await remember(await daemon.ready(now));
      if (before) await compare(before, memory, life);
      await new Promise((done) => setTimeout(done, next.int(700)));
      before = await remember(await daemon.status());
      // What was shown may be a moment younger than what is on the disk.
      await new Promise((done) => setTimeout(done, 60));
    }
    await daemon.stop(now, 'SIGKILL');
    assert.ok(
      daemon.startsOf('broken') <= 3,
      `life ${life}, seed ${SEED}: ${daemon.startsOf('broken')} starts, 3 allowed`,
    );
    assert.ok(
      daemon.startsOf('busy') <= BUSY_ATTEMPTS,
      `life ${life}, seed ${SEED}: ${daemon.startsOf('busy')} starts`,
    );
  }
  assert.is(daemon.startsOf('fine'), 1, `seed ${SEED}: the service that is well is adopted each time`);
});

test('the last life comes to the end of both ladders, and not further', async () => {
  const last = await daemon.up();
  const ended = async (): Promise<boolean> =>
    (await daemon.service('broken')).phase === 'failed' && (await daemon.service('busy')).phase === 'failed';
  await until(`both given up, seed ${SEED}`, ended, 15_000);
  clearInterval(tormentor);
  // Charged before it is done: a repair that was cut off by the end of its daemon counts, and never happened.
  const starts = { broken: daemon.startsOf('broken'), busy: daemon.startsOf('busy') };
  assert.ok(starts.broken <= 3 && starts.broken > 0, `${starts.broken} starts of the broken one`);
  assert.ok(starts.busy <= BUSY_ATTEMPTS && starts.busy > BUSY_ATTEMPTS / 2, `${starts.busy} starts of the busy one`);
  // Cured by hand: every alarm ends.
  rmSync(daemon.at('broken.broken'));
  for (const name of ['broken', 'busy']) assert.is((await daemon.cli('reset', name)).code, 0);
  await until('all alarms end', async () => (await daemon.status()).alarms.length === 0, 15_000);
  await daemon.stop(last);
});

test('the alerts of all lives are one story: numbers grow, each raise has its clear', () => {
  const all = daemon.alerts();
  const first: Alerted[] = [];
  const seen = new Map<string, Alerted>();
  let backwards = 0;
  let newest = 0;
  for (const alert of all) {
    const id = Number(alert.alert);
    const known = seen.get(alert.alert);
    if (known) assert.equal(alert, known, 'told again, it is the same');
    else {
      assert.ok(id > newest, `seed ${SEED}: alert ${id} after ${newest}`);
      first.push(alert);
      newest = id;
    }
    if (known) backwards++;
    seen.set(alert.alert, alert);
  }
  assert.ok(backwards <= KILLS * 10, `${backwards} told again`);
  const active = new Set<string>();
  for (const { kind, key, alert } of first) {
    if (kind === 'raise') assert.not.ok(active.has(key), `seed ${SEED}: ${key} raised twice (${alert})`);
    if (kind === 'raise') active.add(key);
    if (kind === 'clear') assert.ok(active.delete(key), `seed ${SEED}: ${key} cleared, not raised (${alert})`);
  }
  assert.equal([...active], [], `seed ${SEED}: raised and never cleared`);
  const repairs = first.filter(({ event, service }) => event === 'recovery-started' && service === 'broken');
  assert.ok(repairs.length <= 4, `${repairs.length} repairs told of the broken one, before and after the reset`);
});

test("the journal folds, and today's core decides as was recorded", async () => {
  const replayed = await runProgram([program, 'replay', daemon.at('state')]);
  assert.is(replayed.code, 0, `seed ${SEED}: ${replayed.out}${replayed.err}`);
  assert.match(replayed.out, /\d+ decisions; .* in 0\n/);
  assert.not.match(replayed.err, 'damaged');
});

test.run();
