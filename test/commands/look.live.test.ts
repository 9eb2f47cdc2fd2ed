// Commands that only look: status, check, explain, history, --help, --version. A real daemon answers them; exit codes,
// shapes, colours, and what goes to stdout and what to stderr.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run as check } from '../../src/commands/check.ts';
import { run as explain } from '../../src/commands/explain.ts';
import { run as history } from '../../src/commands/history.ts';
import type { Io } from '../../src/commands/io.ts';
import { run as status } from '../../src/commands/status.ts';
import type { Status } from '../../src/daemon/status.ts';
import {
  freePorts,
  liveDaemon,
  type LiveDaemon,
  program,
  runProgram,
  served,
  until,
  watched,
  whole,
} from '../support/live-daemon.ts';

const ESCAPE = '\u001b';
let daemon: LiveDaemon;

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A command in this process: quick, and with a terminal when wanted. */
async function here(run: (io: Io) => Promise<number>, more: Partial<Io> = {}): Promise<Said> {
  const said = { out: '', err: '' };
  const io: Io = {
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
    env: {},
    isTty: false,
    width: 120,
    ...more,
  };
  return { code: await run(io), ...said };
}
const shown = (more: Partial<Io> = {}): Promise<Said> =>
  here((io) => status({ output: 'table', socket: daemon.socket }, io), more);
const turn = (code: number): void => writeFileSync(daemon.at('dial'), `${code}`);
const health = async (): Promise<string> => (await daemon.service('dial')).health;

const test = suite('looking');
test.before(async () => {
  daemon = liveDaemon('look');
  turn(0);
  const [port = 0] = await freePorts(1);
  const dial = { type: 'nagios', name: 'dial', run: ['sh', '-c', `echo it says so; exit $(cat ${daemon.at('dial')})`] };
  daemon.write(
    whole(daemon, {
      dial: watched(dial, { recover: { unknowns: 1, again: '30s', repair: '5s', verify: '5s', stable: '1m' } }),
      kept: served(daemon, 'kept', port),
    }),
  );
  await daemon.up();
  await until('all well', async () => (await shown()).code === 0, 20_000);
});
test.after(() => daemon.end());

test('status: a table on stdout, nothing on stderr, one service a line', async () => {
  // A check of the real daemon may be out of time for once on a busy machine, and then that is what stands there.
  const wanted = /^ *dial +ok +healthy +\d+ (s|min) +pass \d+ ms /m;
  let run = await daemon.cli('status');
  for (let n = 0; n < 10 && !wanted.test(run.out); n++) run = await daemon.cli('status');
  assert.equal([run.code, run.err], [0, '']);
  const [head = '', ...rows] = run.out.trimEnd().split('\n');
  assert.match(head, /^ *service +health +phase +for +quick +deep +why *$/);
  assert.is(rows.length, 2);
  assert.match(rows[0] ?? '', wanted, run.out);
});

const byName = (a: string, b: string): number => a.localeCompare(b);

test('status -o json: the agreed shape', async () => {
  const run = await daemon.cli('status', '-o', 'json');
  const told = JSON.parse(run.out) as Status;
  assert.is(told.schemaVersion, 1);
  const agreed = ['schemaVersion', 'node', 'time', 'services', 'groups', 'alarms', 'daemon'];
  assert.equal(Object.keys(told).sort(byName), [...agreed, 'nodes', 'coordinator', 'paths'].sort(byName));
  assert.is(told.node, 'n1');
  assert.match(told.time, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  const [one] = told.services;
  for (const key of ['name', 'phase', 'health', 'since', 'incident', 'why', 'quick', 'deep', 'next'])
    assert.ok(one && key in one, key);
  assert.equal(told.alarms, []);
});

test('status and check answer as a Nagios plugin does: 0, 1, 2, 3, and 0 again', async () => {
  const table: [number, string, string][] = [
    [1, 'degraded', 'degraded'],
    [2, 'failing', 'fail'],
    [3, 'unknown', 'unknown'],
    [0, 'ok', 'pass'],
  ];
  for (const [code, word, outcome] of table) {
    turn(code);
    const asked = await daemon.cli('check', 'dial');
    assert.is(asked.code, code, asked.out + asked.err);
    assert.match(asked.out, new RegExp(`^${outcome}.* dial \\d+ ms: it says so`));
    // A service that could not be told of after a failure is still failing: nobody has seen it well.
    if (code === 3) turn(0);
    if (code === 3) await until('well in between', async () => (await health()) === 'ok', 15_000);
    turn(code);
    await until(word, async () => (await health()) === word, 15_000);
    // Failing is seen before it is confirmed; what follows asks for the incident.
    if (code === 2) await until('an incident', async () => (await daemon.service('dial')).incident !== null, 15_000);
    const run = await shown();
    assert.is(run.code, code, run.out);
    assert.match(run.out, word);
  }
});

test('check: quick and deep, with steps and times, as text and as JSON', async () => {
  for (const depth of ['quick', 'deep'] as const) {
    const text = await here((io) => check({ service: 'kept', depth, output: 'table', socket: daemon.socket }, io));
    assert.is(text.code, 0);
    assert.match(text.out, /^ {2}\+ connect +\d+ ms/m);
    assert.match(text.out, /^ {2}\+ first line +\d+ ms +"220 ready"$/m);
    assert.match(text.out, /\nkept: pass, /);
    const json = await here((io) => check({ service: 'kept', depth, output: 'json', socket: daemon.socket }, io));
    const told = JSON.parse(json.out) as { schemaVersion: number; depth: string; checks: { result: { steps: [] } }[] };
    assert.equal([told.schemaVersion, told.depth, told.checks[0]?.result.steps.length], [1, depth, 2]);
  }
  const both = await daemon.cli('check', 'kept', '--quick', '--deep');
  assert.is(both.code, 64, 'one depth at a time');
});

test('explain: a service, an incident of before, and 64 for what is not known', async () => {
  const service = await here((io) => explain({ name: 'kept', output: 'table', socket: daemon.socket }, io));
  assert.is(service.code, 0);
  for (const label of ['kept', 'seen', 'decided', 'next', 'budget', 'quick', 'deep', 'story'])
    assert.match(service.out, new RegExp(`^${label} *`, 'm'), label);
  const incident = await here((io) => explain({ name: 'dial-1', output: 'json', socket: daemon.socket }, io));
  const told = JSON.parse(incident.out) as { schemaVersion: number; incident: string; story: { incident: string }[] };
  assert.equal([told.schemaVersion, told.incident], [1, 'dial-1']);
  assert.ok(told.story.length > 0 && told.story.every((one) => one.incident === 'dial-1'));
  for (const name of ['nothing', 'dial-999', 'kept-']) {
    const run = await daemon.cli('explain', name);
    assert.equal([run.code, run.out], [64, ''], name);
    assert.match(run.err, name);
  }
});

test('history: rows oldest first, of one service, a chart; bad times and limits are 64', async () => {
  const ask = (more: object): Promise<Said> =>
    here((io) =>
      history({ since: '1h', limit: '200', output: 'table', socket: daemon.socket, now: Date.now(), ...more }, io),
    );
  await until('rows', async () => (await ask({})).out.includes('dial'), 10_000);
  const rows = (await ask({})).out.trimEnd().split('\n');
  const times = rows.map((row) => row.slice(0, 24));
  assert.equal(times, [...times].sort());
  assert.ok(rows.some((row) => row.includes(' kept ')));
  const one = (await ask({ service: 'dial' })).out.trimEnd().split('\n');
  assert.ok(one.length > 2 && one.every((row) => / dial +\[/.test(row)), one[0]);
  assert.is((await ask({ limit: '2' })).out.trimEnd().split('\n').length, 2);
  const chart = (await ask({ chart: '5m' })).out;
  assert.match(chart, /^ *from +service +depth +pass +degraded +fail +unknown +avg ms +p95 ms +max ms/);
  assert.match(chart, /Z? +dial +quick +\d+ +\d+ +\d+ +\d+ /);
  const json = JSON.parse((await ask({ output: 'json', limit: '1' })).out) as { schemaVersion: number; rows: object[] };
  assert.equal([json.schemaVersion, json.rows.length], [1, 1]);
  for (const words of [
    ['--since', 'yesterday'],
    ['--chart', '5'],
    ['--limit', '-5'],
    ['--limit', 'all'],
  ]) {
    const bad = await daemon.cli('history', ...words);
    assert.equal([bad.code, bad.out], [64, ''], words.join(' '));
    assert.match(bad.err, words[1] ?? '');
  }
});

test('colours are for a terminal, and not even there when NO_COLOR is set', async () => {
  assert.match((await shown({ isTty: true })).out, ESCAPE);
  assert.not.match((await shown({ isTty: true, env: { NO_COLOR: '1' } })).out, ESCAPE);
  assert.not.match((await shown()).out, ESCAPE);
  for (const words of [['status'], ['explain', 'dial'], ['check', 'dial', '--deep'], ['history']]) {
    const run = await runProgram([program, ...words, '--socket', daemon.socket], { FORCE_COLOR: '1' });
    assert.not.match(run.out + run.err, ESCAPE, words.join(' '));
  }
});

test('a reader who has seen enough is no error', async () => {
  const child = spawn(process.execPath, [program, 'history', '-o', 'json', '--socket', daemon.socket], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let err = '';
  child.stderr.on('data', (data: Buffer) => (err += data.toString()));
  child.stdout.destroy();
  const code = await new Promise((resolve) => child.once('close', resolve));
  assert.equal([code, err], [0, '']);
});

test('the socket is found by --socket, then by WATCHKEEPER_SOCKET', async () => {
  const named = await runProgram([program, 'status'], { WATCHKEEPER_SOCKET: daemon.socket });
  assert.is(named.code, 0, named.err);
  const given = await runProgram([program, 'status', '--socket', daemon.socket], { WATCHKEEPER_SOCKET: '/nowhere' });
  assert.is(given.code, 0, given.err);
});

test('--version and --help are data; every command says what it is for', async () => {
  const version = await runProgram([program, '--version']);
  assert.equal([version.code, version.err], [0, '']);
  assert.match(version.out, /^\d+\.\d+\.\d+\n$/);
  const help = await runProgram([program, '--help']);
  assert.equal([help.code, help.err], [0, '']);
  const commands = [...help.out.matchAll(/^ {2}([a-z]+)(?: |$)/gm)].map((found) => found[1] ?? '');
  for (const name of ['run', 'config', 'status', 'check', 'explain', 'history', 'pause', 'resume', 'reset', 'reload'])
    assert.ok(commands.includes(name), name);
  for (const name of ['pause', 'resume', 'reset', 'reload']) {
    const one = await runProgram([program, name, '--help']);
    assert.is(one.code, 0);
    assert.match(one.out, '--dry-run');
  }
});

test('config and sandbox are reached through the same program', async () => {
  const good = await runProgram([program, 'config', 'check', daemon.config]);
  assert.equal([good.code, good.err], [0, '']);
  assert.match(good.out, 'good: 2 services, 2 checks, 1 alert channel');
  assert.is((await runProgram([program, 'config', 'chek'])).code, 64);
  const sandbox = await runProgram([program, 'sandbox', 'brake']);
  assert.equal([sandbox.code, sandbox.out], [64, '']);
});

test('the command line starts fast: as ratios to a bare node in the same run', async () => {
  const least = async (argv: readonly string[]): Promise<number> => {
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 3; round++) {
      const started = performance.now();
      assert.is((await runProgram(argv)).code, 0);
      best = Math.min(best, performance.now() - started);
    }
    return best;
  };
  const bare = await least(['-e', '0']);
  const version = await least([program, '--version']);
  const table = await least([program, 'status', '--socket', daemon.socket]);
  const times = (ms: number): string => `${(ms / bare).toFixed(1)}x`;
  const told = `node ${bare.toFixed(0)} ms; --version ${times(version)}; status ${times(table)}`;
  console.log(told);
  // Loading the daemon would cost far more than this.
  assert.ok(version < bare * 12 && table < bare * 20, told);
});

test.run();
