// alert, silence, ack, maintenance on a daemon that runs: what people say, and what each channel hears of it.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Alerts } from '../../src/daemon/status.ts';
import { allWell, liveDaemon, type LiveDaemon, until, watched, whole } from '../support/live-daemon.ts';

let daemon: LiveDaemon;

const test = suite('telling');
test.before(async () => {
  daemon = liveDaemon('telling');
  const file = (name: string): object => ({ type: 'event-log', target: 'file', path: daemon.at(`${name}.log`) });
  const fine = (name: string): object =>
    watched({ type: 'command', run: ['/usr/bin/test', '!', '-e', daemon.at(`${name}.broken`)] });
  writeFileSync(daemon.at('noc.log'), '');
  daemon.write(
    whole(
      daemon,
      { one: fine('one'), other: fine('other') },
      {
        alerts: { log: { ...file('events') }, noc: file('noc') },
        routes: [
          { to: ['log'], record: true, continue: true },
          { match: { services: ['o*'], severity: 'minor' }, to: ['noc'] },
        ],
      },
    ),
  );
  await daemon.up();
  await allWell(daemon, ['one', 'other']);
});
test.after(() => daemon.end());

/** What the NOC heard since the last question, as `raise service-failing one`. */
let read = 0;
function heard(): readonly string[] {
  const lines = readFileSync(daemon.at('noc.log'), 'utf8')
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '');
  const fresh = lines.slice(read);
  read = lines.length;
  return fresh.map((line) => {
    const { kind, event, service } = JSON.parse(line) as Record<string, string>;
    return `${kind} ${event} ${service ?? '-'}`;
  });
}
const alerts = async (): Promise<Alerts> => JSON.parse((await daemon.cli('alert', 'list', '-o', 'json')).out) as Alerts;
const breaks = async (name: string): Promise<void> => {
  writeFileSync(daemon.at(`${name}.broken`), '');
  await until('it is told', async () => (await alerts()).alarms.some((alarm) => alarm.service === name), 20_000);
};
const heals = async (name: string): Promise<void> => {
  rmSync(daemon.at(`${name}.broken`));
  await allWell(daemon, [name]);
};

test('a test of a channel waits for its answer', async () => {
  const sent = await daemon.cli('alert', 'test', 'noc');
  assert.equal([sent.code, sent.err], [0, '']);
  assert.match(sent.out, /^noc: sent in \d+ ms\n$/);
  assert.equal(heard(), ['once alert-test -']);
  const none = await daemon.cli('alert', 'test', 'nobody');
  assert.equal([none.code, none.err], [64, 'watchkeeper: no channel "nobody"\n']);
});

test('alert list says who heard of what', async () => {
  await breaks('one');
  await until('the NOC hears', () => heard().includes('raise service-failing one'), 10_000);
  const { out, code } = await daemon.cli('alert', 'list');
  assert.is(code, 0);
  assert.match(out, /^major service\/one\/failing, for \d+ s\n {2}one: .*\n {2}told: log, noc\n/m);
  assert.match(out, /noc +delivers/);
});

test('ack: by service, once', async () => {
  const dry = await daemon.cli('ack', 'one', '--dry-run');
  assert.equal([dry.code, dry.err], [0, 'nothing was changed (--dry-run)\n']);
  const done = await daemon.cli('ack', 'one', '--comment', 'at it');
  assert.match(done.out, /service\/one\/\S+: \S+ took it on: at it\n/);
  await until('who heard of it hears that', () => heard().includes('once alarm-acknowledged one'), 10_000);
  assert.match((await daemon.cli('alert', 'list')).out, / {2}taken on by \S+: at it\n/);
  assert.is((await daemon.cli('ack', 'one')).code, 1, 'nobody takes it on twice');
  assert.is((await daemon.cli('ack', 'other')).code, 64, 'nothing to take on');
  await heals('one');
  await until('its end', () => heard().includes('clear service-failing one'), 10_000);
});

test('silence: with an end, a comment and an author; what is still active is told when it ends', async () => {
  assert.is((await daemon.cli('silence', 'add', 'one')).code, 64, 'a silence needs a comment');
  assert.is((await daemon.cli('silence', 'add', '--comment', 'x')).code, 64, 'and something to silence');
  const added = await daemon.cli('silence', 'add', 'on*', '--for', '1h', '--comment', 'new disk');
  const id = /^(s\d+): silenced by \S+ for 1 h: new disk\n$/.exec(added.out)?.[1] ?? '';
  assert.match(
    (await daemon.cli('silence', 'list')).out,
    new RegExp(`^silence ${id}: on\\*, for .* by .*: new disk\\n$`),
  );
  heard();
  await breaks('one');
  assert.equal(heard(), [], 'the NOC hears nothing');
  assert.ok(daemon.alerts().some(({ event, service }) => event === 'service-failing' && service === 'one'));
  assert.match((await daemon.cli('alert', 'list')).out, `not yet noc: silenced by`);
  assert.is((await daemon.cli('silence', 'end', id)).code, 0);
  await until('it is told now', () => heard().includes('raise service-failing one'), 10_000);
  assert.is((await daemon.cli('silence', 'end', id)).code, 1);
  await heals('one');
});

test('maintenance: nothing is repaired or told, and at its end it is looked at anew', async () => {
  await until('all is told', async () => (await alerts()).channels.every(({ waiting }) => waiting === 0), 10_000);
  heard();
  const start = ['maintenance', 'start', 'patches', 'on*', 'other', '--for', '1h', '--comment', 'kernel'];
  const dry = await daemon.cli(...start, '--dry-run');
  assert.match(dry.out, /^patches: 2 services, by \S+, for 1 h: kernel\n/);
  assert.is((await daemon.cli(...start)).code, 0);
  assert.is((await daemon.service('one')).phase, 'paused');
  assert.match((await daemon.cli('maintenance', 'list')).out, /^maintenance patches: one other, for .*: kernel\n$/);
  assert.is((await daemon.cli('maintenance', 'start', 'x', 'none', '--comment', 'x')).code, 64);
  writeFileSync(daemon.at('one.broken'), '');
  await until('it fails', async () => (await daemon.service('one')).health === 'failing', 10_000);
  assert.equal(heard(), []);
  assert.is((await daemon.cli('maintenance', 'end', 'patches')).code, 0);
  await until('it is told', () => heard().includes('raise service-failing one'), 20_000);
  await heals('one');
});

test('silences and maintenance outlive the daemon', async () => {
  await daemon.cli('silence', 'add', 'other', '--for', '1h', '--comment', 'known');
  await daemon.cli('maintenance', 'start', 'night', 'one', '--for', '1h', '--comment', 'work');
  const { daemon: facts } = await daemon.status();
  process.kill(facts.pid, 'SIGKILL');
  await daemon.up();
  const now = await alerts();
  assert.equal(
    now.silences.map(({ comment }) => comment),
    ['known'],
  );
  assert.equal(now.maintenance.map(({ name }) => name).includes('night'), true);
  assert.is((await daemon.service('one')).phase, 'paused');
});

test.run();
