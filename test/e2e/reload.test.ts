// A new configuration for a running daemon, in every way that an administrator or a tool writes one.
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
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
  watched,
  whole,
} from '../support/live-daemon.ts';

const PATIENCE_MS = 10_000;
let daemon: LiveDaemon;
let life: Life;
let a: object;
const well = { type: 'command', run: ['true'] };
const names = async (): Promise<string> => (await daemon.status()).services.map(({ name }) => name).join(' ');
const hasNames = (wanted: string): Promise<void> => until(wanted, async () => (await names()) === wanted, PATIENCE_MS);
const refusals = (): string =>
  daemon
    .alerts()
    .filter(({ event }) => event === 'configuration-refused')
    .map(({ kind }) => kind)
    .join(' ');
const refused = (wanted: string): Promise<void> =>
  until(`refusals ${wanted}, not ${refusals()}`, () => refusals() === wanted, PATIENCE_MS);
const text = (services: object, more: object = {}): string => JSON.stringify(whole(daemon, services, more));

const test = suite('reload');
test.before(async () => {
  daemon = liveDaemon('reload');
  const [port = 0] = await freePorts(1);
  a = served(daemon, 'a', port, { recover: { attempts: 5 } });
  daemon.write(whole(daemon, { a }));
  life = await daemon.up();
  await allWell(daemon, ['a']);
});
test.after(() => daemon.end());

test('by itself: rename, edit in place, swap of a link, a part in conf.d that was not there before', async () => {
  process.kill(daemon.pidOf('a'), 'SIGKILL');
  await until('a repair', () => daemon.startsOf('a') === 2, PATIENCE_MS);
  await allWell(daemon, ['a']);
  const pid = daemon.pidOf('a');
  const { attempts } = await daemon.service('a');
  const budget = (await daemon.explain('a')).budget.left;
  assert.ok(attempts > 0 && budget < 5, 'there is something to be kept');

  daemon.write(whole(daemon, { a, renamed: watched(well) }));
  await hasNames('a renamed');
  writeFileSync(daemon.config, text({ a, 'in-place': watched(well) }));
  await hasNames('a in-place');
  mkdirSync(daemon.at('etc/v2'), { mode: 0o700 });
  writeFileSync(daemon.at('etc/v2/file.yaml'), text({ a, linked: watched(well) }), { mode: 0o600 });
  symlinkSync('v2/file.yaml', daemon.at('etc/.link'));
  renameSync(daemon.at('etc/.link'), daemon.config);
  await hasNames('a linked');
  mkdirSync(daemon.at('etc/conf.d'), { mode: 0o700 });
  // So late that the new folder was looked at once already.
  await new Promise((done) => setTimeout(done, 600));
  writeFileSync(daemon.at('etc/conf.d/more.yaml'), JSON.stringify({ services: { part: watched(well) } }), {
    mode: 0o600,
  });
  await hasNames('a linked part');
  rmSync(daemon.at('etc/conf.d/more.yaml'));
  await hasNames('a linked');

  assert.is(daemon.pidOf('a'), pid, 'the service was not touched');
  assert.is((await daemon.service('a')).attempts, attempts);
  assert.is((await daemon.explain('a')).budget.left, budget);
  assert.is(refusals(), '');
});

test('a bad edit changes nothing and is an alarm; the good one, or the old one put back, ends it', async () => {
  daemon.write(whole(daemon, { a }));
  await hasNames('a');
  const good = readFileSync(daemon.config, 'utf8');
  writeFileSync(daemon.config, good.replace('"500ms"', '"500 ms"'));
  await refused('raise');
  assert.is(await names(), 'a');
  const [alarm] = (await daemon.status()).alarms;
  assert.match(alarm?.summary ?? '', /watchkeeper\.yaml:\d+:\d+: error: /);
  writeFileSync(daemon.config, text({ a, b: watched(well) }));
  await hasNames('a b');
  await refused('raise clear');

  const now = readFileSync(daemon.config, 'utf8');
  writeFileSync(daemon.config, '{ services');
  await refused('raise clear raise');
  writeFileSync(daemon.config, now);
  await refused('raise clear raise clear');
  writeFileSync(daemon.config, '{ services');
  await refused('raise clear raise clear raise');
  daemon.write(whole(daemon, { a }));
  await refused('raise clear raise clear raise clear');
  await hasNames('a');
});

test('in the middle of a repair: the old one ends where it is, nothing is started unvalidated or twice', async () => {
  const [port = 0] = await freePorts(1);
  const validated = daemon.at('validated');
  const one = served(daemon, 'v', port, { recover: { attempts: 10 } }) as { manager: object };
  const slowly = { ...one.manager, validate: ['sh', '-c', `sleep 0.8; echo >> ${validated}`] };
  daemon.write(whole(daemon, { a, v: { ...one, manager: slowly } }));
  await hasNames('a v');
  await allWell(daemon, ['v']);
  process.kill(daemon.pidOf('v'), 'SIGKILL');
  await until('the repair', async () => (await daemon.service('v')).phase === 'restarting', PATIENCE_MS);
  daemon.write(whole(daemon, { a, v: { ...one, manager: slowly, runbook: 'https://example.org/v' } }));
  await until('the new text', async () => (await daemon.explain('v')).runbook !== null, PATIENCE_MS);
  await allWell(daemon, ['v']);
  assert.is(readFileSync(validated, 'utf8').length, daemon.startsOf('v'), 'each start was validated');
  assert.is(daemon.startsOf('v'), 2);
  daemon.write(whole(daemon, { a }));
  await hasNames('a');
});

test('what cannot change while it runs is refused by name', async () => {
  daemon.write(whole(daemon, { a }, { 'state-dir': daemon.at('elsewhere') }));
  await until('the alarm', async () => (await daemon.status()).alarms.length === 1, PATIENCE_MS);
  assert.match((await daemon.status()).alarms[0]?.summary ?? '', 'state-dir cannot change while the daemon runs');
  daemon.write(whole(daemon, { a }));
  await until('its end', async () => (await daemon.status()).alarms.length === 0, PATIENCE_MS);
});

test('by command: 0 in force, 78 refused; --dry-run says what would change and changes nothing', async () => {
  // Behind a link into another folder, which nobody watches: only the command brings the change.
  const target = daemon.at('etc/v2/file.yaml');
  writeFileSync(target, text({ a }));
  symlinkSync('v2/file.yaml', daemon.at('etc/.link'));
  renameSync(daemon.at('etc/.link'), daemon.config);
  await new Promise((done) => setTimeout(done, 600));

  writeFileSync(target, '{ "services": 1 }');
  for (const words of [['--dry-run'], []]) {
    const bad = await daemon.cli('reload', ...words);
    assert.is(bad.code, 78);
    assert.match(bad.err, /yaml:1:\d+: error: .*services/);
    assert.match(bad.err, words.length > 0 ? 'nothing would be changed' : 'nothing was changed');
    assert.is(bad.out, '');
    assert.is((await daemon.status()).alarms.length, words.length > 0 ? 0 : 1);
  }
  writeFileSync(target, text({ a, c: watched(well) }, { observe: true }));
  const dry = await daemon.cli('reload', '--dry-run');
  assert.is(dry.code, 0, dry.err);
  assert.match(dry.out, 'service c: is watched from now on');
  assert.match(dry.out, '~ observe: false -> true');
  assert.is(await names(), 'a');
  const done = await daemon.cli('reload');
  assert.equal([done.code, done.out], [0, 'the new configuration is in force\n'], done.err);
  assert.is(await names(), 'a c');
  assert.equal((await daemon.status()).alarms, []);
  const json = JSON.parse((await daemon.cli('reload', '--dry-run', '-o', 'json')).out) as object;
  assert.equal(json, { schemaVersion: 1, ok: true, dryRun: true, problems: [], text: 'nothing changes\n' });
  assert.is((await daemon.stop(life)).code, 0);
});

test.run();
