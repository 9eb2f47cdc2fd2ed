// The disk under the state folder is really full: a small file system of its own, in a mount namespace that ends with
// the daemon. Services are looked after all the same, from memory and with stricter budgets.
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  allWell,
  freePorts,
  type Life,
  liveDaemon,
  type LiveDaemon,
  program,
  served,
  until,
  whole,
} from '../support/live-daemon.ts';

const WINDOW_MS = 6000;
let daemon: LiveDaemon;
let life: Life;
let ended = false;
/** The state folder as the daemon sees it. */
const inside = (file: string): string => join(`/proc/${life.child.pid}/root`, daemon.at('state'), file);
const alarms = async (): Promise<readonly string[]> => (await daemon.status()).alarms.map(({ event }) => event);

function start(): Life {
  const words = [process.execPath, program, 'run', '--config', daemon.config].map((word) => `'${word}'`).join(' ');
  const script = `mount -t tmpfs -o size=2m,mode=700 none '${daemon.at('state')}' && exec ${words}`;
  const child = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let told = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => (told = (told + data.toString()).slice(-40_000)));
  return {
    child,
    told: () => told,
    ended: new Promise((resolve) =>
      child.once('exit', (code, signal) => {
        ended = true;
        resolve({ code, signal });
      }),
    ),
  };
}

function fill(): void {
  for (const size of [65_536, 4096, 256])
    for (let count = 0; count < 1000; count++) {
      try {
        writeFileSync(inside(`fill-${size}-${count}`), Buffer.alloc(size));
      } catch (error) {
        assert.is((error as NodeJS.ErrnoException).code, 'ENOSPC');
        break;
      }
    }
}

function free(): void {
  for (const size of [65_536, 4096, 256])
    for (let count = 0; count < 1000; count++) rmSync(inside(`fill-${size}-${count}`), { force: true });
}

const test = suite('disk full');
test.before(async () => {
  daemon = liveDaemon('full');
  mkdirSync(daemon.at('state'), { mode: 0o700 });
  const [port = 0] = await freePorts(1);
  const recover = { attempts: 5, window: `${WINDOW_MS}ms`, repair: '2s', verify: '3s', grace: '1s', stable: '1m' };
  daemon.write(whole(daemon, { a: served(daemon, 'a', port, { recover }) }));
  life = start();
  await daemon.ready(life);
  await allWell(daemon, ['a']);
});
test.after(async () => {
  // Its records of children are on the file system that goes with it.
  const pid = daemon.pidOf('a');
  if (!ended) life.child.kill('SIGKILL');
  await life.ended;
  if (pid > 0) process.kill(pid, 'SIGKILL');
  await daemon.end();
});

test('a service that dies is repaired once, on a full disk; budgets are stricter, and the alarm is raised', async () => {
  // The first start of the service is a repair too: it leaves the window before the disk is full.
  await new Promise((done) => setTimeout(done, WINDOW_MS));
  fill();
  process.kill(daemon.pidOf('a'), 'SIGKILL');
  await until('the alarm', async () => (await alarms()).includes('journal-trouble'), 15_000);
  await until('a new one', () => daemon.startsOf('a') === 2, 10_000);
  await allWell(daemon, ['a']);
  const { daemon: facts } = await daemon.status();
  assert.is(facts.durable, false);
  assert.match(facts.strict ?? '', 'ENOSPC');
  assert.ok(
    daemon.alerts().some(({ event, kind }) => event === 'journal-trouble' && kind === 'raise'),
    'it is told',
  );
  assert.equal((await daemon.explain('a')).budget, { left: 0, of: 1, windowMs: WINDOW_MS });

  process.kill(daemon.pidOf('a'), 'SIGKILL');
  await until('given up', async () => (await daemon.service('a')).phase === 'failed', 10_000);
  assert.match((await daemon.service('a')).why.text, /its budget is spent.*stricter.*ENOSPC/);
  assert.is(daemon.startsOf('a'), 2);
});

test('with room again the alarm ends, what was decided meanwhile is on the disk, and survives', async () => {
  free();
  await until('its end', async () => !(await alarms()).includes('journal-trouble'), 20_000);
  const after = (await daemon.status()).daemon;
  assert.equal([after.durable, after.strict], [true, null]);
  const journal = readdirSync(inside('')).filter((name) => name.startsWith('journal-'));
  const newest = readFileSync(inside(journal.at(-1) ?? ''), 'utf8');
  assert.match(newest.split('\n')[0] ?? '', '"phase":"failed"', 'a segment that begins with the whole state');
  assert.is((await daemon.cli('reset', 'a')).code, 0);
  await allWell(daemon, ['a']);
  await until('no alarm is left', async () => (await alarms()).length === 0, 10_000);
  assert.not.match(life.told(), 'garbage collection', 'no file was left open');
});

test.run();
