import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Recovery } from '../../src/define.ts';
import type { ExecResult } from '../../src/ports/exec.ts';
import { proc } from '../../src/ports/proc.ts';
import docker, { parseContainer } from '../../src/recovery/docker.ts';
import { recoveryContext } from '../support/recover.ts';

const test = suite('recovery docker');
const recovery = docker as unknown as Recovery;
const ID = 'b4b4f44d9bf07dec336e59525ae50b642c6221afa5b92e85c242108835e7d868';
const well: ExecResult = {
  ...{ code: 0, signal: null, stdout: '', stderr: '', timedOut: false, failed: null, truncated: false, ms: 5 },
};
const state = (more: object): string =>
  `${ID} ${JSON.stringify({ Status: 'running', Pid: 0, ExitCode: 0, OOMKilled: false, Error: '', ...more })}\n`;

/** An engine that answers so, by its verb, and a machine on which this process is the container's or is not. */
function world(answers: Readonly<Record<string, Partial<ExecResult>>>, options: object = {}, group = '/other') {
  const asked: string[] = [];
  const run = (argv: readonly string[]): Promise<ExecResult> => {
    const at = argv.indexOf('docker');
    asked.push(argv.slice(at).join(' '));
    return Promise.resolve({ ...well, ...answers[argv[at + 1] ?? ''] });
  };
  const killed: number[] = [];
  const facts = (pid: number) => {
    const lives = pid === 4242 && !killed.includes(pid);
    const base = { pid, startTicks: 7, exe: '/maild', ppid: 1, group: pid, session: pid, state: 'S', comm: 'maild' };
    return lives ? base : null;
  };
  const fake = {
    ...proc,
    ...{
      facts,
      cgroupOf: () => group,
      tree: (pid: number) => [pid],
      alive: (one: { pid: number }) => !!facts(one.pid),
    },
    signal: (pid: number) => killed.push(pid) > 0,
  };
  const context = recoveryContext(recovery, { container: 'mail', ...options }, { exec: { run }, proc: fake });
  return { context, asked, killed };
}

test('evidence: its processes if they are on this machine, and no word on its ports', async () => {
  const here = { inspect: { stdout: state({ Pid: 4242 }) } };
  const seen = await recovery.evidence?.(world(here, {}, `/docker/${ID}`).context, { sinceMs: 1000, stay: [] });
  assert.equal(seen?.processes, [{ pid: 4242, name: 'maild', state: 'S', main: true, part: null }]);
  assert.is(seen?.listeners, null);
  const away = await recovery.evidence?.(world(here).context, { sinceMs: 1000, stay: [] });
  assert.is(away?.processes, null, 'an engine of another machine');
  const stopped = { inspect: { stdout: state({ Status: 'exited', Pid: 0 }) } };
  assert.equal((await recovery.evidence?.(world(stopped).context, { sinceMs: 1000, stay: [] }))?.processes, []);
  assert.is(
    (await recovery.evidence?.(world({ inspect: { code: 1 } }).context, { sinceMs: 1, stay: [] }))?.processes,
    null,
  );
});

test('every state of both engines', async () => {
  const table: [object, string, boolean, RegExp][] = [
    [{ Health: { Status: 'unhealthy' } }, 'running', false, /is running \(health: unhealthy\)$/],
    [{ Health: null }, 'running', false, /is running$/],
    [{ Status: 'paused' }, 'running', true, /is paused$/],
    [{ Status: 'restarting' }, 'changing', false, /restarting/],
    [{ Status: 'stopping' }, 'changing', true, /stopping/],
    [{ Status: 'created' }, 'stopped', false, /created/],
    [{ Status: 'exited' }, 'stopped', false, /exited \(exit code 0\)$/],
    [{ Status: 'exited', ExitCode: 137, OOMKilled: true }, 'failed', false, /exit code 137, killed because memory/],
    [{ Status: 'exited', ExitCode: 1, Error: 'no\nway' }, 'failed', false, /\(exit code 1, "no way"\)$/],
    [{ Status: 'dead' }, 'failed', false, /dead/],
    [{ Status: 'weird' }, 'unknown', false, /weird/],
  ];
  for (const [given, wanted, byHand, detail] of table) {
    const got = await recovery.inspect(world({ inspect: { stdout: state(given) } }).context);
    assert.equal([got.state, got.byHand], [wanted, byHand], JSON.stringify(given));
    assert.match(got.detail, detail);
  }
});

test('what is no answer is unknown', async () => {
  for (const text of ['', '[]', `${ID} {`, `${ID} []`, 'x {"Status":"running"}', `${ID} {"Status":1}`])
    assert.is(parseContainer(text), null, text);
  const none = world({ inspect: { code: 1, stderr: 'Error: No such container: mail\n' } });
  assert.is((await recovery.inspect(none.context)).state, 'unknown');
  assert.is((await recovery.stop(none.context, { force: false })).cause, 'misconfigured');
  const away = { code: 1, stderr: 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock.' };
  const down = await recovery.inspect(world({ inspect: away }).context);
  assert.match(down.detail, 'docker says "Cannot connect to the Docker daemon');
});

test('stopped by the engine, killed by it, and from here when it cannot', async () => {
  const running = { stdout: state({ Pid: 4242 }) };
  const polite = world({ inspect: running }, { 'stop-timeout': '1500ms' });
  assert.is((await recovery.stop(polite.context, { force: false })).ok, true);
  assert.equal(polite.asked.slice(1), ['docker stop -t 2 mail']);
  assert.equal(polite.killed, [], 'its process is on another machine, or somebody else’s');
  const stuck = world({ inspect: running, kill: { code: null, timedOut: true } }, {}, `/docker/${ID}`);
  const got = await recovery.stop(stuck.context, { force: true });
  assert.equal([got.ok, stuck.killed], [true, [4242]], got.detail);
  const rests = world({ inspect: { stdout: state({ Status: 'exited' }) } });
  await recovery.stop(rests.context, { force: true });
  assert.is(rests.asked.length, 1);
});

test('a start that cannot work says why', async () => {
  const table: [string, string | undefined][] = [
    ['Error response from daemon: No such container: mail', 'misconfigured'],
    ['write /var/lib/docker: no space left on device', 'no-space'],
    ['Bind for 0.0.0.0:25 failed: port is already allocated', undefined],
  ];
  for (const [stderr, cause] of table)
    assert.is((await recovery.start(world({ start: { code: 1, stderr } }).context)).cause, cause, stderr);
});

test('restart is the engine’s, and when that fails: killed and started', async () => {
  const whole = world({});
  assert.is((await recovery.restart?.(whole.context))?.ok, true);
  assert.equal(whole.asked, ['docker restart -t 10 mail']);
  const broken = world({ restart: { code: 1, stderr: 'error' }, inspect: { stdout: state({ Pid: 4242 }) } });
  assert.is((await recovery.restart?.(broken.context))?.ok, true);
  assert.equal(
    broken.asked.map((one) => one.split(' ')[1]),
    ['restart', 'inspect', 'kill', 'start'],
  );
  assert.is((await recovery.reload?.(whole.context))?.ok, false);
  const hup = world({}, { 'reload-signal': 'HUP' });
  assert.is((await recovery.reload?.(hup.context))?.ok, true);
  assert.equal(hup.asked, ['docker kill -s HUP mail']);
});

test.run();
