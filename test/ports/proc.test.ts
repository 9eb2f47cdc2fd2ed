import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { proc } from '../../src/ports/proc.ts';
import { alive } from '../../src/ports/proc-read.ts';
import { makeExitWatch } from '../../src/ports/proc-exit.ts';
import { parseListeners } from '../../src/ports/proc-sockets.ts';
import { until } from '../support/host.ts';

const test = suite('proc');
const dir = mkdtempSync(join(tmpdir(), 'wk-proc-'));
const children: ChildProcess[] = [];
const start = (program: string, ...words: string[]): number => {
  const child = spawn(program, words, { stdio: 'ignore', detached: true });
  children.push(child);
  return child.pid ?? 0;
};
test.after(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(dir, { recursive: true });
});

test('facts of a process, and null for none', () => {
  const me = proc.facts(process.pid);
  assert.is(me?.exe, process.execPath);
  assert.is(me?.ppid, process.ppid);
  assert.ok(Number(me?.startTicks) > 0);
  for (const pid of [0, -1, 1.5, Number.NaN, 999_999_999]) assert.is(proc.facts(pid), null);
});

test('a name with brackets and blanks does not shift the fields', () => {
  const path = join(dir, 'a) Z 1 (b');
  copyFileSync('/bin/sleep', path);
  const pid = start(path, '30');
  const found = proc.facts(pid);
  assert.is(found?.comm, 'a) Z 1 (b');
  assert.is(found?.ppid, process.pid);
  assert.is(found?.exe, path);
  assert.is(found?.session, pid);
});

test('an executable that was replaced keeps its name', () => {
  const path = join(dir, 'gone');
  copyFileSync('/bin/sleep', path);
  const pid = start(path, '30');
  rmSync(path);
  assert.is(proc.facts(pid)?.exe, path);
});

test('found by path, by name and by command line', () => {
  const path = join(dir, 'wk-unique');
  copyFileSync('/bin/sleep', path);
  const pid = start(path, '30.25');
  assert.equal(
    proc.byExe(path).map((one) => one.pid),
    [pid],
  );
  assert.equal(
    proc.byExe('wk-unique').map((one) => one.pid),
    [pid],
  );
  assert.equal(proc.byExe(join(dir, 'wk')), []);
  assert.equal(
    proc.byArgv(/wk-unique 30\.25$/).map((one) => one.pid),
    [pid],
  );
});

test('a tree and a group hold the grandchildren', async () => {
  const pid = start('/bin/sh', '-c', 'sh -c "sleep 30 & wait" & wait');
  assert.ok(await until(() => proc.tree(pid).length === 3), 'sh, sh and sleep');
  assert.equal(new Set(proc.group(pid)), new Set(proc.tree(pid)));
  for (const one of proc.group(pid)) proc.signal(one, 'SIGKILL');
  assert.ok(await until(() => proc.group(pid).every((one) => !alive({ pid: one, startTicks: 0, exe: null }))));
});

test('the whole machine is no control group', () => {
  for (const path of ['', '/', '//', '/../', '/system.slice/../..', 'system.slice']) {
    assert.equal(proc.cgroup(path), [], path);
    assert.is(proc.holds(path), false, path);
  }
  assert.is(typeof proc.cgroupOf(process.pid), 'string');
  assert.is(proc.cgroupOf(999_999_999), null);
});

test('never a signal to init, to a group, or to ourselves', () => {
  for (const pid of [0, 1, -1, -process.pid, process.pid, 2.5, Number.NaN, 999_999_999])
    assert.is(proc.signal(pid, 'SIGCONT'), false, String(pid));
});

test('a zombie is not alive, nor is another process of the same number', async () => {
  const parent = start('/bin/sh', '-c', 'sleep 0.05 & echo $! > "$0"; exec sleep 30', join(dir, 'zombie'));
  assert.ok(await until(() => existsSync(join(dir, 'zombie')) && readFileSync(join(dir, 'zombie'), 'utf8') !== ''));
  const pid = Number(readFileSync(join(dir, 'zombie'), 'utf8'));
  assert.ok(await until(() => proc.facts(pid)?.state === 'Z'));
  const zombie = proc.facts(pid);
  assert.is(zombie && proc.alive(zombie), false);
  const living = proc.facts(parent);
  assert.is(living && proc.alive(living), true);
  assert.is(living && proc.alive({ ...living, startTicks: living.startTicks - 1 }), false);
});

const listen = (host: string): Promise<Server> =>
  new Promise((done) => {
    const server = createServer().listen(0, host, () => done(server));
  });

test('who listens on a port, over IPv4 and IPv6', async () => {
  for (const [host, shown] of [
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '::1'],
  ] as const) {
    const server = await listen(host);
    const port = (server.address() as { port: number }).port;
    const found = proc.holders([port]);
    assert.equal(found, [{ pid: process.pid, port, address: shown, exe: process.execPath, ours: true }]);
    await new Promise((done) => server.close(done));
    assert.equal(proc.holders([port]), []);
  }
});

test('listeners are read from the kernel’s table up to the first socket that is none', () => {
  const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
  const row = (local: string, state: string, inode: number): string =>
    `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0 100\n`;
  const text = head + row('0100007F:0019', '0A', 7) + row('00000000:008F', '0A', 8) + row('0100007F:0019', '01', 9);
  assert.equal(parseListeners(text), [
    { port: 25, address: '127.0.0.1', inode: '7' },
    { port: 143, address: '0.0.0.0', inode: '8' },
  ]);
  const v6 = row('0000000000000000FFFF00000100007F:0019', '0A', 3);
  assert.is(parseListeners(head + v6)[0]?.address, '::ffff:7f00:1');
  assert.equal(parseListeners(''), []);
  assert.equal(parseListeners(`${head}nonsense\n`), []);
});

async function death(onExit: typeof proc.onExit): Promise<number> {
  const pid = start('/bin/sleep', '30');
  const identity = proc.facts(pid);
  if (!identity) throw new Error('it did not start');
  let calls = 0;
  const ended = new Promise<number>((done) => {
    onExit(identity, () => {
      calls += 1;
      done(performance.now());
    });
  });
  await new Promise((next) => setTimeout(next, 30));
  assert.is(calls, 0);
  const killed = performance.now();
  process.kill(pid, 'SIGKILL');
  // The watch itself does not keep this process alive: something else has to.
  const keep = setTimeout(() => undefined, 5000);
  const ms = (await ended) - killed;
  clearTimeout(keep);
  await new Promise((next) => setTimeout(next, 30));
  assert.is(calls, 1);
  return ms;
}

test('a death is told at once, and once', async () => {
  await death(proc.onExit);
  const times = [];
  for (let run = 0; run < 5; run += 1) times.push(await death(proc.onExit));
  const median = times.sort((a, b) => a - b)[2] ?? 0;
  assert.ok(median < 20, `${median} ms`);
});

test('without pidfd it is told within a few looks', async () => {
  const script = fileURLToPath(new URL('../support/slow-exit.js', import.meta.url));
  const got = spawnSync(process.execPath, [script], { timeout: 10_000 });
  assert.match(got.stdout.toString(), /^told in \d+ ms\n$/);
});

test('a death before the watch is told too; a closed watch is silent', async () => {
  const watch = makeExitWatch(alive);
  const gone = { pid: 999_999_999, startTicks: 1, exe: null };
  await new Promise<void>((done) => void watch(gone, done));
  const other = { pid: process.pid, startTicks: 1, exe: null };
  await new Promise<void>((done) => void watch(other, done));
  const pid = start('/bin/sleep', '30');
  let told = false;
  const identity = proc.facts(pid);
  const stop = identity ? watch(identity, () => (told = true)) : assert.unreachable();
  stop?.();
  process.kill(pid, 'SIGKILL');
  await new Promise((next) => setTimeout(next, 150));
  assert.is(told, false);
});

test('watching alone keeps no process alive, and an exit in the midst of it is clean', () => {
  const script = fileURLToPath(new URL('../support/slow-exit.js', import.meta.url));
  const started = performance.now();
  const got = spawnSync(process.execPath, [script, 'leave'], { timeout: 10_000 });
  assert.is(got.status, 0, got.stderr.toString());
  assert.ok(performance.now() - started < 5000);
});

test('a spawned program has its own session, a record and a bounded log', async () => {
  const [logPath, recordPath] = [join(dir, 'log'), join(dir, 'record')];
  writeFileSync(logPath, 'x'.repeat(5000));
  const options = { logPath, logMaxBytes: 1000, recordPath, cwd: dir, env: { WORD: 'hello' } };
  const got = await proc.spawn(['/bin/sh', '-c', 'echo $WORD; pwd; exec sleep 30'], options);
  if ('failed' in got) return assert.unreachable(got.failed);
  assert.ok(await until(() => readFileSync(logPath, 'utf8') === `hello\n${dir}\n`));
  assert.equal(JSON.parse(readFileSync(recordPath, 'utf8')), got);
  assert.is(got.bootId, proc.bootId());
  assert.is(proc.facts(got.pid)?.session, got.pid);
  assert.is(proc.signal(got.pid, 'SIGKILL'), true);
  proc.boundLog(logPath, 3);
  assert.is(statSync(logPath).size, 0);
  proc.boundLog(join(dir, 'no such log'), 3);
});

test('what cannot be spawned is a value', async () => {
  assert.equal(await proc.spawn(['/no/such/program'], {}), { failed: 'ENOENT' });
  assert.equal(await proc.spawn(['/bin/true'], { logPath: '/no/such/dir/log' }), { failed: 'ENOENT' });
  const got = await proc.spawn(['/bin/sleep', '30.5'], { recordPath: '/no/such/dir/record' });
  assert.equal(got, { failed: 'ENOENT at its record' });
  assert.ok(await until(() => proc.byArgv(/^\/bin\/sleep 30\.5$/).every((one) => one.state === 'Z')));
});

test.run();
