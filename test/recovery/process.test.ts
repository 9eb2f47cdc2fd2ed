import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { proc } from '../../src/ports/proc.ts';
import recovery from '../../src/recovery/process.ts';
import { hostPorts, until } from '../support/host.ts';

const test = suite('recovery process');
const dir = mkdtempSync(join(tmpdir(), 'wk-process-'));
const signal = new AbortController().signal;
const ports = hostPorts();
let number = 0;

/** A context of a service of its own; `again` is the same service under a new daemon. */
function make(run: string[], more: object = {}, service = `s${(number += 1)}`) {
  const options = recovery.options.parse({ run, 'stop-timeout': '300ms', ...more });
  const context = { options, ports, signal, service, memory: new Map<string, unknown>(), stateDir: dir };
  return { ...context, again: { ...context, memory: new Map<string, unknown>() } };
}
const shell = (script: string): string[] => ['/bin/sh', '-c', script];
const started: { context: ReturnType<typeof make> }[] = [];
async function running(run: string[], more: object = {}) {
  const context = make(run, more);
  started.push({ context });
  const got = await recovery.start(context);
  assert.is(got.ok, true, got.detail);
  return context;
}
const state = async (context: ReturnType<typeof make>): Promise<string> => (await recovery.inspect(context)).state;
const pidOf = async (context: ReturnType<typeof make>): Promise<number> =>
  (await recovery.inspect(context)).main?.pid ?? 0;

test.after(async () => {
  for (const { context } of started) await recovery.stop(context, { force: true });
  rmSync(dir, { recursive: true });
});

test('starts, is known, stops in good order', async () => {
  const context = await running(shell('trap "exit 0" TERM; while :; do sleep 0.02; done'));
  assert.is(await state(context), 'running');
  assert.match((await recovery.start(context)).detail, 'runs already');
  const stopped = await recovery.stop(context, { force: false });
  assert.is(stopped.ok, true);
  assert.match(stopped.detail, /^it ended in/);
  assert.is(await state(context), 'failed');
  assert.match((await recovery.stop(context, { force: false })).detail, 'does not run');
});

test('evidence: all of its family; who else holds its port is not it', async () => {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  const context = await running(shell('sleep 30 & wait'), { ports: [port] });
  const main = await pidOf(context);
  assert.ok(await until(() => proc.tree(main).length === 2));
  const child = proc.tree(main).find((pid) => pid !== main) ?? 0;
  assert.ok(await until(() => proc.facts(child)?.comm === 'sleep'));
  proc.signal(child, 'SIGSTOP');
  assert.ok(await until(() => proc.facts(child)?.state === 'T'));
  const seen = await recovery.evidence?.(context, { sinceMs: 1000, stay: [] });
  assert.equal([seen?.processes?.[0]?.pid, seen?.processes?.[0]?.state], [child, 'T'], 'what stands still comes first');
  assert.equal(
    seen?.listeners?.map((one) => one.own),
    [false],
  );
  assert.equal((await recovery.evidence?.(make(['/bin/true']), { sinceMs: 0, stay: [] }))?.processes, []);
  await new Promise((done) => server.close(done));
});

test('a later daemon knows the child again; a new boot, a torn or a foreign record is none', async () => {
  const context = await running(['/bin/sleep', '30']);
  assert.is(await pidOf({ ...context, ...context.again }), await pidOf(context));
  const path = join(dir, `child-${context.service}.json`);
  const record = JSON.parse(readFileSync(path, 'utf8')) as object;
  const bad = [
    '',
    '{',
    '{"pid":1,"startTicks":1,"exe":null,"bootId":"x"}',
    '[]',
    'null',
    JSON.stringify({ ...record, bootId: 'x' }),
  ];
  for (const text of [...bad, 'x'.repeat(10_000)]) {
    writeFileSync(path, text);
    const later = { ...context, memory: new Map<string, unknown>() };
    assert.is(await state(later), 'stopped', text.slice(0, 50));
    assert.match((await recovery.stop(later, { force: true })).detail, 'does not run');
  }
  writeFileSync(path, JSON.stringify({ ...record, startTicks: 1 }));
  const other = { ...context, memory: new Map<string, unknown>() };
  assert.is(await state(other), 'failed', 'the number is somebody else’s');
  await recovery.stop(other, { force: true });
  assert.is(await state(context), 'running', 'and he was left alone');
});

test('one that ignores TERM, or is stopped, is killed with its whole tree', async () => {
  const stubborn = await running(shell('trap "" TERM; (trap "" TERM; setsid sleep 30) & sleep 30 & wait; sleep 30'));
  const pid = await pidOf(stubborn);
  assert.ok(await until(() => proc.tree(pid).length >= 3));
  const all = proc.tree(pid).map((one) => proc.facts(one));
  const stopped = await recovery.stop(stubborn, { force: false });
  assert.is(stopped.ok, true, stopped.detail);
  assert.match(stopped.detail, /^it did not end within 300 ms; killed \d process/);
  for (const one of all) assert.is(one && proc.alive(one), false, `${one?.pid} ${one?.comm}`);

  const frozen = await running(['/bin/sleep', '30']);
  proc.signal(await pidOf(frozen), 'SIGSTOP');
  await new Promise((next) => setTimeout(next, 20));
  assert.match((await recovery.inspect(frozen)).detail, 'is stopped (SIGSTOP)');
  const before = performance.now();
  assert.is((await recovery.stop(frozen, { force: true })).ok, true);
  assert.ok(performance.now() - before < 200);
});

test('what a dead child left behind is swept before the next start', async () => {
  const context = await running(shell('sleep 30 & sleep 30 & exec sleep 30'));
  const pid = await pidOf(context);
  assert.ok(await until(() => proc.group(pid).length === 3));
  proc.signal(pid, 'SIGKILL');
  assert.ok(await until(() => proc.facts(pid)?.state !== 'S'));
  assert.is(await state(context), 'failed');
  const swept = await recovery.sweep?.(context);
  assert.is(swept?.ok, true);
  assert.match(swept?.detail ?? '', 'killed 2 processes');
  assert.match((await recovery.sweep?.(context))?.detail ?? '', 'nothing of it was left');
  await recovery.start(context);
  assert.match((await recovery.sweep?.(context))?.detail ?? '', 'nothing to sweep');
});

test('a foreign process keeps its port', async () => {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  const swept = await recovery.sweep?.(make(['/bin/true'], { ports: [port] }));
  assert.equal([swept?.ok, swept?.cause], [false, 'misconfigured']);
  assert.match(swept?.detail ?? '', `port ${port} on 127.0.0.1 is held by pid ${process.pid} (${process.execPath})`);
  server.close();
});

test('a program that is not there, a folder that is not there', async () => {
  const got = await recovery.start(make(['/no/such/program']));
  assert.equal([got.ok, got.cause], [false, 'misconfigured']);
  assert.match(got.detail, '"/no/such/program" could not be started: ENOENT');
  assert.is((await recovery.start(make(['/bin/true'], { cwd: '/no/such' }))).ok, false);
});

test('words of its command line are never a shell’s', async () => {
  const log = join(dir, 'echo.log');
  await running(['/bin/echo', '$(id); `id`', '<b>'], { log });
  assert.ok(await until(() => existsSync(log) && readFileSync(log, 'utf8') === '$(id); `id` <b>\n'));
});

test('deaths and starts are told, over restarts by anybody', async () => {
  const told: string[] = [];
  const context = await running(['/bin/sleep', '30']);
  const watch = await recovery.watch?.(context, (change) => told.push(change.kind));
  const first = await pidOf(context);
  await new Promise((next) => setTimeout(next, 20));
  proc.signal(first, 'SIGKILL');
  assert.ok(await until(() => told.length === 1, 200), 'at once');
  await recovery.start(context);
  assert.ok(await until(() => told.length === 2));
  proc.signal(await pidOf(context), 'SIGKILL');
  assert.ok(await until(() => told.length === 3));
  watch?.close();
  await recovery.start(context);
  await new Promise((next) => setTimeout(next, 250));
  assert.equal(told, ['died', 'started', 'died']);
});

test('only what is meant to end with the daemon does', async () => {
  const stays = await running(['/bin/sleep', '30']);
  const ends = await running(['/bin/sleep', '30'], { 'with-daemon': true });
  await recovery.release?.(stays);
  await recovery.release?.(ends);
  assert.is(await state(stays), 'running');
  assert.is(await state(ends), 'failed');
});

test('a log stays within its size while it is written', async () => {
  const log = join(dir, 'shout.log');
  const context = await running(shell('yes | head -c 300000; exec sleep 30'), { log, 'log-size': '100K' });
  assert.ok(await until(() => existsSync(log) && readFileSync(log).length === 300_000));
  const watch = await recovery.watch?.(context, () => undefined);
  assert.is(readFileSync(log).length, 0);
  watch?.close();
});

test('its configuration is validated by its own program', async () => {
  const bad = await recovery.validate?.(
    make(['/bin/true'], { validate: shell('echo ok; echo "fatal: line 3" >&2; exit 2') }),
  );
  assert.equal([bad?.ok, bad?.cause], [false, 'misconfigured']);
  assert.match(bad?.detail ?? '', 'says "fatal: line 3"');
  assert.is((await recovery.validate?.(make(['/bin/true'], { validate: ['/bin/true'] })))?.ok, true);
  assert.is((await recovery.validate?.(make(['/bin/true'], { validate: ['/no/such'] })))?.ok, true, 'it says nothing');
  assert.is((await recovery.validate?.(make(['/bin/true'])))?.ok, true);
});

test.run();
