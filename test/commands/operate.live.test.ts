// pause, resume, reset: what is done, what is refused and why, and what --dry-run foresees without doing it.
import { rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ask } from '../../src/commands/client.ts';
import type { Effect } from '../../src/core/types.ts';
import { allWell, freePorts, liveDaemon, type LiveDaemon, served, until, whole } from '../support/live-daemon.ts';

let daemon: LiveDaemon;

interface Told {
  readonly schemaVersion: number;
  readonly dryRun: boolean;
  readonly phase: string;
  readonly next: string;
  readonly effects?: readonly Effect[];
}
const phase = async (name: string): Promise<string> => (await daemon.service(name)).phase;
const kinds = (service: string): readonly string[] =>
  daemon
    .alerts()
    .filter((one) => one.service === service)
    .map(({ event }) => event);

const test = suite('operating');
test.before(async () => {
  daemon = liveDaemon('operate');
  const [fine = 0, broken = 0] = await freePorts(2);
  writeFileSync(daemon.at('broken.broken'), '');
  daemon.write(
    whole(daemon, {
      fine: served(daemon, 'fine', fine),
      broken: served(daemon, 'broken', broken, {
        recover: { attempts: 1, repair: '2s', verify: '3s', grace: '0ms', stable: '10s' },
      }),
    }),
  );
  await daemon.up();
  await allWell(daemon, ['fine']);
});
test.after(() => daemon.end());

test('pause --dry-run says what would be, and nothing of it is', async () => {
  const dry = await daemon.cli('pause', 'fine', '--for', '30m', '--comment', 'new disk', '--dry-run');
  assert.is(dry.code, 0, dry.err);
  assert.match(dry.out, /^fine: would be paused: paused by \S+ for 30 min: new disk\n/);
  assert.match(dry.out, 'tell log: once service-paused');
  assert.is(dry.err, 'nothing was changed (--dry-run)\n');
  const json = JSON.parse((await daemon.cli('pause', 'fine', '--dry-run', '-o', 'json')).out) as Told;
  assert.equal([json.schemaVersion, json.dryRun, json.phase], [1, true, 'paused']);
  assert.match(json.next, 'the pause ends in 1 h');
  assert.ok(json.effects?.some(({ kind }) => kind === 'notice'));
  assert.is(await phase('fine'), 'healthy');
  assert.equal(
    kinds('fine').filter((event) => event === 'service-paused'),
    [],
  );
});

test('pause has an end, says who and why; nothing is repaired meanwhile; resume ends it', async () => {
  const paused = await daemon.cli('pause', 'fine', '--for', '30m', '--comment', 'new disk');
  assert.equal([paused.code, paused.err], [0, '']);
  assert.match(paused.out, /^fine: paused: paused by \S+ for 30 min: new disk\n$/);
  const { next, why } = await daemon.service('fine');
  assert.is(next.what, 'resume');
  const left = Date.parse(next.at ?? '') - Date.now();
  assert.ok(left > 29 * 60_000 && left <= 30 * 60_000, next.at ?? 'no end');
  assert.is(why.rule, 'paused');
  process.kill(daemon.pidOf('fine'), 'SIGKILL');
  await until('it is seen to fail', async () => (await daemon.service('fine')).health === 'failing', 10_000);
  assert.is(daemon.startsOf('fine'), 1);

  const dry = await daemon.cli('resume', 'fine', '--dry-run');
  assert.match(dry.out, /^fine: would be suspect: resumed by/);
  assert.match(dry.out, 'ask the DeepCheck of fine');
  assert.is(await phase('fine'), 'paused');
  const resumed = await daemon.cli('resume', 'fine', '-o', 'json');
  assert.is((JSON.parse(resumed.out) as Told).dryRun, false);
  await until('a new one', () => daemon.startsOf('fine') === 2, 10_000);
  await allWell(daemon, ['fine']);
  assert.ok(kinds('fine').includes('service-paused') && kinds('fine').includes('service-resumed'));
});

test('a short pause ends by itself', async () => {
  assert.is((await daemon.cli('pause', 'fine', '--for', '1s')).code, 0);
  assert.is(await phase('fine'), 'paused');
  await until('its end', async () => (await phase('fine')) === 'healthy', 10_000);
});

test('refused with the reason, exit 1, with --dry-run as without; nothing on stdout', async () => {
  const table: [string[], string][] = [
    [['resume', 'fine'], 'it is not paused'],
    [['reset', 'fine'], 'it has not given up'],
  ];
  for (const [words, reason] of table)
    for (const more of [[], ['--dry-run']]) {
      const refused = await daemon.cli(...words, ...more);
      assert.equal([refused.code, refused.out], [1, ''], words.join(' '));
      assert.match(refused.err, reason);
    }
});

test('bad words: 64', async () => {
  const long = 'x'.repeat(600);
  const table = [
    ['pause'],
    ['pause', 'fine', '--for', 'ever'],
    ['pause', 'fine', '--for', '0s'],
    ['pause', 'fine', '--for', '400d'],
    ['pause', 'fine', '--comment', long],
    ['pause', 'nobody'],
    ['reset', 'nobody', '--dry-run'],
    ['resume', 'fine', 'broken'],
  ];
  const runs = await Promise.all(table.map((words) => daemon.cli(...words)));
  for (const [index, run] of runs.entries())
    assert.equal([run.code, run.out], [64, ''], `${table[index]?.join(' ').slice(0, 60)}: ${run.err}`);
  assert.is(await phase('fine'), 'healthy');
});

test('reset: attempts of a service that was given up are forgotten, and it is looked at anew', async () => {
  await until('given up', async () => (await phase('broken')) === 'failed', 20_000);
  assert.is(daemon.startsOf('broken'), 1);
  const dry = await daemon.cli('reset', 'broken', '--dry-run');
  assert.is(dry.code, 0, dry.err);
  assert.match(dry.out, /^broken: would be suspect: attempts forgotten by/);
  assert.is(await phase('broken'), 'failed');
  rmSync(daemon.at('broken.broken'));
  const done = await daemon.cli('reset', 'broken');
  assert.is(done.code, 0, done.err);
  await allWell(daemon, ['broken']);
  assert.is(daemon.startsOf('broken'), 2);
});

test('the API itself: a misspelt word, half a JSON, a long body and a wrong way are refused, and nothing is done', async () => {
  const post = (path: string, text: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const call = request({ socketPath: daemon.socket, method: 'POST', path }, (response) => {
        response.resume().once('end', () => resolve(response.statusCode ?? 0));
      });
      call.once('error', reject).end(text);
    });
  const pause = (more: string): string => `{"service":"fine","untilMs":60000${more}}`;
  assert.is(await post('/api/v1/pause', pause(',"dryrun":true}')), 400);
  assert.is(await post('/api/v1/pause', pause(',"dryrun":true')), 400);
  assert.is(await post('/api/v1/pause', `{"service":"fine","untilMs":60000,"comment":"${'x'.repeat(70_000)}"}`), 413);
  assert.is(await post('/api/v1/pause', ''), 400);
  assert.is(await post('/api/v1/reload', '{"dryRun": tru'), 400);
  assert.is(await post('/api/v1/nothing', '{}'), 404);
  assert.is(await phase('fine'), 'healthy');
  assert.is(await post('/api/v1/reload', ''), 200);
  assert.is(
    (await ask(daemon.socket, 'POST', '/api/v1/pause', { service: 'constructor', untilMs: 60_000 })).status,
    404,
  );
  await allWell(daemon, ['fine']);
});

test.run();
