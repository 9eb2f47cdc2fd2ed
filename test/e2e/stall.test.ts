// The daemon itself stands still for eight seconds: what it missed is no reason to repair anything.
import { rmSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  allWell,
  freePorts,
  type Life,
  liveDaemon,
  type LiveDaemon,
  served,
  until,
  whole,
} from '../support/live-daemon.ts';

const STILL_MS = 8000;
let daemon: LiveDaemon;
let life: Life;
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const observer = (): readonly string[] =>
  daemon
    .alerts()
    .filter(({ event }) => event === 'observer-suspect')
    .map(({ kind }) => kind);

const test = suite('stall');
test.before(async () => {
  daemon = liveDaemon('stall');
  const [fine = 0, back = 0, hung = 0, died = 0] = await freePorts(4);
  // Hung services fail twice in a row before they are suspect, so that a stall meets one in the middle.
  const patient = { quick: { every: '500ms', timeout: '500ms', fall: 3 } };
  daemon.write(
    whole(daemon, {
      fine: served(daemon, 'fine', fine),
      back: served(daemon, 'back', back, patient),
      hung: served(daemon, 'hung', hung, patient),
      died: served(daemon, 'died', died),
    }),
  );
  life = await daemon.up();
  await allWell(daemon, ['fine', 'back', 'hung', 'died']);
});
test.after(async () => {
  life.child.kill('SIGCONT');
  await daemon.end();
});

test('stopped for 8 s: nothing is repaired for it; the doubt is told, and ends; then what is broken is cured', async () => {
  const { startsOf } = daemon;
  const names = ['fine', 'back', 'hung', 'died'];
  // On a busy machine a service may have been started twice until it was well.
  await until('a process of each', () => names.every((name) => daemon.pidOf(name) > 0), 10_000);
  const started = Object.fromEntries(names.map((name) => [name, startsOf(name)]));
  const more = (name: string): number => startsOf(name) - (started[name] ?? 0);
  const before = { back: daemon.pidOf('back'), fine: daemon.pidOf('fine'), hung: daemon.pidOf('hung') };
  for (const name of ['back', 'hung']) writeFileSync(daemon.at(`${name}.hang`), '');
  await pause(600);
  life.child.kill('SIGSTOP');
  process.kill(daemon.pidOf('died'), 'SIGKILL');
  await pause(STILL_MS);
  rmSync(daemon.at('back.hang'));
  const woken = performance.now();
  life.child.kill('SIGCONT');
  await until('the doubt', () => observer().length > 0, 5000);
  assert.ok((await daemon.status()).daemon.tilt, 'status says so');
  await until('its end', () => observer().length > 1, 10_000);
  assert.ok(performance.now() - woken >= 1900, 'it only looked for two seconds');
  assert.equal(observer(), ['raise', 'clear']);
  const order = daemon.alerts().map(({ event, kind }) => `${kind} ${event}`);
  assert.not.ok(
    order
      .slice(order.indexOf('raise observer-suspect'), order.indexOf('clear observer-suspect'))
      .includes('once recovery-started'),
  );
  const story = async (): Promise<string> => JSON.stringify((await daemon.explain('died')).story, null, 1);
  await until('the dead one', () => more('died') >= 1, 10_000).catch(async (error: Error) => {
    throw new Error(`${error.message}: ${await story()}`);
  });
  await until('the hung one', () => more('hung') >= 1 || daemon.pidOf('hung') !== before.hung, 15_000);
  rmSync(daemon.at('hung.hang'));
  await allWell(daemon, ['fine', 'back', 'hung', 'died']);
  assert.equal({ back: daemon.pidOf('back'), fine: daemon.pidOf('fine') }, { back: before.back, fine: before.fine });
  assert.equal(['back', 'fine'].map(more), [0, 0], 'who was well again is left alone');
  assert.is(more('died'), 1, await story());
});

test.run();
