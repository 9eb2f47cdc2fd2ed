// rsync from a real rsync daemon: well, gone, frozen; and the active node that never pulls.
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import rsync from '../../src/replication/rsync.ts';
import { sourceContext } from '../support/replication.ts';
import { processTree } from '../support/pids.ts';
import { answers, endTree, freePorts, frozen, spawnTo, until } from '../support/server.ts';
import { stepFolder } from '../support/step.ts';

const test = suite('replication rsync on a real server');
const folder = stepFolder();
const [port = 0, closed = 0] = await freePorts(2);
const [one, two, state] = [join(folder.path, 'one'), join(folder.path, 'two'), join(folder.path, 'state')];
let daemon = 0;
test.before(async () => {
  for (const path of [one, two, state]) mkdirSync(path);
  const module = (name: string, path: string): string =>
    `[${name}]\npath = ${path}\nread only = no\nuid = root\ngid = root\n`;
  const general = `use chroot = no\naddress = 127.0.0.1\nport = ${port}\n`;
  writeFileSync(join(folder.path, 'conf'), general + module('one', one) + module('two', two));
  const words = ['rsync', '--daemon', '--no-detach', `--config=${join(folder.path, 'conf')}`];
  daemon = spawnTo(words, join(folder.path, 'log'));
  await until('an rsync that listens', () => answers(port));
});
test.after(async () => {
  await endTree(daemon);
  folder.remove();
});

const places = { n1: `rsync://127.0.0.1:${port}/one`, n2: `rsync://127.0.0.1:${port}/two/` };
type More = Parameters<typeof sourceContext>[2];
const standby = (given: object = {}, more: More = {}) =>
  sourceContext(rsync, { path: two, from: places, every: '0s', ...given }, { stateDir: state, ...more });
const active = (given: object = {}, more: More = {}) =>
  standby({ path: one, ...given }, { node: 'n1', active: true, source: 'active', ...more });

test('it pulls, what is gone goes, and the age is told', async () => {
  for (let n = 0; n < 50; n += 1) writeFileSync(join(one, `m${n}`), `mail ${n}`);
  writeFileSync(join(two, 'old'), 'old');
  const facts = await rsync.look(standby());
  assert.is(facts.state, 'healthy', facts.detail);
  assert.is(facts.measures?.find(({ name }) => name === 'files')?.value, 50);
  assert.ok(facts.lagMs !== null && facts.lagMs < 60_000);
  assert.is(facts.queue, null);
  assert.is(readFileSync(join(two, 'm49'), 'utf8'), 'mail 49');
  assert.not.ok(existsSync(join(two, 'old')));
});

test('not more often than is wanted, but after a start of the daemon at once', async () => {
  const memory = new Map<string, unknown>();
  await rsync.look(standby({ every: '1h' }, { memory }));
  writeFileSync(join(one, 'late'), 'late');
  assert.match((await rsync.look(standby({ every: '1h' }, { memory }))).detail, 'the last complete run began');
  assert.not.ok(existsSync(join(two, 'late')));
  await rsync.look(standby({ every: '1h' }));
  assert.ok(existsSync(join(two, 'late')));
});

test('the active node never pulls, and nobody pulls from nobody', async () => {
  writeFileSync(join(two, 'strange'), 'only on two');
  assert.is((await rsync.look(active())).state, 'healthy');
  assert.is((await rsync.reseed?.(active()))?.ok, false);
  assert.is((await rsync.reseed?.(active({}, { active: false })))?.ok, false);
  assert.not.ok(existsSync(join(one, 'strange')));
  const nobody = await rsync.look(standby({}, { owner: null }));
  assert.equal([nobody.state, nobody.lagMs], ['synchronizing', null]);
  assert.ok(existsSync(join(two, 'strange')));
});

test('nobody there, no such module, a folder that is not there: never well', async () => {
  const gone = await rsync.look(standby({ from: { n1: `rsync://127.0.0.1:${closed}/one/` } }));
  assert.is(gone.state, 'service-down', gone.detail);
  const module = await rsync.look(standby({ from: { n1: `rsync://127.0.0.1:${port}/none/` } }));
  assert.is(module.state, 'failed', module.detail);
  assert.is((await rsync.look(standby({ from: { n3: places.n1 } }))).state, 'failed');
  assert.is((await rsync.look(active({ path: join(folder.path, 'none') }))).state, 'failed');
  assert.ok(gone.lagMs === null || gone.lagMs > 0);
});

test('frozen: it ends with its signal, and the last good run is still known', async () => {
  await frozen(processTree(daemon), async () => {
    const facts = await rsync.look(standby({}, { signal: AbortSignal.timeout(1000) }));
    assert.is(facts.state, 'failed', facts.detail);
    assert.ok(facts.lagMs !== null && facts.lagMs > 0);
  });
  assert.is((await rsync.look(standby())).state, 'healthy');
});

test('before a planned move it is pushed where that is configured, and else it says so', async () => {
  writeFileSync(join(one, 'last'), 'last');
  const refused = await rsync.flush?.(active());
  assert.equal([refused?.ok, refused?.cause], [false, 'misconfigured']);
  assert.is((await rsync.flush?.(standby({ to: places })))?.ok, false);
  const done = await rsync.flush?.(active({ to: places }));
  assert.is(done?.ok, true, done?.detail);
  assert.is(readFileSync(join(two, 'last'), 'utf8'), 'last');
});

test('suspended until it is resumed', async () => {
  await rsync.suspend?.(standby());
  assert.is((await rsync.look(standby())).state, 'suspended');
  await rsync.resume?.(standby());
  assert.is((await rsync.look(standby())).state, 'healthy');
});

test('made anew: also what only looks the same', async () => {
  const time = new Date(1_700_000_000_000);
  for (const [path, text] of [
    [one, 'good'],
    [two, 'evil'],
  ] as const) {
    writeFileSync(join(path, 'same'), text);
    utimesSync(join(path, 'same'), time, time);
  }
  await rsync.look(standby());
  assert.is(readFileSync(join(two, 'same'), 'utf8'), 'evil');
  const done = await rsync.reseed?.(standby());
  assert.is(done?.ok, true, done?.detail);
  assert.is(readFileSync(join(two, 'same'), 'utf8'), 'good');
});

test.run();
