// Checks that throw, hang, fork and shout: each costs its own service an `unknown`, and nobody else anything.
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  allWell,
  freePorts,
  liveDaemon,
  type LiveDaemon,
  served,
  until,
  watched,
  whole,
} from '../support/live-daemon.ts';

let daemon: LiveDaemon;

/** The name of the program shows in the list of processes, so that what is left over can be found. */
function script(name: string, body: string, mode = 0o700): string {
  const path = daemon.at(`bin/${name}`);
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode });
  chmodSync(path, mode);
  return path;
}

const evil: readonly (readonly [name: string, body: string, says: RegExp])[] = [
  ['hangs', 'sleep 61.25', /did not end within \d+ ms and was killed/],
  ['forks', "trap '' TERM\n(trap '' TERM; sleep 61.25; sleep 61.25) &\nsleep 61.25", /did not end within/],
  ['shouts', 'head -c 100000000 /dev/zero', /said too much|did not end within/],
  ['shouts-for-ever', 'yes', /did not end within|said too much/],
  ['kills-itself', 'kill -KILL $$', /was ended by SIGKILL/],
  ['137', 'exit 137', /exits 137/],
  ['babbles', "printf '\\377\\376\\033[31m\\000 | x=1\\n'; exit 3", /\\x1b/],
  ['not-a-program', '', /could not be started|exits 12[67]/],
];

const pidsOf = (words: string): readonly string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').includes(words);
      } catch {
        return false;
      }
    });

const test = suite('evil checks');
test.before(async () => {
  daemon = liveDaemon('evil');
  mkdirSync(daemon.at('bin'), { mode: 0o700 });
  const [port = 0] = await freePorts(1);
  const services: Record<string, object> = { fine: served(daemon, 'fine', port) };
  const slow = { quick: { every: '2s', timeout: '1s' }, deep: { every: '1m', timeout: '1s' } };
  for (const [name, body] of evil) {
    const run = [script(name, body, name === 'not-a-program' ? 0o600 : 0o700)];
    services[name] = watched({ type: 'nagios', run }, { ...slow, recover: { unknowns: 2 } });
  }
  const open = script('open', 'exit 0', 0o777);
  services['open'] = watched({ type: 'nagios', run: [open] }, slow);
  services['throws'] = watched({ type: 'http', url: 'http://[::1', text: 'x' }, slow);
  daemon.write(whole(daemon, services));
  await daemon.up();
});
test.after(() => daemon.end());

test('each says what was wrong with the check; nothing is repaired', async () => {
  const names = [...evil.map(([name]) => name), 'open', 'throws'];
  await allWell(daemon, ['fine']);
  const asked = async (): Promise<boolean> => {
    const { services } = await daemon.status();
    return names.every((name) => services.find((one) => one.name === name)?.quick);
  };
  await until('all were asked', asked, 20_000);
  const { services } = await daemon.status();
  const quick = (name: string) => services.find((one) => one.name === name)?.quick;
  for (const [name, , says] of evil) {
    assert.is(quick(name)?.outcome, 'unknown', `${name}: ${quick(name)?.detail}`);
    assert.match(quick(name)?.detail ?? '', says, name);
  }
  assert.is(quick('open')?.outcome, 'unknown');
  assert.match(quick('open')?.detail ?? '', `${daemon.at('bin/open')} is refused: everybody may write`);
  assert.is(quick('throws')?.outcome, 'unknown', quick('throws')?.detail);
  const told = daemon.alerts();
  assert.not.ok(told.some(({ event, service }) => event === 'recovery-started' && service !== 'fine'));
  await until(
    'the alarms',
    () => {
      const unknown = daemon.alerts().filter(({ event }) => event === 'service-unknown');
      return evil.every(([name]) => unknown.some(({ service }) => service === name));
    },
    15_000,
  );
});

test('the others keep their beat, the loop its time, and no process is left', async () => {
  const before = { at: performance.now(), asked: daemon.askedOf('fine'), pids: pidsOf('sleep 61.25') };
  await new Promise((done) => setTimeout(done, 4000));
  const seconds = (performance.now() - before.at) / 1000;
  const beats = daemon.askedOf('fine') - before.asked;
  assert.ok(beats >= seconds * 2 * 0.7, `${beats} questions in ${seconds.toFixed(1)} s, two a second`);
  const { daemon: facts, services } = await daemon.status();
  assert.is(services.find((one) => one.name === 'fine')?.health, 'ok');
  assert.is(facts.tilt, null);
  assert.is(facts.dropped, 0);
  // Each check has a second: those of now may be on their way, those of four seconds ago may not.
  const now = pidsOf('sleep 61.25');
  assert.equal(
    before.pids.filter((pid) => now.includes(pid)),
    [],
  );
});

test('after the daemon nothing of them is left', async () => {
  const { daemon: facts } = await daemon.status();
  process.kill(facts.pid, 'SIGTERM');
  await until('the end', () => pidsOf('sleep 61.25').length === 0, 8000);
});

test.run();
