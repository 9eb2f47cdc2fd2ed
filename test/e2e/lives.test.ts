// One life of the daemon after another: SIGTERM leaves services as they are, the next daemon knows them again, what was
// paused stays so, and alarms that only the old daemon could end are over.
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { allWell, freePorts, liveDaemon, type LiveDaemon, served, until, whole } from '../support/live-daemon.ts';

let daemon: LiveDaemon;
let services: Readonly<Record<string, object>>;

const test = suite('lives');
test.before(async () => {
  daemon = liveDaemon('lives');
  const [stays = 0, goes = 0, child = 0] = await freePorts(3);
  const goesAlong = served(daemon, 'goes', goes, { recover: { attempts: 20 } }) as { manager: object };
  const slow = served(daemon, 'child', child, { depends: ['stays'] }) as { manager: object };
  services = {
    stays: served(daemon, 'stays', stays),
    goes: { ...goesAlong, manager: { ...goesAlong.manager, 'with-daemon': true } },
    // Some time of validation makes a repair long enough to be met.
    child: {
      ...slow,
      manager: { ...slow.manager, validate: ['sh', '-c', `sleep 0.7; echo >> ${daemon.at('validated')}`] },
    },
  };
  daemon.write(whole(daemon, services));
});
test.after(() => daemon.end());

test('SIGTERM: services stay, but for those that go with the daemon; the next one adopts them', async () => {
  const first = await daemon.up();
  await allWell(daemon, ['stays', 'goes', 'child']);
  const pids = { stays: daemon.pidOf('stays'), goes: daemon.pidOf('goes'), child: daemon.pidOf('child') };
  assert.equal((await daemon.stop(first)).code, 0);
  assert.is(daemon.pidOf('stays'), pids.stays);
  assert.is(daemon.pidOf('child'), pids.child);
  assert.is(daemon.pidOf('goes'), 0);
  assert.ok(daemon.alerts().some(({ event }) => event === 'daemon-stopping'));

  const second = await daemon.up();
  await allWell(daemon, ['stays', 'goes', 'child']);
  assert.equal([daemon.pidOf('stays'), daemon.pidOf('child')], [pids.stays, pids.child], 'the same processes');
  assert.equal(['stays', 'goes', 'child'].map(daemon.startsOf), [1, 2, 1]);
  // It is watched as its own: a death is seen at once and cured.
  process.kill(pids.stays, 'SIGKILL');
  await until('a new one', () => daemon.startsOf('stays') === 2, 15_000);
  await allWell(daemon, ['stays', 'child']);
  assert.is(daemon.startsOf('child'), 1, 'what depends on it is left alone');
  assert.is((await daemon.stop(second, 'SIGINT')).code, 0);
});

test('what an operator was told is kept over SIGKILL; a repair under way is finished before the end', async () => {
  const first = await daemon.up();
  await allWell(daemon, ['stays', 'goes', 'child']);
  const paused = await daemon.cli('pause', 'stays', '--for', '10m', '--comment', 'night work');
  assert.is(paused.code, 0, paused.err);
  await daemon.stop(first, 'SIGKILL');
  const second = await daemon.up();
  const kept = await daemon.service('stays');
  assert.is(kept.phase, 'paused');
  assert.match(kept.why.text, 'night work');
  const told = await daemon.explain('stays');
  assert.ok(
    told.story.some(({ rule }) => rule === 'paused'),
    'the story of the life before is told',
  );
  assert.is(daemon.startsOf('stays'), 2);
  await allWell(daemon, ['child']);
  const pid = daemon.pidOf('child');
  process.kill(pid, 'SIGKILL');
  await until('the repair', async () => (await daemon.service('child')).phase === 'restarting', 5000);
  assert.is((await daemon.stop(second)).code, 0);
  assert.is(readFileSync(daemon.at('validated'), 'utf8').length, daemon.startsOf('child'), 'each start was validated');
  assert.ok(daemon.pidOf('child') > 0, 'not left down by a daemon that went in the middle of its work');
});

test('an alarm about the daemon itself ends with the life that had it', async () => {
  const first = await daemon.up();
  daemon.write({ not: 'good' });
  await until('the alarm', () => daemon.alerts().some(({ event }) => event === 'configuration-refused'), 10_000);
  assert.is((await daemon.stop(first, 'SIGKILL')).signal, 'SIGKILL');
  daemon.write(whole(daemon, services));
  const second = await daemon.up();
  await until('its end', () =>
    daemon.alerts().some((one) => one.event === 'configuration-refused' && one.kind === 'clear'),
  );
  await until('no alarm is left', async () => (await daemon.status()).alarms.length === 0, 15_000);
  await daemon.stop(second);
});

test.run();
