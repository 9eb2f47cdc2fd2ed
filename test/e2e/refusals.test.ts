// When the daemon does not start, and when nobody answers: exit codes of sysexits.h, and words that name the trouble.
import { chmodSync, mkdirSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { liveDaemon, type LiveDaemon, program, runProgram, watched, whole } from '../support/live-daemon.ts';

const root = process.getuid?.() === 0;
let daemon: LiveDaemon;
const well = { type: 'command', run: ['true'] };
const start = (...words: readonly string[]) => runProgram([program, 'run', '--config', daemon.config, ...words]);

const test = suite('refusals');
test.before(() => {
  daemon = liveDaemon('refusals');
});
test.after(() => daemon.end());

test('a second daemon on the same state: 75; on the same run-dir too, and the first keeps its socket', async () => {
  daemon.write(whole(daemon, { a: watched(well) }));
  const life = await daemon.up();
  const second = await start();
  assert.is(second.code, 75);
  assert.match(second.err, `another daemon runs on ${daemon.at('state')}`);
  daemon.write(whole(daemon, { a: watched(well) }, { 'state-dir': daemon.at('other-state') }));
  const third = await start();
  assert.is(third.code, 75, third.err);
  assert.match(third.err, daemon.at('run'));
  assert.is((await daemon.status()).daemon.pid, life.child.pid);
  await daemon.stop(life);
});

test('a bad file: 78, all its problems at once, each with its place; nothing on stdout', async () => {
  const services = { a: watched({ type: 'tcpp', port: 1 }), b: { ...watched(well), quick: { every: 'often' } } };
  daemon.write(whole(daemon, services, { observ: true }));
  const bad = await start();
  assert.is(bad.code, 78);
  assert.is(bad.out, '');
  for (const text of [/no check of type "tcpp".*did you mean.*tcp/, /quick\.every/, /observ.*did you mean.*observe/])
    assert.match(bad.err, text);
  for (const line of bad.err.trimEnd().split('\n')) assert.match(line, /^\/.*yaml:\d+:\d+: error: .* \[[a-z-]+\]/);
});

test('no file: 78; an unknown option or command: 64', async () => {
  const missing = await runProgram([program, 'run', '--config', daemon.at('none.yaml')]);
  assert.is(missing.code, 78);
  assert.match(missing.err, 'none.yaml');
  for (const words of [['run', '--colour'], ['stauts'], [], ['status', '-o', 'xml'], ['check']]) {
    const wrong = await runProgram([program, ...words]);
    assert.is(wrong.code, 64, words.join(' '));
    assert.is(wrong.out, '', words.join(' '));
    assert.not.match(wrong.err, /\n +at /);
  }
});

test('a state folder that cannot be: 77, in words', async () => {
  writeFileSync(daemon.at('file'), '');
  const places = [daemon.at('file/state'), daemon.at('file')];
  if (!root) {
    mkdirSync(daemon.at('closed'), { mode: 0o500 });
    places.push(daemon.at('closed/state'));
  }
  for (const place of places) {
    daemon.write(whole(daemon, { a: watched(well) }, { 'state-dir': place }));
    const refused = await start();
    assert.is(refused.code, 77, refused.err);
    assert.match(refused.err, place);
    assert.not.match(refused.err, /\n +at /);
  }
});

test('a run-dir whose socket cannot be: in words, not a stack', async () => {
  daemon.write(whole(daemon, { a: watched(well) }, { 'run-dir': daemon.at('long'.repeat(40)) }));
  const refused = await start();
  assert.is(refused.code, 77, refused.err);
  assert.match(refused.err, 'control.sock');
  assert.not.match(refused.err, /\n +at /);
});

test('what anybody may write to is refused by name', async () => {
  daemon.write(whole(daemon, { a: watched(well) }));
  chmodSync(daemon.config, 0o666);
  const open = await start();
  assert.is(open.code, 78);
  assert.match(open.err, `${daemon.config}:`);
  assert.match(open.err, 'anybody may write to it (mode 0666)');
  chmodSync(daemon.config, 0o600);
  chmodSync(daemon.at('etc'), 0o777);
  assert.match((await start()).err, `${daemon.at('etc')}:`);
  chmodSync(daemon.at('etc'), 0o700);
  symlinkSync(daemon.at('file'), daemon.at('etc/link.yaml'));
  const link = await runProgram([program, 'run', '--config', daemon.at('etc/link.yaml')]);
  assert.is(link.code, 78);
  assert.match(link.err, 'a link that leaves the configuration folder');
});

test('no daemon: 69; a socket of a dead one: 69; somebody who hangs up: 1; not allowed: 77', async () => {
  const socket = daemon.at('talk.sock');
  const words = ['status', '--socket', socket];
  const none = await runProgram([program, ...words]);
  assert.is(none.code, 69);
  assert.match(none.err, `no daemon answers at ${socket}`);
  const server = createServer((client) => client.destroy());
  await new Promise<void>((done) => server.listen(socket, done));
  const rude = await runProgram([program, ...words]);
  assert.is(rude.code, 1, rude.err);
  assert.not.match(rude.err, /\n +at /);
  if (!root) {
    chmodSync(socket, 0);
    assert.is((await runProgram([program, ...words])).code, 77);
  }
  await new Promise((done) => server.close(done));
  writeFileSync(socket, '');
  assert.is((await runProgram([program, ...words])).code, 69);
  unlinkSync(socket);
});

test.run();
