// keepalived in a network namespace of its own, with our track_script and a small server in it: the address goes when
// the service fails, and only then.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { call, integration, type Ran, watchkeeper } from '../support/guest.ts';
import { readLog, until } from '../support/server.ts';

const test = suite('keepalived');
const space = `wkg-${process.pid}`;
const VIP = '192.0.2.25';
// Scripts that keepalived runs, and the folders above them, may be written to by root alone: /tmp may not hold them.
const folder = mkdtempSync('/root/wk-keepalived-');
const script = join(folder, 'check-service');
const children: ChildProcess[] = [];

const inSpace = (...argv: string[]): Promise<Ran> => call(['ip', 'netns', 'exec', space, ...argv], {}, 20_000);
const must = async (...argv: string[]): Promise<void> => {
  const { code, err } = await call(argv);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${err}`);
};
/** What they said belongs to a failure. */
const log = readLog(join(folder, 'log'));
const wait = (what: string, ready: () => Promise<boolean>): Promise<void> =>
  until(what, ready, 50_000).catch((error: Error) => {
    throw new Error(`${error.message}\n${log()}`);
  });
const holds = async (): Promise<boolean> => (await inSpace('ip', '-o', 'addr', 'show')).out.includes(VIP);

function launch(...argv: string[]): ChildProcess {
  const out = openSync(join(folder, 'log'), 'a');
  const child = spawn('ip', ['netns', 'exec', space, ...argv], { stdio: ['ignore', out, out] });
  closeSync(out);
  children.push(child);
  return child;
}

/** A small server in the namespace; it ends at SIGTERM. */
const SERVER =
  "require('net').createServer((s) => s.on('error', () => {}).end('ready\\r\\n')).listen(2525, '127.0.0.1')";
const serve = (): ChildProcess => launch(process.execPath, '-e', SERVER);

test.before(async () => {
  chmodSync(folder, 0o700);
  copyFileSync(integration('keepalived/check-service'), script);
  await must('ip', 'netns', 'add', space);
  await must('ip', '-n', space, 'link', 'set', 'lo', 'up');
  await must('ip', '-n', space, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth1');
  for (const name of ['eth0', 'eth1']) await must('ip', '-n', space, 'link', 'set', name, 'up');
  await must('ip', '-n', space, 'addr', 'add', '192.0.2.1/24', 'dev', 'eth0');
});
test.after(async () => {
  for (const child of children.reverse()) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGTERM');
    await Promise.race([gone, new Promise((late) => setTimeout(late, 5000))]);
    child.kill('SIGKILL');
  }
  const { out } = await call(['ip', 'netns', 'pids', space]);
  for (const pid of out.split(/\s+/).map(Number)) if (pid > 1) process.kill(pid, 'SIGKILL');
  await call(['ip', 'netns', 'del', space]);
  rmSync(folder, { recursive: true, force: true });
});

/** The example, with the words of this test in the places of a user's. */
function configuration(): string {
  const example = readFileSync(integration('keepalived/keepalived.conf'), 'utf8');
  const words = `WATCHKEEPER=${watchkeeper} ${script} --type tcp --host 127.0.0.1 --set port=2525`;
  const changed = example
    .replace(
      /script "\/etc\/keepalived\/[^"]*"/,
      `script "/usr/bin/env PATH=${join(process.execPath, '..')}:/usr/bin:/bin ${words}"`,
    )
    .replace('timeout 4 ', 'timeout 60 ')
    .replace('fall 2 ', 'fall 1 ')
    .replace('rise 2 ', 'rise 1 ');
  assert.is.not(changed, example);
  const file = join(folder, 'keepalived.conf');
  writeFileSync(file, changed, { mode: 0o600 });
  return file;
}

test('the example is good, by keepalived itself', async () => {
  const { code, err, out } = await inSpace('keepalived', '-t', '-f', configuration());
  assert.is(code, 0, out + err);
});

test('the script: what fails is 1, what is well, or not to be told, is 0', async () => {
  const ask = async (...words: string[]): Promise<number | null> =>
    (await call([script, ...words], { WATCHKEEPER: watchkeeper })).code;
  assert.is(await ask('--type', 'tcp', '--set', 'port=1'), 1, 'refused');
  assert.is(await ask('--type', 'tcp', '--set', 'prot=1'), 0, 'wrong words tell nothing');
  assert.is(await ask('--kit', 'no-such-kit'), 0);
  assert.is(await ask('--unit', 'no-such-unit'), 0, 'no systemd answers here');
});

test('the address stays while the service answers, goes when it fails, and comes back', async () => {
  const server = serve();
  await until('an answer', async () => (await inSpace('ss', '-ltn')).out.includes(':2525'), 20_000);
  launch(
    'keepalived',
    '-n',
    '-l',
    '-D',
    '-P',
    '-f',
    configuration(),
    '-p',
    join(folder, 'pid'),
    '-r',
    join(folder, 'vrrp'),
  );
  await wait('the address', holds);
  server.kill('SIGTERM');
  await wait('the end of the address', async () => !(await holds()));
  serve();
  await wait('the address again', holds);
});

test.run();
