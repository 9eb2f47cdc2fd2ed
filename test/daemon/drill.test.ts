// Drills on two whole daemons: that of the calendar, and what speaks against one.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Calendar } from '../../src/daemon/calendar.ts';
import { KEYS, readDrills } from '../../src/daemon/groups/cluster-view.ts';
import type { Daemon } from '../../src/daemon/daemon.ts';
import { drillFaults, plannedDrill, scheduleDrills } from '../../src/daemon/groups/drill.ts';
import { type World, world } from '../support/cluster-machines.ts';

const test = suite('daemon/drill');

async function up(): Promise<World> {
  const made = world();
  await Promise.all(Object.values(made.nodes).map((one) => one.boot()));
  await made.clock.run(20_000);
  return made;
}
function daemonOf(made: World, name: string): Daemon {
  const { daemon } = made.node(name);
  if (!daemon) throw new Error(`${name} does not run`);
  return daemon;
}
const drills = ({ store }: World) => readDrills(store.records.get(KEYS.drills('mail'))?.value ?? null);

test('the drill of the calendar is held by the node that has the group, and by no other', async () => {
  const made = await up();
  const other = plannedDrill(daemonOf(made, 'n2'), 'mail');
  await made.clock.run(5000);
  await other;
  assert.equal(drills(made), []);
  const own = plannedDrill(daemonOf(made, 'n1'), 'mail');
  await made.clock.run(60_000);
  await own;
  assert.equal(
    drills(made).map(({ by, from, to, ok, ended }) => [by, from, to, ok, ended]),
    [['the calendar', 'n1', 'n2', true, true]],
  );
  assert.is(made.node('n1').role, 'active');
});

test('one that may not be held is told, and nothing moves', async () => {
  const made = await up();
  made.store.put(KEYS.maintenance('n2'), JSON.stringify({ by: 'anna', comment: '', since: '' }));
  await made.clock.run(100);
  assert.ok(drillFaults(daemonOf(made, 'n1'), 'mail', null).some((text) => text === 'n2 is in maintenance'));
  const own = plannedDrill(daemonOf(made, 'n1'), 'mail');
  await made.clock.run(5000);
  await own;
  assert.equal(drills(made), []);
  assert.not(made.store.writes.some(({ key }) => key === KEYS.request('mail')));
  assert.ok(daemonOf(made, 'n1').loop.recent.some(({ rule, text }) => rule === 'drilled' && /was not held/.test(text)));
});

test('the calendar knows those that are configured, and forgets those that are not any more', async () => {
  const made = await up();
  const set: string[] = [];
  const kept: string[][] = [];
  const calendar = {
    set: (name: string, cron: string) => void set.push(`${name} ${cron}`),
    keep: (_prefix: string, names: readonly string[]) => void kept.push([...names]),
  } as unknown as Calendar;
  const daemon = daemonOf(made, 'n1');
  const mail = daemon.config.groups?.['mail'];
  assert.ok(mail);
  scheduleDrills(calendar, daemon.config, daemon);
  if (mail) scheduleDrills(calendar, { ...daemon.config, groups: { mail: { ...mail, drillAt: '0 4 * * 0' } } }, daemon);
  assert.equal([set, kept], [['drill/mail 0 4 * * 0'], [[], ['drill/mail']]]);
});

test('a drill whose daemon died between its two ways is ended by the next one, and nothing more moves', async () => {
  const made = await up();
  const own = plannedDrill(daemonOf(made, 'n1'), 'mail');
  // It went over, and is not asked back: its old node is not free for it.
  for (let turn = 0; turn < 600 && made.node('n2').role !== 'active'; turn++) await made.clock.run(10);
  made.store.put(KEYS.maintenance('n1'), JSON.stringify({ by: 'anna', comment: '', since: '' }));
  for (let turn = 0; turn < 600 && !drills(made)[0]?.over; turn++) await made.clock.run(100);
  const [under] = drills(made);
  assert.is(under?.ended, false);
  assert.is(made.node('n2').role, 'active');
  // It dies at once: nothing of it reaches the store or the disk any more.
  made.store.cut.add('n1');
  const dead = daemonOf(made, 'n1');
  const { instance } = dead.cluster;
  void dead.close();
  await made.clock.run(5000);
  made.store.cut.delete('n1');
  made.store.put(KEYS.maintenance('n1'), null);
  await made.node('n1').boot();
  await made.clock.run(120_000);
  await own;
  const [ended] = drills(made);
  assert.is.not(daemonOf(made, 'n1').cluster.instance, instance);
  assert.equal([ended?.ended, ended?.ok, ended?.over?.ok, ended?.back], [true, false, true, null]);
  assert.match(ended?.text ?? '', /the daemon of n1 that held it ended between the two ways: it stays on n2/);
  assert.not(made.store.writes.some(({ key, value }) => key === KEYS.request('mail') && value?.includes('-back')));
  assert.is(made.node('n2').role, 'active');
  assert.ok(daemonOf(made, 'n1').loop.recent.some(({ rule, text }) => rule === 'drilled' && /FAILED/.test(text)));
});

test.run();
