// `watchkeeper replay`: a journal folded offline, also against a changed policy.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  freePorts,
  liveDaemon,
  type LiveDaemon,
  program,
  type Run,
  runProgram,
  served,
  until,
  whole,
} from '../support/live-daemon.ts';

let daemon: LiveDaemon;
let port = 0;
const write = (path: string, attempts: number): void => {
  const quick = { repair: '2s', verify: '3s', grace: '0ms', stable: '10s', attempts };
  const services = { broken: served(daemon, 'broken', port, { recover: quick }) };
  writeFileSync(path, JSON.stringify(whole(daemon, services)), { mode: 0o600 });
};
const replay = (...words: readonly string[]): Promise<Run> => runProgram([program, 'replay', ...words]);

const test = suite('replay');
test.before(async () => {
  daemon = liveDaemon('replay');
  [port = 0] = await freePorts(1);
  writeFileSync(daemon.at('broken.broken'), '');
  write(daemon.config, 2);
  write(daemon.at('etc/changed.yaml'), 5);
  const life = await daemon.up();
  await until('given up', async () => (await daemon.service('broken')).phase === 'failed', 20_000);
  await daemon.stop(life);
});
test.after(() => daemon.end());

test('plain: it decides as was recorded, exit 0, and leaves the folder as it was', async () => {
  const files = (): string => readdirSync(daemon.at('state')).join(' ');
  const before = files();
  const run = await replay(daemon.at('state'));
  assert.equal([run.code, run.err], [0, ''], run.err);
  assert.match(run.out, /^\d+ decisions; today's rules decide otherwise than was recorded in 0\n$/);
  assert.is(files(), before);
  const json = JSON.parse((await replay(daemon.at('state'), '-o', 'json')).out) as { decisions: number };
  assert.ok(json.decisions > 5);
  assert.is((await replay(daemon.at('state'), '--config', daemon.config)).code, 0, 'the same policy');
});

test('a changed policy: where it would decide otherwise, exit 1', async () => {
  const run = await replay(daemon.at('state'), '--config', daemon.at('etc/changed.yaml'));
  assert.is(run.code, 1, run.err);
  assert.match(run.out, /^#\d+ \S+ broken\n( {2}- .*\n)+( {2}\+ .*\n)+/m);
  assert.match(run.out, /- broken \[\S+\] .*the ladder is at its end/);
  assert.match(run.out, /\+ broken \[\S+\] .*next is "kill-and-start"/);
  assert.match(run.out, /the changed configuration decides otherwise in [1-9]\d*\n$/);
});

test('no journal: 64, and no folder is made; a bad configuration: 78', async () => {
  const nowhere = daemon.at('nowhere');
  for (const folder of [nowhere, daemon.at('etc'), daemon.config]) {
    const run = await replay(folder);
    assert.equal([run.code, run.out], [64, ''], `${folder}: ${run.err}`);
    assert.not.match(run.err, /\n +at /);
  }
  assert.not.ok(existsSync(nowhere));
  const bad = await replay(daemon.at('state'), '--config', daemon.at('none.yaml'));
  assert.equal([bad.code, bad.out], [78, '']);
});

test('a damaged journal: what comes before the damage is told, and the damage is named', async () => {
  const [name = ''] = readdirSync(daemon.at('state')).filter((file) => /^journal-.*jsonl$/.test(file));
  const path = join(daemon.at('state'), name);
  const lines = readFileSync(path, 'utf8').split('\n');
  const at = lines.findIndex((line, index) => index > 0 && line.includes('"event":{'));
  lines[at] = (lines[at] ?? '').replace('"event":{', '"evemt":{');
  writeFileSync(path, lines.join('\n'));
  const run = await replay(daemon.at('state'));
  assert.is(run.code, 0, run.err);
  assert.match(run.err, `line ${at + 1} is damaged`);
});

test.run();
