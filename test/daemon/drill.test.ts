// Drills on two whole daemons: that of the calendar, and what speaks against one.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Calendar } from '../../src/daemon/calendar.ts';
import { KEYS, readDrills } from '../../src/daemon/cluster-view.ts';
import type { Daemon } from '../../src/daemon/daemon.ts';
import { drillFaults, plannedDrill, scheduleDrills } from '../../src/daemon/drill.ts';
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

test.run();
